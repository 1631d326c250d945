//! A certificate with its key, and what it is good for.

use std::path::Path;
use std::sync::Arc;

use rustls::client::verify_server_name;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::X509Certificate;

use super::CertificateFault;

/// A certificate that browsers can be shown.
#[derive(Debug)]
pub struct Shown {
    key: Arc<CertifiedKey>,
    names: Vec<String>,
    names_an_address: bool,
    valid_from_s: i64,
    valid_until_s: i64,
}

impl Shown {
    /// Reads a certificate, with those that lead to its authority behind it, and its key, which came from `key_path`.
    pub fn read(chain_pem: &[u8], key_pem: &[u8], key_path: &Path) -> Result<Self, CertificateFault> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(chain_pem)
            .collect::<Result<_, _>>()
            .map_err(|_| CertificateFault::Malformed)?;
        let leaf = chain.first().cloned().ok_or(CertificateFault::NoCertificate)?;
        let path = || key_path.to_owned();
        let key =
            PrivateKeyDer::from_pem_slice(key_pem).map_err(|_| CertificateFault::NoKey { path: path() })?;
        ParsedCertificate::try_from(&leaf).map_err(|_| CertificateFault::Malformed)?;
        let (_, parsed) =
            x509_parser::parse_x509_certificate(&leaf).map_err(|_| CertificateFault::Malformed)?;
        let certified =
            CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(|error| match error {
                rustls::Error::InconsistentKeys(_) => CertificateFault::OtherKey { path: path() },
                source => CertificateFault::UnusableKey { path: path(), source },
            })?;
        let (names, names_an_address) = names_of(&parsed);
        Ok(Self {
            key: Arc::new(certified),
            names,
            names_an_address,
            valid_from_s: parsed.validity().not_before.timestamp(),
            valid_until_s: parsed.validity().not_after.timestamp(),
        })
    }

    /// The certificate with its key, as TLS takes them.
    pub fn key(&self) -> Arc<CertifiedKey> {
        self.key.clone()
    }

    /// The hosts that it names.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Since when it is valid, in seconds since the Unix epoch.
    pub fn valid_from_s(&self) -> i64 {
        self.valid_from_s
    }

    /// Until when it is valid, in seconds since the Unix epoch.
    pub fn valid_until_s(&self) -> i64 {
        self.valid_until_s
    }

    /// Whether a browser that asks for this name takes it. Who dials an address names none.
    pub fn is_good_for(&self, name: Option<&str>) -> bool {
        let Some(name) = name else {
            return self.names_an_address;
        };
        let leaf = self.key.cert.first();
        let parsed = leaf.and_then(|leaf| ParsedCertificate::try_from(leaf).ok());
        match (parsed, ServerName::try_from(name)) {
            (Some(parsed), Ok(name)) => verify_server_name(&parsed, &name).is_ok(),
            _ => false,
        }
    }
}

/// The hosts that a certificate names, and whether one of them is an address.
fn names_of(certificate: &X509Certificate<'_>) -> (Vec<String>, bool) {
    let extension = certificate.subject_alternative_name().ok().flatten();
    let alternatives = extension.map(|extension| extension.value.general_names.as_slice());
    let (mut names, mut names_an_address) = (Vec::new(), false);
    for name in alternatives.unwrap_or_default() {
        match name {
            GeneralName::DNSName(name) => names.push((*name).to_owned()),
            GeneralName::IPAddress(octets) => {
                names_an_address = true;
                names.extend(address(octets));
            }
            _ => {}
        }
    }
    (names, names_an_address)
}

fn address(octets: &[u8]) -> Option<String> {
    let four = <[u8; 4]>::try_from(octets).map(std::net::IpAddr::from);
    let sixteen = || <[u8; 16]>::try_from(octets).map(std::net::IpAddr::from);
    four.or_else(|_| sixteen())
        .ok()
        .map(|address| address.to_string())
}

#[cfg(test)]
pub mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    /// A certificate of nobody for these names, and its key.
    pub fn made(names: &[&str]) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let certificate = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    fn read(certificate: &str, key: &str) -> Result<Shown, CertificateFault> {
        Shown::read(certificate.as_bytes(), key.as_bytes(), Path::new("/key"))
    }

    #[test]
    fn it_is_for_who_asks_for_what_it_names() {
        let (certificate, key) = made(&["backup.example", "*.lan.example"]);
        let shown = read(&certificate, &key).unwrap();
        assert_eq!(shown.names(), ["backup.example", "*.lan.example"]);
        for (name, is_good) in [
            (Some("backup.example"), true),
            (Some("BACKUP.example"), true),
            (Some("nas.lan.example"), true),
            (Some("a.nas.lan.example"), false),
            (Some("localhost"), false),
            (Some("not a name"), false),
            (None, false),
        ] {
            assert_eq!(shown.is_good_for(name), is_good, "{name:?}");
        }
        let (certificate, key) = made(&["192.0.2.7", "2001:db8::7"]);
        let shown = read(&certificate, &key).unwrap();
        assert_eq!(shown.names(), ["192.0.2.7", "2001:db8::7"]);
        assert!(shown.is_good_for(None));
    }

    #[test]
    fn what_can_not_be_used_is_told() {
        let (certificate, key) = made(&["backup.example"]);
        let (_, other) = made(&["backup.example"]);
        let nonsense = certificate.replace("MII", "AAA");
        let fault = |certificate: &str, key: &str| read(certificate, key).unwrap_err();
        assert!(matches!(fault("", &key), CertificateFault::NoCertificate));
        assert!(matches!(fault(&key, &key), CertificateFault::NoCertificate));
        assert!(matches!(fault(&nonsense, &key), CertificateFault::Malformed));
        assert!(matches!(
            fault(&certificate, &certificate),
            CertificateFault::NoKey { .. }
        ));
        assert!(matches!(
            fault(&certificate, &other),
            CertificateFault::OtherKey { .. }
        ));
        assert!(read(&certificate, &format!("{certificate}{key}")).is_ok());
    }
}
