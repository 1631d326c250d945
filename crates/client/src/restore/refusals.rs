//! Metadata that could not be applied: counted, so that a restore without privileges does not report every
//! file.

use std::collections::HashMap;

use file_tree::metadata::{Aspect, NotApplied};
use parking_lot::Mutex;

use super::state::State;
use crate::monitor::{Level, ProblemKind};

/// Whom things belong to is set by root only: to nobody else is that a problem.
const OWNERS: [&str; 2] = ["owner", "group"];

/// What could not be applied so far.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    counts: Mutex<HashMap<String, Refused>>,
}

#[derive(Debug)]
struct Refused {
    first: Box<[u8]>,
    entries: u64,
    reason: String,
}

impl Refusals {
    /// Notes what could not be applied to the entry at a path.
    pub(super) fn note(&self, path: &[u8], refused: &[NotApplied]) {
        if refused.is_empty() {
            return;
        }
        let mut counts = self.counts.lock();
        for refusal in refused {
            let count = counts.entry(label(&refusal.what)).or_insert_with(|| Refused {
                first: path.into(),
                entries: 0,
                reason: refusal.why.to_string(),
            });
            count.entries += 1;
        }
    }

    /// Reports each kind once.
    pub(super) fn report(&self, state: &State) {
        let mut counts: Vec<(String, Refused)> = self.counts.lock().drain().collect();
        counts.sort_by(|(a, _), (b, _)| a.cmp(b));
        for (what, refused) in counts {
            let others = match refused.entries - 1 {
                0 => String::new(),
                others => format!(", here and on {others} more"),
            };
            let message = format!("the {what} can't be set{others}: {}", refused.reason);
            if OWNERS.contains(&what.as_str()) && !rustix::process::geteuid().is_root() {
                let path = file_tree::shown(&refused.first);
                state.monitor.log(Level::Info, &format!("{path}: {message}"));
                continue;
            }
            state.report(ProblemKind::Metadata, &refused.first, message);
        }
    }
}

fn label(aspect: &Aspect) -> String {
    match aspect {
        Aspect::Owner => OWNERS[0].to_owned(),
        Aspect::Group => OWNERS[1].to_owned(),
        Aspect::Mode => "mode".to_owned(),
        Aspect::Xattr(name) => format!("attribute {}", file_tree::shown(name)),
        Aspect::Flags(_) => "inode flags".to_owned(),
        Aspect::Times => "modification time".to_owned(),
    }
}
