//! What is kept of an ACME server: the account there, and the certificate that was had last. `STATE/acme/SERVER/`, a directory per ACME
//! server, so that nothing of another one is taken for its own.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use instant_acme::AccountCredentials;
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::error::{Error, Result};
use crate::trust::{create_dir, write_private};
use crate::web_certificate::{CertificateFault, Shown, unusable};

/// The key and, behind it, the certificate with those that lead to its authority.
const CERTIFICATE: &str = "certificate.pem";
const ACCOUNT: &str = "account.json";

/// The account at an ACME server.
#[derive(Serialize, Deserialize)]
pub struct SavedAccount {
    /// Whom the ACME server writes to.
    pub contact: Option<String>,
    /// Its address and key.
    pub credentials: AccountCredentials,
}

/// Where it is kept.
#[derive(Debug)]
pub struct Cache {
    dir: PathBuf,
}

impl Cache {
    /// The place for what comes from the ACME server with this directory.
    pub fn new(state_dir: &Path, directory: &str) -> Self {
        let address = directory.trim_start_matches("https://");
        let letter = |letter: char| match letter {
            '.' | '-' => letter,
            _ if letter.is_ascii_alphanumeric() => letter,
            _ => '_',
        };
        // Holds a host and a path at least, so it is neither "." nor "..".
        let name: String = address.chars().map(letter).collect();
        Self {
            dir: state_dir.join("acme").join(name),
        }
    }

    /// The account, if there is one.
    pub fn account(&self) -> Option<SavedAccount> {
        let path = self.dir.join(ACCOUNT);
        let bytes = existing(&path)?;
        let saved = serde_json::from_slice(&bytes);
        saved
            .inspect_err(|error| warn!(path = %path.display(), %error, "the account at the ACME server is unreadable; another is made"))
            .ok()
    }

    /// Keeps the account.
    pub fn keep_account(&self, saved: &SavedAccount) -> Result<()> {
        let path = self.dir.join(ACCOUNT);
        let bytes = serde_json::to_vec_pretty(saved)
            .map_err(|source| Error::io("write", &path, std::io::Error::other(source)))?;
        self.write(&path, &bytes)
    }

    /// The certificate that was had last, if it can be used.
    pub fn certificate(&self) -> Option<Shown> {
        let path = self.dir.join(CERTIFICATE);
        let bytes = existing(&path)?;
        let read = Shown::read(&bytes, &bytes, &path).map_err(|fault| unusable(&path, fault));
        read.inspect_err(|error| warn!(error = error.chain(), "another certificate is got"))
            .ok()
    }

    /// Reads what an ACME server gave.
    pub fn read(&self, key_pem: &str, chain_pem: &str) -> Result<Shown, CertificateFault> {
        Shown::read(
            chain_pem.as_bytes(),
            key_pem.as_bytes(),
            &self.dir.join(CERTIFICATE),
        )
    }

    /// Keeps a certificate.
    pub fn keep_certificate(&self, key_pem: &str, chain_pem: &str) -> Result<()> {
        let both = format!("{}\n{chain_pem}", key_pem.trim_end());
        self.write(&self.dir.join(CERTIFICATE), both.as_bytes())
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        create_dir(&self.dir)?;
        write_private(path, bytes)
    }
}

fn existing(path: &Path) -> Option<Vec<u8>> {
    match fs::read(path) {
        Ok(bytes) => Some(bytes),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => {
            warn!(path = %path.display(), %error, "what is kept of the ACME server can't be read");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::web_certificate::shown::tests::made;

    #[test]
    fn what_is_kept_is_there_again_for_the_same_server_only() {
        let state = tempfile::tempdir().unwrap();
        let cache = Cache::new(state.path(), "https://acme.example/../directory?x");
        let (chain_pem, key_pem) = made(&["backup.example"]);
        assert!(cache.certificate().is_none() && cache.account().is_none());
        cache.keep_certificate(&key_pem, &chain_pem).unwrap();
        assert_eq!(cache.certificate().unwrap().names(), ["backup.example"]);
        let file = state
            .path()
            .join("acme/acme.example_.._directory_x/certificate.pem");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let other = Cache::new(state.path(), "https://staging.acme.example/directory");
        assert!(other.certificate().is_none());
        fs::write(&file, "damaged").unwrap();
        assert!(cache.certificate().is_none());
    }
}
