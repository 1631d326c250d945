//! What is chosen for the images of one client: the server's settings, but for what is set for the client itself.

use std::collections::BTreeMap;

use disk_image::synthetic::Format;
use storage::VolumeFormat;

use crate::core::Core;
use crate::error::{Error, Result};

/// Keys of what can be set for a client, as in the server's own settings.
pub const IMAGE_FORMAT: &str = "image_format";
/// See [`IMAGE_FORMAT`].
pub const SYNTHETIC_DISKS: &str = "synthetic_disks";

/// The word for what probing finds.
const AUTO: &str = "auto";
/// The word for no synthetic disk at all.
const NONE: &str = "none";

/// What is chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageChoice {
    /// What volumes are kept in where extents can't be shared; `None` for the best.
    pub format: Option<VolumeFormat>,
    /// The synthetic disks that every image gets.
    pub synthetic_disks: Vec<Format>,
}

/// A setting as a client has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientSetting {
    /// Its key.
    pub key: &'static str,
    /// Its value, in words.
    pub value: String,
    /// Whether it is set for this client.
    pub is_own: bool,
}

impl ImageChoice {
    /// What holds for a client. One that is not known yet has nothing of its own.
    pub fn of(core: &Core, client: &str) -> Result<Self> {
        let own = match core.catalog.client_settings(client) {
            Err(catalog::Error::UnknownClient { .. }) => BTreeMap::new(),
            own => own?,
        };
        Self::with(core, &own)
    }

    fn with(core: &Core, own: &BTreeMap<String, String>) -> Result<Self> {
        let mut choice = Self {
            format: core.settings.image_format,
            synthetic_disks: core.settings.synthetic_disks.clone(),
        };
        for (key, value) in own {
            choice.set(key, value)?;
        }
        Ok(choice)
    }

    /// Sets one of its values by the words for it; fails with [`Error::BadSetting`].
    fn set(&mut self, key: &str, value: &str) -> Result<()> {
        let bad = |reason: String| Error::BadSetting {
            key: key.to_owned(),
            reason,
        };
        match key {
            IMAGE_FORMAT if value == AUTO => self.format = None,
            IMAGE_FORMAT => self.format = Some(value.parse().map_err(|error| bad(format!("{error}")))?),
            SYNTHETIC_DISKS if value == NONE => self.synthetic_disks.clear(),
            SYNTHETIC_DISKS => {
                let words = value.split(',').map(str::trim);
                let formats: Result<Vec<Format>, _> = words.map(str::parse).collect();
                self.synthetic_disks = formats.map_err(|error| bad(error.to_string()))?;
            }
            _ => {
                return Err(bad(format!(
                    "a client has no such setting, but {IMAGE_FORMAT} and {SYNTHETIC_DISKS}"
                )));
            }
        }
        Ok(())
    }

    fn words(&self, key: &str) -> String {
        match key {
            IMAGE_FORMAT => self
                .format
                .map_or_else(|| AUTO.to_owned(), |format| format.to_string()),
            _ if self.synthetic_disks.is_empty() => NONE.to_owned(),
            _ => {
                let words: Vec<String> = self.synthetic_disks.iter().map(Format::to_string).collect();
                words.join(",")
            }
        }
    }
}

/// All settings that a client can have of its own, as they hold for it.
pub fn settings_of(core: &Core, client: &str) -> Result<Vec<ClientSetting>> {
    let own = core.catalog.client_settings(client)?;
    let choice = ImageChoice::with(core, &own)?;
    let setting = |key| ClientSetting {
        key,
        value: choice.words(key),
        is_own: own.contains_key(key),
    };
    Ok([IMAGE_FORMAT, SYNTHETIC_DISKS].map(setting).into())
}

/// Sets something for a client, or lets it have the server's value again. Holds from its next image on.
pub fn change_setting(core: &Core, client: &str, key: &str, value: Option<&str>) -> Result<()> {
    let mut choice = ImageChoice::of(core, client)?;
    // A key that nothing can be set for is refused in both cases.
    choice.set(
        key,
        value.unwrap_or(if key == IMAGE_FORMAT { AUTO } else { NONE }),
    )?;
    core.catalog.set_client_setting(client, key, value)?;
    Ok(())
}
