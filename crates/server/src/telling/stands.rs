//! How clients stand: whether their backups of each kind are as the schedule wants them, and what is to be told of it.

use std::collections::HashMap;
use std::sync::Arc;

use catalog::{Backup, BackupKind, ClientState, ClientTracks, Outcome, Track};
use parking_lot::Mutex;
use policy::Target;
use policy::alert::{Backups, First, Found, LastBackup, of_backups};
use policy::schedule::History;
use policy::standing::{Reason, Standing};

use crate::core::Core;
use crate::error::Result;
use crate::schedule;

/// For how long what was found may be told again, if nothing has changed: only the time since the last backups is another then.
const HOLDS_MS: u64 = 1000;

/// How one kind of backups of a client stands.
#[derive(Debug, Clone)]
pub struct Stand {
    /// The client.
    pub client: String,
    /// Which kind.
    pub target: Target,
    /// How it stands.
    pub standing: Standing,
    /// Why what is to be told is so.
    pub reason: Reason,
    /// Tries that have failed since the last one that did not.
    pub failures: u32,
    /// What is to be told of it.
    pub found: Found,
}

/// How all clients stood when somebody asked last.
#[derive(Debug, Default)]
pub struct LastStands(Mutex<Option<Look>>);

#[derive(Debug)]
struct Look {
    commits: u64,
    at_ms: i64,
    stands: Arc<[Stand]>,
}

/// How all clients stand. Those who ask at about the same time share one look.
pub fn all(core: &Core) -> Result<Arc<[Stand]>> {
    let mut last = core.last_stands.0.lock();
    let (commits, at_ms) = (core.catalog.commits(), core.clock.now_ms());
    if let Some(last) = &*last
        && last.commits == commits
        && last.at_ms.abs_diff(at_ms) < HOLDS_MS
    {
        return Ok(Arc::clone(&last.stands));
    }
    let stands: Arc<[Stand]> = find(core, None)?.into();
    *last = Some(Look {
        commits,
        at_ms,
        stands: Arc::clone(&stands),
    });
    Ok(stands)
}

/// How one client stands.
pub fn of_client(core: &Core, client: &str) -> Result<Vec<Stand>> {
    find(core, Some(client))
}

fn find(core: &Core, client: Option<&str>) -> Result<Vec<Stand>> {
    let now_ms = core.clock.now_ms();
    let newest = core.catalog.newest_backups(client)?;
    let newest: HashMap<(&str, BackupKind), &Backup> = newest
        .iter()
        .map(|backup| ((backup.client.as_str(), backup.kind), backup))
        .collect();
    let mut stands = Vec::new();
    for tracks in core.catalog.tracks(client, now_ms)? {
        for target in Target::ALL {
            let last = newest.get(&(tracks.client.as_str(), schedule::backup_kind(target)));
            stands.push(stand(core, &tracks, target, last.copied()));
        }
    }
    Ok(stands)
}

/// How one kind of backups of a client stands, whose last backup is this.
fn stand(core: &Core, tracks: &ClientTracks, target: Target, last: Option<&Backup>) -> Stand {
    let rules = core.policies.of(&tracks.client);
    let history = schedule::history(schedule::track(tracks, target));
    let assessment = schedule::assess(core, &rules, target, &history);
    let told = match is_only_cut_short(schedule::track(tracks, target)) {
        true => {
            let undisturbed = History {
                failures: None,
                ..history
            };
            schedule::assess(core, &rules, target, &undisturbed)
        }
        false => assessment,
    };
    // A first backup is missing when one that had been made at the enrolment would be late.
    let as_if_made = History {
        full_ms: tracks.enrolled_ms,
        ..History::default()
    };
    let first = match schedule::assess(core, &rules, target, &as_if_made).standing {
        Standing::Late => First::Missing,
        _ => First::Awaited,
    };
    let is_paused = tracks
        .paused_until_ms
        .is_some_and(|until_ms| until_ms > core.clock.now_ms());
    let found = match tracks.state {
        ClientState::Revoked | ClientState::Disabled | ClientState::Removed => Found::Unwatched,
        ClientState::Active | ClientState::Adopted => of_backups(&Backups {
            standing: told.standing,
            first,
            last: match last.map(|backup| backup.outcome) {
                Some(Outcome::WithProblems) => LastBackup::WithProblems,
                Some(Outcome::Finished) | None => LastBackup::Whole,
            },
            is_paused,
        }),
    };
    Stand {
        client: tracks.client.clone(),
        target,
        standing: assessment.standing,
        reason: told.reason,
        failures: schedule::track(tracks, target).failures,
        found,
    }
}

/// Whether no try failed but those that were cut short. A client that leaves in the middle, such as a laptop that is closed,
/// goes on when it is back; it is late if it is not back in time.
fn is_only_cut_short(track: &Track) -> bool {
    track.failures > 0 && track.failures == track.interruptions
}
