//! Local administration: tokens, clients, storage, jobs. Only over the administration socket.

use std::sync::Arc;
use std::time::Duration;

use catalog::JobFilter;
use tonic::{Request, Response, Status};
use tracing::info;
use wire::v1::admin_server::Admin;
use wire::v1::{
    CancelJobReply, CancelJobRequest, ChangeClientSettingRequest, ClientInfo, ClientRef, ClientSetting,
    ClientSettingsReply, CreateTokenReply, CreateTokenRequest, JobInfo, ListClientsReply, ListClientsRequest,
    ListJobsReply, ListJobsRequest, RebuildIndexReply, RebuildIndexRequest, RepairReply, RepairRequest,
    RevokeReply, StatusReply, StatusRequest,
};

use crate::core::Core;
use crate::error::Error;
use crate::services::access::Caller;
use crate::services::backups::blocking;
use crate::tokens::{self, TokenRequest};

const DEFAULT_VALID: Duration = Duration::from_secs(3600);

/// Answers the administrator.
pub struct Service {
    core: Arc<Core>,
}

impl Service {
    /// Creates the service.
    pub fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    fn check<T>(&self, request: &Request<T>) -> Result<(), Status> {
        Caller::of(&self.core, request)?.admin()
    }

    fn settings_of(&self, client: &str) -> Result<Response<ClientSettingsReply>, Status> {
        let settings = crate::image::settings_of(&self.core, client)?;
        let settings = settings.into_iter().map(|setting| ClientSetting {
            key: setting.key.to_owned(),
            value: setting.value,
            is_own: setting.is_own,
        });
        Ok(Response::new(ClientSettingsReply {
            settings: settings.collect(),
        }))
    }
}

#[tonic::async_trait]
impl Admin for Service {
    async fn status(&self, request: Request<StatusRequest>) -> Result<Response<StatusReply>, Status> {
        self.check(&request)?;
        let core = &self.core;
        let totals = core.catalog.totals().map_err(Error::from)?;
        let space = core.store.space().map_err(Error::from)?;
        Ok(Response::new(StatusReply {
            version: env!("CARGO_PKG_VERSION").into(),
            server_id: core.catalog.server_id().to_string(),
            storage_path: core.settings.storage_dir.display().to_string(),
            storage_backend: core.store.backend().to_string(),
            file_system: core.store.capabilities().file_system.name.to_string(),
            space_total_bytes: space.total_bytes,
            space_free_bytes: space.free_bytes,
            clients: totals.clients,
            clients_connected: core.attached.names().len() as u64,
            backups: totals.backups,
            jobs_running: core.board.len() as u64,
            listen: core.local_address.to_string(),
        }))
    }

    async fn create_token(
        &self,
        request: Request<CreateTokenRequest>,
    ) -> Result<Response<CreateTokenReply>, Status> {
        self.check(&request)?;
        let request = request.into_inner();
        let given = |text: String| (!text.is_empty()).then_some(text);
        let request = TokenRequest {
            address: given(request.address),
            client: given(request.client_name),
            valid: match request.valid_s {
                0 => DEFAULT_VALID,
                seconds => Duration::from_secs(u64::from(seconds)),
            },
        };
        let (token, expires_ms) = tokens::create(&self.core, &request)?;
        info!(client = request.client, "an enrolment token was made");
        Ok(Response::new(CreateTokenReply {
            token: token.to_string(),
            expires_ms,
        }))
    }

    async fn list_clients(
        &self,
        request: Request<ListClientsRequest>,
    ) -> Result<Response<ListClientsReply>, Status> {
        self.check(&request)?;
        let clients = self.core.catalog.clients().map_err(Error::from)?;
        let clients = clients
            .into_iter()
            .map(|overview| ClientInfo {
                connected: self.core.attached.contains(&overview.client.name),
                name: overview.client.name,
                state: overview.client.state.to_string(),
                enrolled_ms: overview.client.enrolled_ms.unwrap_or_default(),
                last_seen_ms: overview.client.last_seen_ms.unwrap_or_default(),
                operating_system: overview.client.operating_system,
                version: overview.client.version,
                backups: overview.backups,
                newest: overview.newest.unwrap_or_default(),
            })
            .collect();
        Ok(Response::new(ListClientsReply { clients }))
    }

    async fn revoke_client(&self, request: Request<ClientRef>) -> Result<Response<RevokeReply>, Status> {
        self.check(&request)?;
        let name = request.into_inner().name;
        self.core
            .catalog
            .revoke_client(&name, self.core.clock.now_ms())
            .map_err(|error| match error {
                catalog::Error::UnknownClient { .. } => Status::not_found(error.to_string()),
                error => Error::from(error).into(),
            })?;
        if let Ok(attachment) = self.core.attached.get(&name) {
            attachment.detach.cancel();
        }
        self.core.board.cancel_backups(&name);
        info!(client = name, "the client was revoked");
        Ok(Response::new(RevokeReply {}))
    }

    async fn client_settings(
        &self,
        request: Request<ClientRef>,
    ) -> Result<Response<ClientSettingsReply>, Status> {
        self.check(&request)?;
        let name = request.into_inner().name;
        self.settings_of(&name)
    }

    async fn change_client_setting(
        &self,
        request: Request<ChangeClientSettingRequest>,
    ) -> Result<Response<ClientSettingsReply>, Status> {
        self.check(&request)?;
        let change = request.into_inner();
        crate::image::change_setting(&self.core, &change.client, &change.key, change.value.as_deref())?;
        info!(
            client = change.client,
            key = change.key,
            value = change.value,
            "a client's setting was changed"
        );
        self.settings_of(&change.client)
    }

    async fn repair_storage(&self, request: Request<RepairRequest>) -> Result<Response<RepairReply>, Status> {
        self.check(&request)?;
        let apply = request.into_inner().apply;
        let core = self.core.clone();
        let steps = blocking(move || crate::repair::repair(&core, apply)).await?;
        Ok(Response::new(RepairReply { steps }))
    }

    async fn rebuild_index(
        &self,
        request: Request<RebuildIndexRequest>,
    ) -> Result<Response<RebuildIndexReply>, Status> {
        self.check(&request)?;
        let core = self.core.clone();
        let backups = blocking(move || {
            core.store.reset_index()?;
            core.housekeeping.refresh();
            core.housekeeping.settle_index();
            Ok(core.catalog.totals()?.backups)
        })
        .await?;
        Ok(Response::new(RebuildIndexReply { backups }))
    }

    async fn list_jobs(&self, request: Request<ListJobsRequest>) -> Result<Response<ListJobsReply>, Status> {
        self.check(&request)?;
        let limit = match request.into_inner().limit {
            0 => 50,
            limit => limit,
        };
        let filter = JobFilter {
            limit: Some(limit),
            ..JobFilter::default()
        };
        let jobs = self.core.catalog.jobs(&filter).map_err(Error::from)?;
        let jobs = jobs
            .into_iter()
            .map(|job| JobInfo {
                id: job.id.0 as u64,
                kind: job.kind.to_string(),
                client: job.client.unwrap_or_default(),
                state: job.state.to_string(),
                queued_ms: job.queued_ms,
                started_ms: job.started_ms.unwrap_or_default(),
                finished_ms: job.finished_ms.unwrap_or_default(),
                error: job.error.unwrap_or_default(),
            })
            .collect();
        Ok(Response::new(ListJobsReply { jobs }))
    }

    async fn cancel_job(
        &self,
        request: Request<CancelJobRequest>,
    ) -> Result<Response<CancelJobReply>, Status> {
        self.check(&request)?;
        let id = request.into_inner().job_id;
        let job = self.core.board.live(id);
        let job = job.ok_or_else(|| Status::not_found(format!("there is no open job {id}")))?;
        job.cancel.cancel();
        let begun = self
            .core
            .catalog
            .job(job.id)
            .is_ok_and(|record| record.started_ms.is_some());
        if !begun {
            self.core.board.fail(&job, &Error::Cancelled);
        }
        info!(job = id, "a job was cancelled");
        if let Ok(attachment) = self.core.attached.get(&job.client) {
            // A client that is gone has nothing to cancel.
            let _ = attachment.command(wire::v1::server_command::Command::Cancel(wire::v1::CancelJob {
                job_id: id,
            }));
        }
        Ok(Response::new(CancelJobReply {}))
    }
}
