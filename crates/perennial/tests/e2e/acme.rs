//! Certificates from an ACME server: Pebble, which is one for tests, calls back at the server's own port.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use crate::lab::{Lab, free_address, source, text, wait_for};
use crate::web_certificate::{Authority, finding, hang_up, sees, visit};

const NAME: &str = "backup.example";
/// In seconds, for what is not to expire during a test.
const LONG_S: u64 = 90 * 86_400;

/// An ACME server, with a name server that leads every name here.
struct Pebble {
    address: String,
    management: String,
    names: String,
    dir: PathBuf,
    /// The authority of its own certificate.
    trusted: PathBuf,
    running: Vec<Child>,
}

impl Pebble {
    /// One that is not started yet; `None`, with the reason printed, where the program is not there.
    fn new(lab: &Lab) -> Option<Self> {
        if Command::new("pebble").arg("-h").output().is_err() {
            eprintln!("skipped: there is no pebble");
            return None;
        }
        let dir = lab.root().join("pebble");
        fs::create_dir(&dir).unwrap();
        let authority = Authority::new("The ACME server's authority");
        let (certificate, key) = authority.certify(&["127.0.0.1"], 90);
        fs::write(dir.join("certificate.pem"), certificate).unwrap();
        fs::write(dir.join("key.pem"), key).unwrap();
        Some(Self {
            address: free_address(),
            management: free_address(),
            names: free_address(),
            trusted: authority.file(&dir.join("authority.pem")),
            dir,
            running: Vec::new(),
        })
    }

    /// Starts it. It looks for who holds a name at this port, and gives certificates for so long.
    fn start(&mut self, port: &str, life_s: u64) {
        let config = serde_json::json!({ "pebble": {
            "listenAddress": self.address,
            "managementListenAddress": self.management,
            "certificate": self.dir.join("certificate.pem"),
            "privateKey": self.dir.join("key.pem"),
            "httpPort": 1,
            "tlsPort": port.parse::<u16>().unwrap(),
            "certificateValidityPeriod": life_s,
        }});
        let path = self.dir.join("config.json");
        fs::write(&path, config.to_string()).unwrap();
        let mut names = self.command("pebble-challtestsrv");
        names.args(["-dns01", &self.names, "-management", &free_address()]);
        names.args(["-defaultIPv4", "127.0.0.1", "-defaultIPv6", ""]);
        names.args(["-http01", "", "-https01", "", "-tlsalpn01", ""]);
        let mut pebble = self.command("pebble");
        pebble.arg("-config").arg(&path).args(["-dnsserver", &self.names]);
        // It proves each name each time, and at once.
        pebble.env("PEBBLE_VA_NOSLEEP", "1").env("PEBBLE_AUTHZREUSE", "0");
        self.running = vec![names.spawn().unwrap(), pebble.spawn().unwrap()];
        for _ in 0..600 {
            if TcpStream::connect(&self.address).is_ok() && TcpStream::connect(&self.management).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("{}", self.log());
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.dir.join("log"))
            .unwrap();
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        command
    }

    fn stop(&mut self) {
        for mut child in self.running.drain(..) {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// The authority of the certificates that it gives, as a file; another one after each start.
    fn authority(&self) -> PathBuf {
        let file = self.dir.join("root.pem");
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--fail", "--cacert"])
            .arg(&self.trusted)
            .arg("--output")
            .arg(&file)
            .arg(format!("https://{}/roots/0", self.management))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        file
    }

    /// What a server is started with that is to get a certificate from it for these names.
    fn settings(&self, names: &[&str]) -> Vec<String> {
        let directory = format!("https://{}/dir", self.address);
        let root = self.trusted.display().to_string();
        let mut settings = vec!["--acme-directory", &directory, "--acme-root", &root];
        settings.extend(["--acme-contact", "anna@example.org"]);
        for name in names {
            settings.extend(["--acme-domain", name]);
        }
        settings.into_iter().map(str::to_owned).collect()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        self.stop();
        if std::thread::panicking() {
            eprintln!("--- the ACME server's log:\n{}", self.log());
        }
    }
}

fn start(lab: &mut Lab, settings: &[String]) {
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    lab.start_with(&settings, &[]);
}

fn port(lab: &Lab) -> String {
    lab.address().rsplit(':').next().unwrap().to_owned()
}

/// The certificates that a browser is shown, as text.
fn chain(lab: &Lab, trusted: &Path) -> String {
    let output = visit(
        lab,
        NAME,
        trusted,
        &["--output", "/dev/null", "--write-out", "%{certs}"],
    );
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// Tries a handshake with this name, in which `protocol` is to be spoken.
fn handshake(lab: &Lab, name: &str, protocol: &[u8]) -> Result<(), std::io::Error> {
    use rustls::pki_types::pem::PemObject as _;
    let own = lab.server_state().join("trust/authority.cert.pem");
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(rustls::pki_types::CertificateDer::from_pem_file(own).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let name = rustls::pki_types::ServerName::try_from(name.to_owned()).unwrap();
    let mut session = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = TcpStream::connect(lab.address()).unwrap();
    while session.is_handshaking() {
        session.complete_io(&mut stream)?;
    }
    Ok(())
}

#[test]
fn a_certificate_is_had_kept_and_renewed_while_clients_back_up() {
    let mut lab = Lab::plain();
    let Some(mut pebble) = Pebble::new(&lab) else {
        return;
    };
    pebble.start(&port(&lab), 24);
    let authority = pebble.authority();
    start(&mut lab, &pebble.settings(&[NAME]));
    wait_for(&lab, "the certificate", || {
        sees(&lab, NAME, &authority).then_some(())
    });
    let first = chain(&lab, &authority);
    lab.enroll("laptop");
    let source = source(&lab, 3);
    let name = lab.back_up("laptop", &source);
    lab.verify("laptop", &name);
    // Who asks without having been asked to gets no answer, whatever name it is.
    assert!(handshake(&lab, "localhost", b"http/1.1").is_ok());
    for name in [NAME, "localhost", "server.perennial.internal"] {
        let error = handshake(&lab, name, b"acme-tls/1").unwrap_err();
        assert!(error.to_string().contains("AccessDenied"), "{name}: {error}");
    }
    wait_for(&lab, "the next certificate", || {
        let output = visit(
            &lab,
            NAME,
            &authority,
            &["--output", "/dev/null", "--write-out", "%{certs}"],
        );
        (output.status.success() && text(&output.stdout) != first).then_some(())
    });
    let log = pebble.log();
    assert_eq!(
        log.matches("There are now 1 accounts in memory").count(),
        1,
        "{log}"
    );
    let state = lab.server_state().join("acme");
    let dir = fs::read_dir(&state).unwrap().next().unwrap().unwrap().path();
    let mut kept: Vec<String> = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        kept.push(entry.file_name().into_string().unwrap());
    }
    kept.sort();
    assert_eq!(kept, ["account.json", "certificate.pem"]);
}

#[test]
fn a_server_runs_without_its_acme_server_and_shows_what_it_has() {
    let mut lab = Lab::plain();
    let Some(mut pebble) = Pebble::new(&lab) else {
        return;
    };
    start(&mut lab, &pebble.settings(&[NAME]));
    let own = lab.server_state().join("trust/authority.cert.pem");
    assert!(sees(&lab, "localhost", &own));
    let (level, what) = wait_for(&lab, "the trouble", || {
        Some(finding(&lab)).filter(|(level, _)| level != "advice")
    });
    assert!(
        level == "error" && what.contains(&pebble.address),
        "{level}: {what}"
    );
    pebble.start(&port(&lab), LONG_S);
    let authority = pebble.authority();
    hang_up(&lab);
    wait_for(&lab, "the certificate", || {
        sees(&lab, NAME, &authority).then_some(())
    });
    assert_eq!(finding(&lab).0, "ok");
    let first = chain(&lab, &authority);
    pebble.stop();
    lab.stop();
    start(&mut lab, &pebble.settings(&[NAME]));
    assert_eq!(chain(&lab, &authority), first, "what is kept is shown at once");
    lab.stop();
    // Another name, and an ACME server that has forgotten the account.
    pebble.start(&port(&lab), LONG_S);
    let authority = pebble.authority();
    start(&mut lab, &pebble.settings(&[NAME, "other.example"]));
    wait_for(&lab, "the certificate for both names", || {
        sees(&lab, "other.example", &authority).then_some(())
    });
    assert!(sees(&lab, NAME, &authority));
}

#[test]
fn a_name_that_leads_elsewhere_is_told_by_the_doctor() {
    let mut lab = Lab::plain();
    let Some(mut pebble) = Pebble::new(&lab) else {
        return;
    };
    let nobody = free_address();
    pebble.start(nobody.rsplit(':').next().unwrap(), LONG_S);
    start(&mut lab, &pebble.settings(&[NAME]));
    let (level, what) = wait_for(&lab, "the trouble", || {
        Some(finding(&lab))
            .filter(|(_, what)| what.contains("does not find this server under backup.example"))
    });
    assert_eq!(level, "error", "{what}");
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let lab = Lab::plain();
    for (arguments, why) in [
        (&["--acme-domain", "*.example.org"][..], "no wildcards"),
        (&["--acme-domain", "192.0.2.7"], "no addresses"),
        (
            &["--acme-domain", NAME, "--acme-directory", "http://acme.example/"],
            "https://",
        ),
        (
            &["--acme-domain", NAME, "--acme-contact", "anna"],
            "a mail address",
        ),
        (
            &["--acme-contact", "anna@example.org"],
            "\"acme_domains\" is not set",
        ),
        (
            &["--acme-domain", NAME, "--web-certificate", "/x.pem"],
            "\"web_certificate\" is set too",
        ),
    ] {
        let output = lab.refused(arguments);
        let told = text(&output.stderr);
        assert!(output.status.code() == Some(2) && told.contains(why), "{told}");
    }
    let output = lab.refused(&["--acme-domain", NAME, "--acme-root", "/nonexistent.pem"]);
    let told = text(&output.stderr);
    assert!(
        output.status.code() == Some(1) && told.contains("/nonexistent.pem"),
        "{told}"
    );
}
