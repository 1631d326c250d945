//! The certificate that browsers are shown: who gets it, how it is replaced, and what can't be used.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use time::{Duration, OffsetDateTime};

use crate::lab::{Lab, source, text, wait_for};

const NAME: &str = "backup.example";

/// An authority that the server knows nothing of.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// Its own certificate, as a file.
    pub fn file(&self, path: &Path) -> PathBuf {
        fs::write(path, &self.pem).unwrap();
        path.to_owned()
    }

    /// A certificate for these names that is valid until so many days from now, and its key.
    pub fn certify(&self, names: &[&str], days: i64) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_before = OffsetDateTime::now_utc() - Duration::days(60);
        params.not_after = OffsetDateTime::now_utc() + Duration::days(days);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }
}

/// Opens the page to log in as a browser would that trusts the authority in a file, with this name for the server.
pub fn visit(lab: &Lab, name: &str, trusted: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--fail", "--max-time", "20"]);
    command.arg("--cacert").arg(trusted).args(arguments);
    command.args(["--connect-to", &format!("{name}:443:{}", lab.address())]);
    command.arg(format!("https://{name}/welcome")).output().unwrap()
}

pub fn sees(lab: &Lab, name: &str, trusted: &Path) -> bool {
    let output = visit(lab, name, trusted, &[]);
    let seen = text(&output.stdout).contains("<html");
    // A certificate that is not trusted is the only way to fail.
    assert!(
        seen || output.status.code() == Some(60),
        "{}",
        text(&output.stderr)
    );
    seen
}

/// What the doctor says of the certificate: how bad, and what.
pub fn finding(lab: &Lab) -> (String, String) {
    let mut command = lab.command(["server", "doctor", "--json", "--storage"]);
    command.arg(lab.storage()).arg("--state").arg(lab.server_state());
    let output = command.output().unwrap();
    let view: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = view["findings"].as_array().unwrap();
    let found = findings
        .iter()
        .find(|finding| finding["check"] == "web-certificate")
        .unwrap_or_else(|| panic!("{view}"));
    let word = |key: &str| found[key].as_str().unwrap().to_owned();
    (word("level"), word("what"))
}

pub fn hang_up(lab: &Lab) {
    let id = i32::try_from(lab.server_id()).unwrap();
    let id = rustix::process::Pid::from_raw(id).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::HUP).unwrap();
}

/// A lab whose server is to be started with the certificate in two files.
fn set_up() -> (Lab, PathBuf, PathBuf) {
    let lab = Lab::plain();
    let (certificate, key) = (lab.root().join("web.pem"), lab.root().join("web.key"));
    let arguments = [
        "--web-certificate",
        certificate.to_str().unwrap(),
        "--web-key",
        key.to_str().unwrap(),
    ];
    let lab = lab.with_settings(&arguments);
    (lab, certificate, key)
}

fn write(certificate: &Path, key: &Path, (chain_pem, key_pem): (String, String)) {
    fs::write(certificate, chain_pem).unwrap();
    fs::write(key, key_pem).unwrap();
}

#[test]
fn browsers_get_the_certificate_and_clients_the_servers_own() {
    let (mut lab, certificate, key) = set_up();
    let authority = Authority::new("An authority");
    let trusted = authority.file(&lab.root().join("authority.pem"));
    write(&certificate, &key, authority.certify(&[NAME], 90));
    lab.start();
    let own = lab.server_state().join("trust/authority.cert.pem");
    assert!(sees(&lab, NAME, &trusted) && !sees(&lab, NAME, &own));
    for arguments in [["--http1.1"], ["--http2"], ["--no-alpn"]] {
        let output = visit(&lab, NAME, &trusted, &arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    }
    // What it is not good for.
    for name in ["localhost", "server.perennial.internal", "127.0.0.1"] {
        assert!(sees(&lab, name, &own) && !sees(&lab, name, &trusted), "{name}");
    }
    lab.enroll("laptop");
    let source = source(&lab, 3);
    let name = lab.back_up("laptop", &source);
    lab.verify("laptop", &name);
    let (level, what) = finding(&lab);
    assert!(level == "ok" && what.contains(NAME), "{level}: {what}");
}

#[test]
fn another_certificate_is_taken_while_clients_stay_connected() {
    let (mut lab, certificate, key) = set_up();
    let (one, two) = (Authority::new("One"), Authority::new("Two"));
    let (trusts_one, trusts_two) = (
        one.file(&lab.root().join("one.pem")),
        two.file(&lab.root().join("two.pem")),
    );
    write(&certificate, &key, one.certify(&[NAME], 10));
    lab.start();
    lab.enroll("laptop");
    let mut agent = lab.start_agent("laptop", &source(&lab, 3));
    lab.wait_until_connected();
    assert!(sees(&lab, NAME, &trusts_one));
    let (level, what) = finding(&lab);
    assert_eq!(level, "warning", "{what}");
    write(&certificate, &key, two.certify(&[NAME], 90));
    wait_for(&lab, "the new certificate", || {
        sees(&lab, NAME, &trusts_two).then_some(())
    });
    // One that is of no use leaves that which was there.
    fs::write(&key, one.certify(&[NAME], 90).1).unwrap();
    hang_up(&lab);
    let (level, what) = wait_for(&lab, "the trouble", || {
        Some(finding(&lab)).filter(|(level, _)| level != "ok")
    });
    assert!(
        level == "warning" && what.contains("not that of the first certificate"),
        "{level}: {what}"
    );
    assert!(sees(&lab, NAME, &trusts_two));
    write(&certificate, &key, one.certify(&[NAME], 90));
    hang_up(&lab);
    wait_for(&lab, "the third certificate", || {
        sees(&lab, NAME, &trusts_one).then_some(())
    });
    assert_eq!(finding(&lab).0, "ok");
    assert_eq!(lab.log().matches("client connected").count(), 1, "{}", lab.log());
    agent.kill().unwrap();
    agent.wait().unwrap();
}

#[test]
fn a_certificate_that_is_of_no_use_is_refused_at_the_start() {
    let (lab, certificate, key) = set_up();
    let authority = Authority::new("An authority");
    let (certificate_text, key_text) = (certificate.display().to_string(), key.display().to_string());
    let refused = |why: &str| {
        let output = lab.refused(&["--web-certificate", &certificate_text, "--web-key", &key_text]);
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains(&certificate_text) && told.contains(why), "{told}");
    };
    refused("No such file");
    let (chain_pem, key_pem) = authority.certify(&[NAME], 90);
    fs::write(&certificate, &key_pem).unwrap();
    fs::write(&key, &key_pem).unwrap();
    refused("there is no certificate in it");
    fs::write(&certificate, &chain_pem).unwrap();
    fs::write(&key, authority.certify(&[NAME], 90).1).unwrap();
    refused("is not that of the first certificate");
    fs::write(&key, "").unwrap();
    refused("there is no private key in");
    let output = lab.refused(&["--web-key", &key_text]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("\"web_certificate\" is not set"));
    assert!(!lab.server_state().exists(), "nothing was made");
}

#[test]
fn an_expired_certificate_is_told_of_and_shown() {
    let lab = Lab::plain();
    let file = lab.root().join("both.pem");
    let mut lab = lab.with_settings(&["--web-certificate", file.to_str().unwrap()]);
    let authority = Authority::new("An authority");
    let trusted = authority.file(&lab.root().join("authority.pem"));
    let (chain_pem, key_pem) = authority.certify(&[NAME], -1);
    fs::write(&file, chain_pem + &key_pem).unwrap();
    lab.start();
    assert!(lab.log().contains("has expired"), "{}", lab.log());
    assert_eq!(finding(&lab).0, "error");
    let output = visit(&lab, NAME, &trusted, &[]);
    assert!(
        text(&output.stderr).contains("expired"),
        "{}",
        text(&output.stderr)
    );
}
