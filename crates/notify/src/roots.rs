//! The authorities whose certificates are trusted.

use std::fmt;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::error::{Error, Result};

/// Certificates of authorities. Loaded once and handed to every channel, and to whatever else calls servers.
#[derive(Clone)]
pub struct Roots(Arc<Vec<CertificateDer<'static>>>);

impl Roots {
    /// Loads the system's authorities; what can't be read among them is left out.
    ///
    /// They are where OpenSSL has them, or where the variables `SSL_CERT_FILE` and `SSL_CERT_DIR` say.
    pub fn system() -> Self {
        let found = rustls_native_certs::load_native_certs().certs;
        Self(Arc::new(found.into_iter().filter(is_usable).collect()))
    }

    /// Trusts nobody.
    pub fn none() -> Self {
        Self(Arc::new(Vec::new()))
    }

    /// Adds the authorities of a PEM file.
    pub fn with_pem(&self, pem: &str) -> Result<Self> {
        let added = CertificateDer::pem_slice_iter(pem.as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| Error::Authority)?;
        if added.is_empty() || !added.iter().all(is_usable) {
            return Err(Error::Authority);
        }
        Ok(Self(Arc::new(self.0.iter().cloned().chain(added).collect())))
    }

    /// Adds the authorities of a channel's setting, if it has any.
    pub(crate) fn with_setting(&self, pem: Option<&str>) -> Result<Self> {
        pem.map_or_else(|| Ok(self.clone()), |pem| self.with_pem(pem))
    }

    /// How calls of servers are protected that these authorities vouch for.
    pub fn tls_config(&self) -> TlsConfig {
        let certificates = self.0.iter().map(|root| Certificate::from_der(root).to_owned());
        TlsConfig::builder()
            .root_certs(RootCerts::from(certificates))
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build()
    }

    /// The certificates.
    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.0
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Roots({})", self.0.len())
    }
}

fn is_usable(certificate: &CertificateDer<'static>) -> bool {
    RootCertStore::empty().add(certificate.clone()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_is_refused() {
        let empty = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for pem in ["", "hello", empty] {
            assert!(
                matches!(Roots::none().with_pem(pem), Err(Error::Authority)),
                "{pem:?}"
            );
        }
    }

    #[test]
    fn an_authority_is_added_to_those_that_are_there() {
        let authority = || {
            let key = rcgen::KeyPair::generate().expect("a key");
            rcgen::CertificateParams::default()
                .self_signed(&key)
                .expect("a certificate")
                .pem()
        };
        let one = Roots::none().with_pem(&authority()).expect("PEM");
        let two = one.with_pem(&authority()).expect("PEM");
        assert_eq!((one.certificates().len(), two.certificates().len()), (1, 2));
    }
}
