//! Clients that have not been seen for long.

use catalog::{Catalog, Client, ClientState};

use super::Subject;
use super::finding::{Finding, Level};
use super::words::{joined, span};

const CHECK: &str = "clients";
const DAY_MS: u64 = 86_400_000;
/// Somebody may be on holiday.
const ADVICE_MS: u64 = 14 * DAY_MS;
const WARNING_MS: u64 = 45 * DAY_MS;

/// Judges when the clients that may connect did so last.
pub fn judge(subject: &Subject<'_>, catalog: &Catalog) -> Option<Finding> {
    let clients = catalog.clients().ok()?;
    let now_ms = subject.clock.now_ms();
    let is_attached = |name: &str| subject.core.is_some_and(|core| core.attached.contains(name));
    let absence_ms = |client: &Client| {
        if client.state != ClientState::Active || is_attached(&client.name) {
            return None;
        }
        let seen_ms = client.last_seen_ms.max(client.enrolled_ms)?;
        Some(now_ms.saturating_sub(seen_ms).max(0).unsigned_abs())
    };
    let absent: Vec<(&str, u64)> = clients
        .iter()
        .filter_map(|overview| Some((overview.client.name.as_str(), absence_ms(&overview.client)?)))
        .filter(|(_, absence_ms)| *absence_ms >= ADVICE_MS)
        .collect();
    let Some(longest_ms) = absent.iter().map(|(_, absence_ms)| *absence_ms).max() else {
        let what = format!("every client was seen within {}", span(ADVICE_MS));
        return Some(Finding::ok(CHECK, what));
    };
    let level = if longest_ms >= WARNING_MS {
        Level::Warning
    } else {
        Level::Advice
    };
    Some(Finding::of(
        level,
        CHECK,
        format!(
            "not seen for up to {}: {}",
            span(longest_ms),
            joined(absent.iter().map(|(name, _)| *name))
        ),
        "look at the machine and its network; for one that is gone for good: perennial clients revoke NAME",
    ))
}
