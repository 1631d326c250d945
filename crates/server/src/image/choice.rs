//! What is chosen for the images of one client.

use disk_image::synthetic::Format;
use policy::settings::ClientRules;
use storage::VolumeFormat;

/// What is chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageChoice {
    /// What volumes are kept in where extents can't be shared; `None` for the best.
    pub format: Option<VolumeFormat>,
    /// The synthetic disks that every image gets.
    pub synthetic_disks: Vec<Format>,
}

impl ImageChoice {
    /// What a client's rules say.
    pub fn of(rules: &ClientRules) -> Self {
        let formats = rules.synthetic_disks.iter().filter_map(|word| word.parse().ok());
        Self {
            format: volume_format(rules.image_format),
            synthetic_disks: formats.collect(),
        }
    }
}

/// The format of a volume by its word in the settings; `None` for the best.
pub fn volume_format(word: &str) -> Option<VolumeFormat> {
    word.parse().ok()
}

#[cfg(test)]
mod tests {
    use policy::settings::{Kind, setting};

    use super::*;

    #[test]
    fn every_word_of_the_settings_is_known() {
        let words = |key| match setting(key).expect("is there").kind {
            Kind::Choice(words) | Kind::Words(words) => words,
            kind => panic!("{kind:?}"),
        };
        let unknown: Vec<_> = words("image_format")
            .iter()
            .filter(|word| volume_format(word).is_none())
            .collect();
        assert_eq!(unknown, [&"auto"]);
        for word in words("synthetic_disks") {
            assert!(word.parse::<Format>().is_ok(), "{word}");
        }
    }
}
