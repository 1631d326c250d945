//! When the next backups of a client are made, and why not sooner.

use std::num::NonZeroU8;

use policy::Target;
use policy::schedule::{Decision, History, Outlook, next, outlook as look_ahead};
use policy::settings::ClientRules;
use policy::standing::{Assessment, standing};

use super::round::{Standing, backup_kind, job_kind, situation};
use crate::core::Core;
use crate::error::{Error, Result};

/// What is to come of one target of a client.
pub struct TargetOutlook {
    /// Which target.
    pub target: Target,
    /// What comes next.
    pub decision: Decision,
    /// Each mode by itself.
    pub modes: [Outlook; 2],
    /// How the client stands with it.
    pub assessment: Assessment,
    /// The last backups of each mode, and the tries since.
    pub track: catalog::Track,
    /// What its due backups waited for last.
    pub waits: Vec<catalog::Wait>,
    /// The job that makes one now, or waits for its turn.
    pub job: Option<catalog::JobId>,
}

/// Looks ahead for one client.
pub fn outlook(core: &Core, client: &str) -> Result<Vec<TargetOutlook>> {
    let now_ms = core.clock.now_ms();
    let tracks = core.catalog.tracks(Some(client), now_ms)?;
    let tracks = tracks.first().ok_or_else(|| {
        Error::from(catalog::Error::UnknownClient {
            name: client.to_owned(),
        })
    })?;
    let rules = core.policies.of(client);
    let stands = Standing {
        tracks,
        rules: &rules,
        situation: situation(core, tracks),
    };
    let waits = core.catalog.waits(client)?;
    let of_target = |target| {
        let kind = backup_kind(target);
        TargetOutlook {
            target,
            decision: stands.decide(core, target, next),
            modes: stands.decide(core, target, look_ahead),
            assessment: assess(core, &rules, target, &stands.history(target)),
            track: *stands.track(target),
            waits: waits.iter().filter(|wait| wait.kind == kind).cloned().collect(),
            job: core.board.live_of(job_kind(target), client).map(|job| job.id),
        }
    };
    Ok(Target::ALL.map(of_target).into())
}

/// How a client stands with a target that has this past.
pub fn assess(core: &Core, rules: &ClientRules, target: Target, history: &History) -> Assessment {
    let late_after =
        NonZeroU8::new(u8::try_from(rules.alert_after).unwrap_or(u8::MAX)).unwrap_or(NonZeroU8::MIN);
    standing(
        rules.schedule(target),
        history,
        late_after,
        &core.clock.zone(),
        core.clock.now_ms(),
    )
}
