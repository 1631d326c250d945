//! Enrolment: a token against a client certificate, or an installer of a client that brings it.

use std::io::Read as _;
use std::sync::Arc;

use catalog::{Certificate, Enrolment as EnrolmentRecord, Redeem, Sighting, TokenHash};
use installer::Architecture;
use tokio::sync::Semaphore;
use tonic::{Request, Response, Status};
use tracing::{info, warn};
use wire::v1::enrolment_server::Enrolment;
use wire::v1::{EnrolReply, EnrolRequest, FetchInstallerRequest, InstallerPart};

use crate::core::Core;
use crate::error::Error;
use crate::installing::{self, Asked, Made, Wanted};
use crate::services::access::address_of;
use crate::services::reply::{Replies, Sender, blocking, finish, replies, send};
use crate::tokens;

/// Longest text that an enrolling client may say about itself.
const MAX_TEXT_BYTES: usize = 256;
/// An installer is sent in pieces of this size.
const PIECE_BYTES: usize = 64 << 10;

/// So many installers are made and sent at a time: each takes a thread and room for its file.
const MOST_INSTALLERS: usize = 16;

/// Answers enrolments.
pub struct Service {
    core: Arc<Core>,
    installers: Arc<Semaphore>,
}

impl Service {
    /// Creates the service.
    pub fn new(core: Arc<Core>) -> Self {
        Self {
            core,
            installers: Arc::new(Semaphore::new(MOST_INSTALLERS)),
        }
    }

    fn enrol(&self, request: EnrolRequest) -> Result<EnrolReply, Status> {
        let core = &self.core;
        let hash = TokenHash::of(&request.secret);
        let name = if request.client_name.is_empty() {
            let token = core
                .catalog
                .good_token(hash, core.clock.now_ms())
                .map_err(Error::from)?;
            let bound = token.ok().and_then(|token| token.client);
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
                further_addresses: tokens::further_addresses(core),
            }),
            refused => Err(refusal(&refused, name.as_str())),
        }
    }
}

/// What is asked for, if it can be.
fn asked(request: FetchInstallerRequest) -> Result<Asked, Status> {
    let unknown = |what, word: &str| Status::invalid_argument(format!("there is no {what} {word:?}"));
    let secret = request.secret.as_slice().try_into();
    let architecture = match request.architecture.as_str() {
        "" => None,
        word => {
            let known = Architecture::of_word(word);
            Some(
                known
                    .ok_or_else(|| Status::not_found(format!("there is no program for {word} processors")))?,
            )
        }
    };
    Ok(Asked {
        secret: secret.map_err(|_| refusal(&Redeem::Unknown, ""))?,
        wanted: Wanted::of_word(&request.form).ok_or_else(|| unknown("installer", &request.form))?,
        architecture,
        address: Some(request.address).filter(|address| !address.is_empty()),
    })
}

/// Sends an installer, from a thread of its own.
fn send_made(mut made: Made, sender: &Sender<InstallerPart>) -> crate::error::Result<()> {
    send(
        sender,
        InstallerPart {
            file_name: made.file_name,
            size_bytes: made.size_bytes,
            data: Vec::new(),
        },
    )?;
    loop {
        let mut data = vec![0; PIECE_BYTES];
        let len = made
            .file
            .read(&mut data)
            .map_err(|source| Error::io("read", std::path::Path::new("an installer"), source))?;
        if len == 0 {
            return Ok(());
        }
        data.truncate(len);
        send(
            sender,
            InstallerPart {
                data,
                ..InstallerPart::default()
            },
        )?;
    }
}

#[tonic::async_trait]
impl Enrolment for Service {
    type FetchInstallerStream = Replies<InstallerPart>;

    async fn fetch_installer(
        &self,
        request: Request<FetchInstallerRequest>,
    ) -> Result<Response<Self::FetchInstallerStream>, Status> {
        let address = address_of(&request);
        let asked = asked(request.into_inner())?;
        let hash = TokenHash::of(&asked.secret);
        let good = self.core.catalog.good_token(hash, self.core.clock.now_ms());
        let token = good
            .map_err(Error::from)?
            .map_err(|refused| refusal(&refused, ""))?;
        let Ok(permit) = self.installers.clone().try_acquire_owned() else {
            return Err(Status::unavailable(
                "many installers are being fetched just now; try again in a minute",
            ));
        };
        let core = self.core.clone();
        let made = blocking(move || installing::make(&core, &token, &asked)).await?;
        info!(file = made.file_name, ?address, "an installer was made");
        let (sender, response) = replies();
        tokio::task::spawn_blocking(move || {
            finish(send_made(made, &sender), &sender);
            drop(permit);
        });
        Ok(response)
    }

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
