//! Disks served, as libnbd's and QEMU's clients see them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use disk_image::virtual_disk::{FileFormat, ImageFile, SameDirectory, VirtualDisk};
use nbd::{Export, Listener, OneExport, ReadOnly, Server, Settings, WritableFile};
use parking_lot::Mutex;

const MIB: usize = 1 << 20;

/// A raw disk of 16 MiB: data, holes, and a last sector by itself.
fn raw(dir: &Path) -> PathBuf {
    let path = dir.join("disk.raw");
    let file = File::create(&path).unwrap();
    file.set_len(16 * MIB as u64 + 512).unwrap();
    let bytes: Vec<u8> = (0..3 * MIB).map(|at| (at / 512) as u8 | 1).collect();
    file.write_all_at(&bytes, MIB as u64).unwrap();
    file.write_all_at(&[7; 512], 16 * MIB as u64).unwrap();
    path
}

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {stdout}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    stdout
}

/// A server on a Unix socket, and the errors that its connections ended with.
struct Served {
    socket: PathBuf,
    errors: Arc<Mutex<Vec<String>>>,
    _server: Server,
}

impl Served {
    fn start(dir: &Path, export: impl Export + 'static) -> Self {
        let socket = dir.join("socket");
        let _ = fs::remove_file(&socket);
        let errors = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&errors);
        let settings = Settings {
            on_error: Arc::new(move |error| noted.lock().push(error.to_string())),
            ..Settings::new(one(export))
        };
        let listener = Listener::Unix(UnixListener::bind(&socket).unwrap());
        Self {
            socket,
            errors,
            _server: Server::start(listener, settings).unwrap(),
        }
    }

    fn uri(&self) -> String {
        format!("nbd+unix:///disk?socket={}", self.socket.display())
    }

    fn connect(&self) -> UnixStream {
        let mut stream = UnixStream::connect(&self.socket).unwrap();
        stream
            .set_read_timeout(Some(std::time::Duration::from_secs(20)))
            .unwrap();
        let mut hello = [0; 18];
        stream.read_exact(&mut hello).unwrap();
        assert_eq!(&hello[..16], b"NBDMAGICIHAVEOPT");
        stream
    }
}

fn one(export: impl Export + 'static) -> Arc<OneExport> {
    Arc::new(OneExport {
        name: "disk".into(),
        export: Arc::new(export),
    })
}

fn read_only(path: &Path) -> ReadOnly<File> {
    ReadOnly::new(File::open(path).unwrap()).unwrap()
}

fn writable(path: &Path) -> WritableFile {
    WritableFile::new(File::options().read(true).write(true).open(path).unwrap()).unwrap()
}

#[test]
fn clients_learn_what_is_served() {
    let dir = tempfile::tempdir().unwrap();
    let path = raw(dir.path());
    let served = Served::start(dir.path(), read_only(&path));
    let about: serde_json::Value = serde_json::from_str(&run("nbdinfo", &["--json", &served.uri()])).unwrap();
    let export = &about["exports"][0];
    assert_eq!(about["structured"], true);
    assert_eq!(export["export-size"], 16 * MIB + 512);
    assert_eq!(export["is_read_only"], true);
    assert_eq!(export["can_multi_conn"], true);
    assert_eq!(export["contexts"][0], "base:allocation");
    let list = run(
        "nbdinfo",
        &[
            "--list",
            &format!("nbd+unix://?socket={}", served.socket.display()),
        ],
    );
    assert!(list.contains("export=\"disk\""), "{list}");
    let map = run("nbdinfo", &["--map", &served.uri()]);
    let map: Vec<Vec<&str>> = map
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    let expected = [
        ("0", "1048576", "3"),
        ("1048576", "3145728", "0"),
        ("4194304", "12582912", "3"),
        ("16777216", "512", "0"),
    ];
    assert_eq!(map.len(), expected.len(), "{map:?}");
    for (found, (start, len, kind)) in map.iter().zip(expected) {
        assert_eq!(found[..3], [start, len, kind]);
    }
    let unknown = format!("nbd+unix:///other?socket={}", served.socket.display());
    let refused = Command::new("nbdinfo").arg(&unknown).output().unwrap();
    assert!(!refused.status.success());
    assert_eq!(*served.errors.lock(), [""; 0]);
}

#[test]
fn what_is_read_is_what_the_disk_has() {
    let dir = tempfile::tempdir().unwrap();
    let path = raw(dir.path());
    let served = Served::start(dir.path(), read_only(&path));
    let copy = dir.path().join("copy");
    for options in [
        &["--connections=4"][..],
        &["--synchronous"],
        &["--request-size=33554432", "--requests=1"],
    ] {
        let _ = fs::remove_file(&copy);
        let (uri, copy) = (served.uri(), copy.to_str().unwrap());
        run("nbdcopy", &[options, &[&uri, copy]].concat());
        assert!(fs::read(copy).unwrap() == fs::read(&path).unwrap(), "{options:?}");
    }
    let allocated = fs::metadata(&copy).unwrap().blocks() * 512;
    assert!(allocated < 4 * MIB as u64, "{allocated} bytes: holes were copied");
    run(
        "qemu-img",
        &[
            "compare",
            "-f",
            "raw",
            "-F",
            "raw",
            path.to_str().unwrap(),
            &served.uri(),
        ],
    );
}

#[test]
fn a_chain_of_virtual_disks_is_served_as_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = raw(dir.path());
    let image = dir.path().join("image.qcow2");
    let image_text = image.to_str().unwrap();
    run(
        "qemu-img",
        &[
            "create", "-q", "-f", "qcow2", "-F", "raw", "-b", "disk.raw", image_text,
        ],
    );
    run(
        "qemu-io",
        &[
            "-f",
            "qcow2",
            "-c",
            "write -P 9 2M 1M",
            "-c",
            "write -z 3M 64k",
            image_text,
        ],
    );
    let file = ImageFile::new(&image, File::open(&image).unwrap());
    let disk = VirtualDisk::open(file, FileFormat::Qcow2, &SameDirectory).unwrap();
    let served = Served::start(dir.path(), ReadOnly::new(disk).unwrap());
    run(
        "qemu-img",
        &["compare", "-f", "qcow2", "-F", "raw", image_text, &served.uri()],
    );
    assert!(fs::read(&path).unwrap().len() > 16 * MIB);
}

#[test]
fn writes_reach_the_file_and_holes_free_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = raw(dir.path());
    let mut expected = fs::read(&path).unwrap();
    let served = Served::start(dir.path(), writable(&path));
    let commands = [
        "write -P 5 100k 3M",
        "write -f -P 6 8M 4k",
        "write -z 1M 64k",
        "write -z -u 2M 512k",
        "discard 8M 1M",
        "write -P 8 16776704 1k",
        "flush",
        "read -P 5 200k 4k",
    ];
    let mut arguments = vec!["-f", "raw"];
    commands
        .iter()
        .for_each(|command| arguments.extend(["-c", command]));
    let uri = served.uri();
    arguments.push(&uri);
    run("qemu-io", &arguments);
    expected[100 << 10..(100 << 10) + 3 * MIB].fill(5);
    expected[MIB..MIB + (64 << 10)].fill(0);
    expected[2 * MIB..2 * MIB + (512 << 10)].fill(0);
    expected[8 * MIB..9 * MIB].fill(0);
    expected[16 * MIB - 512..].fill(8);
    assert!(fs::read(&path).unwrap() == expected);
    let allocated = fs::metadata(&path).unwrap().blocks() * 512;
    assert!(allocated < 4 * MIB as u64, "{allocated} bytes are allocated");
    // A copy to it, by several connections at once.
    let source = dir.path().join("source");
    let bytes: Vec<u8> = (0..16 * MIB + 512).map(|at| (at / 1000) as u8).collect();
    fs::write(&source, &bytes).unwrap();
    run(
        "nbdcopy",
        &["--connections=4", "--flush", source.to_str().unwrap(), &uri],
    );
    assert!(fs::read(&path).unwrap() == bytes);
    assert_eq!(*served.errors.lock(), [""; 0]);
}

#[test]
fn a_read_only_disk_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = raw(dir.path());
    let before = fs::read(&path).unwrap();
    let served = Served::start(dir.path(), read_only(&path));
    let mut stream = transmitting(&served);
    // QEMU would not even try.
    for command in [1u16, 4, 6] {
        stream.write_all(&request(command, 0, 4096)).unwrap();
        if command == 1 {
            stream.write_all(&[1; 4096]).unwrap();
        }
        assert_eq!(simple_error(&mut stream), 1, "command {command}");
    }
    // The connection is still of use.
    stream.write_all(&request(0, MIB as u64, 512)).unwrap();
    assert_eq!(simple_error(&mut stream), 0);
    assert!(fs::read(&path).unwrap() == before);
}

/// An option as a client sends it.
fn option(option: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"IHAVEOPT".to_vec();
    bytes.extend(option.to_be_bytes());
    bytes.extend((data.len() as u32).to_be_bytes());
    bytes.extend(data);
    bytes
}

fn request(command: u16, offset_bytes: u64, len_bytes: u32) -> Vec<u8> {
    let mut bytes = 0x2560_9513u32.to_be_bytes().to_vec();
    bytes.extend([0, 0]);
    bytes.extend(command.to_be_bytes());
    bytes.extend(77u64.to_be_bytes());
    bytes.extend(offset_bytes.to_be_bytes());
    bytes.extend(len_bytes.to_be_bytes());
    bytes
}

/// A connection in transmission, with simple replies, by the old way in.
fn transmitting(served: &Served) -> UnixStream {
    let mut stream = served.connect();
    stream.write_all(&3u32.to_be_bytes()).unwrap();
    stream.write_all(&option(1, b"disk")).unwrap();
    let mut about = [0; 10];
    stream.read_exact(&mut about).unwrap();
    assert_eq!(about[..8], (16 * MIB as u64 + 512).to_be_bytes());
    stream
}

/// The error of a simple reply.
fn simple_error(stream: &mut UnixStream) -> u32 {
    let mut reply = [0; 16];
    stream.read_exact(&mut reply).unwrap();
    assert_eq!(reply[..4], 0x6744_6698u32.to_be_bytes());
    assert_eq!(reply[8..], 77u64.to_be_bytes());
    u32::from_be_bytes(reply[4..8].try_into().unwrap())
}

#[test]
fn requests_beyond_the_disk_or_its_limits_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = raw(dir.path());
    let served = Served::start(dir.path(), writable(&path));
    let mut stream = transmitting(&served);
    let end = 16 * MIB as u64 + 512;
    for (command, offset_bytes, len_bytes, error) in [
        (0, end - 1, 2, 22),
        (0, u64::MAX, 2, 22),
        (0, 0, 33 << 20, 22),
        (4, end, 1, 28),
        (6, u64::MAX - 1, u32::MAX, 28),
        (7, 0, 512, 22),
        (99, 0, 0, 22),
    ] {
        stream
            .write_all(&request(command, offset_bytes, len_bytes))
            .unwrap();
        assert_eq!(
            simple_error(&mut stream),
            error,
            "command {command} at {offset_bytes}"
        );
    }
    stream.write_all(&request(1, end - 512, 1024)).unwrap();
    stream.write_all(&[1; 1024]).unwrap();
    assert_eq!(simple_error(&mut stream), 28);
    // It could not be told from a request what is data.
    stream.write_all(&request(1, 0, u32::MAX)).unwrap();
    assert_eq!(stream.read(&mut [0; 16]).unwrap(), 0, "the connection goes on");
    let ended = served.errors.lock().join("");
    assert!(ended.contains("at most 33554432"), "{ended}");
}

#[test]
fn bad_input_ends_the_connection_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let path = raw(dir.path());
    let served = Served::start(dir.path(), read_only(&path));
    let flags = 3u32.to_be_bytes();
    let mut huge = option(7, b"");
    huge[12..16].copy_from_slice(&u32::MAX.to_be_bytes());
    let cases: [(&str, Vec<u8>, &str); 5] = [
        (
            "flags",
            8u32.to_be_bytes().to_vec(),
            "flags that it was not offered",
        ),
        ("old", 0u32.to_be_bytes().to_vec(), "fixed newstyle"),
        (
            "magic",
            [&flags[..], &[0xff; 16]].concat(),
            "an option has no signature",
        ),
        ("size", [&flags[..], &huge].concat(), "4294967295 bytes at once"),
        ("name", [&flags[..], &option(1, b"other")].concat(), "\"other\""),
    ];
    for (name, bytes, why) in cases {
        served.errors.lock().clear();
        let mut stream = served.connect();
        stream.write_all(&bytes).unwrap();
        let mut rest = Vec::new();
        // What was sent and not read makes the end an error for the client.
        let _ = stream.read_to_end(&mut rest);
        assert!(rest.is_empty(), "{name}: {rest:?}");
        let ended = wait_for(|| served.errors.lock().first().cloned());
        assert!(ended.contains(why), "{name}: {ended}");
    }
    let mut stream = transmitting(&served);
    stream.write_all(&[0x55; 28]).unwrap();
    let _ = stream.read_to_end(&mut Vec::new());
    // Options that make no sense have an answer.
    let mut stream = served.connect();
    stream.write_all(&flags).unwrap();
    for (number, data, answer) in [
        (99, &b""[..], 1 << 31 | 1),
        (7, &[0, 0, 0, 9][..], 1 << 31 | 3),
        (7, &[0xff, 0xff, 0xff, 0xff, 0, 0][..], 1 << 31 | 3),
        (6, &[0, 0, 0, 0, 0, 9][..], 1 << 31 | 3),
        (10, &[0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff][..], 1 << 31 | 3),
        (8, b"x", 1 << 31 | 3),
        (5, b"", 1 << 31 | 1),
        (2, b"", 1),
    ] {
        stream.write_all(&option(number, data)).unwrap();
        let mut reply = [0; 20];
        stream.read_exact(&mut reply).unwrap();
        assert_eq!(
            u32::from_be_bytes(reply[12..16].try_into().unwrap()),
            answer,
            "option {number}"
        );
        let mut text = vec![0; u32::from_be_bytes(reply[16..].try_into().unwrap()) as usize];
        stream.read_exact(&mut text).unwrap();
    }
    run("nbdinfo", &["--size", &served.uri()]);
}

fn wait_for<T>(mut found: impl FnMut() -> Option<T>) -> T {
    let begun = std::time::Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(begun.elapsed().as_secs() < 20, "waited in vain");
        std::thread::yield_now();
    }
}

#[test]
fn with_tls_nobody_is_served_in_the_clear() {
    let dir = tempfile::tempdir().unwrap();
    let path = raw(dir.path());
    let authority = Authority::create(dir.path());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let settings = Settings {
        tls: Some(authority.server_config()),
        ..Settings::new(one(read_only(&path)))
    };
    let server = Server::start(Listener::Tcp(listener), settings).unwrap();
    let clear = format!("nbd://127.0.0.1:{port}/disk");
    for program in ["nbdinfo", "qemu-img"] {
        let arguments = if program == "qemu-img" {
            vec!["info", &clear]
        } else {
            vec![clear.as_str()]
        };
        let refused = Command::new(program).args(arguments).output().unwrap();
        assert!(!refused.status.success(), "{program}");
    }
    let tls = format!(
        "nbds://localhost:{port}/disk?tls-certificates={}",
        dir.path().display()
    );
    assert_eq!(
        run("nbdinfo", &["--size", &tls]).trim(),
        (16 * MIB + 512).to_string()
    );
    let copy = dir.path().join("copy");
    run("nbdcopy", &["--connections=2", &tls, copy.to_str().unwrap()]);
    assert!(fs::read(&copy).unwrap() == fs::read(&path).unwrap());
    run(
        "qemu-img",
        &[
            "compare",
            "--object",
            &format!(
                "tls-creds-x509,id=tls0,endpoint=client,dir={}",
                dir.path().display()
            ),
            "--image-opts",
            &format!("driver=nbd,host=localhost,port={port},export=disk,tls-creds=tls0"),
            &format!("driver=raw,file.driver=file,file.filename={}", path.display()),
        ],
    );
    server.stop();
}

/// A certificate authority in a directory, named as libnbd and QEMU look for it.
struct Authority {
    certificate: rcgen::Certificate,
    key: rcgen::KeyPair,
}

impl Authority {
    fn create(dir: &Path) -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
        let certificate = params.self_signed(&key).unwrap();
        fs::write(dir.join("ca-cert.pem"), certificate.pem()).unwrap();
        Self { certificate, key }
    }

    fn server_config(&self) -> Arc<rustls::ServerConfig> {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let mut ca = rcgen::CertificateParams::new(Vec::new()).unwrap();
        ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let issuer = rcgen::Issuer::from_params(&ca, &self.key);
        let certificate = params.signed_by(&key, &issuer).unwrap();
        let chain = vec![certificate.der().clone(), self.certificate.der().clone()];
        let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        Arc::new(config)
    }
}

#[test]
fn a_server_stops_while_clients_are_connected() {
    let dir = tempfile::tempdir().unwrap();
    let path = raw(dir.path());
    let socket = dir.path().join("socket");
    let listener = Listener::Unix(UnixListener::bind(&socket).unwrap());
    let settings = Settings {
        max_connections: 2,
        ..Settings::new(one(read_only(&path)))
    };
    let server = Server::start(listener, settings).unwrap();
    // One more than are served.
    let mut clients: Vec<UnixStream> = (0..3).map(|_| UnixStream::connect(&socket).unwrap()).collect();
    clients[0].read_exact(&mut [0; 18]).unwrap();
    clients[1].read_exact(&mut [0; 18]).unwrap();
    drop(clients.remove(0));
    clients[1].read_exact(&mut [0; 18]).unwrap();
    server.stop();
    assert_eq!(clients[0].read(&mut [0; 1]).unwrap(), 0);
}
