//! `mount`

use std::sync::Arc;

use anyhow::{Context as _, Result};
use client::mount::{Mount, Visibility};
use client::{Cache, Cancel, Connection};

use super::Context;
use super::monitor::NoteMonitor;
use crate::channel::ClientLink;
use crate::cli::MountBackupsArgs;
use crate::failure::Outcome;
use crate::interrupt::Interrupt;

pub async fn run(context: &Context, args: MountBackupsArgs) -> Result<Outcome> {
    let interrupt = Interrupt::listen()?;
    let link = ClientLink::open(context).await?;
    let mounted = mount(context, link.connection(), &args, &interrupt).await;
    link.close().await;
    mounted.context("the backups are not mounted")?;
    Ok(Outcome::Done)
}

/// Mounts, and returns once they are mounted no more.
async fn mount(
    context: &Context,
    connection: &Connection,
    args: &MountBackupsArgs,
    interrupt: &Interrupt,
) -> Result<()> {
    let console = context.console();
    let mount = Mount {
        dir: args.dir.clone(),
        visibility: if args.allow_other {
            Visibility::Everyone
        } else {
            Visibility::Owner
        },
        cache_bytes: args.cache,
        cache: Arc::new(Cache::open(connection.identity().dir())?),
        monitor: Arc::new(NoteMonitor::new(console)),
    };
    let mounted = mount.open(connection).await?;
    console.note(&format!(
        "The backups of {} are mounted at {}; Ctrl-C unmounts them.",
        connection.identity().name(),
        args.dir.display()
    ));
    let cancel = Cancel::new();
    let running = mounted.run(&cancel);
    tokio::pin!(running);
    tokio::select! {
        ended = &mut running => ended?,
        () = interrupt.asked() => {
            cancel.cancel();
            running.await?;
        }
    }
    Ok(())
}
