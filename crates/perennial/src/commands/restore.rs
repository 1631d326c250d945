//! `restore`

use std::sync::Arc;

use anyhow::{Context as _, Result};
use client::restore::{Compare, Extra, Links, OnConflict, OwnerMapping, Restore, Restored};
use client::{Cache, Cancel, Connection};
use serde_json::json;

use super::Context;
use super::monitor::TerminalMonitor;
use crate::channel::ClientLink;
use crate::cli::{ExistingPolicy, RestoreArgs};
use crate::failure::Outcome;
use crate::interrupt::Interrupt;
use crate::output::Shape;
use crate::output::format::{size, things};

pub async fn run(context: &Context, args: RestoreArgs) -> Result<Outcome> {
    let interrupt = Interrupt::listen()?;
    let link = ClientLink::open(context).await?;
    let restored = restore(context, link.connection(), &args, &interrupt).await;
    link.close().await;
    let restored = restored.context("the restore failed")?;
    let console = context.console();
    match args.output.shape() {
        Shape::Json => console.json(&json!({
            "files_written": restored.files_written,
            "files_kept": restored.files_kept,
            "skipped": restored.skipped,
            "bytes_fetched": restored.bytes_fetched,
            "problems": restored.problems,
        }))?,
        Shape::Human => console.result(&summary(&restored, &args))?,
    }
    let whole = restored.problems == 0 && restored.skipped == 0;
    Ok(if whole {
        Outcome::Done
    } else {
        Outcome::WithProblems
    })
}

async fn restore(
    context: &Context,
    connection: &Connection,
    args: &RestoreArgs,
    interrupt: &Interrupt,
) -> Result<Restored> {
    let monitor = Arc::new(TerminalMonitor::start(context.console()));
    let cancel = Cancel::new();
    let restore = Restore {
        backup: args.place.backup.to_wire(),
        path: args.place.path.clone(),
        target: std::path::absolute(&args.to)?,
        links: Links::All,
        on_conflict: on_conflict(args.existing),
        extra: if args.delete_extra {
            Extra::Delete
        } else {
            Extra::Keep
        },
        compare: if args.compare_content {
            Compare::Content
        } else {
            Compare::SizeAndTime
        },
        owners: if args.numeric_owner {
            OwnerMapping::Numeric
        } else {
            OwnerMapping::ByName
        },
        cache: Arc::new(Cache::open(connection.identity().dir())?),
        monitor: monitor.clone(),
        cancel: cancel.clone(),
    };
    let running = restore.run(connection);
    tokio::pin!(running);
    let restored = tokio::select! {
        restored = &mut running => restored,
        () = interrupt.asked() => {
            cancel.cancel();
            running.await
        }
    };
    monitor.finish();
    Ok(restored?)
}

fn on_conflict(existing: ExistingPolicy) -> OnConflict {
    match existing {
        ExistingPolicy::Keep => OnConflict::Skip,
        ExistingPolicy::Overwrite => OnConflict::Overwrite,
        ExistingPolicy::Both => OnConflict::KeepBoth,
        ExistingPolicy::Fail => OnConflict::Fail,
    }
}

fn summary(restored: &Restored, args: &RestoreArgs) -> String {
    let mut text = format!(
        "Restored {} ({} fetched) to {}",
        things(restored.files_written, "file", "files"),
        size(restored.bytes_fetched),
        args.to.display()
    );
    if restored.files_kept > 0 {
        text.push_str(&format!(
            "; {} already right",
            things(restored.files_kept, "was", "were")
        ));
    }
    if restored.skipped > 0 {
        let entries = things(restored.skipped, "entry", "entries");
        text.push_str(&format!(
            "; {entries} left out, since something else is there (see --existing)"
        ));
    }
    if restored.problems > 0 {
        text.push_str(&format!("; {}", things(restored.problems, "problem", "problems")));
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    #[test]
    fn the_summary_says_what_was_left_out() {
        let cli = Cli::parse_from(["perennial", "restore", "latest", "--to", "/x"]);
        let Command::Restore(args) = cli.command else {
            panic!("another command")
        };
        let restored = Restored {
            files_written: 1,
            files_kept: 2,
            skipped: 1,
            bytes_fetched: 2048,
            problems: 0,
        };
        assert_eq!(
            summary(&restored, &args),
            "Restored 1 file (2.0 KiB fetched) to /x; 2 were already right; 1 entry left out, since something else is \
             there (see --existing)\n"
        );
    }
}
