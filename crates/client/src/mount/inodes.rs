//! Which things the kernel knows, and by which numbers. It says when it knows one no more, which is then forgotten here.
//!
//! A number follows from what it stands for, so that a thing has the same each time that it is looked up. Names that are hard links
//! to one another are one thing: the first of them.

use std::collections::HashMap;
use std::sync::Arc;

use manifest::ContentHash;
use parking_lot::Mutex;

use super::backups::Backup;

/// The number of the root, which the kernel always knows.
pub(super) const ROOT: u64 = 1;
/// The number of the link to the newest backup.
const LATEST: u64 = 2;
/// Below it lie the numbers of what is not hashed.
const FIRST_HASHED: u64 = 16;

/// A thing that the kernel knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    /// What is mounted: the folder of backups.
    Root,
    /// The link to the newest backup.
    Latest,
    /// An entry of a backup, by its path there; the backup itself where that is empty.
    Entry(Place),
}

/// A place in a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// Which backup.
    pub(super) backup: Arc<Backup>,
    /// The path in it.
    pub(super) path: Arc<[u8]>,
}

impl Place {
    /// The root of a backup.
    pub(super) fn root_of(backup: &Arc<Backup>) -> Self {
        Self {
            backup: backup.clone(),
            path: Arc::default(),
        }
    }

    /// Another path in the same backup.
    pub(super) fn at(&self, path: &[u8]) -> Self {
        Self {
            backup: self.backup.clone(),
            path: path.into(),
        }
    }

    /// What lies beneath it under this name.
    pub(super) fn child(&self, name: &[u8]) -> Self {
        self.at(&manifest::join_path(&self.path, name))
    }
}

impl Node {
    /// Its number, unless another thing that the kernel knows has that.
    pub(super) fn number(&self) -> u64 {
        match self {
            Self::Root => ROOT,
            Self::Latest => LATEST,
            Self::Entry(Place { backup, path }) => number(backup, path),
        }
    }

    /// What it lies in.
    pub(super) fn parent(&self) -> Self {
        match self {
            Self::Root | Self::Latest => Self::Root,
            Self::Entry(place) => match manifest::split_path(&place.path) {
                Some((parent, _)) => Self::Entry(place.at(parent)),
                None => Self::Root,
            },
        }
    }
}

/// The number of an entry of a backup.
pub(super) fn number(backup: &Backup, path: &[u8]) -> u64 {
    let told = [&backup.digest.0[..], backup.name.as_bytes(), b"/", path].concat();
    short_hash(&told).max(FIRST_HASHED)
}

/// The first eight bytes of a hash.
pub(super) fn short_hash(bytes: &[u8]) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = ContentHash::of(bytes).0;
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

/// The things that the kernel knows.
#[derive(Debug, Default)]
pub(super) struct Inodes {
    known: Mutex<HashMap<u64, Known>>,
}

#[derive(Debug)]
struct Known {
    node: Node,
    /// How often the kernel was told of it since it last forgot it.
    lookups: u64,
}

impl Inodes {
    /// Notes that the kernel is told of a thing once more, and gives its number.
    pub(super) fn enter(&self, node: Node) -> u64 {
        let mut known = self.known.lock();
        let mut number = node.number();
        while known.get(&number).is_some_and(|known| known.node != node) {
            number = number.wrapping_add(1).max(FIRST_HASHED);
        }
        known.entry(number).or_insert(Known { node, lookups: 0 }).lookups += 1;
        number
    }

    /// What a number stands for; `None` where the kernel was never told of it.
    pub(super) fn node(&self, number: u64) -> Option<Node> {
        if number == ROOT {
            return Some(Node::Root);
        }
        self.known.lock().get(&number).map(|known| known.node.clone())
    }

    /// Notes that the kernel knows a thing so many times less.
    pub(super) fn forget(&self, number: u64, lookups: u64) {
        let mut known = self.known.lock();
        if let Some(entry) = known.get_mut(&number) {
            entry.lookups = entry.lookups.saturating_sub(lookups);
            if entry.lookups == 0 {
                known.remove(&number);
            }
        }
        // After a large tree was looked through its room is given back.
        if known.len() < known.capacity() / 8 {
            known.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mount::backups::tests::backup;

    fn entry(path: &str) -> Node {
        let place = Place::root_of(&Arc::new(backup("260401-0930")));
        Node::Entry(place.at(path.as_bytes()))
    }

    #[test]
    fn a_thing_has_the_same_number_each_time() {
        let inodes = Inodes::default();
        let number = inodes.enter(entry("data/a"));
        assert_eq!(inodes.enter(entry("data/a")), number);
        assert_ne!(inodes.enter(entry("data/b")), number);
        inodes.forget(number, 2);
        assert_eq!(inodes.node(number), None);
        assert_eq!(inodes.enter(entry("data/a")), number);
    }

    #[test]
    fn what_the_kernel_forgets_is_forgotten_and_the_root_never_is() {
        let inodes = Inodes::default();
        let number = inodes.enter(entry("data"));
        inodes.enter(entry("data"));
        inodes.forget(number, 1);
        assert_eq!(inodes.node(number), Some(entry("data")));
        inodes.forget(number, 1);
        inodes.forget(number, 1);
        assert_eq!(inodes.node(number), None);
        inodes.forget(ROOT, 1);
        assert_eq!(inodes.node(ROOT), Some(Node::Root));
        assert!(inodes.known.lock().is_empty());
    }

    #[test]
    fn two_things_never_share_a_number() {
        let inodes = Inodes::default();
        let (one, other) = (entry("data/one"), entry("data/other"));
        // As if the two had the same hash.
        let taken = Known {
            node: other.clone(),
            lookups: 1,
        };
        inodes.known.lock().insert(one.number(), taken);
        let number = inodes.enter(one.clone());
        assert_eq!(number, one.number() + 1);
        assert_eq!(
            (inodes.node(number), inodes.node(number - 1)),
            (Some(one), Some(other))
        );
    }

    #[test]
    fn parents_lead_to_the_root() {
        assert_eq!(entry("data/a").parent(), entry("data"));
        assert_eq!(entry("data").parent(), entry(""));
        assert_eq!(entry("").parent(), Node::Root);
    }
}
