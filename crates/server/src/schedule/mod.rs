//! Starts backups that are due, and those that somebody asked for, as far as there is room for them.
//!
//! The decisions are `policy`'s; here they only meet the clock and the clients.
//!
//! ```text
//! due by its rules ─┐
//! asked for by hand ┼─▶ waits for a slot ─▶ the client is asked ─▶ it begins
//! client's own wish ┘          └────────────────▶ it may begin
//! ```
//! Something asked for is a job from the start; something due becomes one when its slot is free.

mod outlook;
mod round;
mod start;
mod waiting;

pub use outlook::{TargetOutlook, assess, outlook};
pub use round::{backup_kind, backup_mode, history, job_kind, track};
pub use start::{Wanted, ask, let_in, volumes_of};
pub use waiting::Schedule;

use std::sync::Arc;
use std::time::Duration;

use tracing::error;

use crate::core::Core;
use crate::error::Result;
use crate::{checking, retention, storages, telling};

/// How often is looked what has become due.
const LOOK_EVERY: Duration = Duration::from_secs(15);
/// A job that ended, and others that end with it, are one reason to look again.
const GATHER: Duration = Duration::from_millis(100);

/// Looks for backups that can begin until the server ends.
pub async fn run(core: Arc<Core>) {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => core.board.save_logs(),
            () = core.schedule.woken() => {}
            () = core.board.ended.notified() => tokio::time::sleep(GATHER).await,
            () = core.shutdown.cancelled() => return,
        }
        let looking = core.clone();
        let looked = tokio::task::spawn_blocking(move || look(&looking)).await;
        if let Ok(Err(failed)) = looked {
            error!(error = failed.chain(), "what is due could not be found out");
        }
    }
}

/// Looks at all that may have to begin, and tells people what is wrong, blocking.
fn look(core: &Arc<Core>) -> Result<()> {
    let looked = look_for_work(core);
    let told = match core.settings.scheduling.is_on() {
        true => telling::look(core),
        false => Ok(()),
    };
    looked.and(told)
}

fn look_for_work(core: &Arc<Core>) -> Result<()> {
    storages::try_absent(core)?;
    round::look(core)?;
    if core.settings.scheduling.is_on() {
        retention::look_for_space(core)?;
        retention::look_for_cleanup(core)?;
        checking::look(core)?;
    }
    Ok(())
}
