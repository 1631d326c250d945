//! Administration: tokens, clients, storage, jobs. For whoever may open the administration socket, and for users as far as
//! their rights go.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use catalog::{Job, JobFilter, JobId, JobKind, JobState};
use data_encoding::HEXLOWER;
use policy::access::{Right, Subject};
use policy::settings::DEFAULT_STORAGE;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};
use wire::v1::admin_server::Admin;
use wire::v1::{
    CancelJobReply, ClientRef, CreateTokenReply, CreateTokenRequest, DoctorFinding, DoctorReply,
    DoctorRequest, JobEvent, JobLogLine, JobLogReply, JobRef, ListClientsReply, ListClientsRequest,
    ListJobsReply, ListJobsRequest, ListTroublesReply, ListTroublesRequest, LogRecord, PauseJobReply,
    RebuildIndexReply, RebuildIndexRequest, RepairReply, RepairRequest, ResumeJobReply, RetryJobReply,
    RevokeReply, Standing, StatusReply, StatusRequest, WatchEvent, WatchLogRequest, WatchRequest, job_event,
};

use crate::audit;
use crate::caller::Caller;
use crate::core::Core;
use crate::error::Error;
use crate::installing;
use crate::jobs::{LiveJob, is_backup};
use crate::pace::Flow;
use crate::services::access::{actor_of, caller_of};
use crate::services::reply::{Replies, blocking, replies};
use crate::services::{follow, retry, views, watch, watch_log};
use crate::telling::stands;
use crate::tokens::{self, TokenRequest};
use crate::{schedule, telling};

const DEFAULT_VALID: Duration = Duration::from_secs(3600);
/// Events that wait for a watcher that is slow to take them.
const QUEUED_EVENTS: usize = 64;
/// How often is looked for the end of a job that was just closed, and after how long again.
const LOOKS_FOR_END: u32 = 100;
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// Jobs that are listed where nobody says how many.
const JOBS: u32 = 50;
/// Jobs that are read at a time where not all are shown.
const JOBS_PAGE: u32 = 1000;

/// Answers administrators.
pub struct Service {
    core: Arc<Core>,
}

impl Service {
    /// Creates the service.
    pub fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// Refuses whoever may not do this to the server.
    fn check<T>(&self, request: &Request<T>, right: Right) -> Result<(), Status> {
        Ok(caller_of(request)?.may(&self.core, right)?)
    }

    /// Refuses whoever may not do this to a client; where none is named, to the server.
    fn check_for<T>(&self, request: &Request<T>, right: Right, client: &str) -> Result<(), Status> {
        let caller = caller_of(request)?;
        Ok(match client {
            "" => caller.may(&self.core, right),
            client => caller.may_for(&self.core, right, client),
        }?)
    }

    /// The open job of a request, for whoever may pause and cancel it.
    fn live(&self, request: &Request<JobRef>) -> Result<Arc<LiveJob>, Status> {
        let id = request.get_ref().job_id;
        let record = self.job(id)?;
        self.check_for(request, Right::Jobs, record.client.as_deref().unwrap_or_default())?;
        let job = self.core.board.live(id);
        job.ok_or_else(|| Status::not_found(format!("there is no open job {id}")))
    }

    fn job(&self, id: u64) -> Result<Job, Status> {
        let found = self
            .core
            .catalog
            .job(JobId(i64::try_from(id).unwrap_or(i64::MAX)));
        found.map_err(|error| match error {
            catalog::Error::UnknownJob { .. } => Status::not_found(format!("there is no job {id}")),
            error => Error::from(error).into(),
        })
    }

    /// A job that is not open any more, as it ended; that is written down a moment later.
    async fn ended_job(&self, id: u64) -> Result<Job, Status> {
        for _ in 0..LOOKS_FOR_END {
            let job = self.job(id)?;
            if !matches!(job.state, JobState::Queued | JobState::Running) {
                return Ok(job);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        self.job(id)
    }

    /// The newest jobs of those clients that a caller sees.
    fn visible_jobs(&self, caller: &Caller, mut filter: JobFilter) -> Result<Vec<Job>, Error> {
        let wanted = filter.limit.map_or(usize::MAX, |limit| limit as usize);
        if caller.can_to(&self.core, Right::See, Subject::Server) {
            return Ok(self.core.catalog.jobs(&filter)?);
        }
        filter.limit = Some(JOBS_PAGE);
        let mut found = Vec::new();
        loop {
            let page = self.core.catalog.jobs(&filter)?;
            let Some(last) = page.last() else { break };
            filter.before = Some(last.id);
            let is_seen = |job: &Job| {
                let client = job.client.as_deref();
                client.is_some_and(|client| caller.sees(&self.core, client))
            };
            found.extend(page.into_iter().filter(is_seen));
            if found.len() >= wanted {
                break;
            }
        }
        found.truncate(wanted);
        Ok(found)
    }

    /// Pauses a backup that runs, or lets it go on.
    fn set_flow(&self, request: &Request<JobRef>, flow: Flow) -> Result<(), Status> {
        let job = self.live(request)?;
        if !is_backup(job.kind) {
            let what = format!("job {} is no backup: only backups can be paused", job.id);
            return Err(Status::failed_precondition(what));
        }
        job.pace.set_paused(flow);
        let (waits_for, action) = match flow {
            Flow::Paused => (Some("paused".to_owned()), "job-pause"),
            Flow::Goes => (None, "job-resume"),
        };
        job.waits_for(waits_for);
        let subject = format!("job {}", job.id);
        audit::note(&self.core, &actor_of(request)?, action, &subject, &job.client);
        Ok(())
    }
}

#[tonic::async_trait]
impl Admin for Service {
    type FollowStream = Pin<Box<dyn tokio_stream::Stream<Item = Result<JobEvent, Status>> + Send>>;
    type WatchStream = Pin<Box<dyn tokio_stream::Stream<Item = Result<WatchEvent, Status>> + Send>>;
    type WatchLogStream = Replies<LogRecord>;

    async fn watch_log(
        &self,
        request: Request<WatchLogRequest>,
    ) -> Result<Response<Self::WatchLogStream>, Status> {
        self.check(&request, Right::Audit)?;
        let caller = caller_of(&request)?;
        let (sender, response) = replies();
        let request = request.into_inner();
        tokio::spawn(watch_log::watch(self.core.clone(), caller, request, sender));
        Ok(response)
    }

    async fn watch(&self, request: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let caller = caller_of(&request)?;
        let client = request.into_inner().client;
        if !client.is_empty() {
            caller.may_for(&self.core, Right::See, &client)?;
        }
        let (sender, receiver) = mpsc::channel(QUEUED_EVENTS);
        tokio::spawn(watch::watch(self.core.clone(), caller, client, sender));
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn follow(&self, request: Request<JobRef>) -> Result<Response<Self::FollowStream>, Status> {
        let id = request.get_ref().job_id;
        let job = self.job(id)?;
        self.check_for(&request, Right::Logs, job.client.as_deref().unwrap_or_default())?;
        let (sender, receiver) = mpsc::channel(QUEUED_EVENTS);
        match self.core.board.live(id) {
            Some(job) => drop(tokio::spawn(follow::follow(job, false, sender))),
            None => {
                let job = self.ended_job(id).await?;
                let event = job_event::Event::Done(views::job_done(&job));
                // There is room for one.
                let _ = sender.try_send(Ok(JobEvent { event: Some(event) }));
            }
        }
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn status(&self, request: Request<StatusRequest>) -> Result<Response<StatusReply>, Status> {
        self.check(&request, Right::Status)?;
        let core = &self.core;
        let totals = core.catalog.totals().map_err(Error::from)?;
        let storage = core.storages.default();
        let space = storage.store.space().map_err(Error::from)?;
        Ok(Response::new(StatusReply {
            version: env!("CARGO_PKG_VERSION").into(),
            server_id: core.catalog.server_id().to_string(),
            storage_path: core.settings.storage_dir.display().to_string(),
            storage_backend: storage.store.backend().to_string(),
            file_system: storage.store.capabilities().file_system.name.to_string(),
            space_total_bytes: space.total_bytes,
            space_free_bytes: space.free_bytes,
            clients: totals.clients,
            clients_connected: core.attached.names().len() as u64,
            backups: totals.backups,
            jobs_running: core.board.len() as u64,
            listen: core.local_address.to_string(),
            authority_fingerprint: HEXLOWER.encode(&core.authority.fingerprint()),
        }))
    }

    async fn create_token(
        &self,
        request: Request<CreateTokenRequest>,
    ) -> Result<Response<CreateTokenReply>, Status> {
        self.check_for(&request, Right::Enrol, &request.get_ref().client_name)?;
        let actor = actor_of(&request)?;
        let request = request.into_inner();
        let given = |text: String| (!text.is_empty()).then_some(text);
        let request = TokenRequest {
            address: given(request.address),
            client: given(request.client_name),
            valid: match request.valid_s {
                0 => DEFAULT_VALID,
                seconds => Duration::from_secs(u64::from(seconds)),
            },
            uses: request.uses.max(1),
            sources: request.sources,
        };
        let (token, expires_ms) = tokens::create(&self.core, &request)?;
        let links = installing::links(&self.core, &token)?;
        let subject = request.client.as_deref().unwrap_or("any client");
        audit::note(&self.core, &actor, "token-create", subject, "an enrolment token");
        Ok(Response::new(CreateTokenReply {
            token: token.to_string(),
            expires_ms,
            installers: links.address,
            one_line: links.one_line,
        }))
    }

    async fn list_clients(
        &self,
        request: Request<ListClientsRequest>,
    ) -> Result<Response<ListClientsReply>, Status> {
        let caller = caller_of(&request)?;
        let name = Some(request.into_inner().name).filter(|name| !name.is_empty());
        let core = self.core.clone();
        let looked_up = blocking(move || {
            Ok(match &name {
                // Whether one is not there or not to be seen is not told.
                Some(name) => (
                    core.catalog.client_overview(name).into_iter().collect(),
                    stands::of_client(&core, name)?.into(),
                ),
                None => (core.catalog.clients()?, stands::all(&core)?),
            })
        });
        let (clients, stands) = looked_up.await?;
        let mut standings: HashMap<String, Vec<Standing>> = HashMap::new();
        for stand in &*stands {
            let of_client = standings.entry(stand.client.clone()).or_default();
            of_client.push(Standing {
                kind: schedule::backup_kind(stand.target).to_string(),
                standing: stand.standing.to_string(),
                reason: stand.reason.to_string(),
            });
        }
        let clients = clients
            .into_iter()
            .filter(|overview| caller.sees(&self.core, &overview.client.name))
            .map(|overview| {
                let standings = standings.remove(&overview.client.name).unwrap_or_default();
                views::client_info(&self.core, overview, standings)
            })
            .collect();
        Ok(Response::new(ListClientsReply { clients }))
    }

    async fn list_troubles(
        &self,
        request: Request<ListTroublesRequest>,
    ) -> Result<Response<ListTroublesReply>, Status> {
        let caller = caller_of(&request)?;
        let core = self.core.clone();
        let troubles = blocking(move || telling::troubles(&core)).await?;
        let may_see = |subject: &telling::Subject| match subject.client() {
            Some(client) => caller.sees(&self.core, client),
            None => caller.can_to(&self.core, Right::See, Subject::Server),
        };
        let troubles = troubles
            .into_iter()
            .filter(|(watched, _)| may_see(&watched.subject))
            .map(|(watched, what)| views::trouble(&watched, what))
            .collect();
        Ok(Response::new(ListTroublesReply { troubles }))
    }

    async fn revoke_client(&self, request: Request<ClientRef>) -> Result<Response<RevokeReply>, Status> {
        caller_of(&request)?.may_for(&self.core, Right::Enrol, &request.get_ref().name)?;
        let actor = actor_of(&request)?;
        let name = request.into_inner().name;
        self.core
            .catalog
            .revoke_client(&name, self.core.clock.now_ms())
            .map_err(|error| match error {
                catalog::Error::UnknownClient { .. } => Status::not_found(error.to_string()),
                error => Error::from(error).into(),
            })?;
        send_away(&self.core, &name);
        audit::note(&self.core, &actor, "client-revoke", &name, "let in no more");
        Ok(Response::new(RevokeReply {}))
    }

    async fn repair_storage(&self, request: Request<RepairRequest>) -> Result<Response<RepairReply>, Status> {
        self.check(&request, Right::Storage)?;
        let RepairRequest { apply, storage } = request.into_inner();
        let core = self.core.clone();
        let steps = blocking(move || {
            let storage = core.storages.named(or_default(&storage))?;
            crate::repair::repair(&core, &storage, apply)
        })
        .await?;
        Ok(Response::new(RepairReply { steps }))
    }

    async fn rebuild_index(
        &self,
        request: Request<RebuildIndexRequest>,
    ) -> Result<Response<RebuildIndexReply>, Status> {
        self.check(&request, Right::Storage)?;
        let name = request.into_inner().storage;
        let core = self.core.clone();
        let backups = blocking(move || {
            let storage = core.storages.named(or_default(&name))?;
            storage.store.reset_index()?;
            storage.housekeeping.refresh();
            storage.housekeeping.settle_index();
            Ok(core.catalog.storage_totals(storage.id)?.backups)
        })
        .await?;
        Ok(Response::new(RebuildIndexReply { backups }))
    }

    async fn list_jobs(&self, request: Request<ListJobsRequest>) -> Result<Response<ListJobsReply>, Status> {
        let caller = caller_of(&request)?;
        let asked = request.into_inner();
        if !asked.client.is_empty() {
            caller.may_for(&self.core, Right::See, &asked.client)?;
        }
        let given = |text: String| (!text.is_empty()).then_some(text);
        let filter = JobFilter {
            client: given(asked.client),
            kind: meant(&asked.kind, JobKind::ALL, "kind")?,
            state: meant(&asked.state, JobState::ALL, "state")?,
            ended_since_ms: (asked.ended_since_ms != 0).then_some(asked.ended_since_ms),
            before: views::before(asked.before).map(JobId),
            text: given(asked.text),
            limit: Some(if asked.limit == 0 { JOBS } else { asked.limit }),
        };
        let jobs = self.visible_jobs(&caller, filter)?;
        let jobs = jobs
            .into_iter()
            .map(|job| views::job_info(&self.core, job))
            .collect();
        Ok(Response::new(ListJobsReply { jobs }))
    }

    async fn doctor(&self, request: Request<DoctorRequest>) -> Result<Response<DoctorReply>, Status> {
        self.check(&request, Right::Status)?;
        let core = self.core.clone();
        let findings = blocking(move || Ok(crate::doctor::doctor_within(&core))).await?;
        let findings = findings.into_iter().map(|finding| DoctorFinding {
            check: finding.check.to_owned(),
            level: finding.level.to_string(),
            what: finding.what,
            advice: finding.advice.unwrap_or_default(),
        });
        Ok(Response::new(DoctorReply {
            findings: findings.collect(),
        }))
    }

    async fn job_log(&self, request: Request<JobRef>) -> Result<Response<JobLogReply>, Status> {
        let job = self.job(request.get_ref().job_id)?;
        self.check_for(&request, Right::Logs, job.client.as_deref().unwrap_or_default())?;
        self.core.board.save_logs();
        let lines = self.core.catalog.job_log(job.id).map_err(Error::from)?;
        let lines = lines.into_iter().map(|line| JobLogLine {
            at_ms: line.at_ms,
            level: line.level.to_string(),
            text: line.text,
        });
        Ok(Response::new(JobLogReply {
            job: Some(views::job_info(&self.core, job)),
            lines: lines.collect(),
        }))
    }

    async fn pause_job(&self, request: Request<JobRef>) -> Result<Response<PauseJobReply>, Status> {
        self.set_flow(&request, Flow::Paused)?;
        Ok(Response::new(PauseJobReply {}))
    }

    async fn resume_job(&self, request: Request<JobRef>) -> Result<Response<ResumeJobReply>, Status> {
        self.set_flow(&request, Flow::Goes)?;
        Ok(Response::new(ResumeJobReply {}))
    }

    async fn retry_job(&self, request: Request<JobRef>) -> Result<Response<RetryJobReply>, Status> {
        let before = self.job(request.get_ref().job_id)?;
        self.check_for(
            &request,
            Right::Jobs,
            before.client.as_deref().unwrap_or_default(),
        )?;
        let actor = actor_of(&request)?;
        let again = retry::retry(&self.core, &before)?;
        audit::note(
            &self.core,
            &actor,
            "job-retry",
            &format!("job {}", before.id),
            &format!("as job {}", again.id),
        );
        let record = self.core.catalog.job(again.id).map_err(Error::from)?;
        Ok(Response::new(RetryJobReply {
            job: Some(views::job_info(&self.core, record)),
        }))
    }

    async fn cancel_job(&self, request: Request<JobRef>) -> Result<Response<CancelJobReply>, Status> {
        let job = self.live(&request)?;
        let id = request.get_ref().job_id;
        job.cancel.cancel();
        job.pace.set_paused(Flow::Goes);
        if !self.core.board.has_begun(&job) {
            self.core.board.fail(&job, &Error::Cancelled);
        }
        let actor = actor_of(&request)?;
        audit::note(
            &self.core,
            &actor,
            "job-cancel",
            &format!("job {id}"),
            &job.client,
        );
        if let Ok(attachment) = self.core.attached.get(&job.client) {
            // A client that is gone has nothing to cancel.
            let _ = attachment.command(wire::v1::server_command::Command::Cancel(wire::v1::CancelJob {
                job_id: id,
            }));
        }
        Ok(Response::new(CancelJobReply {}))
    }
}

/// Ends a client's connection, and what it does.
pub fn send_away(core: &Core, name: &str) {
    if let Ok(attachment) = core.attached.get(name) {
        attachment.detach.cancel();
    }
    core.board.cancel_work_of(name);
}

/// The name of the storage that is meant.
pub fn or_default(name: &str) -> &str {
    match name {
        "" => DEFAULT_STORAGE,
        name => name,
    }
}

/// Finds what a word stands for; an empty one stands for nothing.
fn meant<T: Copy + std::fmt::Display>(word: &str, all: &[T], what: &str) -> Result<Option<T>, Status> {
    if word.is_empty() {
        return Ok(None);
    }
    let found = all.iter().find(|known| known.to_string() == word).copied();
    found.map(Some).ok_or_else(|| {
        let known: Vec<_> = all.iter().map(T::to_string).collect();
        Status::invalid_argument(format!("{word:?} is no {what} of a job: {}", known.join(", ")))
    })
}
