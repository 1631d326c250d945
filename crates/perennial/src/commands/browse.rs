//! `backup browse`

use anyhow::{Context as _, Result};
use wire::v1::{BrowseRequest, EntryView};

use super::{Context, refer};
use crate::channel::Link;
use crate::cli::BrowseArgs;
use crate::failure::Outcome;
use crate::output::format::{self, size};
use crate::output::{Console, Shape, json};

pub async fn run(context: &Context, args: BrowseArgs) -> Result<Outcome> {
    let link = Link::open(context).await?;
    let outcome = browse(context, &link, &args).await;
    link.close().await;
    outcome
}

async fn browse(context: &Context, link: &Link, args: &BrowseArgs) -> Result<Outcome> {
    let request = BrowseRequest {
        backup: Some(refer::resolve(link, &args.place.backup).await?),
        path: args.place.path.clone(),
        recursive: args.recursive,
    };
    let mut replies = link
        .backups()
        .browse(request)
        .await
        .context("can't look into the backup")?
        .into_inner();
    let console = context.console();
    let mut items = console.json_items();
    let mut listing = Listing::default();
    while let Some(reply) = replies.message().await.context("can't look into the backup")? {
        match args.output.shape() {
            Shape::Json => {
                for entry in &reply.entries {
                    items.item(&json::EntryView::new(entry, console.zone()))?;
                }
            }
            Shape::Human => console.result(&listing.lines(&reply.entries, console))?,
        }
    }
    if args.output.shape() == Shape::Json {
        items.finish()?;
    }
    Ok(Outcome::Done)
}

/// Aligned lines, written as they come: a listing may be longer than memory. Columns only ever grow.
pub(super) struct Listing {
    owner_width: usize,
    size_width: usize,
}

impl Default for Listing {
    fn default() -> Self {
        Self {
            owner_width: 0,
            size_width: "1023 MiB".len(),
        }
    }
}

impl Listing {
    /// The next lines.
    pub(super) fn lines(&mut self, entries: &[EntryView], console: &Console) -> String {
        let owners: Vec<String> = entries.iter().map(owner).collect();
        let widest = owners
            .iter()
            .map(|owner| owner.chars().count())
            .max()
            .unwrap_or(0);
        self.owner_width = self.owner_width.max(widest);
        entries
            .iter()
            .zip(owners)
            .map(|(entry, owner)| self.line(entry, &owner, console))
            .collect()
    }

    fn line(&self, entry: &EntryView, owner: &str, console: &Console) -> String {
        let (owner_width, size_width) = (self.owner_width, self.size_width);
        let size = if matches!(entry.kind.as_str(), "file" | "volume") {
            size(entry.size)
        } else {
            "-".into()
        };
        let target = match entry.target.as_slice() {
            [] => String::new(),
            target => format!(" -> {}", format::path(target)),
        };
        format!(
            "{}  {owner:<owner_width$}  {size:>size_width$}  {}  {}{target}\n",
            format::mode(&entry.kind, entry.mode),
            format::time_exact(entry.mtime_s, console.zone()),
            format::path(&entry.path),
        )
    }
}

fn owner(entry: &EntryView) -> String {
    let named = |name: &str, id: u32| {
        if name.is_empty() {
            id.to_string()
        } else {
            format::line(name)
        }
    };
    format!(
        "{}:{}",
        named(&entry.user, entry.uid),
        named(&entry.group, entry.gid)
    )
}
