//! The names that storage gives to things on disk, each checked once and a type of its own from then on.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// What a name was meant to be, for [`InvalidName`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameKind {
    /// A client's.
    Client,
    /// A backup's.
    Backup,
    /// A server's identity.
    Server,
    /// A pooled directory's.
    Pool,
    /// That of a copy of the catalog.
    CatalogCopy,
    /// That of a published disk.
    Published,
}

impl fmt::Display for NameKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client => "client",
            Self::Backup => "backup",
            Self::Server => "server",
            Self::Pool => "pooled directory",
            Self::CatalogCopy => "catalog copy",
            Self::Published => "published disk",
        })
    }
}

/// The text can't be such a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is not a valid {kind} name: {rule}")]
pub struct InvalidName {
    /// What it was meant to be.
    pub kind: NameKind,
    /// The text.
    pub name: String,
    /// What such a name is made of.
    pub rule: &'static str,
}

/// Longest name of a client, in bytes.
pub const MAX_CLIENT_NAME_BYTES: usize = 64;

const CLIENT_RULE: &str = "1 to 64 of A-Z a-z 0-9 . _ -, not beginning with . or -, and not \"current\"";
const BACKUP_RULE: &str = "YYMMDD-HHMM, then perhaps -N (2 to 9999) and _WORD (1 to 16 of a-z and digits)";
const SERVER_RULE: &str = "1 to 64 of the letters A-Z a-z, digits, '.', '_' and '-'";
const POOL_RULE: &str = "32 hexadecimal digits";
const PUBLISHED_RULE: &str = "12 hexadecimal digits";
/// Random digits of a version 4 UUID, before the first that is not.
const PUBLISHED_DIGITS: usize = 12;

/// The name of the link to a client's newest backup.
pub(crate) const CURRENT: &str = "current";

/// What the names of image backups end with.
pub const IMAGE_SUFFIX: &str = "_image";

/// The two sorts of backups. A client has at most one of each under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BackupKind {
    /// Of files.
    File,
    /// Of whole volumes.
    Image,
}

impl BackupKind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::File, Self::Image];
}

fn is_word(text: &str) -> bool {
    (1..=MAX_CLIENT_NAME_BYTES).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// The name of a client: the name of its directory in the storage.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientName(Arc<str>);

impl FromStr for ClientName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let valid = is_word(text) && !text.starts_with(['.', '-']) && text != CURRENT;
        if valid {
            Ok(Self(text.into()))
        } else {
            Err(invalid(NameKind::Client, text, CLIENT_RULE))
        }
    }
}

/// The identity of a server, as the storage that it owns remembers it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ServerId(Arc<str>);

impl FromStr for ServerId {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if is_word(text) {
            Ok(Self(text.into()))
        } else {
            Err(invalid(NameKind::Server, text, SERVER_RULE))
        }
    }
}

/// The name of a directory in a client's pool.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PoolId(Arc<str>);

impl PoolId {
    /// Makes up a new one.
    pub(crate) fn random() -> Self {
        Self(uuid::Uuid::new_v4().simple().to_string().into())
    }
}

impl FromStr for PoolId {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        match is_hex(text, 32) {
            true => Ok(Self(text.into())),
            false => Err(invalid(NameKind::Pool, text, POOL_RULE)),
        }
    }
}

/// What identifies a published disk.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublishedId(Arc<str>);

impl PublishedId {
    /// Makes up a new one.
    pub(crate) fn random() -> Self {
        let digits = uuid::Uuid::new_v4().simple().to_string();
        Self(digits[..PUBLISHED_DIGITS].into())
    }
}

impl FromStr for PublishedId {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        match is_hex(text, PUBLISHED_DIGITS) {
            true => Ok(Self(text.into())),
            false => Err(invalid(NameKind::Published, text, PUBLISHED_RULE)),
        }
    }
}

/// Whether a text is so many lower-case hexadecimal digits.
fn is_hex(text: &str, digits: usize) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.len() == digits && text.bytes().all(is_digit)
}

/// The name of a backup: when it began by the server's clock, to the minute.
///
/// Sorted by time, then by number, then by suffix.
#[derive(Clone)]
pub struct BackupName {
    text: Arc<str>,
    /// Length of `YYMMDD-HHMM`, then the number, then where the suffix begins.
    number: u16,
    suffix_at: usize,
}

/// Length of `YYMMDD-HHMM`.
const STAMP_BYTES: usize = 11;

impl BackupName {
    /// What sort of backup has such a name.
    pub fn kind(&self) -> BackupKind {
        if self.suffix() == IMAGE_SUFFIX {
            BackupKind::Image
        } else {
            BackupKind::File
        }
    }

    /// The same minute's backup number `number`, for when the name without is taken.
    ///
    /// Fails if the number is not 2 to 9999.
    pub fn numbered(&self, number: u16) -> Result<Self, InvalidName> {
        format!("{}-{number}{}", &self.text[..STAMP_BYTES], self.suffix()).parse()
    }

    /// What follows the time and number, `_` included; empty for file backups.
    pub fn suffix(&self) -> &str {
        &self.text[self.suffix_at..]
    }

    fn key(&self) -> (&str, u16, &str) {
        (&self.text[..STAMP_BYTES], self.number, self.suffix())
    }
}

impl FromStr for BackupName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let (number, suffix_at) =
            parse_backup(text).ok_or_else(|| invalid(NameKind::Backup, text, BACKUP_RULE))?;
        Ok(Self {
            text: text.into(),
            number,
            suffix_at,
        })
    }
}

/// Number (1 if there is none) and begin of the suffix.
fn parse_backup(text: &str) -> Option<(u16, usize)> {
    let bytes = text.as_bytes();
    let stamp = bytes.get(..STAMP_BYTES)?;
    let is_stamp = stamp.iter().enumerate().all(|(at, byte)| {
        if at == 6 {
            *byte == b'-'
        } else {
            byte.is_ascii_digit()
        }
    });
    let suffix_at = bytes.iter().position(|&byte| byte == b'_').unwrap_or(bytes.len());
    let number = match bytes.get(STAMP_BYTES..suffix_at)? {
        [] => 1,
        [b'-', digits @ ..] if digits.len() <= 4 && digits.first().is_some_and(|&first| first != b'0') => {
            std::str::from_utf8(digits)
                .ok()
                .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?
                .parse()
                .ok()?
        }
        _ => return None,
    };
    let is_suffix = match &bytes[suffix_at..] {
        [] => true,
        [_, word @ ..] => {
            (1..=16).contains(&word.len())
                && word
                    .iter()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        }
    };
    let numbered = suffix_at > STAMP_BYTES;
    (is_stamp && is_suffix && (!numbered || number >= 2)).then_some((number, suffix_at))
}

impl PartialEq for BackupName {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for BackupName {}

impl std::hash::Hash for BackupName {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl PartialOrd for BackupName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for BackupName {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

fn invalid(kind: NameKind, name: &str, rule: &'static str) -> InvalidName {
    InvalidName {
        kind,
        name: name.to_owned(),
        rule,
    }
}

/// What all names can do: show themselves, and be a file name.
macro_rules! as_text {
    ($name:ident, $field:tt) => {
        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.$field
            }

            /// The name as that of a file.
            pub fn as_bytes(&self) -> &[u8] {
                self.$field.as_bytes()
            }

            /// Takes a file name that may be such a name.
            pub(crate) fn from_file_name(name: &[u8]) -> Option<Self> {
                std::str::from_utf8(name).ok()?.parse().ok()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.$field)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.$field)
            }
        }
    };
}

as_text!(ClientName, 0);
as_text!(PoolId, 0);
as_text!(PublishedId, 0);
as_text!(BackupName, text);

impl ServerId {
    /// The identity as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for ServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerId({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_names_are_single_harmless_components() {
        for good in ["a", "laptop-1", "x.y_z", "_", &"n".repeat(64)] {
            assert!(good.parse::<ClientName>().is_ok(), "{good}");
        }
        for bad in [
            "",
            ".",
            "..",
            ".perennial",
            "-x",
            "a/b",
            "a b",
            "ä",
            "current",
            "a\n",
            &"n".repeat(65),
        ] {
            assert!(bad.parse::<ClientName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn backup_names_sort_by_time_then_number() {
        let sorted = [
            "231201-1200",
            "231201-1200_image",
            "231201-1200-2",
            "231201-1200-10",
            "231201-1201",
        ];
        let mut names: Vec<BackupName> = sorted.iter().rev().map(|text| text.parse().unwrap()).collect();
        names.sort();
        assert_eq!(names.iter().map(BackupName::as_str).collect::<Vec<_>>(), sorted);
        assert_eq!(names[1].numbered(3).unwrap().as_str(), "231201-1200-3_image");
        assert!(names[0].numbered(1).is_err());
    }

    #[test]
    fn other_backup_names_are_refused() {
        for bad in [
            "",
            "231201",
            "231201-120",
            "231201-12000",
            "23120a-1200",
            "231201_1200",
            "231201-1200-",
            "231201-1200-1",
            "231201-1200-02",
            "231201-1200-10000",
            "231201-1200-x",
            "231201-1200_",
            "231201-1200_Image",
            "231201-1200_a/b",
            "231201-1200-é",
            "231201-1200_image_x",
        ] {
            assert!(bad.parse::<BackupName>().is_err(), "{bad}");
        }
    }
}
