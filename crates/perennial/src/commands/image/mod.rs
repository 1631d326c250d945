//! `image …`

mod browse;
mod export;
mod extract;
mod info;
mod mount;
mod serve;
mod source;
mod volume;
mod work;

use std::fs::File;
use std::path::Path;

use anyhow::{Context as _, Result};
use disk_image::description::DiskDescription;
use rustix::fs::{Mode, OFlags};

use storage::{VolumeFormat, VolumeReader};

use super::{Context, backup};
use crate::channel::Link;
use crate::cli::ImageCommand;
use crate::failure::{Failure, Outcome};

pub use source::{Image, stem};
pub use work::watched;

pub async fn run(context: &Context, command: ImageCommand) -> Result<Outcome> {
    let link = Link::open(context).await?;
    let outcome = match command {
        ImageCommand::List(args) => backup::list_images(context, &link, args).await,
        ImageCommand::Info(args) => info::run(context, &link, &args).await,
        ImageCommand::Export(args) => export::run(context, &link, &args).await,
        ImageCommand::Mount(args) => mount::run(context, &link, &args).await,
        ImageCommand::Serve(args) => serve::run(context, &link, &args).await,
        ImageCommand::Browse(args) => browse::run(context, &link, &args).await,
        ImageCommand::Extract(args) => extract::run(context, &link, &args).await,
    };
    link.close().await;
    outcome
}

/// Opens a disk's table or a volume of it, in the directory that has the image.
fn open_part(location: &Path, disk: &DiskDescription, file: &str) -> Result<VolumeReader> {
    let path = format!("{}/{file}", disk.name);
    storage::open_volume_at(location, path.as_bytes())
        .with_context(|| format!("can't open {path} in {}", location.display()))
}

/// Why something can't be done with a volume that is no raw image, and what can be done instead.
fn not_raw(image: &str, disk: &DiskDescription, file: &str, format: VolumeFormat, wish: &str) -> Failure {
    let place = format!("{}/{}", disk.name, stem(file));
    Failure::Usage(format!(
        "{place} is kept as {format}, which can't be {wish}; make a raw image of it with \
         \"perennial image export {image}:{place} --to {}.img\" and use that",
        stem(file)
    ))
}

/// A file beside the backups of all clients (a backup itself is read-only) that has no name, and is gone when nobody uses it
/// any more.
fn throw_away_file(location: &Path) -> Result<File> {
    let storage = location.ancestors().nth(2).unwrap_or(location);
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let file = rustix::fs::open(storage, flags, Mode::RUSR | Mode::WUSR)
        .with_context(|| format!("can't make a temporary file in {}", storage.display()))?;
    Ok(File::from(file))
}
