//! The formats, and what each of them is good for.

use manifest::Kind;

/// Goes up whenever the same members give other bytes than before.
const REVISION: u32 = 1;

/// The format of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Zip with stored content. Every system opens it; its length is known in advance.
    Zip,
    /// POSIX pax. Keeps nearly everything; its length is known in advance.
    Tar,
    /// [`Format::Tar`], compressed with Zstandard.
    TarZst,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Zip, Self::Tar, Self::TarZst];

    /// The media type.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Zip => "application/zip",
            Self::Tar => "application/x-tar",
            Self::TarZst => "application/zstd",
        }
    }

    /// What the name of a file of this format ends with, after the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Zip => "zip",
            Self::Tar => "tar",
            Self::TarZst => "tar.zst",
        }
    }

    /// Whether such entries are in an archive. What is not is left out without a word.
    pub fn keeps(self, kind: &Kind) -> bool {
        let is_special = matches!(
            kind,
            Kind::Fifo | Kind::CharDevice { .. } | Kind::BlockDevice { .. }
        );
        self != Self::Zip || !is_special
    }

    /// Whether a further name of a file is a link in the archive, rather than a copy.
    pub(crate) fn keeps_links(self) -> bool {
        self != Self::Zip
    }

    /// Tells which bytes come of the same members: archives made under different revisions are not parts of each other. It changes
    /// with versions of this crate and, where content is compressed, of the library that does so.
    pub fn revision(self) -> u64 {
        let compression = match self {
            Self::Zip | Self::Tar => 0,
            Self::TarZst => zstd::zstd_safe::version_number(),
        };
        u64::from(REVISION) << 32 | u64::from(compression)
    }
}
