//! `disk.toml`: what a published disk is.

use std::path::Path;

use file_tree::Dir;
use serde::{Deserialize, Serialize};

use super::damaged;
use crate::durable;
use crate::error::{Error, Result};
use crate::names::{BackupName, ClientName, PublishedId};

/// The name of the record's file.
pub(super) const FILE: &str = "disk.toml";
/// The format that this program writes.
const FORMAT: u32 = 1;
/// Longest part of a file's name that comes from elsewhere.
const MOST_PART_BYTES: usize = 64;

/// What a published disk is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedDisk {
    /// Identifies it within all storages.
    pub id: PublishedId,
    /// Whose image it was made of.
    pub client: ClientName,
    /// Which image that was. It may be gone.
    pub backup: BackupName,
    /// The disk, as the image names it.
    pub disk: String,
    /// The one volume that it is of, without an ending; `None` for the whole disk.
    pub volume: Option<String>,
    /// Its format, in the word of `disk_image::synthetic`.
    pub format: String,
    /// The name of its file.
    pub file: String,
    /// The size of its file.
    pub len_bytes: u64,
    /// When it was made, in milliseconds since 1970.
    pub made_ms: i64,
    /// Bytes of it that are shared with the image.
    pub shared_bytes: u64,
    /// Bytes of it that had to be written.
    pub copied_bytes: u64,
}

#[derive(Deserialize)]
struct Version {
    format: u32,
}

#[derive(Serialize, Deserialize)]
struct Text {
    format: u32,
    client: String,
    backup: String,
    disk: String,
    volume: Option<String>,
    disk_format: String,
    file: String,
    len_bytes: u64,
    made_ms: i64,
    shared_bytes: u64,
    copied_bytes: u64,
}

impl PublishedDisk {
    /// The name for the file of a disk, or of a volume: readable, and harmless whatever the client calls these.
    pub fn file_name(
        client: &ClientName,
        backup: &BackupName,
        disk: &str,
        volume: Option<&str>,
        ending: &str,
    ) -> String {
        let mut name = format!("{client}-{backup}-{}", harmless(disk));
        if let Some(volume) = volume {
            name.push('-');
            name.push_str(&harmless(volume));
        }
        name.push_str(ending);
        name
    }

    /// Reads it; `None` if it isn't there. `path` is for messages.
    pub(super) fn read(dir: &Dir, id: &PublishedId, path: &Path) -> Result<Option<Self>> {
        let Some(content) = durable::read(dir, FILE)? else {
            return Ok(None);
        };
        let text = str::from_utf8(&content).map_err(|error| damaged(path, error))?;
        let version: Version = toml::from_str(text).map_err(|error| damaged(path, error.message()))?;
        if version.format > FORMAT {
            return Err(Error::NewerFormat {
                path: path.join(FILE),
                found: version.format,
                known: FORMAT,
            });
        }
        let text: Text = toml::from_str(text).map_err(|error| damaged(path, error.message()))?;
        if text.file.is_empty() || text.file.starts_with('.') || text.file.contains('/') || text.file == FILE
        {
            return Err(damaged(path, "the name of its file is impossible"));
        }
        Ok(Some(Self {
            id: id.clone(),
            client: text.client.parse().map_err(|error| damaged(path, error))?,
            backup: text.backup.parse().map_err(|error| damaged(path, error))?,
            disk: text.disk,
            volume: text.volume,
            format: text.disk_format,
            file: text.file,
            len_bytes: text.len_bytes,
            made_ms: text.made_ms,
            shared_bytes: text.shared_bytes,
            copied_bytes: text.copied_bytes,
        }))
    }

    /// Writes it durably.
    pub(super) fn write(&self, dir: &Dir) -> Result<()> {
        let text = Text {
            format: FORMAT,
            client: self.client.to_string(),
            backup: self.backup.to_string(),
            disk: self.disk.clone(),
            volume: self.volume.clone(),
            disk_format: self.format.clone(),
            file: self.file.clone(),
            len_bytes: self.len_bytes,
            made_ms: self.made_ms,
            shared_bytes: self.shared_bytes,
            copied_bytes: self.copied_bytes,
        };
        let text = toml::to_string(&text).expect("a flat table of strings and numbers is always valid TOML");
        durable::write(dir, FILE, text.as_bytes())
    }
}

/// What a client calls something, as a part of a file's name: letters, digits and a few signs, and not too many of them.
fn harmless(text: &str) -> String {
    let keep = |character: char| match character {
        '.' | '_' | '-' => character,
        _ if character.is_ascii_alphanumeric() => character,
        _ => '_',
    };
    text.chars().map(keep).take(MOST_PART_BYTES).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(disk: &str, volume: Option<&str>, ending: &str) -> String {
        let client = "laptop".parse().unwrap();
        let backup = "261130-0650_image".parse().unwrap();
        PublishedDisk::file_name(&client, &backup, disk, volume, ending)
    }

    #[test]
    fn files_are_named_after_what_they_are() {
        assert_eq!(name("sda", None, ".vhdx"), "laptop-261130-0650_image-sda.vhdx");
        assert_eq!(
            name("sda", Some("sda2"), "-fixed.vhd"),
            "laptop-261130-0650_image-sda-sda2-fixed.vhd"
        );
    }

    #[test]
    fn hostile_names_are_harmless_and_short() {
        assert_eq!(
            name("../../etc", Some("a\n\0b\u{202e}"), ".raw"),
            "laptop-261130-0650_image-.._.._etc-a__b_.raw"
        );
        let long = "x".repeat(500);
        assert!(name(&long, Some(&long), "-fixed.vhd").len() < 255);
    }
}
