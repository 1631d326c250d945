//! The service for what will happen by itself: backups to come, backups to go.

use std::ops::ControlFlow;
use std::sync::Arc;

use catalog::{Archived, ArchivedUntil, Backup};
use policy::access::Right;
use policy::retention::Fate;
use policy::schedule::{Due, Kind};
use tonic::{Request, Response, Status};
use wire::v1::planning_server::Planning;
use wire::v1::protect_request::Change;
use wire::v1::{
    BackupRef, CleanupRequest, DeleteFromTrashReply, JobEvent, KeptBackup, KindOutlook, ListTrashReply,
    ListTrashRequest, OutlookReply, OutlookRequest, PastWait, PauseReply, PauseRequest, PlanFreeingReply,
    PlanFreeingRequest, PlannedRemoval, ProtectReply, ProtectRequest, RestoreFromTrashReply,
    RetentionPlanReply, RetentionPlanRequest, TrashedBackup,
};

use crate::audit;
use crate::caller::Caller;
use crate::core::Core;
use crate::error::Error;
use crate::retention::{self, Expecting, Judged, Planned};
use crate::schedule::{self, TargetOutlook};
use crate::services::access::{Seen, actor_of, caller_of, resolve, resolve_trashed};
use crate::services::admin::or_default;
use crate::services::follow::follow;
use crate::services::reply::{Replies, Sender, blocking, replies};
use crate::services::views;

/// Backups in one part of a plan.
const PLAN_PART: usize = 1000;
/// How far ahead anybody may ask.
const MOST_DAYS: u32 = 36_500;

/// Answers all that is about the future.
pub struct Service {
    core: Arc<Core>,
}

impl Service {
    /// Creates the service.
    pub fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// The client that is meant; all that a caller sees may be meant, but by a client.
    fn client(&self, caller: &Caller, named: &str) -> Result<Option<String>, Status> {
        if !matches!(caller, Caller::Client(_)) && named.is_empty() {
            return Ok(None);
        }
        let client = caller.about(named)?;
        caller.may_for(&self.core, Right::See, &client)?;
        self.core.catalog.client(&client).map_err(Error::from)?;
        Ok(Some(client))
    }

    /// Changes what protects a backup. Returns what was done, for the audit log.
    fn change_protection(
        &self,
        backup: &Backup,
        change: Change,
        who: &str,
    ) -> Result<(&'static str, String), Status> {
        let catalog = &self.core.catalog;
        let archive =
            |archived: Option<&Archived>| catalog.set_archived(backup.id, archived).map_err(Error::from);
        let hold = |reason: Option<&str>| catalog.set_held(backup.id, reason).map_err(Error::from);
        Ok(match change {
            Change::Archive(asked) => {
                let until = match asked.until_ms {
                    0 => ArchivedUntil::Forever,
                    at_ms => ArchivedUntil::Time { at_ms },
                };
                archive(Some(&Archived {
                    until,
                    by: who.to_owned(),
                }))?;
                ("backup-archive", told_until(until))
            }
            Change::Unarchive(_) => {
                archive(None)?;
                ("backup-unarchive", String::new())
            }
            Change::Hold(reason) if reason.trim().is_empty() => {
                return Err(Status::invalid_argument("a hold needs a reason"));
            }
            Change::Hold(reason) => {
                hold(Some(reason.trim()))?;
                ("backup-hold", reason)
            }
            Change::Release(_) => {
                hold(None)?;
                ("backup-release", String::new())
            }
        })
    }
}

fn told_until(until: ArchivedUntil) -> String {
    match until {
        ArchivedUntil::Forever => "for ever".to_owned(),
        ArchivedUntil::Time { at_ms } => {
            let until = jiff::Timestamp::from_millisecond(at_ms).unwrap_or(jiff::Timestamp::MAX);
            format!("until {until}")
        }
    }
}

/// A caller that is told a plan in parts, as that is made.
struct Told {
    sender: Sender<RetentionPlanReply>,
    part: RetentionPlanReply,
}

impl Told {
    fn removal(&mut self, removal: PlannedRemoval) -> ControlFlow<()> {
        self.part.removals.push(removal);
        self.send_if(PLAN_PART)
    }

    fn kept(&mut self, kept: KeptBackup) -> ControlFlow<()> {
        self.part.kept.push(kept);
        self.send_if(PLAN_PART)
    }

    /// Sends what there is to be told, if that is so much. Breaks where nobody listens any more.
    fn send_if(&mut self, backups: usize) -> ControlFlow<()> {
        if self.part.removals.len() + self.part.kept.len() < backups {
            return ControlFlow::Continue(());
        }
        match self.sender.blocking_send(Ok(std::mem::take(&mut self.part))) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }
}

/// Tells the plan that is asked for.
fn tell_plan(
    core: &Core,
    caller: &Caller,
    client: Option<&str>,
    asked: &RetentionPlanRequest,
    told: &mut Told,
) -> Result<(), Error> {
    let mut seen = Seen::of(core, caller);
    if asked.days == 0 {
        let now_ms = core.clock.now_ms();
        retention::plan_now(core, client, |judged| {
            let mut judged = judged
                .into_iter()
                .filter(|judged| seen.has(&judged.backup.client));
            judged.try_for_each(|judged| match judged.fate {
                Fate::Remove => told.removal(removal_now(judged, now_ms)),
                Fate::Keep if asked.with_kept => told.kept(kept_now(judged)),
                Fate::Keep => ControlFlow::Continue(()),
            })
        })?;
    } else {
        let expecting = match asked.with_expected {
            true => Expecting::Schedule,
            false => Expecting::Nothing,
        };
        let planned = retention::plan_ahead(core, client, asked.days.min(MOST_DAYS), expecting)?;
        let mut planned = planned.into_iter().filter(|planned| seen.has(&planned.client));
        // Whoever does not listen any more need not be told the rest.
        let _ = planned.try_for_each(|planned| told.removal(planned_removal(planned)));
    }
    let _ = told.send_if(1);
    Ok(())
}

fn removal_now(judged: Judged, now_ms: i64) -> PlannedRemoval {
    let backup = judged.backup;
    PlannedRemoval {
        client: backup.client,
        name: backup.name,
        kind: backup.kind.to_string(),
        started_ms: backup.started_ms,
        at_ms: now_ms,
        reason: judged.reason.to_string(),
        expected: false,
    }
}

fn kept_now(judged: Judged) -> KeptBackup {
    let backup = judged.backup;
    KeptBackup {
        client: backup.client,
        name: backup.name,
        kind: backup.kind.to_string(),
        started_ms: backup.started_ms,
        reason: judged.reason.to_string(),
    }
}

fn planned_removal(planned: Planned) -> PlannedRemoval {
    PlannedRemoval {
        client: planned.client,
        expected: planned.name.is_none(),
        name: planned.name.unwrap_or_default(),
        kind: schedule::backup_kind(planned.target).to_string(),
        started_ms: planned.started_ms,
        at_ms: planned.at_ms,
        reason: planned.reason.to_string(),
    }
}

#[tonic::async_trait]
impl Planning for Service {
    type CleanupStream = Replies<JobEvent>;
    type RetentionPlanStream = Replies<RetentionPlanReply>;

    async fn retention_plan(
        &self,
        request: Request<RetentionPlanRequest>,
    ) -> Result<Response<Self::RetentionPlanStream>, Status> {
        let caller = caller_of(&request)?;
        let asked = request.into_inner();
        let client = self.client(&caller, &asked.client)?;
        let core = self.core.clone();
        let (sender, response) = replies();
        tokio::task::spawn_blocking(move || {
            let mut told = Told {
                sender,
                part: RetentionPlanReply::default(),
            };
            if let Err(error) = tell_plan(&core, &caller, client.as_deref(), &asked, &mut told) {
                // Whoever does not listen any more need not know.
                let _ = told.sender.blocking_send(Err(Status::from(error)));
            }
        });
        Ok(response)
    }

    async fn plan_freeing(
        &self,
        request: Request<PlanFreeingRequest>,
    ) -> Result<Response<PlanFreeingReply>, Status> {
        caller_of(&request)?.may(&self.core, Right::Storage)?;
        let PlanFreeingRequest { storage, bytes } = request.into_inner();
        let core = self.core.clone();
        let plan = blocking(move || {
            let storage = core.storages.named(or_default(&storage))?;
            retention::plan_freeing(&core, &storage, bytes)
        })
        .await?;
        let removals = plan.sacrifices.into_iter().map(|sacrifice| PlannedRemoval {
            client: sacrifice.key.client,
            name: sacrifice.key.name,
            kind: sacrifice.key.kind.to_string(),
            started_ms: sacrifice.key.started_ms,
            at_ms: 0,
            reason: sacrifice.why.to_string(),
            expected: false,
        });
        Ok(Response::new(PlanFreeingReply {
            removals: removals.collect(),
            freed_bytes: plan.freed_bytes,
            is_enough: plan.is_enough,
        }))
    }

    async fn cleanup(
        &self,
        request: Request<CleanupRequest>,
    ) -> Result<Response<Self::CleanupStream>, Status> {
        caller_of(&request)?.may(&self.core, Right::Storage)?;
        let actor = actor_of(&request)?;
        let job = retention::start_cleanup(&self.core, &format!("{} asked for it", actor.who))?;
        audit::note(
            &self.core,
            &actor,
            "cleanup",
            "the server",
            &format!("job {}", job.id),
        );
        let (sender, response) = replies();
        tokio::spawn(follow(job, request.into_inner().detach, sender));
        Ok(response)
    }

    async fn protect(&self, request: Request<ProtectRequest>) -> Result<Response<ProtectReply>, Status> {
        let caller = caller_of(&request)?;
        let actor = actor_of(&request)?;
        let asked = request.into_inner();
        let reference = asked.backup.unwrap_or_default();
        let backup = resolve(&self.core, &caller, Right::Protect, &reference)?;
        let change = asked
            .change
            .ok_or_else(|| Status::invalid_argument("the request changes nothing"))?;
        let (action, detail) = self.change_protection(&backup, change, &actor.who)?;
        let named = format!("{}/{}", backup.client, backup.name);
        audit::note(&self.core, &actor, action, &named, &detail);
        Ok(Response::new(ProtectReply {}))
    }

    async fn list_trash(
        &self,
        request: Request<ListTrashRequest>,
    ) -> Result<Response<ListTrashReply>, Status> {
        let caller = caller_of(&request)?;
        let client = self.client(&caller, &request.into_inner().client)?;
        let trashed = retention::trash(&self.core, client.as_deref())?;
        let mut seen = Seen::of(&self.core, &caller);
        let trashed = trashed.iter().filter(|(backup, _)| seen.has(&backup.client));
        let backups = trashed.map(|(backup, until_ms)| TrashedBackup {
            backup: Some(views::backup_info(backup)),
            trashed_ms: backup.trashed_ms.unwrap_or_default(),
            until_ms: *until_ms,
        });
        Ok(Response::new(ListTrashReply {
            backups: backups.collect(),
        }))
    }

    async fn restore_from_trash(
        &self,
        request: Request<BackupRef>,
    ) -> Result<Response<RestoreFromTrashReply>, Status> {
        let caller = caller_of(&request)?;
        let actor = actor_of(&request)?;
        let backup = resolve_trashed(&self.core, &caller, Right::Delete, request.get_ref())?;
        let named = format!("{}/{}", backup.client, backup.name);
        let core = self.core.clone();
        blocking(move || retention::restore(&core, &backup)).await?;
        audit::note(&self.core, &actor, "backup-restore-from-trash", &named, "");
        Ok(Response::new(RestoreFromTrashReply {}))
    }

    async fn delete_from_trash(
        &self,
        request: Request<BackupRef>,
    ) -> Result<Response<DeleteFromTrashReply>, Status> {
        let caller = caller_of(&request)?;
        let actor = actor_of(&request)?;
        let backup = resolve_trashed(&self.core, &caller, Right::Purge, request.get_ref())?;
        let named = format!("{}/{}", backup.client, backup.name);
        let core = self.core.clone();
        blocking(move || retention::delete_for_good(&core, &backup)).await?;
        audit::note(
            &self.core,
            &actor,
            "backup-delete",
            &named,
            "out of the trash, for good",
        );
        Ok(Response::new(DeleteFromTrashReply {}))
    }

    async fn outlook(&self, request: Request<OutlookRequest>) -> Result<Response<OutlookReply>, Status> {
        let caller = caller_of(&request)?;
        let client = caller.about(&request.into_inner().client)?;
        caller.may_for(&self.core, Right::See, &client)?;
        let outlooks = schedule::outlook(&self.core, &client)?;
        Ok(Response::new(OutlookReply {
            kinds: outlooks.iter().flat_map(kinds).collect(),
        }))
    }

    async fn pause(&self, request: Request<PauseRequest>) -> Result<Response<PauseReply>, Status> {
        let caller = caller_of(&request)?;
        let actor = actor_of(&request)?;
        let asked = request.into_inner();
        let client = caller.about(&asked.client)?;
        caller.may_for(&self.core, Right::Pause, &client)?;
        let until_ms = (asked.until_ms > self.core.clock.now_ms()).then_some(asked.until_ms);
        self.core
            .catalog
            .pause_client(&client, until_ms)
            .map_err(Error::from)?;
        let (action, detail) = match until_ms {
            Some(until_ms) => {
                let until = jiff::Timestamp::from_millisecond(until_ms).unwrap_or(jiff::Timestamp::MAX);
                ("client-pause", format!("until {until}"))
            }
            None => ("client-resume", String::new()),
        };
        audit::note(&self.core, &actor, action, &client, &detail);
        self.core.schedule.look_again();
        Ok(Response::new(PauseReply {}))
    }
}

fn kinds(outlook: &TargetOutlook) -> impl Iterator<Item = KindOutlook> {
    outlook.modes.iter().map(|mode| {
        let kind = schedule::backup_kind(outlook.target);
        let catalog_mode = schedule::backup_mode(mode.kind.mode);
        let last_ms = match catalog_mode {
            catalog::BackupMode::Full => outlook.track.full_ms,
            catalog::BackupMode::Incremental => outlook.track.incremental_ms,
        };
        let wait = outlook.waits.iter().find(|wait| wait.mode == catalog_mode);
        KindOutlook {
            kind: kind.to_string(),
            mode: views::wire_mode(catalog_mode).into(),
            last_ms: last_ms.unwrap_or_default(),
            due_ms: mode.due_ms,
            begins_ms: mode.begins_ms,
            reason: reason(outlook, mode.kind),
            hindrances: mode.hindrances.iter().map(ToString::to_string).collect(),
            last_wait: wait.map(|wait| PastWait {
                reason: wait.reason.clone(),
                from_ms: wait.from_ms,
                until_ms: wait.until_ms.unwrap_or_default(),
            }),
            running_job: outlook.job.map(|id| id.0 as u64).unwrap_or_default(),
            standing: outlook.assessment.standing.to_string(),
            standing_reason: outlook.assessment.reason.to_string(),
        }
    })
}

/// What the schedule says of the kind that it would begin next; nothing of others.
fn reason(outlook: &TargetOutlook, kind: Kind) -> String {
    let next = match outlook.decision.due {
        Due::Now(kind) | Due::Later { kind, .. } | Due::WhenPossible { kind, .. } => Some(kind),
        Due::Never => None,
    };
    match next == Some(kind) {
        true => outlook.decision.reason.to_string(),
        false => String::new(),
    }
}
