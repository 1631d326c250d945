//! The tree that is shown: the backups by their names, beneath each what it holds, and `latest`, which leads to the newest.
//!
//! All questions of the kernel but those for content end here. They are answered from the manifests, which never change; what is asked
//! of the server is which backups there are.

use std::sync::Arc;
use std::time::Duration;

use fuser::{FileAttr, FileType};

use super::attributes::{self, Owner};
use super::backups::{Backup, Backups, FRESH, List};
use super::content::{FileContent, Proof};
use super::directory::{Directory, Item, ItemAt, ItemKind};
use super::inodes::{Inodes, Node, Place, ROOT};
use super::manifests::Manifests;
use super::report::Report;
use super::server::Server;
use crate::error::{Error, Result};

/// The name of the link to the newest backup.
const LATEST: &str = "latest";
/// For so long the kernel keeps what it was told of a backup, which does not change: as long as it likes.
const FOR_GOOD: Duration = Duration::from_secs(24 * 3600);

/// Why a question has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// There is nothing of that name.
    Missing,
    /// It is no directory.
    NotADirectory,
    /// It is of another kind than it would have to be.
    WrongKind,
    /// It has no such attribute.
    NoAttribute,
    /// It can't be read, which has been told.
    Unreadable,
}

/// An answer to the kernel.
pub(super) type Answer<T> = std::result::Result<T, Refusal>;

/// A thing as the kernel is told of it.
#[derive(Debug, Clone)]
pub(super) struct Shown {
    /// Its attributes, the number among them.
    pub(super) attributes: FileAttr,
    /// For how long this holds.
    pub(super) holds: Duration,
}

/// The tree.
pub(super) struct Tree {
    backups: Backups,
    manifests: Manifests,
    inodes: Inodes,
    owner: Owner,
    report: Arc<Report>,
}

impl Tree {
    /// Opens it; asks the server which backups there are.
    pub(super) fn open(server: &Arc<Server>, owner: Owner, report: Arc<Report>) -> Result<Self> {
        Ok(Self {
            backups: Backups::open(server.clone())?,
            manifests: Manifests::new(server.clone()),
            inodes: Inodes::default(),
            owner,
            report,
        })
    }

    /// Finds what lies in a directory under a name, and notes that the kernel knows it.
    pub(super) fn look_up(&self, parent: u64, name: &[u8]) -> Answer<Shown> {
        let (node, item) = match self.node(parent)? {
            Node::Root if name == LATEST.as_bytes() => (Node::Latest, None),
            Node::Root => {
                let backup = self.backups.current().find(name).cloned();
                (
                    Node::Entry(Place::root_of(&backup.ok_or(Refusal::Missing)?)),
                    None,
                )
            }
            Node::Latest => return Err(Refusal::NotADirectory),
            Node::Entry(place) => {
                let item = self.directory(&place)?.find(name).ok_or(Refusal::Missing)?;
                let (place, item) = self.resolve(place.child(name), item)?;
                (Node::Entry(place), Some(item))
            }
        };
        self.enter(node, item.as_deref())
    }

    /// Tells of a thing that the kernel knows.
    pub(super) fn shown(&self, number: u64) -> Answer<Shown> {
        let node = self.node(number)?;
        let item = match &node {
            Node::Entry(place) if !place.path.is_empty() => Some(self.item(place)?),
            _ => None,
        };
        self.show(number, &node, item.as_deref())
    }

    /// Where a symbolic link points to.
    pub(super) fn target(&self, number: u64) -> Answer<Vec<u8>> {
        match self.node(number)? {
            Node::Latest => {
                let backups = self.backups.current();
                let newest = backups.newest().ok_or(Refusal::Missing)?;
                Ok(newest.name.clone().into_bytes())
            }
            Node::Root => Err(Refusal::WrongKind),
            Node::Entry(place) => match &self.item(&place)?.kind {
                ItemKind::Symlink(target) => Ok(target.to_vec()),
                _ => Err(Refusal::WrongKind),
            },
        }
    }

    /// The extended attributes of a thing.
    pub(super) fn with_xattrs<T>(
        &self,
        number: u64,
        look: impl FnOnce(Option<&Item>) -> Answer<T>,
    ) -> Answer<T> {
        match self.node(number)? {
            Node::Entry(place) if !place.path.is_empty() => look(Some(&*self.item(&place)?)),
            _ => look(None),
        }
    }

    /// Opens a regular file to be read.
    pub(super) fn file(&self, number: u64) -> Answer<FileContent> {
        let Node::Entry(place) = self.node(number)? else {
            return Err(Refusal::WrongKind);
        };
        let ItemKind::File { size, hash } = self.item(&place)?.kind else {
            return Err(Refusal::WrongKind);
        };
        let proof = if size < manifest::BLOCK_HASHES_FROM_BYTES {
            Proof::Whole
        } else {
            let entry = self.manifests.entry(&place.backup, &place.path);
            match entry.map_err(|error| self.refuse(&place, &error))?.kind {
                manifest::Kind::File { block_hashes, .. } if !block_hashes.is_empty() => {
                    Proof::Blocks(block_hashes)
                }
                _ => Proof::None,
            }
        };
        Ok(FileContent::new(place, size, hash, proof))
    }

    /// Opens a directory to be listed: what it holds now is what is listed until it is closed.
    pub(super) fn folder(&self, number: u64) -> Answer<Folder> {
        let node = self.node(number)?;
        let children = match &node {
            Node::Root => Children::Backups(self.backups.current()),
            Node::Latest => return Err(Refusal::NotADirectory),
            Node::Entry(place) => Children::Entries(place.clone(), self.directory(place)?),
        };
        Ok(Folder {
            number,
            parent: node.parent().number(),
            children,
        })
    }

    /// Tells of a child that is listed, and notes that the kernel knows it.
    pub(super) fn child(&self, child: &Child<'_>) -> Answer<Shown> {
        match child {
            Child::Latest => self.enter(Node::Latest, None),
            Child::Backup(backup) => self.enter(Node::Entry(Place::root_of(backup)), None),
            Child::Entry { place, item } => {
                let ItemKind::HardLink(target) = &item.kind else {
                    return self.enter(Node::Entry(place.child(&item.name)), Some(item));
                };
                let place = place.at(target);
                let item = self.linked(&place)?;
                self.enter(Node::Entry(place), Some(&*item))
            }
        }
    }

    /// Notes that the kernel knows a thing so many times less.
    pub(super) fn forget(&self, number: u64, lookups: u64) {
        self.inodes.forget(number, lookups);
    }

    fn node(&self, number: u64) -> Answer<Node> {
        self.inodes.node(number).ok_or(Refusal::Missing)
    }

    fn enter(&self, node: Node, item: Option<&Item>) -> Answer<Shown> {
        let number = self.inodes.enter(node.clone());
        let shown = self.show(number, &node, item);
        shown.inspect_err(|_| self.inodes.forget(number, 1))
    }

    fn show(&self, number: u64, node: &Node, item: Option<&Item>) -> Answer<Shown> {
        let attributes = match (node, item) {
            (Node::Root, _) => {
                let changed = self.backups.current().newest().map(|newest| newest.started);
                attributes::of_own_folder(ROOT, self.owner, changed.unwrap_or_default())
            }
            (Node::Latest, _) => {
                let backups = self.backups.current();
                let newest = backups.newest().ok_or(Refusal::Missing)?;
                attributes::of_own_link(number, self.owner, newest.started, &newest.name)
            }
            (Node::Entry(place), None) => attributes::of_own_folder(number, self.owner, place.backup.started),
            (Node::Entry(place), Some(item)) => {
                let links = match item.kind {
                    ItemKind::Directory => Ok(1),
                    _ => self.manifests.links(&place.backup, &place.path),
                };
                let links = links.map_err(|error| self.refuse(place, &error))?;
                attributes::of_item(number, item, links)
            }
        };
        let holds = match node {
            Node::Root | Node::Latest => FRESH,
            // So that one that is deleted does not stay.
            Node::Entry(place) if place.path.is_empty() => FRESH,
            Node::Entry(_) => FOR_GOOD,
        };
        Ok(Shown { attributes, holds })
    }

    fn directory(&self, place: &Place) -> Answer<Arc<Directory>> {
        let found = self.manifests.directory(&place.backup, &place.path);
        found.map_err(|error| self.refuse(place, &error))
    }

    fn item(&self, place: &Place) -> Answer<ItemAt> {
        let (parent, name) = manifest::split_path(&place.path).ok_or(Refusal::WrongKind)?;
        let directory = self.directory(&place.at(parent))?;
        directory.find(name).ok_or(Refusal::Missing)
    }

    /// What a name stands for: where it is a hard link, the first name.
    fn resolve(&self, place: Place, item: ItemAt) -> Answer<(Place, ItemAt)> {
        let ItemKind::HardLink(target) = &item.kind else {
            return Ok((place, item));
        };
        let place = place.at(target);
        let item = self.linked(&place)?;
        Ok((place, item))
    }

    /// The first name of what has several.
    fn linked(&self, place: &Place) -> Answer<ItemAt> {
        match self.item(place) {
            Ok(item) if !matches!(item.kind, ItemKind::Directory | ItemKind::HardLink(_)) => Ok(item),
            Ok(_) | Err(Refusal::Missing) => {
                self.report
                    .damaged(place, "a hard link leads to what can't have one");
                Err(Refusal::Unreadable)
            }
            Err(refusal) => Err(refusal),
        }
    }

    fn refuse(&self, place: &Place, error: &Error) -> Refusal {
        self.report.failed(place, error);
        match error {
            Error::NotFound { .. } => Refusal::Missing,
            _ => Refusal::Unreadable,
        }
    }
}

/// A directory that is being listed.
pub(super) struct Folder {
    number: u64,
    parent: u64,
    children: Children,
}

enum Children {
    Backups(List),
    Entries(Place, Arc<Directory>),
}

/// What a directory lists.
pub(super) enum Child<'a> {
    /// The link to the newest backup.
    Latest,
    /// The folder of a backup.
    Backup(&'a Arc<Backup>),
    /// An entry of a directory of a backup.
    Entry {
        /// The directory.
        place: &'a Place,
        /// The entry.
        item: &'a Item,
    },
}

impl Folder {
    /// Its own number.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The number of what it lies in.
    pub(super) fn parent(&self) -> u64 {
        self.parent
    }

    /// What stands at a place of the list; `None` behind its end.
    pub(super) fn child(&self, at: usize) -> Option<Child<'_>> {
        match &self.children {
            Children::Entries(place, directory) => {
                let item = directory.items().get(at)?;
                Some(Child::Entry { place, item })
            }
            Children::Backups(list) => match list.all().get(at) {
                Some(backup) => Some(Child::Backup(backup)),
                None => (at == list.all().len() && at > 0).then_some(Child::Latest),
            },
        }
    }
}

impl Child<'_> {
    /// Its name.
    pub(super) fn name(&self) -> &[u8] {
        match self {
            Self::Latest => LATEST.as_bytes(),
            Self::Backup(backup) => backup.name.as_bytes(),
            Self::Entry { item, .. } => &item.name,
        }
    }

    /// Its number and kind, as far as they can be told without looking further.
    pub(super) fn hint(&self) -> (u64, FileType) {
        match self {
            Self::Latest => (Node::Latest.number(), FileType::Symlink),
            Self::Backup(backup) => {
                let node = Node::Entry(Place::root_of(backup));
                (node.number(), FileType::Directory)
            }
            Self::Entry { place, item } => {
                let place = match &item.kind {
                    ItemKind::HardLink(target) => place.at(target),
                    _ => place.child(&item.name),
                };
                (Node::Entry(place).number(), attributes::kind(&item.kind))
            }
        }
    }
}
