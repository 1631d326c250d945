//! Restores that the server asks for: what is asked, what the user of this machine says to it, and how it ended.
//!
//! ```text
//! waiting ──▶ queued ──▶ running ──▶ ended
//!    └─────────────────────────────────▲
//! ```
//! The server may ask for the same one again at any time, as after a lost connection: it is told again how that stands.
//! Nothing is kept when the process ends. The server then asks anew, and so is the user.

mod socket;
mod work;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use wire::v1::job_update::Update;
use wire::v1::{AwaitsConfirmation, Existing, Progress, Restored, StartRestore};

use super::job::Updates;
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::monitor::{Level, Monitor};

pub(super) use socket::serve;
pub use socket::socket_path;
pub(super) use work::run;

/// Restores that have ended and are still told of.
const ENDED_KEPT: usize = 100;
/// Restores that may wait for an answer; a server that asks for more is refused.
const MOST_WAITING: usize = 100;
/// What of the server's words is shown.
const MOST_WORDS: usize = 200;

/// Whether the server may have files restored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestoreSetting {
    /// When somebody at this machine has confirmed it.
    #[default]
    Ask,
    /// Without asking anybody.
    Allow,
    /// Never.
    Refuse,
}

impl FromStr for RestoreSetting {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        match word {
            "ask" => Ok(Self::Ask),
            "allow" => Ok(Self::Allow),
            "refuse" => Ok(Self::Refuse),
            _ => Err(()),
        }
    }
}

/// All restores that this server has asked for.
#[derive(Debug, Default)]
pub struct Restores {
    setting: RestoreSetting,
    asked: Mutex<BTreeMap<u64, Asked>>,
    queued: Notify,
}

#[derive(Debug, Clone)]
struct Asked {
    request: StartRestore,
    asked_ms: i64,
    state: State,
    cancel: Cancel,
}

#[derive(Debug, Clone)]
enum State {
    Waiting,
    Queued,
    Running,
    Done(Restored),
    Failed(String),
    Declined,
}

impl State {
    fn has_ended(&self) -> bool {
        matches!(self, Self::Done(_) | Self::Failed(_) | Self::Declined)
    }

    /// How it stands, as the server takes it.
    fn update(&self) -> Update {
        match self {
            Self::Waiting => Update::AwaitsConfirmation(AwaitsConfirmation {}),
            Self::Queued | Self::Running => Update::Progress(Progress::default()),
            Self::Done(restored) => Update::Restored(restored.clone()),
            Self::Failed(why) => Update::Failed(why.clone()),
            Self::Declined => Update::Failed("the user of the client does not want it".to_owned()),
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Waiting => "waiting",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done(_) => "done",
            Self::Failed(_) => "failed",
            Self::Declined => "declined",
        })
    }
}

impl Restores {
    /// None yet, under this setting.
    pub fn new(setting: RestoreSetting) -> Self {
        Self {
            setting,
            ..Self::default()
        }
    }

    /// Takes what the server asks for, and tells it how that stands.
    pub(super) fn ask(&self, request: StartRestore, updates: &Updates, monitor: &dyn Monitor) {
        let job_id = request.job_id;
        let mut asked = self.asked.lock();
        if let Some(known) = asked.get(&job_id) {
            updates.send(job_id, known.state.update());
            return;
        }
        let request = StartRestore {
            asked_by: request.asked_by.chars().take(MOST_WORDS).collect(),
            ..request
        };
        let state = self.first_state(&request, &asked);
        updates.send(job_id, state.update());
        let text = match &state {
            State::Waiting => format!(
                "restore {job_id} of {} is asked for by {}; it begins once it is confirmed here: perennial client restores \
                 confirm {job_id}",
                request.backup, request.asked_by
            ),
            State::Failed(why) => format!("restore {job_id} was refused: {why}"),
            _ => format!(
                "restore {job_id} of {} is asked for by {}",
                request.backup, request.asked_by
            ),
        };
        monitor.log(Level::Warning, &text);
        let is_queued = matches!(state, State::Queued);
        asked.insert(
            job_id,
            Asked {
                request,
                asked_ms: now_ms(),
                state,
                cancel: Cancel::new(),
            },
        );
        forget_oldest(&mut asked);
        drop(asked);
        if is_queued {
            self.queued.notify_one();
        }
    }

    fn first_state(&self, request: &StartRestore, asked: &BTreeMap<u64, Asked>) -> State {
        let waiting = asked.values().filter(|asked| !asked.state.has_ended()).count();
        match (self.setting, check(request)) {
            (RestoreSetting::Refuse, _) => State::Failed(
                "the client's settings forbid that its server has files restored (restores = \"refuse\")"
                    .to_owned(),
            ),
            (_, Err(why)) => State::Failed(why.to_owned()),
            _ if waiting >= MOST_WAITING => State::Failed("too many restores wait at the client".to_owned()),
            (RestoreSetting::Ask, Ok(())) => State::Waiting,
            (RestoreSetting::Allow, Ok(())) => State::Queued,
        }
    }

    /// Takes the answer of the user of this machine.
    fn answer(&self, job_id: u64, is_confirmed: bool, updates: &Updates) -> Result<()> {
        let mut asked = self.asked.lock();
        let restore = asked.get_mut(&job_id).ok_or_else(|| Error::NotFound {
            message: format!("no restore {job_id} is asked for"),
        })?;
        if !matches!(restore.state, State::Waiting) {
            return Err(Error::Refused {
                message: format!("restore {job_id} waits for no answer: it is {}", restore.state),
            });
        }
        restore.state = if is_confirmed {
            State::Queued
        } else {
            State::Declined
        };
        updates.send(job_id, restore.state.update());
        drop(asked);
        self.queued.notify_one();
        Ok(())
    }

    /// Cancels one, if it is there.
    pub(super) fn cancel(&self, job_id: u64) {
        if let Some(restore) = self.asked.lock().get_mut(&job_id) {
            restore.cancel.cancel();
            if matches!(restore.state, State::Waiting | State::Queued) {
                restore.state = State::Failed("it was cancelled".to_owned());
            }
        }
    }

    /// Waits for the next that may begin; it counts as running from then on.
    async fn next(&self) -> (StartRestore, Cancel) {
        loop {
            let queued = self.queued.notified();
            {
                let mut asked = self.asked.lock();
                let next = asked
                    .values_mut()
                    .find(|restore| matches!(restore.state, State::Queued));
                if let Some(restore) = next {
                    restore.state = State::Running;
                    return (restore.request.clone(), restore.cancel.clone());
                }
            }
            queued.await;
        }
    }

    /// Takes how one ended, and tells the server.
    fn end(&self, job_id: u64, outcome: Result<Restored, String>, updates: &Updates) {
        let state = match outcome {
            Ok(restored) => State::Done(restored),
            Err(why) => State::Failed(why),
        };
        updates.send(job_id, state.update());
        if let Some(restore) = self.asked.lock().get_mut(&job_id) {
            restore.state = state;
        }
    }

    fn list(&self) -> Vec<Asked> {
        self.asked.lock().values().cloned().collect()
    }
}

fn forget_oldest(asked: &mut BTreeMap<u64, Asked>) {
    let ended: Vec<u64> = asked
        .iter()
        .filter(|(_, restore)| restore.state.has_ended())
        .map(|(job_id, _)| *job_id)
        .collect();
    for job_id in ended.iter().take(ended.len().saturating_sub(ENDED_KEPT)) {
        asked.remove(job_id);
    }
}

/// Refuses what makes no sense, before anybody is asked about it.
fn check(request: &StartRestore) -> Result<(), &'static str> {
    if request.backup.is_empty() || request.items.is_empty() {
        return Err("the server does not say what is to be restored");
    }
    for item in &request.items {
        if manifest::check_path(&item.path).is_err() {
            return Err("the server names a path that no backup can have");
        }
        let target = Path::new(OsStr::from_bytes(&item.target));
        let has_steps_back = target
            .components()
            .any(|component| matches!(component, std::path::Component::ParentDir));
        if !target.is_absolute() || has_steps_back || item.target.contains(&0) {
            return Err("a target is not an absolute path");
        }
    }
    Ok(())
}

fn existing_word(existing: Existing) -> &'static str {
    match existing {
        Existing::Overwrite => "overwrite",
        Existing::Both => "both",
        Existing::Keep | Existing::Unspecified => "keep",
    }
}

/// What was restored, in words.
fn told(restored: &Restored) -> String {
    let files = match restored.files_written {
        1 => "1 file was restored".to_owned(),
        files => format!("{files} files were restored"),
    };
    match restored.problem_count {
        0 => files,
        1 => files + ", with 1 problem",
        problems => files + &format!(", with {problems} problems"),
    }
}

fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
