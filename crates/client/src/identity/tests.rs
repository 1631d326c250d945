//! Tests of the module above.

use std::os::unix::fs::PermissionsExt as _;

use super::store::Parts;
use super::*;

fn stored(dir: &Path) -> Record {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::default().self_signed(&key).unwrap();
    let record = Record {
        name: "laptop".into(),
        server: "backup.example:55414".into(),
        further_servers: Vec::new(),
        server_id: "id".into(),
    };
    let parts = Parts {
        record: &record,
        key_pem: &key.serialize_pem(),
        certificate_der: certificate.der(),
        authority_der: certificate.der(),
    };
    store::write(dir, &parts).unwrap();
    record
}

#[test]
fn an_identity_reads_back_and_its_key_is_private() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state/client");
    let record = stored(&state);
    let identity = Identity::open(&state).unwrap();
    assert_eq!(identity.name(), record.name);
    assert_eq!(identity.server_address(), record.server);
    assert_eq!(identity.server_id(), record.server_id);
    let mode = |path: PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(state.join(KEY_FILE)), 0o600);
    assert_eq!(mode(state), 0o700);
}

#[test]
fn a_state_directory_without_record_is_not_enrolled() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(
        Identity::open(dir.path()),
        Err(Error::NotEnrolled { .. })
    ));
    stored(dir.path());
    std::fs::remove_file(dir.path().join(RECORD_FILE)).unwrap();
    assert!(matches!(
        Identity::open(dir.path()),
        Err(Error::NotEnrolled { .. })
    ));
    assert!(!Identity::exists(dir.path()));
}

#[test]
fn damaged_and_missing_parts_are_told_by_their_path() {
    let dir = tempfile::tempdir().unwrap();
    for file in [RECORD_FILE, KEY_FILE, CERTIFICATE_FILE, AUTHORITY_FILE] {
        stored(dir.path());
        std::fs::write(dir.path().join(file), "damaged").unwrap();
        match Identity::open(dir.path()) {
            Err(Error::Damaged { path, .. }) => assert_eq!(path, dir.path().join(file)),
            other => panic!("{file}: {other:?}"),
        }
    }
    stored(dir.path());
    std::fs::remove_file(dir.path().join(KEY_FILE)).unwrap();
    assert!(matches!(Identity::open(dir.path()), Err(Error::Io { .. })));
}

#[test]
fn a_moved_server_is_remembered() {
    let dir = tempfile::tempdir().unwrap();
    stored(dir.path());
    Identity::open(dir.path())
        .unwrap()
        .move_server("elsewhere:1")
        .unwrap();
    assert_eq!(
        Identity::open(dir.path()).unwrap().server_address(),
        "elsewhere:1"
    );
}

#[test]
fn a_discarded_identity_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    stored(dir.path());
    Identity::discard(dir.path()).unwrap();
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    Identity::discard(dir.path()).unwrap();
}

#[tokio::test]
async fn an_enrolled_client_keeps_its_token() {
    let dir = tempfile::tempdir().unwrap();
    stored(dir.path());
    let token = wire::token::Token {
        authority_fingerprint: [0; 32],
        secret: [0; 32],
        address: "127.0.0.1:1".into(),
    };
    let refused = enrol(&token, dir.path(), &ClientInfo::default(), Wish::default()).await;
    assert!(matches!(refused, Err(Error::AlreadyEnrolled { name, .. }) if name == "laptop"));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable() {
    let dir = tempfile::tempdir().unwrap();
    let token = wire::token::Token {
        authority_fingerprint: [0; 32],
        secret: [0; 32],
        address: "127.0.0.1:1".into(),
    };
    let refused = enrol(&token, dir.path(), &ClientInfo::default(), Wish::default()).await;
    assert!(matches!(refused, Err(Error::Unreachable { .. })));
    assert!(!Identity::exists(dir.path()));
}
