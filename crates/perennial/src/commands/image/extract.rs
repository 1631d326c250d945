//! `image extract`

use std::fs;

use anyhow::{Context as _, Result};
use disk_image::Progress as _;
use file_tree::Dir;
use serde_json::json;
use volume_files::extract::{Existing, Extracted, Watch, extract};

use super::Image;
use super::volume::OpenVolume;
use super::work::{Work, watched};
use crate::channel::Link;
use crate::cli::{ExistingFiles, ExtractArgs};
use crate::commands::{Context, refer};
use crate::failure::Outcome;
use crate::interrupt::Interrupt;
use crate::output::format::{self, size, things};
use crate::output::{Console, Shape};

pub async fn run(context: &Context, link: &Link, args: &ExtractArgs) -> Result<Outcome> {
    let reference = refer::resolve_image(link, &args.place.backup).await?;
    let image = Image::open(link, reference).await?;
    let console = context.console();
    let interrupt = Interrupt::listen()?;
    let extracted = OpenVolume::open(&image, &args.place, console).and_then(|volume| {
        watched(console, &interrupt, |work| {
            extract_to(&volume, args, work, console)
        })
    });
    image.close().await;
    let extracted = extracted?;
    match args.output.shape() {
        Shape::Json => console.json(&json!({
            "path": args.to.display().to_string(),
            "files": extracted.files,
            "directories": extracted.directories,
            "data_bytes": extracted.data_bytes,
            "problems": extracted.problems,
        }))?,
        Shape::Human => console.result(&format!(
            "{} and {} are in {}, {}\n",
            things(extracted.files, "file", "files"),
            things(extracted.directories, "directory", "directories"),
            args.to.display(),
            size(extracted.data_bytes)
        ))?,
    }
    Ok(match extracted.problems {
        0 => Outcome::Done,
        _ => Outcome::WithProblems,
    })
}

fn extract_to(volume: &OpenVolume, args: &ExtractArgs, work: &Work, console: &Console) -> Result<Extracted> {
    let files = volume.files()?;
    let entry = files.find(&volume.path).context("can't look into the volume")?;
    fs::create_dir_all(&args.to).with_context(|| format!("can't create {}", args.to.display()))?;
    let to = Dir::open(&args.to)?;
    let existing = match args.existing {
        ExistingFiles::Keep => Existing::Keep,
        ExistingFiles::Overwrite => Existing::Overwrite,
        ExistingFiles::Fail => Existing::Fail,
    };
    // How much a directory holds is not known beforehand.
    work.begin("extracting", entry.len_bytes);
    let mut watch = Shown { work, console };
    extract(&files, &entry, &to, existing, &mut watch)
        .with_context(|| format!("can't extract to {}", args.to.display()))
}

/// Shows how it goes.
struct Shown<'a> {
    work: &'a Work,
    console: &'a Console,
}

impl Watch for Shown<'_> {
    fn done(&mut self, len_bytes: u64) {
        self.work.done(len_bytes);
    }

    fn problem(&mut self, path: &[u8], reason: String) {
        let text = format!("{}: left out: {}", format::path(path), format::line(&reason));
        self.console.note(&text);
    }

    fn is_cancelled(&self) -> bool {
        self.work.is_cancelled()
    }
}
