//! Answers to an ACME server that wants to see who holds a name: TLS-ALPN-01 (RFC 8737).
//!
//! It calls by the name, speaks `acme-tls/1` and nothing else, and is shown a certificate that holds what was agreed on. That is
//! there only while the server waits for it.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;

use crate::error::{Error, Result};

/// The answers that are waited for, by name.
#[derive(Debug, Default)]
pub struct Challenges(Mutex<HashMap<String, Arc<CertifiedKey>>>);

/// An answer that is given as long as this is kept.
#[derive(Debug)]
pub struct Answer {
    challenges: Arc<Challenges>,
    name: String,
}

impl Challenges {
    /// From now on answers for a name, with the SHA-256 of the key authorization.
    pub fn answer(self: &Arc<Self>, name: &str, digest: &[u8; 32]) -> Result<Answer> {
        let certificate = certificate(name, digest)?;
        let name = name.to_ascii_lowercase();
        self.0.lock().insert(name.clone(), Arc::new(certificate));
        Ok(Answer {
            challenges: self.clone(),
            name,
        })
    }

    /// The answer for a name, if it is waited for.
    pub fn for_name(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        self.0.lock().get(&name?.to_ascii_lowercase()).cloned()
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.challenges.0.lock().remove(&self.name);
    }
}

fn certificate(name: &str, digest: &[u8; 32]) -> Result<CertifiedKey> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(vec![name.to_owned()])?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let certificate = params.self_signed(&key)?;
    let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let signing = ring::sign::any_supported_type(&private).map_err(Error::Tls)?;
    // Not by what checks that the two belong together: it refuses what is agreed on, as it doesn't know it.
    Ok(CertifiedKey::new(vec![certificate.der().clone()], signing))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_given_only_while_it_is_waited_for() {
        let challenges = Arc::new(Challenges::default());
        let is_answered = |name| challenges.for_name(name).is_some();
        assert!(!is_answered(Some("backup.example")));
        let answer = challenges.answer("backup.example", &[7; 32]).unwrap();
        assert!(is_answered(Some("Backup.Example")));
        assert!(!is_answered(Some("other.example")) && !is_answered(None));
        drop(answer);
        assert!(!is_answered(Some("backup.example")));
    }
}
