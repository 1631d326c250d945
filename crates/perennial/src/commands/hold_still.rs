//! `client hold-still`: a process that keeps a file system frozen for another one, and thaws it whatever happens to that.

use std::fs::File;
use std::io::Read as _;
use std::time::Duration;

use anyhow::Result;
use client::FreezeSetting;

use super::Context;
use crate::cli::HoldStillArgs;
use crate::failure::Outcome;
use crate::interrupt::Interrupt;

/// This command, as the client is to start it; none where this program's own path is not to be had.
pub fn setting(limit: Duration) -> Option<FreezeSetting> {
    Some(FreezeSetting {
        limit,
        program: std::env::current_exe().ok()?,
        arguments: ["client", "hold-still"].map(str::to_owned).into(),
    })
}

pub async fn run(context: &Context, args: &HoldStillArgs) -> Result<Outcome> {
    let interrupt = Interrupt::listen()?;
    let frozen = File::open(&args.path)
        .map_err(anyhow::Error::new)
        .and_then(|dir| {
            cow_fs::freeze_file_system(&dir)?;
            Ok(Frozen { dir })
        });
    let frozen = match frozen {
        Ok(frozen) => frozen,
        Err(error) => {
            // Whoever started this reads no error output.
            context.console().result(&format!("{error:#}\n"))?;
            return Err(error);
        }
    };
    context.console().result(&format!("{}\n", client::image::HELD))?;
    let (ended, end) = tokio::sync::oneshot::channel();
    // Its name tells whoever looks at the processes that the file system is frozen.
    std::thread::Builder::new()
        .name(client::image::HELD.to_owned())
        .spawn(move || {
            // Nothing is ever written there: it ends with the process that has the other side.
            let _ = std::io::stdin().read_to_end(&mut Vec::new());
            let _ = ended.send(());
        })?;
    let outcome = tokio::select! {
        _ = end => Ok(Outcome::Done),
        () = interrupt.asked() => Ok(Outcome::Cancelled),
        () = tokio::time::sleep(Duration::from_secs(args.limit_s)) => Err(anyhow::anyhow!("the time is over")),
    };
    drop(frozen);
    outcome
}

/// A file system that is frozen until this is dropped.
struct Frozen {
    dir: File,
}

impl Drop for Frozen {
    fn drop(&mut self) {
        if let Err(error) = cow_fs::thaw_file_system(&self.dir) {
            tracing::error!(%error, "a file system can't be thawed");
        }
    }
}
