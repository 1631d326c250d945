//! Connections of those who have no certificate – a machine that enrols, a user who logs in –: the server is known by the
//! fingerprint of its authority, and by nothing else.

use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, SignatureScheme};
use tonic::transport::Channel;

use super::{DIAL_TIMEOUT, Proxy, channel_over, dial, tls};
use crate::error::{Error, Result};
use crate::identity::FingerprintVerifier;

/// Dials a server whose authority has this fingerprint, through a proxy if there is one. Fails with [`Error::WrongFingerprint`] where
/// another answers.
pub async fn open_pinned(address: &str, proxy: Option<&Proxy>, fingerprint: [u8; 32]) -> Result<Channel> {
    let verifier = Arc::new(FingerprintVerifier::new(fingerprint, tls::provider()));
    let config = tls::anonymous(verifier.clone())?;
    let dialled = dial(address, proxy, Arc::new(config), DIAL_TIMEOUT).await;
    let stream = dialled.map_err(|error| {
        if verifier.met_a_stranger() {
            return Error::WrongFingerprint {
                address: address.to_owned(),
            };
        }
        error
    })?;
    channel_over(stream, address).await
}

/// The fingerprint of the authority that the server at this address shows, for somebody to compare. Nothing is sent to it: the
/// handshake is given up.
pub async fn shown_fingerprint(address: &str) -> Result<[u8; 32]> {
    let probe = Arc::new(Probe::default());
    let config = tls::anonymous(probe.clone())?;
    let dialled = dial(address, None, Arc::new(config), DIAL_TIMEOUT).await;
    match (probe.seen.get(), dialled) {
        (Some(seen), _) => Ok(*seen),
        (None, Err(error)) => Err(error),
        (None, Ok(_)) => Err(Error::Protocol {
            what: "a server without certificate",
        }),
    }
}

/// Remembers which authority a server shows, and accepts none.
#[derive(Debug, Default)]
struct Probe {
    seen: OnceLock<[u8; 32]>,
}

impl ServerCertVerifier for Probe {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        if let Some(authority) = intermediates.last() {
            // There is one handshake.
            let _ = self.seen.set(wire::token::fingerprint(authority));
        }
        Err(CertificateError::UnknownIssuer.into())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("only TLS 1.3 is spoken".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        Err(CertificateError::UnknownIssuer.into())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        tls::provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
