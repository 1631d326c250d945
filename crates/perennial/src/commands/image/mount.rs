//! `image mount`

use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use storage::VolumeReader;

use super::{Image, open_part, stem, throw_away, watched};
use crate::channel::Link;
use crate::cli::MountArgs;
use crate::commands::{Context, refer};
use crate::failure::{Failure, Outcome, Told};
use crate::interrupt::Interrupt;

pub async fn run(context: &Context, link: &Link, args: &MountArgs) -> Result<Outcome> {
    let reference = refer::resolve_image(link, &args.place.backup).await?;
    let image = Image::open(link, reference).await?;
    let (disk, volume) = image.find(&args.place.path)?;
    let volume = match (volume, disk.volumes().collect::<Vec<_>>().as_slice()) {
        (Some(volume), _) => volume,
        (None, [(_, only)]) => only,
        (None, _) => {
            let text = format!(
                "say which volume: perennial image mount {}:{}/VOLUME DIR",
                image.name, disk.name
            );
            return Err(Failure::Usage(text).into());
        }
    };
    let Some(location) = image.location() else {
        let text = "images are mounted on the server's machine; elsewhere export or restore them";
        return Err(Failure::Usage(text.into()).into());
    };
    let interrupt = Interrupt::listen()?;
    let raw = match open_part(location, disk, &volume.file)? {
        VolumeReader::Raw(raw) if !args.writable => raw,
        // What is kept as something else can't be mounted as it is.
        other => watched(context.console(), &interrupt, |work| {
            throw_away::clone_of(&other, location, work)
        })?,
    };
    let options = if args.writable {
        "loop,rw".to_owned()
    } else {
        read_only_options(&volume.file_system)
    };
    mount(&raw, &args.to, &options)?;
    context.console().note(&format!(
        "{}/{} of {} is mounted at {}.",
        disk.name,
        stem(&volume.file),
        image.name,
        args.to.display()
    ));
    image.close().await;
    Ok(Outcome::Done)
}

/// What keeps a file system from being changed by being mounted: it may have a log to replay.
fn read_only_options(file_system: &str) -> String {
    let no_replay = match file_system {
        "ext3" | "ext4" => ",noload",
        "XFS" => ",norecovery,nouuid",
        "btrfs" => ",rescue=nologreplay",
        _ => "",
    };
    format!("loop,ro{no_replay}")
}

fn mount(file: &File, to: &Path, options: &str) -> Result<()> {
    let source = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
    let output = Command::new("mount")
        .args(["-o", options, &source])
        .arg(to)
        .output()
        .context("can't run mount")?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    Err(Failure::Job {
        what: "mounting it".into(),
        source: Told(text.trim().replace('\n', "; ")),
    }
    .into())
}
