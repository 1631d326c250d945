//! Enrolment: a one-time token against a client certificate.

use std::sync::Arc;

use catalog::{Certificate, Enrolment as EnrolmentRecord, Redeem, Sighting, TokenHash};
use tonic::{Request, Response, Status};
use tracing::{info, warn};
use wire::v1::enrolment_server::Enrolment;
use wire::v1::{EnrolReply, EnrolRequest};

use crate::core::Core;
use crate::error::Error;
use crate::services::access::address_of;

/// Longest text that an enrolling client may say about itself.
const MAX_TEXT_BYTES: usize = 256;

/// Answers enrolments.
pub struct Service {
    core: Arc<Core>,
}

impl Service {
    /// Creates the service.
    pub fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    fn enrol(&self, request: EnrolRequest) -> Result<EnrolReply, Status> {
        let core = &self.core;
        let hash = TokenHash::of(&request.secret);
        let name = if request.client_name.is_empty() {
            let bound = core.catalog.token_client(hash).map_err(Error::from)?;
            bound.unwrap_or(request.host_name)
        } else {
            request.client_name
        };
        let name: storage::ClientName = name.parse().map_err(Error::InvalidName)?;
        for text in [&request.client_version, &request.operating_system] {
            if text.len() > MAX_TEXT_BYTES {
                return Err(Status::invalid_argument("the client says too much about itself"));
            }
        }
        let now_ms = core.clock.now_ms();
        let preview = core
            .catalog
            .preview_enrolment(hash, name.as_str(), now_ms)
            .map_err(Error::from)?;
        if let Some(refused) = preview {
            return Err(refusal(&refused, name.as_str()));
        }
        let issued = core
            .authority
            .sign_client(&request.signing_request, name.as_str())?;
        let record = EnrolmentRecord {
            client: name.as_str().to_owned(),
            certificate: Certificate {
                serial: issued.serial,
                fingerprint: issued.fingerprint,
            },
            sighting: Sighting {
                operating_system: request.operating_system,
                version: request.client_version,
            },
        };
        match core.catalog.enrol(hash, &record, now_ms).map_err(Error::from)? {
            Redeem::Accepted(_) => Ok(EnrolReply {
                certificate: issued.der,
                authority: core.authority.certificate().to_vec(),
                client_name: record.client,
                server_id: core.catalog.server_id().to_string(),
            }),
            refused => Err(refusal(&refused, name.as_str())),
        }
    }
}

#[tonic::async_trait]
impl Enrolment for Service {
    async fn enrol(&self, request: Request<EnrolRequest>) -> Result<Response<EnrolReply>, Status> {
        let address = address_of(&request);
        let request = request.into_inner();
        let asked = request.client_name.clone();
        match self.enrol(request) {
            Ok(reply) => {
                info!(client = reply.client_name, ?address, "a client was enrolled");
                Ok(Response::new(reply))
            }
            Err(status) => {
                warn!(
                    client = asked,
                    ?address,
                    why = status.message(),
                    "an enrolment was refused"
                );
                Err(status)
            }
        }
    }
}

fn refusal(refused: &Redeem, name: &str) -> Status {
    match refused {
        Redeem::Accepted(_) => Status::internal("an accepted token is no refusal"),
        Redeem::Unknown => Status::permission_denied("this server does not know the enrolment token"),
        Redeem::Expired => Status::permission_denied("the enrolment token has expired"),
        Redeem::AlreadyUsed { by } => {
            Status::permission_denied(format!("the enrolment token was used already, by client {by}"))
        }
        Redeem::MeantForAnother { client } => Status::permission_denied(format!(
            "the enrolment token is meant for a client named {client}"
        )),
        Redeem::NameTaken => Status::already_exists(format!(
            "there is a client named {name} already; to enrol it anew, bind a token to its name"
        )),
    }
}
