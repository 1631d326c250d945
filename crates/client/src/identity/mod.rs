//! Who this client is: its key, its certificate, the authority that it trusts and the server that it belongs
//! to.
//!
//! ```text
//! STATE/client.toml           name, server address, server id; written last: its presence says that all is
//! there STATE/client.key.pem        private key, mode 0600; never leaves the machine
//! STATE/client.cert.pem       certificate for that key, from the server's authority
//! STATE/authority.cert.pem    the authority's certificate: the only root that is trusted
//! STATE/token                 instead of all these: a token with which the client joins once it runs
//! ```

mod enrol;
mod store;
mod verifier;
pub(crate) mod waiting;

use std::path::{Path, PathBuf};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};

pub use enrol::{Before, ClientInfo, Wish, enrol};
pub(crate) use verifier::FingerprintVerifier;

use crate::connection::{Proxy, Reach};
use crate::error::{Error, Result};

const RECORD_FILE: &str = "client.toml";
const KEY_FILE: &str = "client.key.pem";
const CERTIFICATE_FILE: &str = "client.cert.pem";
const AUTHORITY_FILE: &str = "authority.cert.pem";
const TOKEN_FILE: &str = "token";

/// The identity of an enrolled client.
#[derive(Debug)]
pub struct Identity {
    dir: PathBuf,
    record: Record,
    reach: Reach,
    certificate: CertificateDer<'static>,
    authority: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

/// What `client.toml` holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    name: String,
    server: String,
    /// Where else the server has said that it can be dialled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    further_servers: Vec<String>,
    server_id: String,
}

impl Record {
    /// How the server is reached: by these addresses, and then by those that are known.
    fn reach(&self, first: &[String], proxy: Option<Proxy>) -> Reach {
        let known = std::iter::once(&self.server).chain(&self.further_servers);
        let mut addresses: Vec<String> = Vec::new();
        for address in first.iter().chain(known) {
            if !addresses.contains(address) {
                addresses.push(address.clone());
            }
        }
        Reach { addresses, proxy }
    }
}

impl Identity {
    /// Opens the identity in the state directory `dir`.
    ///
    /// Fails with [`Error::NotEnrolled`] where there is none and [`Error::Damaged`] where a part is missing
    /// or broken.
    pub fn open(dir: &Path) -> Result<Self> {
        let record = store::read_record(dir)?.ok_or_else(|| Error::NotEnrolled { dir: dir.to_owned() })?;
        Ok(Self {
            reach: record.reach(&[], None),
            certificate: read_certificate(&dir.join(CERTIFICATE_FILE))?,
            authority: read_certificate(&dir.join(AUTHORITY_FILE))?,
            key: read_key(&dir.join(KEY_FILE))?,
            record,
            dir: dir.to_owned(),
        })
    }

    /// Whether the state directory holds an identity.
    pub fn exists(dir: &Path) -> bool {
        dir.join(RECORD_FILE).exists()
    }

    /// Removes the identity from the state directory, so that the client can enrol anew.
    pub fn discard(dir: &Path) -> Result<()> {
        // ORDER: the record first, for without it the others count for nothing.
        for file in [RECORD_FILE, KEY_FILE, CERTIFICATE_FILE, AUTHORITY_FILE] {
            let path = dir.join(file);
            match std::fs::remove_file(&path) {
                Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::io("remove", &path, source));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Notes that the server is dialled at another address from now on.
    pub fn move_server(&mut self, address: &str) -> Result<()> {
        let record = Record {
            server: address.to_owned(),
            ..self.record.clone()
        };
        store::write_record(&self.dir, &record)?;
        self.reach = record.reach(&[], self.reach.proxy.take());
        self.record = record;
        Ok(())
    }

    /// Says how the server is reached from now on: by these addresses before those that are known from the enrolment, and through a
    /// proxy if there is one.
    pub fn set_reach(&mut self, addresses: &[String], proxy: Option<Proxy>) {
        self.reach = self.record.reach(addresses, proxy);
    }

    /// How the server is reached.
    pub fn reach(&self) -> &Reach {
        &self.reach
    }

    /// The state directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The client's name, as the server gave it.
    pub fn name(&self) -> &str {
        &self.record.name
    }

    /// Where the server was when the client was enrolled, `host:port`.
    pub fn server_address(&self) -> &str {
        &self.record.server
    }

    /// The server's own id.
    pub fn server_id(&self) -> &str {
        &self.record.server_id
    }

    pub(crate) fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    pub(crate) fn authority(&self) -> &CertificateDer<'static> {
        &self.authority
    }

    pub(crate) fn key(&self) -> PrivateKeyDer<'static> {
        self.key.clone_key()
    }
}

fn read_certificate(path: &Path) -> Result<CertificateDer<'static>> {
    let pem = std::fs::read(path).map_err(|source| Error::io("read", path, source))?;
    CertificateDer::from_pem_slice(&pem).map_err(|error| Error::damaged(path, error))
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>> {
    let pem = std::fs::read(path).map_err(|source| Error::io("read", path, source))?;
    PrivateKeyDer::from_pem_slice(&pem).map_err(|error| Error::damaged(path, error))
}

#[cfg(test)]
mod tests;
