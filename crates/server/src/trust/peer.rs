//! What a connection says of its peer, before anything is asked of the catalog.

use std::net::SocketAddr;
use std::sync::Arc;

use x509_parser::prelude::{FromDer as _, X509Certificate};

/// The peer of a connection.
#[derive(Debug, Clone)]
pub enum Peer {
    /// Somebody on this machine who may open the administration socket.
    Admin,
    /// A client whose certificate comes from this server's authority. Whether it is still welcome is the catalog's to say.
    Client(Arc<ClientPeer>),
    /// A peer without a certificate: it may enrol and log in; for all else it needs a user's token.
    Anonymous(SocketAddr),
}

/// What the certificate of a client says.
#[derive(Debug)]
pub struct ClientPeer {
    /// The client's name, from the certificate's common name.
    pub name: String,
    /// SHA-256 of the certificate.
    pub fingerprint: [u8; 32],
    /// Where it dialled from.
    pub address: SocketAddr,
}

impl Peer {
    /// Reads the peer from the certificates that it presented in the TLS handshake, which has verified them.
    pub fn of(certificates: Option<&[rustls::pki_types::CertificateDer<'_>]>, address: SocketAddr) -> Self {
        let leaf = certificates.and_then(<[_]>::first);
        match leaf.and_then(|leaf| Some((leaf, common_name(leaf)?))) {
            Some((leaf, name)) => {
                let fingerprint = wire::token::fingerprint(leaf);
                Self::Client(Arc::new(ClientPeer {
                    name,
                    fingerprint,
                    address,
                }))
            }
            None => Self::Anonymous(address),
        }
    }
}

/// The common name of a certificate, if it has exactly one.
pub(super) fn common_name(der: &[u8]) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let mut names = certificate.subject().iter_common_name();
    let name = names.next()?.as_str().ok()?.to_owned();
    names.next().is_none().then_some(name)
}
