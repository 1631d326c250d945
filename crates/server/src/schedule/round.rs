//! One look at all clients: what is due, what is asked for, and which of it may begin.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use catalog::{BackupKind, BackupMode, ClientState, ClientTracks, JobKind, Track};
use policy::Target;
use policy::admission::{Answer, Limits, Running, Waiting, admit};
use policy::schedule::{Case, Due, Failures, History, Kind, Mode, Situation, next, outlook};
use policy::settings::ClientRules;
use tracing::{debug, warn};

use super::start::{Wanted, begin};
use super::waiting::{Pending, Turn, WaitKey};
use crate::core::Core;
use crate::error::Result;
use crate::jobs::{LiveJob, Order, is_backup};

/// How much sooner what somebody asked for has its turn than what is due by itself.
const ASKED_PRIORITY: i32 = 1000;

/// What a client may be asked for, as it stands.
pub(super) struct Standing<'a> {
    pub tracks: &'a ClientTracks,
    pub rules: &'a ClientRules,
    pub situation: Situation,
}

impl Standing<'_> {
    /// What is known of the past of one target.
    pub fn track(&self, target: Target) -> &Track {
        track(self.tracks, target)
    }

    pub fn history(&self, target: Target) -> History {
        history(self.track(target))
    }

    pub fn decide<T>(&self, core: &Core, target: Target, decide: impl FnOnce(&Case<'_>) -> T) -> T {
        decide(&Case {
            target,
            rules: self.rules.schedule(target),
            history: &self.history(target),
            situation: &self.situation,
            seed: seed(&self.tracks.client),
            zone: &core.clock.zone(),
            now_ms: core.clock.now_ms(),
        })
    }
}

/// What is known of the past of one target of a client.
pub fn track(tracks: &ClientTracks, target: Target) -> &Track {
    match target {
        Target::Files => &tracks.files,
        Target::Image => &tracks.images,
    }
}

/// That, in `policy`'s words.
pub fn history(track: &Track) -> History {
    let last_ms = track.failed_ms.filter(|_| track.failures > 0);
    History {
        full_ms: track.full_ms,
        incremental_ms: track.incremental_ms,
        failures: last_ms.map(|last_ms| Failures {
            count: track.failures,
            last_ms,
        }),
    }
}

/// How a client is doing.
pub(super) fn situation(core: &Core, tracks: &ClientTracks) -> Situation {
    let condition = core
        .attached
        .get(&tracks.client)
        .map(|attachment| attachment.condition());
    let situation = Situation {
        paused_until_ms: tracks.paused_until_ms,
        ..Situation::default()
    };
    match condition {
        Ok(condition) => Situation {
            connected_since_ms: Some(condition.connected_ms),
            power: condition.power,
            link: condition.link,
            ..situation
        },
        Err(_) => situation,
    }
}

fn seed(client: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    client.hash(&mut hasher);
    hasher.finish()
}

/// The kind of job that makes a target's backups.
pub fn job_kind(target: Target) -> JobKind {
    match target {
        Target::Files => JobKind::FileBackup,
        Target::Image => JobKind::ImageBackup,
    }
}

/// A target in the catalog's words.
pub fn backup_kind(target: Target) -> BackupKind {
    match target {
        Target::Files => BackupKind::File,
        Target::Image => BackupKind::Image,
    }
}

/// A mode in the catalog's words.
pub fn backup_mode(mode: Mode) -> BackupMode {
    match mode {
        Mode::Full => BackupMode::Full,
        Mode::Incremental => BackupMode::Incremental,
    }
}

fn target_of(kind: JobKind) -> Target {
    match kind {
        JobKind::ImageBackup => Target::Image,
        _ => Target::Files,
    }
}

/// A backup that could begin.
enum Ready {
    /// Somebody asked for it.
    Asked(Pending),
    /// It is due.
    Due {
        client: String,
        kind: Kind,
        reason: String,
    },
}

/// Looks at everything once, blocking.
pub fn look(core: &Arc<Core>) -> Result<()> {
    let tracks = core.catalog.tracks(None, core.clock.now_ms())?;
    set_paces(core);
    let mut ready: Vec<(Ready, Waiting<String>)> = Vec::new();
    let mut waits = HashMap::new();
    let pending = core.schedule.take_pending();
    let running = running(core, &pending);
    for pending in pending {
        if pending.job.watch().borrow().done.is_none() {
            let waiting = asked(core, &pending);
            ready.push((Ready::Asked(pending), waiting));
        }
    }
    if core.settings.scheduling.is_on() {
        for tracks in tracks.iter().filter(|tracks| tracks.state == ClientState::Active) {
            look_at(core, tracks, &mut ready, &mut waits);
        }
    }
    start(core, &running, ready, &mut waits);
    let now_ms = core.clock.now_ms();
    let changed = core.schedule.compare_waits(waits, now_ms);
    if !changed.is_empty()
        && let Err(error) = core.catalog.set_waits(&changed)
    {
        warn!(%error, "what backups wait for could not be noted");
    }
    Ok(())
}

/// Sets how fast content may come in now.
fn set_paces(core: &Core) {
    let (now_ms, zone) = (core.clock.now_ms(), core.clock.zone());
    let total = core.policies.server();
    core.board
        .pace
        .set_limit(total.total_speed_limit.at(now_ms, &zone).bytes_per_s);
    for job in core.board.all() {
        if is_backup(job.kind) {
            let rules = core.policies.of(&job.client);
            job.pace
                .set_limit(rules.speed_limit.at(now_ms, &zone).bytes_per_s);
        }
    }
}

/// The backups that have had their turn.
fn running(core: &Core, pending: &[Pending]) -> Vec<Running<String>> {
    let waits = |job: &LiveJob| pending.iter().any(|pending| pending.job.id == job.id);
    let jobs = core.board.all().into_iter();
    jobs.filter(|job| is_backup(job.kind) && !waits(job))
        .map(|job| Running {
            client: job.client.clone(),
            target: target_of(job.kind),
        })
        .collect()
}

fn asked(core: &Core, pending: &Pending) -> Waiting<String> {
    let rules = core.policies.of(&pending.job.client);
    Waiting {
        client: pending.job.client.clone(),
        target: target_of(pending.job.kind),
        priority: rules.priority.saturating_add(ASKED_PRIORITY),
        due_ms: pending.since_ms,
    }
}

/// Looks at one client: what is due is ready, or has a reason to wait.
fn look_at(
    core: &Core,
    tracks: &ClientTracks,
    ready: &mut Vec<(Ready, Waiting<String>)>,
    waits: &mut HashMap<WaitKey, String>,
) {
    let rules = core.policies.of(&tracks.client);
    let standing = Standing {
        tracks,
        rules: &rules,
        situation: situation(core, tracks),
    };
    for target in Target::ALL {
        if core.board.live_of(job_kind(target), &tracks.client).is_some() {
            continue;
        }
        let decision = standing.decide(core, target, next);
        let now_ms = core.clock.now_ms();
        let outlooks = standing.decide(core, target, outlook);
        for outlook in &outlooks {
            let is_due = outlook.due_ms.is_some_and(|due_ms| due_ms <= now_ms);
            if let Some(hindrance) = outlook.hindrances.first().filter(|_| is_due) {
                let key = (
                    tracks.client.clone(),
                    backup_kind(target),
                    backup_mode(outlook.kind.mode),
                );
                waits.insert(key, hindrance.to_string());
            }
        }
        let Due::Now(kind) = decision.due else { continue };
        debug!(client = tracks.client, %kind, reason = %decision.reason, "a backup is due");
        let due_ms = outlooks
            .iter()
            .find(|outlook| outlook.kind == kind)
            .and_then(|outlook| outlook.due_ms);
        let waiting = Waiting {
            client: tracks.client.clone(),
            target,
            priority: rules.priority,
            due_ms: due_ms.unwrap_or(now_ms),
        };
        let reason = decision.reason.to_string();
        let client = tracks.client.clone();
        ready.push((Ready::Due { client, kind, reason }, waiting));
    }
}

/// Begins what has a free slot; the rest is told why it waits.
fn start(
    core: &Arc<Core>,
    running: &[Running<String>],
    ready: Vec<(Ready, Waiting<String>)>,
    waits: &mut HashMap<WaitKey, String>,
) {
    let rules = core.policies.server();
    let limits = Limits {
        all: rules.max_backups,
        files: rules.max_file_backups,
        images: rules.max_image_backups,
        per_client: rules.max_per_client,
    };
    let (ready, waiting): (Vec<_>, Vec<_>) = ready.into_iter().unzip();
    let turns = admit(&limits, running, &waiting, core.clock.now_ms());
    let mut ready: Vec<Option<Ready>> = ready.into_iter().map(Some).collect();
    let mut put_back = Vec::new();
    for turn in turns {
        match (ready[turn.index].take(), turn.answer) {
            (Some(Ready::Asked(pending)), Answer::Start) => begin(core, &pending.job, pending.turn),
            (Some(Ready::Asked(pending)), Answer::Wait(reason)) => {
                pending.job.waits_for(Some(reason.to_string()));
                put_back.push(pending);
            }
            (Some(Ready::Due { client, kind, reason }), Answer::Start) => {
                begin_due(core, &client, kind, reason);
            }
            (Some(Ready::Due { client, kind, .. }), Answer::Wait(reason)) => {
                let key = (client, backup_kind(kind.target), backup_mode(kind.mode));
                waits.insert(key, reason.to_string());
            }
            (None, _) => {}
        }
    }
    core.schedule.put_back(put_back);
}

fn begin_due(core: &Arc<Core>, client: &str, kind: Kind, reason: String) {
    let order = Order {
        mode: Some(backup_mode(kind.mode)),
        reason: Some(reason),
        ..Order::of(job_kind(kind.target), client)
    };
    let wanted = match kind.target {
        Target::Files => Wanted::Files,
        Target::Image => Wanted::Image(Vec::new()),
    };
    match core.board.queue(order) {
        Ok(job) => begin(core, &job, Turn::Ask(wanted)),
        // The client has begun one by itself meanwhile.
        Err(error) => debug!(client, error = error.chain(), "a due backup was not begun"),
    }
}
