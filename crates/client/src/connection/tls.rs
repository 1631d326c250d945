//! The TLS settings of a client: TLS 1.3 only, ring, one root.

use std::sync::Arc;

use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};

use crate::error::{Error, Result};
use crate::identity::Identity;

/// The cryptography that is used, whatever else is linked into the process.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn builder() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>> {
    ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(Error::certificate)
}

/// The authority as the only root.
pub(crate) fn roots(authority: &CertificateDer<'_>) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots
        .add(authority.clone().into_owned())
        .map_err(Error::certificate)?;
    Ok(roots)
}

/// For a client that has no certificate yet.
pub(crate) fn anonymous(verifier: Arc<dyn ServerCertVerifier>) -> Result<ClientConfig> {
    let mut config = builder()?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![wire::alpn::CONTROL.to_vec()];
    Ok(config)
}

/// For an enrolled client, to speak `protocol` (ALPN).
pub(crate) fn enrolled(identity: &Identity, protocol: &[u8]) -> Result<ClientConfig> {
    let mut config = builder()?
        .with_root_certificates(roots(identity.authority())?)
        .with_client_auth_cert(vec![identity.certificate().clone()], identity.key())
        .map_err(Error::certificate)?;
    config.alpn_protocols = vec![protocol.to_vec()];
    Ok(config)
}
