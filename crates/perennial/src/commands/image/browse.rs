//! `image browse`

use anyhow::{Context as _, Result};
use volume_files::{Entry, Files, Kind, Step};
use wire::v1::EntryView;

use super::Image;
use super::volume::OpenVolume;
use crate::channel::Link;
use crate::cli::ImageBrowseArgs;
use crate::commands::browse::Listing;
use crate::commands::{Context, refer};
use crate::failure::Outcome;
use crate::output::console::JsonItems;
use crate::output::format;
use crate::output::{Console, Shape, json};

/// So many entries are written at once.
const BATCH: usize = 200;

pub async fn run(context: &Context, link: &Link, args: &ImageBrowseArgs) -> Result<Outcome> {
    let reference = refer::resolve_image(link, &args.place.backup).await?;
    let image = Image::open(link, reference).await?;
    let console = context.console();
    let listed = OpenVolume::open(&image, &args.place, console).and_then(|volume| {
        let files = volume.files()?;
        tokio::task::block_in_place(|| browse(&files, &volume, args, console))
    });
    image.close().await;
    listed
}

fn browse(
    files: &Files<'_>,
    volume: &OpenVolume,
    args: &ImageBrowseArgs,
    console: &Console,
) -> Result<Outcome> {
    let entry = files.find(&volume.path).context("can't look into the volume")?;
    let mut printed = Printed {
        console,
        items: (args.output.shape() == Shape::Json).then(|| console.json_items()),
        listing: Listing::default(),
        batch: Vec::new(),
        outcome: Outcome::Done,
    };
    let mut base = volume.name.clone().into_bytes();
    if !volume.path.is_empty() {
        base.push(b'/');
        base.extend(&volume.path);
    }
    if entry.kind != Kind::Directory {
        printed.entry(base, &entry)?;
        return printed.finish();
    }
    base.push(b'/');
    let step = if args.recursive { Step::Into } else { Step::Over };
    let mut failed = None;
    let walked = files.walk(&entry, &mut |path, entry| {
        let path = [&base[..], path].concat();
        printed.entry(path, entry).map(|()| step).map_err(|error| {
            failed = Some(error);
            volume_files::Error::Cancelled
        })
    });
    match failed {
        Some(error) => return Err(error),
        None => walked.context("can't look into the volume")?,
    }
    printed.finish()
}

/// What is shown, some entries at a time.
struct Printed<'a> {
    console: &'a Console,
    items: Option<JsonItems<'a>>,
    listing: Listing,
    batch: Vec<EntryView>,
    outcome: Outcome,
}

impl Printed<'_> {
    fn entry(&mut self, path: Vec<u8>, entry: &Entry) -> Result<()> {
        if let Kind::Unreadable { reason } = &entry.kind {
            let text = format!("{}: can't be read: {}", format::path(&path), format::line(reason));
            self.console.note(&text);
            self.outcome = Outcome::WithProblems;
        }
        self.batch.push(server::entry_on_volume(path, entry));
        if self.batch.len() >= BATCH {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        let entries = std::mem::take(&mut self.batch);
        match &mut self.items {
            Some(items) => {
                for entry in &entries {
                    items.item(&json::EntryView::new(entry, self.console.zone()))?;
                }
            }
            None => self.console.result(&self.listing.lines(&entries, self.console))?,
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Outcome> {
        self.flush()?;
        if let Some(items) = self.items {
            items.finish()?;
        }
        Ok(self.outcome)
    }
}
