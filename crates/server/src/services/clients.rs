//! The service for what becomes of clients.

use std::sync::Arc;

use policy::access::Right;
use tonic::{Request, Response, Status};
use wire::v1::clients_server::Clients;
use wire::v1::{ClientInfo, ClientRef};

use crate::audit;
use crate::core::Core;
use crate::error::Result;
use crate::retention;
use crate::services::access::{actor_of, caller_of};
use crate::services::admin::send_away;
use crate::services::reply::blocking;
use crate::services::views;

/// Answers all that is about what becomes of clients.
pub struct Service {
    core: Arc<Core>,
}

impl Service {
    /// Creates the service.
    pub fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// Does something to a client for whoever has the right, notes it, and tells how the client is then.
    async fn change(
        &self,
        request: Request<ClientRef>,
        right: Right,
        (action, detail): (&str, &str),
        change: impl FnOnce(&Core, &str) -> Result<()> + Send + 'static,
    ) -> Result<Response<ClientInfo>, Status> {
        let name = request.get_ref().name.clone();
        caller_of(&request)?.may_for(&self.core, right, &name)?;
        let actor = actor_of(&request)?;
        let (core, of) = (self.core.clone(), name.clone());
        let overview = blocking(move || {
            change(&core, &of)?;
            Ok(core.catalog.client_overview(&of)?)
        })
        .await?;
        audit::note(&self.core, &actor, action, &name, detail);
        Ok(Response::new(views::client_info(
            &self.core,
            overview,
            Vec::new(),
        )))
    }
}

#[tonic::async_trait]
impl Clients for Service {
    async fn disable(&self, request: Request<ClientRef>) -> Result<Response<ClientInfo>, Status> {
        let told = ("client-disable", "let in no more until it is enabled");
        self.change(request, Right::Enrol, told, |core, name| {
            core.catalog.disable_client(name, Some(core.clock.now_ms()))?;
            send_away(core, name);
            Ok(())
        })
        .await
    }

    async fn enable(&self, request: Request<ClientRef>) -> Result<Response<ClientInfo>, Status> {
        let told = ("client-enable", "let in again");
        self.change(request, Right::Enrol, told, |core, name| {
            Ok(core.catalog.disable_client(name, None)?)
        })
        .await
    }

    async fn remove(&self, request: Request<ClientRef>) -> Result<Response<ClientInfo>, Status> {
        let told = ("client-remove", "goes with all its backups");
        self.change(request, Right::Purge, told, |core, name| {
            retention::remove_client(core, name)?;
            send_away(core, name);
            Ok(())
        })
        .await
    }

    async fn take_back(&self, request: Request<ClientRef>) -> Result<Response<ClientInfo>, Status> {
        let told = ("client-take-back", "");
        self.change(request, Right::Purge, told, |core, name| {
            Ok(core.catalog.remove_client(name, None)?)
        })
        .await
    }
}
