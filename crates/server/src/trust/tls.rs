//! The TLS settings of the one port: TLS 1.3 only, client certificates from our own authority or none.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::server::WebPkiClientVerifier;
use rustls::sign::CertifiedKey;

use super::choice::Choice;
use crate::error::{Error, Result};
use crate::trust::Authority;
use crate::web_certificate::WebCertificate;

/// Builds the TLS settings. A peer without a certificate is let in, as [`super::Peer::Anonymous`]; one with a
/// certificate of another authority is not. Browsers are shown the certificate of `web`, where it is good for what they ask for.
pub fn server_config(
    authority: &Authority,
    host_names: &[String],
    web: Arc<WebCertificate>,
) -> Result<Arc<rustls::ServerConfig>> {
    let provider = Arc::new(ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate().clone()).map_err(Error::Tls)?;
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .allow_unauthenticated()
        .build()
        .map_err(|source| Error::Tls(rustls::Error::General(source.to_string())))?;
    let (chain, key) = authority.server_identity(host_names)?;
    let own = CertifiedKey::from_der(chain, key, &provider).map_err(Error::Tls)?;
    let choice = Choice {
        own: Arc::new(own),
        web,
    };
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(Error::Tls)?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(choice));
    config.alpn_protocols = [
        wire::alpn::CONTROL,
        wire::alpn::DATA,
        wire::alpn::HTTP2,
        wire::alpn::HTTP1,
        wire::alpn::ACME,
    ]
    .map(<[u8]>::to_vec)
    .into();
    // Data connections are read by one side only; a ticket that nobody reads would be in the way.
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}
