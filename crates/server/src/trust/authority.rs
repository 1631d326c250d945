//! The certificate authority of one server: made at the first start, kept in `STATE/trust/`.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData as _, SanType,
    SerialNumber,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, CertificateSigningRequestDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use time::{Duration, OffsetDateTime};

use crate::error::{Error, Result};

/// The files that an authority consists of, in the order in which they are written.
pub const FILES: [&str; 2] = [KEY, CERTIFICATE];

const KEY: &str = "authority.key.pem";
const CERTIFICATE: &str = "authority.cert.pem";
/// The key of the server's own certificate. Without it another is made, and who has been told of it has to be told anew.
const SERVER_KEY: &str = "server.key.pem";
const AUTHORITY_YEARS: i64 = 30;
/// For how long certificates of the server and of clients are valid, counted from a day before they are made.
pub const CERTIFICATE_DAYS: i64 = 365 * 10;
/// Certificates are valid from a day before, so that a clock that is a little late does no harm.
const BACKDATED: Duration = Duration::days(1);

/// The server's certificate authority.
pub struct Authority {
    dir: PathBuf,
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
}

/// A certificate that was just given to a client.
pub struct IssuedCertificate {
    /// The certificate, DER.
    pub der: Vec<u8>,
    /// SHA-256 of it: how the catalog knows it.
    pub fingerprint: [u8; 32],
    /// Its serial number.
    pub serial: Vec<u8>,
}

/// What became of the keys when a catalog was put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// They are where they were.
    InPlace,
    /// They were missing and came from the copy.
    PutBack,
    /// They are where they were, and the copy has others.
    Others,
    /// They are missing, and the copy has none.
    Missing,
}

/// Where an authority lies in a state directory.
pub fn dir(state_dir: &Path) -> PathBuf {
    state_dir.join("trust")
}

/// Puts the authority that a copy has into `dir` if there is none.
pub fn put_back_keys(dir: &Path, copy: Option<&Path>) -> Result<Keys> {
    let read = |path: PathBuf| fs::read(&path).map_err(|source| Error::io("read", &path, source));
    let is_there = dir.join(CERTIFICATE).exists();
    match copy {
        None if is_there => Ok(Keys::InPlace),
        None => Ok(Keys::Missing),
        Some(copy) if is_there => {
            let is_same = read(dir.join(CERTIFICATE))? == read(copy.join(CERTIFICATE))?;
            Ok(if is_same { Keys::InPlace } else { Keys::Others })
        }
        Some(copy) => {
            create_dir(dir)?;
            // ORDER: the certificate last, so that its presence says that the key is there.
            for name in FILES {
                write_private(&dir.join(name), &read(copy.join(name))?)?;
            }
            Ok(Keys::PutBack)
        }
    }
}

/// Creates a directory that only its owner may look into, and those above it.
pub fn create_dir(dir: &Path) -> Result<()> {
    let created = fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    created.map_err(|source| Error::io("create", dir, source))
}

impl Authority {
    /// Opens the authority in `dir`, or creates one there.
    pub fn open_or_create(dir: &Path) -> Result<Self> {
        let key_path = dir.join(KEY);
        let certificate_path = dir.join(CERTIFICATE);
        if !certificate_path.exists() {
            create_dir(dir)?;
            let key = KeyPair::generate()?;
            let certificate = authority_params()?.self_signed(&key)?;
            write_private(&key_path, key.serialize_pem().as_bytes())?;
            // ORDER: the certificate last, so that its presence says that the key is there.
            write_private(&certificate_path, certificate.pem().as_bytes())?;
        }
        Self::open(dir)
    }

    /// Opens the authority in `dir`.
    pub fn open(dir: &Path) -> Result<Self> {
        let key_path = dir.join(KEY);
        let certificate_path = dir.join(CERTIFICATE);
        let pem = fs::read_to_string(&key_path).map_err(|source| Error::io("read", &key_path, source))?;
        let key = KeyPair::from_pem(&pem).map_err(|_| Error::Corrupt { path: key_path })?;
        let certificate = CertificateDer::from_pem_file(&certificate_path).map_err(|_| Error::Corrupt {
            path: certificate_path.clone(),
        })?;
        let issuer = Issuer::from_ca_cert_der(&certificate, key).map_err(|_| Error::Corrupt {
            path: certificate_path,
        })?;
        Ok(Self {
            dir: dir.to_owned(),
            issuer,
            certificate,
        })
    }

    /// The authority's own certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// When the authority's certificate expires, in seconds since the Unix epoch; `None` where it doesn't tell.
    pub fn valid_until_s(&self) -> Option<i64> {
        let (_, certificate) = x509_parser::parse_x509_certificate(&self.certificate).ok()?;
        Some(certificate.validity().not_after.timestamp())
    }

    /// SHA-256 of the authority's certificate: what a token carries.
    pub fn fingerprint(&self) -> [u8; 32] {
        wire::token::fingerprint(&self.certificate)
    }

    /// The public key of the server's own certificate, as certificates have it (DER).
    pub fn server_public_key(&self) -> Result<Vec<u8>> {
        Ok(self.server_key()?.subject_public_key_info())
    }

    /// The key of the server's own certificate; made where there is none that can be used.
    fn server_key(&self) -> Result<KeyPair> {
        let path = self.dir.join(SERVER_KEY);
        match fs::read_to_string(&path) {
            Ok(pem) => {
                if let Ok(key) = KeyPair::from_pem(&pem) {
                    return Ok(key);
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => return Err(Error::io("read", &path, source)),
        }
        let key = KeyPair::generate()?;
        write_private(&path, key.serialize_pem().as_bytes())?;
        Ok(key)
    }

    /// Makes a fresh certificate for the server itself, good for `host_names` as browsers check them and for
    /// the fixed name that clients check.
    pub fn server_identity(
        &self,
        host_names: &[String],
    ) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
        let mut params = leaf_params("Perennial server");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let names = [wire::SERVER_NAME, "localhost", "127.0.0.1", "::1"];
        for name in names.into_iter().chain(host_names.iter().map(String::as_str)) {
            params.subject_alt_names.push(match name.parse() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName(name.try_into()?),
            });
        }
        let key = self.server_key()?;
        let leaf = params.signed_by(&key, &self.issuer)?;
        let chain = vec![leaf.der().clone(), self.certificate.clone()];
        Ok((chain, PrivatePkcs8KeyDer::from(key.serialize_der()).into()))
    }

    /// Signs a client's request. Nothing of the request counts but its public key: the name is the server's to give.
    pub fn sign_client(&self, request_der: &[u8], client_name: &str) -> Result<IssuedCertificate> {
        let request = CertificateSigningRequestDer::from(request_der);
        let request = CertificateSigningRequestParams::from_der(&request).map_err(|_| Error::Refused {
            why: "the certificate signing request is not valid",
        })?;
        let mut params = leaf_params(client_name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let serial = params
            .serial_number
            .as_ref()
            .map(SerialNumber::to_bytes)
            .unwrap_or_default();
        let certificate = params.signed_by(&request.public_key, &self.issuer)?;
        let der = certificate.der().to_vec();
        let fingerprint = wire::token::fingerprint(&der);
        Ok(IssuedCertificate {
            der,
            fingerprint,
            serial,
        })
    }
}

fn authority_params() -> Result<CertificateParams> {
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name("Perennial certificate authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = OffsetDateTime::now_utc() - BACKDATED;
    params.not_after = params.not_before + Duration::days(365 * AUTHORITY_YEARS);
    params.serial_number = Some(random_serial());
    Ok(params)
}

fn leaf_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name(name);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    params.not_before = OffsetDateTime::now_utc() - BACKDATED;
    params.not_after = params.not_before + Duration::days(CERTIFICATE_DAYS);
    params.serial_number = Some(random_serial());
    params
}

fn common_name(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

fn random_serial() -> SerialNumber {
    let mut bytes: [u8; 16] = rand::random();
    // A serial number is a positive integer.
    bytes[0] &= 0x7f;
    SerialNumber::from_slice(&bytes)
}

/// Writes a file that only its owner may read, durably, all or nothing.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<()> {
    let temporary: PathBuf = path.with_extension("tmp");
    let written = (|| {
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        fs::File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
    })();
    written.map_err(|source| Error::io("write", path, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_the_same_after_it_is_opened_again() {
        let dir = tempfile::tempdir().unwrap();
        let made = Authority::open_or_create(dir.path()).unwrap();
        let opened = Authority::open_or_create(dir.path()).unwrap();
        assert_eq!(made.fingerprint(), opened.fingerprint());
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &fs::metadata(dir.path().join("authority.key.pem"))
                .unwrap()
                .permissions(),
        );
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_signed_certificate_carries_the_name_that_the_server_gave() {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::open_or_create(dir.path()).unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name = common_name("somebody else");
        let request = params.serialize_request(&key).unwrap();
        let issued = authority.sign_client(request.der(), "laptop").unwrap();
        assert_eq!(
            super::super::peer::common_name(&issued.der).as_deref(),
            Some("laptop")
        );
        assert!(authority.sign_client(b"nonsense", "laptop").is_err());
    }

    #[test]
    fn keys_are_put_back_where_there_are_none() {
        let dir = tempfile::tempdir().unwrap();
        let (copy, trust) = (dir.path().join("copy"), dir.path().join("state/trust"));
        let made = Authority::open_or_create(&copy).unwrap();
        assert_eq!(put_back_keys(&trust, None).unwrap(), Keys::Missing);
        assert_eq!(put_back_keys(&trust, Some(&copy)).unwrap(), Keys::PutBack);
        assert_eq!(put_back_keys(&trust, Some(&copy)).unwrap(), Keys::InPlace);
        assert_eq!(Authority::open(&trust).unwrap().fingerprint(), made.fingerprint());
        let other = dir.path().join("other");
        Authority::open_or_create(&other).unwrap();
        assert_eq!(put_back_keys(&trust, Some(&other)).unwrap(), Keys::Others);
        assert_eq!(Authority::open(&trust).unwrap().fingerprint(), made.fingerprint());
    }

    #[test]
    fn a_damaged_key_is_told_by_its_path() {
        let dir = tempfile::tempdir().unwrap();
        Authority::open_or_create(dir.path()).unwrap();
        fs::write(dir.path().join("authority.key.pem"), "damaged").unwrap();
        assert!(matches!(
            Authority::open_or_create(dir.path()),
            Err(Error::Corrupt { .. })
        ));
    }
}
