//! What can go wrong with files in a volume.

use file_tree::shown;

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a file could not be found, read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The volume can't be read, or a structure in it is damaged.
    #[error(transparent)]
    Volume(#[from] disk_image::Error),
    /// There is no such file.
    #[error("there is no {} in the volume", shown(path))]
    NotFound {
        /// The path.
        path: Box<[u8]>,
    },
    /// Something that is no directory has nothing beneath it.
    #[error("{} is no directory", shown(path))]
    NotDirectory {
        /// The path.
        path: Box<[u8]>,
    },
    /// Something has no content: a directory, a link, a device.
    #[error("{} is no file", shown(path))]
    NotFile {
        /// Its name.
        path: Box<[u8]>,
    },
    /// Files in such a volume, or such files, are not read.
    #[error("{what} is not supported")]
    Unsupported {
        /// What it is.
        what: String,
    },
    /// Nothing but the name of a file can be read.
    #[error("{reason}")]
    Unreadable {
        /// Why, in words.
        reason: String,
    },
    /// A path became too long to be that of a real file.
    #[error("directories are nested too deeply beneath {}", shown(path))]
    TooDeep {
        /// Where.
        path: Box<[u8]>,
    },
    /// A file can't be written.
    #[error(transparent)]
    Tree(#[from] file_tree::Error),
    /// Content can't be written.
    #[error("cannot write {}", shown(path))]
    Write {
        /// The file.
        path: Box<[u8]>,
        /// What the system said.
        source: std::io::Error,
    },
    /// Something is in the way of a file, and nothing that exists may be replaced.
    #[error("{} is there already", shown(path))]
    InTheWay {
        /// The file.
        path: Box<[u8]>,
    },
    /// Somebody wanted it to end.
    #[error("cancelled")]
    Cancelled,
}

impl Error {
    pub(crate) fn damaged(structure: &'static str, offset_bytes: u64, reason: impl Into<String>) -> Self {
        Self::Volume(disk_image::Error::damaged(structure, offset_bytes, reason))
    }

    pub(crate) fn unsupported(what: impl Into<String>) -> Self {
        Self::Unsupported { what: what.into() }
    }

    /// It with its causes, in one line.
    pub fn in_words(&self) -> String {
        let mut words = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            words = format!("{words}: {cause}");
            source = cause.source();
        }
        words
    }
}
