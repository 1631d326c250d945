//! `restore-disk`

use std::io::{BufRead as _, IsTerminal as _};

use anyhow::{Context as _, Result};
use disk_image::description::{DiskDescription, TABLE_FILE_NAME};
use disk_image::restore::{
    Content as _, Differences, Growth, InUse, Plan, Restored, Run, Target, Wish, restore, verify,
};
use manifest::ContentHash;
use manifest::volume::StreamHasher;
use serde_json::json;

use super::image::{Image, stem, watched};
use super::{Context, refer};
use crate::channel::Link;
use crate::cli::RestoreDiskArgs;
use crate::failure::{Failure, Outcome};
use crate::interrupt::Interrupt;
use crate::output::format::{line, size, things};
use crate::output::{Console, Shape};

pub async fn run(context: &Context, args: RestoreDiskArgs) -> Result<Outcome> {
    let link = Link::open(context).await?;
    let outcome = run_over(context, &link, &args).await;
    link.close().await;
    outcome
}

async fn run_over(context: &Context, link: &Link, args: &RestoreDiskArgs) -> Result<Outcome> {
    let reference = refer::resolve_image(link, &args.place.backup).await?;
    let mut image = Image::open(link, reference).await?;
    let (disk, volume) = image.find(&args.place.path)?;
    let wish = match volume {
        Some(volume) => Wish::Volume(volume.file.clone()),
        None => Wish::Disk((!args.volumes.is_empty()).then(|| args.volumes.clone())),
    };
    let disk = disk.clone();
    let existed = args.to.exists();
    let target = open_target(args)?;
    let plan = plan(&mut image, &disk, &wish, &target, args);
    let console = context.console();
    let agreed = plan.and_then(|plan| agree(console, &image, &disk, &plan, &target, args).map(|()| plan));
    let plan = agreed.inspect_err(|_| {
        if !existed {
            // It was made to see whether it can be.
            let _ = std::fs::remove_file(&args.to);
        }
    })?;
    let interrupt = Interrupt::listen()?;
    let restored = watched(console, &interrupt, |work| {
        work.begin("restoring", plan.total_bytes());
        let differences = if args.differing {
            Differences::Only
        } else {
            Differences::Ignore
        };
        let restored = restore(&plan, &mut image.content(&disk.name), &target, differences, work)?;
        if !args.no_verify {
            work.begin("verifying", plan.total_bytes());
            check(&image, &disk, &plan, &target, work)?;
        }
        Ok(restored)
    });
    image.close().await;
    let restored = restored.with_context(|| format!("can't restore to {}", args.to.display()))?;
    report(console, args, &plan, &restored)?;
    Ok(Outcome::Done)
}

fn open_target(args: &RestoreDiskArgs) -> Result<Target> {
    let in_use = if args.force {
        InUse::Override
    } else {
        InUse::Refuse
    };
    Ok(Target::open(&args.to, in_use)?)
}

fn plan(
    image: &mut Image,
    disk: &DiskDescription,
    wish: &Wish,
    target: &Target,
    args: &RestoreDiskArgs,
) -> Result<Plan> {
    let growth = if args.grow_last {
        Growth::LastPartition
    } else {
        Growth::Off
    };
    let mut table = Vec::new();
    if disk.has_table() && matches!(wish, Wish::Disk(_)) {
        table = tokio::task::block_in_place(|| read_table(image, disk))?;
    }
    let plan = Plan::new(disk, wish, target.fixed_len_bytes()?, growth, |range| {
        let piece = table.iter().find(|(start, _)| *start == range.start);
        Ok(piece.map(|(_, bytes)| bytes.clone()).unwrap_or_default())
    })?;
    Ok(plan)
}

/// The pieces of the table, out of the file that has all of the disk's length.
fn read_table(image: &mut Image, disk: &DiskDescription) -> Result<Vec<(u64, Vec<u8>)>> {
    let mut pieces: Vec<(u64, Vec<u8>)> = disk
        .table
        .pieces
        .iter()
        .map(|piece| (piece.start_bytes, vec![0; piece.len_bytes as usize]))
        .collect();
    let mut at = 0;
    image.content(&disk.name).read(TABLE_FILE_NAME, &mut |run| {
        if let Run::Data(bytes) = run {
            let end = at + bytes.len() as u64;
            for (start, piece) in &mut pieces {
                let (from, to) = ((*start).max(at), (*start + piece.len() as u64).min(end));
                if from < to {
                    let source = &bytes[(from - at) as usize..(to - at) as usize];
                    piece[(from - *start) as usize..(to - *start) as usize].copy_from_slice(source);
                }
            }
        }
        at += run.len_bytes();
        Ok(())
    })?;
    Ok(pieces)
}

/// Says what will be done, and asks where something would be lost.
fn agree(
    console: &Console,
    image: &Image,
    disk: &DiskDescription,
    plan: &Plan,
    target: &Target,
    args: &RestoreDiskArgs,
) -> Result<()> {
    let what = match plan.table.is_empty() {
        true => plan
            .places
            .iter()
            .map(|place| stem(&place.file))
            .collect::<Vec<_>>()
            .join(", "),
        false => format!(
            "{} with {}",
            line(&disk.name),
            things(plan.places.len() as u64, "volume", "volumes")
        ),
    };
    let (from, to) = (&image.name, args.to.display());
    let len_bytes = if plan.table.is_empty() {
        plan.needed_bytes
    } else {
        disk.len_bytes
    };
    console.note(&format!("{what} of {from} ({}) goes to {to}", size(len_bytes)));
    if target.is_empty() || args.yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::Usage(format!("everything on {to} would be lost; give --yes to agree")).into());
    }
    console.note(&format!("Everything on {to} will be lost. Go on? [y/N]"));
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(disk_image::Error::Cancelled.into()),
    }
}

/// Reads what was written and compares it with the backup's hashes.
fn check(
    image: &Image,
    disk: &DiskDescription,
    plan: &Plan,
    target: &Target,
    progress: &dyn disk_image::Progress,
) -> Result<()> {
    let mut hashers: Vec<(&str, StreamHasher)> = plan
        .places
        .iter()
        .map(|place| (place.file.as_str(), StreamHasher::new()))
        .collect();
    verify(plan, target, progress, &mut |place, run| {
        let hasher = hashers.iter_mut().find(|(file, _)| *file == place.file);
        match (hasher, run) {
            (Some((_, hasher)), Run::Data(bytes)) => hasher.update(bytes),
            (Some((_, hasher)), Run::Zeros(len)) => hasher.zeros(len),
            (None, _) => {}
        }
        Ok(())
    })?;
    for (file, hasher) in hashers {
        let found: (u64, ContentHash) = hasher.finish();
        if image.expected(&disk.name, file) != Some(found) {
            anyhow::bail!(
                "what was written of {} does not read as the backup's hash says",
                stem(file)
            );
        }
    }
    Ok(())
}

fn report(console: &Console, args: &RestoreDiskArgs, plan: &Plan, restored: &Restored) -> Result<()> {
    match args.output.shape() {
        Shape::Json => console.json(&json!({
            "target": args.to.display().to_string(),
            "volumes": plan.places.iter().map(|place| stem(&place.file)).collect::<Vec<_>>(),
            "written_bytes": restored.written_bytes,
            "same_bytes": restored.same_bytes,
            "zeroed_bytes": restored.zeroed_bytes,
            "verified": !args.no_verify,
        }))?,
        Shape::Human => {
            let verified = if args.no_verify {
                "not read again"
            } else {
                "read again and compared"
            };
            console.result(&format!(
                "Restored to {}: {} written, {} of zeros, {} was right already; {verified}\n",
                args.to.display(),
                size(restored.written_bytes),
                size(restored.zeroed_bytes),
                size(restored.same_bytes)
            ))?;
        }
    }
    Ok(())
}
