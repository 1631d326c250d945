//! Installers that are made, read back by others.

use std::io::{Cursor, Read, Seek, SeekFrom};
use std::path::Path;
use std::process::Command;

use flate2::read::GzDecoder;

use super::*;

/// A file that looks like one of our programs.
fn program(machine: u16, version: &str, filler: usize) -> Vec<u8> {
    let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
    bytes.resize(18, 0);
    bytes.extend(machine.to_le_bytes());
    bytes.resize(filler, b'x');
    bytes.extend(
        format!(
            "\0GLIBC_2.4\0GLIBC_2.34\0GLIBC_2.2.5\0GLIBC_2.127x\0xGLIBC_2.99\0\0perennial-build:{version}\0"
        )
        .bytes(),
    );
    bytes
}

fn kept(dir: &Path, content: &[u8], name: &str) -> Build {
    let packed = dir.join(name);
    let info = pack(&mut Cursor::new(content), &mut File::create(&packed).unwrap()).unwrap();
    Build { info, packed }
}

fn order() -> Order {
    Order {
        token: "perennial1-abc".to_owned(),
        server: "backup.example:55414".to_owned(),
        client: Some("laptop".to_owned()),
        until: "2026-12-02 10:00".to_owned(),
        sources: Vec::new(),
    }
}

fn made(form: Form, order: &Order, builds: &[Build]) -> File {
    let mut out = tempfile::tempfile().unwrap();
    write(form, order, builds, &mut out).unwrap();
    out.seek(SeekFrom::Start(0)).unwrap();
    out
}

#[test]
fn what_a_program_is_is_read_from_its_bytes() {
    // The mark lies across the end of the first piece that is read.
    for filler in [64, (1 << 20) + 40, (1 << 20) + 64, 3 << 20] {
        let content = program(183, "1.4.0-rc.1", filler);
        let mut packed = Vec::new();
        let info = pack(&mut content.as_slice(), &mut packed).unwrap();
        assert_eq!(info.architecture, Architecture::Arm64);
        assert_eq!(info.version.to_string(), "1.4.0-rc.1", "{filler}");
        assert_eq!(info.glibc, Some(Glibc(34)));
        assert_eq!(info.size_bytes, content.len() as u64);
        let mut unpacked = Vec::new();
        GzDecoder::new(packed.as_slice())
            .read_to_end(&mut unpacked)
            .unwrap();
        assert!(unpacked == content);
    }
}

#[test]
fn what_is_none_of_our_programs_is_refused() {
    let refused = |content: &[u8]| pack(&mut &*content, &mut Vec::new()).unwrap_err().to_string();
    assert_eq!(refused(b""), "this is no program for 64-bit Linux");
    assert_eq!(refused(b"#!/bin/sh\n"), "this is no program for 64-bit Linux");
    assert!(refused(&program(40, "1.0.0", 64)).contains("neither x86-64 nor 64-bit Arm"));
    assert_eq!(
        refused(&program(62, "latest", 64)),
        "this is no program of Perennial"
    );
    assert_eq!(
        refused(&program(62, "1.0.0", 64)[..40]),
        "this is no program of Perennial"
    );
}

#[test]
fn versions_are_in_their_order() {
    let ordered = [
        "0.1.0-alpha",
        "0.1.0",
        "0.9.12",
        "0.10.0-rc.1",
        "0.10.0-rc.2",
        "0.10.0",
        "1.0.0",
    ];
    let parsed: Vec<_> = ordered.map(|text| Version::parse(text).unwrap()).into();
    assert!(parsed.is_sorted());
    assert_eq!(parsed[3].to_string(), "0.10.0-rc.1");
    for text in [
        "",
        "1",
        "1.0",
        "1.0.0.0",
        "1.0.x",
        "1.0.0-",
        "1.0.0-a/b",
        "+1.0.0",
        "99999999999.0.0",
    ] {
        assert_eq!(Version::parse(text), None, "{text}");
    }
}

#[test]
fn a_script_has_the_programs_behind_its_text() {
    let dir = tempfile::tempdir().unwrap();
    let (intel, arm) = (program(62, "1.4.0", 5000), program(183, "1.4.0", 3000));
    let builds = [kept(dir.path(), &intel, "intel"), kept(dir.path(), &arm, "arm")];
    let mut script = Vec::new();
    made(Form::Script, &order(), &builds)
        .read_to_end(&mut script)
        .unwrap();
    let packed: usize = builds
        .iter()
        .map(|build| std::fs::read(&build.packed).unwrap().len())
        .sum();
    let text = std::str::from_utf8(&script[..script.len() - packed]).unwrap();
    assert!(
        text.contains(&format!("text_bytes={:<10}\n", text.len())),
        "{text}"
    );
    assert!(
        !text.contains("@T") && !text.contains("@S") && !text.contains("@P"),
        "{text}"
    );
    assert!(text.contains("token='perennial1-abc'") && text.contains("as laptop"));
    assert!(text.contains("ExecStart=/usr/local/bin/perennial client"));
    let path = dir.path().join("installer.sh");
    std::fs::write(&path, &script).unwrap();
    let output = Command::new("sh").arg(&path).arg("--help").output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(String::from_utf8_lossy(&output.stdout).contains("--uninstall"));
    assert_eq!(
        file_name(Form::Script, &order(), &builds),
        "perennial-client-laptop.sh"
    );
}

#[test]
fn a_debian_package_is_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let content = program(62, "1.4.0-rc.1", 100_000);
    let builds = [kept(dir.path(), &content, "intel")];
    let path = dir.path().join("package.deb");
    std::io::copy(
        &mut made(Form::Deb, &order(), &builds),
        &mut File::create(&path).unwrap(),
    )
    .unwrap();
    let dpkg = |arguments: &[&str]| {
        let output = Command::new("dpkg-deb")
            .args(arguments)
            .arg(&path)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        output.stdout
    };
    if Command::new("dpkg-deb").arg("--version").output().is_err() {
        eprintln!("skipped: dpkg-deb is not installed");
        return;
    }
    let said = String::from_utf8(dpkg(&["--field"])).unwrap();
    for line in [
        "Version: 1.4.0~rc.1",
        "Architecture: amd64",
        "Depends: libc6 (>= 2.34)",
    ] {
        assert!(said.lines().any(|other| other == line), "{said}");
    }
    let listed = String::from_utf8(dpkg(&["--contents"])).unwrap();
    let token = listed
        .lines()
        .find(|line| line.ends_with("usr/lib/perennial/token"))
        .expect(&listed);
    assert!(token.starts_with("-rw------- root/root"), "{listed}");
    let mut files = tar::Archive::new(Cursor::new(dpkg(&["--fsys-tarfile"])));
    let mut unpacked = Vec::new();
    for entry in files.entries().unwrap() {
        let mut entry = entry.unwrap();
        if entry.path().unwrap().ends_with("usr/bin/perennial") {
            entry.read_to_end(&mut unpacked).unwrap();
        }
    }
    assert!(unpacked == content);
    assert_eq!(
        file_name(Form::Deb, &order(), &builds),
        "perennial-client-laptop_amd64.deb"
    );
}

#[test]
fn an_rpm_package_is_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let content = program(183, "1.4.0", 100_000);
    let builds = [kept(dir.path(), &content, "arm")];
    let package =
        ::rpm::Package::parse(&mut std::io::BufReader::new(made(Form::Rpm, &order(), &builds))).unwrap();
    let metadata = &package.metadata;
    assert_eq!(metadata.get_name().unwrap(), "perennial-client");
    assert_eq!(metadata.get_arch().unwrap(), "aarch64");
    let needs = metadata.get_requires().unwrap();
    assert!(
        needs
            .iter()
            .any(|need| need.name == "libc.so.6(GLIBC_2.34)(64bit)")
    );
    let files = metadata.get_file_entries().unwrap();
    let token = files.iter().find(|file| file.path().ends_with("token")).unwrap();
    assert_eq!(token.mode().permissions(), 0o600);
    let unpacked = package.files().unwrap().map(Result::unwrap);
    let program = unpacked
        .into_iter()
        .find(|file| file.metadata.path().ends_with("bin/perennial"))
        .unwrap();
    assert!(program.content() == Some(content.as_slice()));
}

#[test]
fn a_package_is_for_one_processor() {
    let dir = tempfile::tempdir().unwrap();
    let builds = [
        kept(dir.path(), &program(62, "1.4.0", 64), "intel"),
        kept(dir.path(), &program(183, "1.4.0", 64), "arm"),
    ];
    let mut out = tempfile::tempfile().unwrap();
    for (form, builds) in [
        (Form::Deb, &builds[..]),
        (Form::Rpm, &builds),
        (Form::Script, &[]),
    ] {
        assert!(matches!(
            write(form, &order(), builds, &mut out),
            Err(Error::WrongNumber)
        ));
    }
}

#[test]
fn sources_are_written_as_toml() {
    let read = |order: &Order| -> toml::Table { order.settings().parse().unwrap() };
    let usual = read(&order());
    let first = &usual["sources"][0];
    assert_eq!(
        (first["path"].as_str(), first["optional"].as_bool()),
        (Some("/etc"), Some(true))
    );
    let alike = Order {
        sources: ["/srv/data", "/mnt/data/", "/", "/root"]
            .map(str::to_owned)
            .into(),
        ..order()
    };
    let alike = read(&alike);
    let names: Vec<_> = alike["sources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|source| match source.get("name") {
            Some(name) => name.as_str().unwrap(),
            None => source.as_str().unwrap(),
        })
        .collect();
    assert_eq!(names, ["srv_data", "mnt_data", "system", "/root"]);
    let hostile = Order {
        sources: vec!["/srv/a \"b\"\n\\".to_owned()],
        ..order()
    };
    assert_eq!(read(&hostile)["sources"][0].as_str(), Some("/srv/a \"b\"\n\\"));
}

#[test]
fn what_is_put_into_a_script_stays_one_word() {
    let how = Fetching {
        pinned_key: Some("sha256//a+b=".to_owned()),
        address: "https://host/install/x'; reboot; '@ADDRESS@?architecture=".to_owned(),
    };
    let script = fetching(&how);
    assert!(
        script.contains(r"'https://host/install/x'\''; reboot; '\''@ADDRESS@?architecture='"),
        "{script}"
    );
    assert!(script.contains("--pinnedpubkey 'sha256//a+b='"));
}
