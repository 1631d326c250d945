//! `incomplete/CLIENT`: what is kept of a backup until it is committed, and from which point it can be resumed.
//!
//! The directory holds the growing `tree`, `state.toml`, and some files per **generation**, one generation for each
//! session that worked on the backup: `base.G.manifest` (what the session grows from), `manifest.G.part` (the
//! directories it has completed), `unfinished.G` (those behind them, with the files that were there at the last
//! checkpoint) and `touched.G` (see [`crate::watermark`]). A resumed session composes its base from those of the session
//! before, and `state.toml`, replaced as one, switches over. A commit renames the manifest to `NAME.sealed`: from then
//! on recovery completes the backup instead of keeping it.

use std::fs::File;

use file_tree::{Access, Dir};
use manifest::{Partial, RawRecord, Reader, Writer, compare_paths, read_partial};
use serde::{Deserialize, Serialize};

use crate::backend::Growth;
use crate::crash;
use crate::durable;
use crate::error::{During as _, Error, Result};
use crate::names::BackupName;
use crate::watermark::Watermark;

pub(crate) const TREE: &[u8] = b"tree";
const STATE_FILE: &str = "state.toml";
const SEALED_SUFFIX: &str = ".sealed";
const FORMAT: u32 = 1;

/// What `state.toml` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    format: u32,
    pub generation: u32,
    /// The backup whose tree this one is carried from.
    pub base: Option<String>,
    /// How much of that the tree began with.
    pub growth: Growth,
    /// The last directory that a session before this one has completed; all of its manifest's up to there are in the
    /// tree. In hexadecimal, since a path need not be text.
    placed_until: Option<String>,
    /// The kernel's boot in which what the tree holds has not all been made durable yet.
    pub boot: String,
    /// What has been made durable, for when the boot is another.
    pub checkpoint: Option<Checkpoint>,
}

/// A moment at which all that had been done was durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    /// Length of the partial manifest at that moment.
    pub manifest_bytes: u64,
}

impl State {
    pub fn first(base: Option<&BackupName>, boot: String) -> Self {
        let base = base.map(|name| name.as_str().to_owned());
        let growth = Growth::PerEntry;
        Self {
            format: FORMAT,
            generation: 1,
            base,
            growth,
            placed_until: None,
            boot,
            checkpoint: None,
        }
    }

    /// Reads it. What is missing, damaged or of another format is `None`: such a backup can't be resumed.
    pub fn read(work: &Dir) -> Result<Option<Self>> {
        let Some(content) = durable::read(work, STATE_FILE)? else {
            return Ok(None);
        };
        let state: Option<Self> = str::from_utf8(&content)
            .ok()
            .and_then(|text| toml::from_str(text).ok());
        Ok(state.filter(|state| state.format == FORMAT))
    }

    pub fn write(&self, work: &Dir) -> Result<()> {
        let text = toml::to_string(self).expect("flat tables of strings and numbers are always valid TOML");
        durable::write(work, STATE_FILE, text.as_bytes())
    }

    pub fn placed_until(&self) -> Option<Box<[u8]>> {
        let digits = self.placed_until.as_ref()?.as_bytes().chunks(2);
        digits
            .map(|digits| u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok())
            .collect()
    }

    fn set_placed_until(&mut self, path: Option<&[u8]>) {
        self.placed_until = path.map(|path| path.iter().map(|byte| format!("{byte:02x}")).collect());
    }

    pub fn base_name(&self) -> Option<BackupName> {
        self.base.as_ref()?.parse().ok()
    }

    /// Whether the tree may have lost what was done after the checkpoint.
    pub fn has_lost_power(&self, boot: &str) -> bool {
        self.boot != boot
    }

    pub fn manifest_file(&self) -> String {
        format!("manifest.{}.part", self.generation)
    }

    pub fn base_file(&self) -> String {
        format!("base.{}.manifest", self.generation)
    }

    /// The directories that are not complete, as a manifest of their own.
    pub fn unfinished_file(&self) -> String {
        format!("unfinished.{}", self.generation)
    }

    /// The same, while it is written.
    pub fn new_unfinished_file(&self) -> String {
        format!("unfinished.{}.new", self.generation)
    }

    pub fn watermark_file(&self) -> String {
        format!("touched.{}", self.generation)
    }
}

/// The file name of a manifest that is being committed.
pub(crate) fn sealed_file(name: &BackupName) -> String {
    format!("{name}{SEALED_SUFFIX}")
}

/// The backup that is being committed in this directory, if one is.
pub(crate) fn sealed_name(work: &Dir) -> Result<Option<BackupName>> {
    let sealed = crate::layout::names_in(work, |file| {
        BackupName::from_file_name(file.strip_suffix(SEALED_SUFFIX.as_bytes())?)
    })?;
    Ok(sealed.into_iter().next())
}

/// Identifies the running kernel's boot, so that a later one knows that it is another.
pub(crate) fn boot_id() -> String {
    // Where the kernel doesn't say, each process counts as a boot of its own: safe, and resumes less.
    let unknown = || {
        format!(
            "process {} of {:?}",
            std::process::id(),
            std::time::SystemTime::now()
        )
    };
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map_or_else(|_| unknown(), |id| id.trim().to_owned())
}

/// What a resumed session grows from.
#[derive(Debug)]
pub(crate) struct Resumption {
    pub state: State,
    /// The composed base; `None` if nothing can be kept.
    pub base: Option<File>,
}

/// What a resumed session can still take from the backup that the first one grew from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OldBase {
    /// All that has not been touched.
    Available,
    /// Nothing: it is gone, and the tree did not begin with it.
    Gone,
}

/// Composes the base of the next generation and switches over to it.
pub(crate) fn next_generation(
    work: &Dir,
    tree: &Dir,
    state: &State,
    boot: &str,
    old_base: OldBase,
) -> Result<Resumption> {
    let mut next = State {
        generation: state.generation.saturating_add(1),
        checkpoint: None,
        ..state.clone()
    };
    next.boot = boot.to_owned();
    let composed = compose(work, state, &mut next, old_base)?;
    // ORDER: the composed base is complete and durable, and the tree what it says, before the state names it; until then
    // the old generation's files are all that counts.
    if let Some(Composed { base, unfinished }) = &composed {
        crate::unfinished::settle(tree, base, unfinished)?;
        base.sync_all().during("sync", next.base_file())?;
    }
    next.write(work)?;
    crash::point("resume: state names the new generation");
    for file in [
        state.manifest_file(),
        state.unfinished_file(),
        state.new_unfinished_file(),
        state.base_file(),
        state.watermark_file(),
    ] {
        durable::remove(work, file.as_bytes())?;
    }
    Ok(Resumption {
        state: next,
        base: composed.map(|composed| composed.base),
    })
}

/// What [`compose`] makes.
struct Composed {
    base: File,
    /// Directories of it in which files may be missing, and others be begun.
    unfinished: Vec<RawRecord>,
}

/// Writes the next generation's base: what is complete, what was under way, then what the base has beyond all that was
/// touched.
fn compose(work: &Dir, state: &State, next: &mut State, old_base: OldBase) -> Result<Option<Composed>> {
    let lost = state.has_lost_power(&next.boot);
    let trusted_bytes = match (lost, state.checkpoint) {
        (false, _) => u64::MAX,
        (true, Some(checkpoint)) => checkpoint.manifest_bytes,
        (true, None) => 0,
    };
    // After a power loss nobody knows how far the tree was touched: of the base nothing can be taken.
    let keeps_base = !lost && old_base == OldBase::Available;
    let base = if keeps_base { open_base(work, state)? } else { None };
    let part = |name: String| -> Result<Option<Partial>> {
        Ok(match durable::find_file(work, name.as_bytes())? {
            Some(file) if trusted_bytes > 0 => read_partial(file).ok(),
            _ => None,
        })
    };
    let (partial, under_way) = (part(state.manifest_file())?, part(state.unfinished_file())?);
    let header = match (&partial, &base) {
        (Some(partial), _) => partial.header().clone(),
        (None, Some(base)) => base.header().clone(),
        (None, None) => {
            next.set_placed_until(None);
            return Ok(None);
        }
    };
    let base_name = next.base_file();
    durable::remove(work, base_name.as_bytes())?;
    let file = work
        .create_file(base_name.as_bytes(), 0o600)
        .during("create", &base_name)?;
    let failed = || Error::manifest(&base_name);
    let mut writer = Writer::create(&file, &header).map_err(failed())?;
    let touched = Watermark::read(work, &state.watermark_file())?;
    let mut begun = Begun {
        completed: partial.map(|partial| Trusted {
            partial,
            trusted_bytes,
        }),
        under_way,
        last_path: None,
        unfinished: Vec::new(),
    };
    manifest::compose::resume(&mut begun, base.as_ref(), touched.as_deref(), &mut writer).map_err(failed())?;
    writer
        .finish(&manifest::Conclusion::default())
        .map_err(failed())?;
    let placed = if keeps_base { state.placed_until() } else { None };
    let placed = match (placed, begun.last_path) {
        (Some(a), Some(b)) => Some(if compare_paths(&a, &b).is_lt() { b } else { a }),
        (a, b) => a.or(b),
    };
    next.set_placed_until(placed.as_deref());
    Ok(Some(Composed {
        base: file,
        unfinished: begun.unfinished,
    }))
}

/// What the session before grew from.
fn open_base(work: &Dir, state: &State) -> Result<Option<Reader>> {
    let name = state.base_file();
    let Some(file) = durable::find_file(work, name.as_bytes())? else {
        return Ok(None);
    };
    Reader::open(file).map(Some).map_err(Error::manifest(name))
}

/// The directories that an interrupted session had begun, in order: those that were complete, then the others.
struct Begun {
    completed: Option<Trusted>,
    under_way: Option<Partial>,
    last_path: Option<Box<[u8]>>,
    /// Those of the others that have come out.
    unfinished: Vec<RawRecord>,
}

impl Iterator for &mut Begun {
    type Item = RawRecord;

    fn next(&mut self) -> Option<RawRecord> {
        let mut record = self.completed.as_mut().and_then(Iterator::next);
        if record.is_none() {
            self.completed = None;
            // Some of these may have been completed after the checkpoint that they are of.
            let last_path = self.last_path.as_deref();
            let is_behind =
                |record: &RawRecord| last_path.is_none_or(|last| compare_paths(last, record.path()).is_lt());
            record = self
                .under_way
                .as_mut()
                .and_then(|records| records.find(is_behind));
            self.unfinished.extend(record.clone());
        }
        self.last_path = record
            .as_ref()
            .map(|record| record.path().into())
            .or(self.last_path.take());
        record
    }
}

/// The records of a partial manifest that lie in its trusted part.
struct Trusted {
    partial: Partial,
    trusted_bytes: u64,
}

impl Iterator for Trusted {
    type Item = RawRecord;

    fn next(&mut self) -> Option<RawRecord> {
        let record = self.partial.next()?;
        // All of a frame is found whole before its first record comes out.
        (self.partial.valid_bytes() <= self.trusted_bytes).then_some(record)
    }
}

/// Takes a committed backup's manifest as the base of the first generation: as a link, so that the base may be deleted.
pub(crate) fn take_base(work: &Dir, state: &State, manifests: &Dir, manifest: &str) -> Result<File> {
    let name = state.base_file();
    durable::remove(work, name.as_bytes())?;
    if work
        .create_hard_link(name.as_bytes(), manifests, manifest.as_bytes())
        .is_err()
    {
        let mut from = manifests
            .open_file(manifest.as_bytes(), Access::Read)
            .during("open", manifest)?;
        let mut to = work.create_file(name.as_bytes(), 0o600).during("create", &name)?;
        std::io::copy(&mut from, &mut to).during("copy", manifest)?;
    }
    work.open_file(name.as_bytes(), Access::Read).during("open", name)
}
