//! The files of a volume, whatever its file system: found by path, listed, read.

use disk_image::DiskSource;
use disk_image::volume::{FileSystem, Reader};
use manifest::Timestamp;

use crate::content::{Content, Each};
use crate::text::is_same_letters;
use crate::{Error, Result, exfat, ext, fat, ntfs};

/// An open volume.
pub struct Files<'a> {
    structure: Box<dyn Structure + 'a>,
    volume_bytes: u64,
}

/// Something in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name, as bytes; empty for the root. It may be anything, `..` or `a/b` included.
    pub name: Box<[u8]>,
    /// What it is.
    pub kind: Kind,
    /// The length of its content; of links that of the target, of all else 0.
    pub len_bytes: u64,
    /// Permission bits (07777); where the file system has none, what is usual.
    pub mode: u32,
    /// Whose it is, where the file system says so.
    pub owner: Option<Owner>,
    /// When its content last changed. FAT has local time without a zone, which is taken for UTC.
    pub modified: Timestamp,
    pub(crate) node: Node,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link, which is never followed.
    Link {
        /// Where it leads; a Windows link's target with `/` between its parts.
        target: Box<[u8]>,
    },
    /// Something without content.
    Special(Special),
    /// Something of which nothing but the name can be read.
    Unreadable {
        /// Why, in words.
        reason: String,
    },
}

/// The kinds of files that are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "their names say all")]
pub enum Special {
    Fifo,
    Socket,
    CharDevice,
    BlockDevice,
}

/// The numbers of an owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
}

/// Where something lies, as its file system needs to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Node {
    /// An inode's number.
    Inode(u64),
    /// A record of an NTFS and its sequence number.
    Record(u64),
    /// An entry of a FAT or exFAT directory.
    Chain(fat::Chain),
}

/// All that is known of a node.
pub(crate) struct About {
    pub(crate) kind: Kind,
    pub(crate) len_bytes: u64,
    pub(crate) mode: u32,
    pub(crate) owner: Option<Owner>,
    pub(crate) modified: Timestamp,
}

/// Whether names that differ in capitals only are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Letters {
    Differ,
    AreTheSame,
}

/// What a directory holds.
#[derive(Default)]
pub(crate) struct Names {
    /// Names and what they lead to, without `.` and `..`.
    pub(crate) found: Vec<(Box<[u8]>, Node)>,
    /// How much was read for them.
    pub(crate) read_bytes: u64,
}

/// What each file system does in its way. Nodes are its own.
pub(crate) trait Structure {
    fn letters(&self) -> Letters;
    fn root(&self) -> Node;
    fn names(&self, directory: Node) -> Result<Names>;
    fn about(&self, node: Node) -> Result<About>;
    /// The content of a file.
    fn content(&self, file: Node, each: Each<'_>) -> Result<()>;
}

/// The file systems whose files are read.
pub const READ: [FileSystem; 8] = [
    FileSystem::Ext2,
    FileSystem::Ext3,
    FileSystem::Ext4,
    FileSystem::Ntfs,
    FileSystem::Fat12,
    FileSystem::Fat16,
    FileSystem::Fat32,
    FileSystem::ExFat,
];

/// Opens a volume that holds a file system.
///
/// # Errors
/// [`Error::Unsupported`] if files in such a one are not read; [`Error::Volume`] if its first structures are damaged.
pub fn open(source: &dyn DiskSource, file_system: FileSystem) -> Result<Files<'_>> {
    let reader = Reader::new(source)?;
    let volume_bytes = reader.len_bytes();
    let structure: Box<dyn Structure> = match file_system {
        FileSystem::Ext2 | FileSystem::Ext3 | FileSystem::Ext4 => Box::new(ext::Ext::open(reader)?),
        FileSystem::Ntfs => Box::new(ntfs::Ntfs::open(reader)?),
        FileSystem::Fat12 | FileSystem::Fat16 | FileSystem::Fat32 => Box::new(fat::Fat::open(reader)?),
        FileSystem::ExFat => Box::new(exfat::ExFat::open(reader)?),
        other => {
            return Err(Error::unsupported(format!(
                "reading files in {other} without mounting it"
            )));
        }
    };
    Ok(Files {
        structure,
        volume_bytes,
    })
}

impl Files<'_> {
    /// Finds what a path from the root leads to; the empty path is the root. Symbolic links in it lead nowhere.
    ///
    /// # Errors
    /// [`Error::NotFound`] and [`Error::NotDirectory`]; [`Error::Volume`] if a structure on the way is damaged.
    pub fn find(&self, path: &[u8]) -> Result<Entry> {
        let mut entry = self.entry(Box::default(), self.structure.root());
        for name in path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()) {
            if entry.kind != Kind::Directory {
                return Err(Error::NotDirectory { path: entry.name });
            }
            let names = self.structure.names(entry.node)?;
            let (name, node) = self
                .named(names.found, name)
                .ok_or_else(|| Error::NotFound { path: path.into() })?;
            entry = self.entry(name, node);
        }
        Ok(entry)
    }

    fn named(&self, mut names: Vec<(Box<[u8]>, Node)>, name: &[u8]) -> Option<(Box<[u8]>, Node)> {
        let exact = names.iter().position(|(found, _)| **found == *name);
        let similar = || {
            let is_similar = |(found, _): &(Box<[u8]>, Node)| is_same_letters(found, name);
            let place = names.iter().position(is_similar);
            place.filter(|_| self.structure.letters() == Letters::AreTheSame)
        };
        exact.or_else(similar).map(|place| names.swap_remove(place))
    }

    /// Lists a directory by name, without `.` and `..`.
    ///
    /// # Errors
    /// [`Error::NotDirectory`]; [`Error::Volume`] if the directory itself is damaged. An entry that leads to something damaged is
    /// among the others, as [`Kind::Unreadable`].
    pub fn list(&self, directory: &Entry) -> Result<Vec<Entry>> {
        Ok(self.list_and_count(directory)?.0)
    }

    /// Lists a directory, and tells how much was read for its names.
    pub(crate) fn list_and_count(&self, directory: &Entry) -> Result<(Vec<Entry>, u64)> {
        if directory.kind != Kind::Directory {
            return Err(Error::NotDirectory {
                path: directory.name.clone(),
            });
        }
        let Names {
            mut found,
            read_bytes,
        } = self.structure.names(directory.node)?;
        found.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        let entries = found.into_iter().map(|(name, node)| self.entry(name, node));
        Ok((entries.collect(), read_bytes))
    }

    pub(crate) fn volume_bytes(&self) -> u64 {
        self.volume_bytes
    }

    /// Reads a file from its beginning to its end.
    ///
    /// # Errors
    /// [`Error::NotFile`]; [`Error::Unsupported`] where it is encrypted or kept in a way that is not read; [`Error::Volume`] if
    /// it is damaged, after what could be read; and what `each` fails with.
    pub fn read(&self, file: &Entry, each: &mut dyn FnMut(Content<'_>) -> Result<()>) -> Result<()> {
        if file.kind != Kind::File {
            return Err(Error::NotFile {
                path: file.name.clone(),
            });
        }
        self.structure.content(file.node, each)
    }

    fn entry(&self, name: Box<[u8]>, node: Node) -> Entry {
        let about = self.structure.about(node).unwrap_or_else(|error| About {
            kind: Kind::Unreadable {
                reason: error.in_words(),
            },
            len_bytes: 0,
            mode: 0,
            owner: None,
            modified: Timestamp { secs: 0, nanos: 0 },
        });
        Entry {
            name,
            kind: about.kind,
            len_bytes: about.len_bytes,
            mode: about.mode,
            owner: about.owner,
            modified: about.modified,
            node,
        }
    }
}
