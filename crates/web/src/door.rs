//! The way to the server's services, within its process.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tonic::body::Body;
use tonic::codegen::http::{HeaderValue, Request, Response, header};
use tower::Service;
use wire::v1::accounts_client::AccountsClient;
use wire::v1::admin_client::AdminClient;
use wire::v1::backups_client::BackupsClient;
use wire::v1::clients_client::ClientsClient;
use wire::v1::contents_client::ContentsClient;
use wire::v1::enrolment_client::EnrolmentClient;
use wire::v1::notify_client::NotifyClient;
use wire::v1::planning_client::PlanningClient;
use wire::v1::settings_client::SettingsClient;
use wire::v1::storages_client::StoragesClient;

/// An answer that is on its way.
pub type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

/// What answers a call of the services that comes from an address.
pub type Call = dyn Fn(SocketAddr, Request<Body>) -> Answer + Send + Sync;

/// The way to the services. Cheap to clone.
#[derive(Clone)]
pub struct Door(Arc<Call>);

impl Door {
    /// Calls are answered by this.
    pub fn new(call: Arc<Call>) -> Self {
        Self(call)
    }

    /// The services as they are for whoever comes from there, with the token of a session if there is one.
    pub fn enter(&self, address: SocketAddr, token: Option<&str>) -> Services {
        let token = token.and_then(|token| HeaderValue::try_from(format!("Bearer {token}")).ok());
        Services(Channel {
            call: Arc::clone(&self.0),
            address,
            token,
        })
    }
}

/// The services for one visitor.
#[derive(Clone)]
pub struct Services(Channel);

impl Services {
    /// The way to a service that is called by its name.
    pub fn channel(&self) -> Channel {
        self.0.clone()
    }

    pub fn accounts(&self) -> AccountsClient<Channel> {
        AccountsClient::new(self.0.clone())
    }

    pub fn admin(&self) -> AdminClient<Channel> {
        AdminClient::new(self.0.clone()).max_decoding_message_size(wire::MAX_MESSAGE_BYTES)
    }

    pub fn backups(&self) -> BackupsClient<Channel> {
        BackupsClient::new(self.0.clone()).max_decoding_message_size(wire::MAX_MESSAGE_BYTES)
    }

    pub fn clients(&self) -> ClientsClient<Channel> {
        ClientsClient::new(self.0.clone()).max_decoding_message_size(wire::MAX_MESSAGE_BYTES)
    }

    pub fn contents(&self) -> ContentsClient<Channel> {
        ContentsClient::new(self.0.clone()).max_decoding_message_size(wire::MAX_MESSAGE_BYTES)
    }

    pub fn enrolment(&self) -> EnrolmentClient<Channel> {
        EnrolmentClient::new(self.0.clone())
    }

    pub fn notify(&self) -> NotifyClient<Channel> {
        NotifyClient::new(self.0.clone()).max_decoding_message_size(wire::MAX_MESSAGE_BYTES)
    }

    pub fn planning(&self) -> PlanningClient<Channel> {
        PlanningClient::new(self.0.clone())
    }

    pub fn settings(&self) -> SettingsClient<Channel> {
        SettingsClient::new(self.0.clone())
    }

    pub fn storages(&self) -> StoragesClient<Channel> {
        StoragesClient::new(self.0.clone()).max_decoding_message_size(wire::MAX_MESSAGE_BYTES)
    }
}

/// What the services' clients call.
#[derive(Clone)]
pub struct Channel {
    call: Arc<Call>,
    address: SocketAddr,
    token: Option<HeaderValue>,
}

impl Service<Request<Body>> for Channel {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Answer {
        if let Some(token) = &self.token {
            request.headers_mut().insert(header::AUTHORIZATION, token.clone());
        }
        (self.call)(self.address, request)
    }
}
