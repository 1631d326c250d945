//! `state.toml` of an incomplete image.

use file_tree::Dir;
use serde::{Deserialize, Serialize};

use super::VolumeFormat;
use crate::durable;
use crate::error::Result;
use crate::incomplete::boot_id;
use crate::names::BackupName;

const STATE_FILE: &str = "state.toml";
const FORMAT: u32 = 1;

/// What it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    format: u32,
    /// The image that this one grows from.
    base: Option<String>,
    /// What its volumes will be kept in.
    #[serde(default)]
    volumes: VolumeFormat,
    /// The kernel's boot in which the tree was written to last.
    boot: String,
}

impl State {
    pub fn new(base: Option<&BackupName>, volumes: VolumeFormat) -> Self {
        Self {
            format: FORMAT,
            base: base.map(|name| name.as_str().to_owned()),
            volumes,
            boot: boot_id(),
        }
    }

    /// Reads it. What is missing, damaged or of another format is `None`: such an image can't be resumed.
    pub fn read(work: &Dir) -> Result<Option<Self>> {
        let Some(content) = durable::read(work, STATE_FILE)? else {
            return Ok(None);
        };
        let text = str::from_utf8(&content).ok();
        let state: Option<Self> = text.and_then(|text| toml::from_str(text).ok());
        Ok(state.filter(|state| state.format == FORMAT))
    }

    pub fn write(&self, work: &Dir) -> Result<()> {
        let text = toml::to_string(self).expect("a flat table of strings and numbers is always valid TOML");
        durable::write(work, STATE_FILE, text.as_bytes())
    }

    pub fn base_name(&self) -> Option<BackupName> {
        self.base.as_ref()?.parse().ok()
    }

    pub fn volume_format(&self) -> VolumeFormat {
        self.volumes
    }

    /// Whether what was written last may not have reached the disk.
    pub fn may_have_lost_power(&self) -> bool {
        self.boot != boot_id()
    }
}
