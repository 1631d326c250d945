//! Enrolment: a one-time token becomes a client certificate.

use std::path::Path;

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use rustls::pki_types::CertificateDer;
use tonic::Code;
use wire::token::{Token, fingerprint};
use wire::v1::enrolment_client::EnrolmentClient;
use wire::v1::{EnrolReply, EnrolRequest};

use super::store::{self, Parts};
use super::{Identity, Record};
use crate::connection::{self, Proxy, tls};
use crate::error::{Error, Result};

/// What a client says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientInfo {
    /// Version of the program.
    pub version: String,
    /// Name and version of the operating system.
    pub operating_system: String,
    /// The machine's own name.
    pub host_name: String,
}

/// How a client is to be enrolled.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wish<'a> {
    /// Its name; without one it gets the one that the token is bound to, or its machine's.
    pub name: Option<&'a str>,
    /// The proxy to reach the server through.
    pub proxy: Option<&'a Proxy>,
    /// What becomes of the client that the machine is already.
    pub before: Before,
}

/// What becomes of the client that a machine is already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Before {
    /// It stays, and there is no other.
    #[default]
    Stays,
    /// It is forgotten once the server has let the other in.
    GivesWay,
}

/// Enrols this machine with the server that made `token`, and stores the identity in `dir`.
///
/// The private key is made here and never leaves the machine. Fails with [`Error::AlreadyEnrolled`] before
/// the token is spent, with [`Error::WrongFingerprint`], [`Error::TokenRefused`], [`Error::NameTaken`] or
/// [`Error::Unreachable`]; nothing is stored then.
pub async fn enrol(token: &Token, dir: &Path, info: &ClientInfo, wish: Wish<'_>) -> Result<Identity> {
    if wish.before == Before::Stays
        && let Some(record) = store::read_record(dir)?
    {
        return Err(Error::AlreadyEnrolled {
            dir: dir.to_owned(),
            name: record.name,
        });
    }
    let name = wish.name.unwrap_or_default();
    let key = KeyPair::generate().map_err(Error::certificate)?;
    let request = EnrolRequest {
        secret: token.secret.to_vec(),
        client_name: name.to_owned(),
        signing_request: signing_request(&key, name)?,
        client_version: info.version.clone(),
        operating_system: info.operating_system.clone(),
        host_name: info.host_name.clone(),
    };
    let reply = ask(token, wish.proxy, request).await?;
    if fingerprint(&reply.authority) != token.authority_fingerprint {
        return Err(Error::WrongFingerprint {
            address: token.address.clone(),
        });
    }
    let record = Record {
        name: reply.client_name,
        server: token.address.clone(),
        further_servers: reply.further_addresses,
        server_id: reply.server_id,
    };
    let parts = Parts {
        record: &record,
        key_pem: &key.serialize_pem(),
        certificate_der: &reply.certificate,
        authority_der: &reply.authority,
    };
    if wish.before == Before::GivesWay {
        Identity::discard(dir)?;
    }
    store::write(dir, &parts)?;
    let mut identity = Identity::open(dir)?;
    identity.set_reach(&[], wish.proxy.cloned());
    Ok(identity)
}

fn signing_request(key: &KeyPair, name: &str) -> Result<Vec<u8>> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    let request = params.serialize_request(key).map_err(Error::certificate)?;
    Ok(request.der().to_vec())
}

async fn ask(token: &Token, proxy: Option<&Proxy>, request: EnrolRequest) -> Result<EnrolReply> {
    let channel = connection::open_pinned(&token.address, proxy, token.authority_fingerprint).await?;
    let reply = EnrolmentClient::new(channel).enrol(request).await;
    let reply = reply
        .map_err(|status| refusal(&status, &token.address))?
        .into_inner();
    check(&reply)?;
    Ok(reply)
}

fn refusal(status: &tonic::Status, address: &str) -> Error {
    let message = status.message().to_owned();
    match status.code() {
        Code::AlreadyExists => Error::NameTaken { message },
        Code::Unauthenticated | Code::PermissionDenied | Code::InvalidArgument | Code::NotFound => {
            Error::TokenRefused { message }
        }
        Code::Unavailable | Code::Unknown | Code::Cancelled => Error::Unreachable {
            address: address.to_owned(),
            source: std::io::Error::other(message),
        },
        _ => Error::from_status(status),
    }
}

/// Checks that what is about to be stored can be used.
fn check(reply: &EnrolReply) -> Result<()> {
    if reply.client_name.is_empty() || reply.certificate.is_empty() {
        return Err(Error::Protocol {
            what: "an enrolment without name or certificate",
        });
    }
    let authority = CertificateDer::from(reply.authority.as_slice());
    tls::roots(&authority).map(drop)
}
