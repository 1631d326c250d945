//! `image …`

#[cfg(feature = "server")]
mod browse;
mod export;
#[cfg(feature = "server")]
mod extract;
mod info;
#[cfg(feature = "server")]
mod mount;
mod published;
#[cfg(feature = "server")]
mod serve;
mod source;
#[cfg(feature = "server")]
mod throw_away;
#[cfg(feature = "server")]
mod volume;
mod work;

use anyhow::Result;

use super::{Context, backup};
use crate::channel::Link;
use crate::cli::ImageCommand;
use crate::failure::Outcome;

pub use source::{Image, stem};
#[cfg(feature = "server")]
use volume::open_part;
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
        #[cfg(feature = "server")]
        ImageCommand::Mount(args) => mount::run(context, &link, &args).await,
        #[cfg(feature = "server")]
        ImageCommand::Serve(args) => serve::run(context, &link, &args).await,
        #[cfg(feature = "server")]
        ImageCommand::Browse(args) => browse::run(context, &link, &args).await,
        #[cfg(feature = "server")]
        ImageCommand::Extract(args) => extract::run(context, &link, &args).await,
    };
    link.close().await;
    outcome
}
