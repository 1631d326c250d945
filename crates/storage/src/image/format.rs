//! What volumes are kept in.

use std::fmt;
use std::str::FromStr;

use disk_image::virtual_disk::FileFormat;
use disk_image::virtual_disk::write::WriteFormat;
use serde::{Deserialize, Serialize};

use super::RAW_SUFFIX;

/// What the volumes of an image are kept in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VolumeFormat {
    /// Each image has a sparse file of its own with all of the volume.
    #[default]
    Raw,
    /// Compressed, with what differs from the image before, which is its backing file.
    Qcow2,
    /// Dynamic, or differencing with what differs from the image before.
    Vhdx,
    /// Likewise; for volumes up to 2040 GiB.
    Vhd,
}

impl VolumeFormat {
    /// Those that stand on the image before.
    pub(crate) const CHAINED: [Self; 3] = [Self::Qcow2, Self::Vhdx, Self::Vhd];

    /// What the names of files end with.
    pub(crate) fn suffix(self) -> &'static [u8] {
        match self {
            Self::Raw => RAW_SUFFIX,
            Self::Qcow2 => b".qcow2",
            Self::Vhdx => b".vhdx",
            Self::Vhd => b".vhd",
        }
    }

    /// The name of the file that has the volume whose raw image would have this name.
    pub(crate) fn file_name(self, raw: &[u8]) -> Vec<u8> {
        let stem = raw.strip_suffix(RAW_SUFFIX).unwrap_or(raw);
        [stem, self.suffix()].concat()
    }

    /// The chained format that a file has by its name.
    pub(crate) fn of_chained(name: &[u8]) -> Option<Self> {
        let mut all = Self::CHAINED.into_iter();
        all.find(|format| name.ends_with(format.suffix()) && name.len() > format.suffix().len())
    }

    pub(crate) fn to_read(self) -> FileFormat {
        match self {
            Self::Raw => FileFormat::Raw,
            Self::Qcow2 => FileFormat::Qcow2,
            Self::Vhdx => FileFormat::Vhdx,
            Self::Vhd => FileFormat::Vhd,
        }
    }

    pub(crate) fn of_read(format: FileFormat) -> Self {
        match format {
            FileFormat::Raw => Self::Raw,
            FileFormat::Qcow2 => Self::Qcow2,
            FileFormat::Vhdx => Self::Vhdx,
            FileFormat::Vhd => Self::Vhd,
        }
    }

    /// How it is written; `None` for raw images.
    pub(crate) fn to_write(self) -> Option<WriteFormat> {
        match self {
            Self::Raw => None,
            Self::Qcow2 => Some(WriteFormat::Qcow2),
            Self::Vhdx => Some(WriteFormat::Vhdx),
            Self::Vhd => Some(WriteFormat::Vhd),
        }
    }
}

impl fmt::Display for VolumeFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
            Self::Vhdx => "vhdx",
            Self::Vhd => "vhd",
        })
    }
}

/// The text is no format of volumes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no format of volumes: raw, qcow2, vhdx, vhd")]
pub struct UnknownVolumeFormat(pub String);

impl FromStr for VolumeFormat {
    type Err = UnknownVolumeFormat;

    fn from_str(text: &str) -> Result<Self, UnknownVolumeFormat> {
        let mut all = std::iter::once(Self::Raw).chain(Self::CHAINED);
        all.find(|format| format.to_string() == text)
            .ok_or_else(|| UnknownVolumeFormat(text.to_owned()))
    }
}
