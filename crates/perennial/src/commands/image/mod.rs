//! `image …`

mod browse;
mod export;
mod extract;
mod info;
mod mount;
mod published;
mod serve;
mod source;
mod throw_away;
mod volume;
mod work;

use std::path::Path;

use anyhow::{Context as _, Result};
use disk_image::description::DiskDescription;
use storage::VolumeReader;

use super::{Context, backup};
use crate::channel::Link;
use crate::cli::ImageCommand;
use crate::failure::Outcome;

pub use source::{Image, stem};
pub use work::watched;

pub async fn run(context: &Context, command: ImageCommand) -> Result<Outcome> {
    let link = Link::open(context).await?;
    let outcome = match command {
        ImageCommand::List(args) => backup::list_images(context, &link, args).await,
        ImageCommand::Info(args) => info::run(context, &link, &args).await,
        ImageCommand::Export(args) => export::run(context, &link, &args).await,
        ImageCommand::Publish(args) => published::publish(context, &link, &args).await,
        ImageCommand::Published(args) => published::list(context, &link, args).await,
        ImageCommand::Unpublish(args) => published::unpublish(context, &link, args).await,
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
