//! The backups that there are: asked for when somebody looks, and not more often than makes sense.

use std::sync::Arc;
use std::time::{Duration, Instant};

use manifest::{ContentHash, Timestamp};
use parking_lot::Mutex;
use wire::v1::BackupInfo;

use super::server::Server;
use crate::error::Result;

/// For so long a list is taken as it is. The kernel keeps the names in the root for as long.
pub(super) const FRESH: Duration = Duration::from_secs(2);

/// A file backup of this client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Backup {
    /// Its name, which is that of its folder.
    pub(super) name: String,
    /// The digest of its manifest: whatever has the same lists the same.
    pub(super) digest: ContentHash,
    /// When it began.
    pub(super) started: Timestamp,
}

impl Backup {
    /// Takes a backup as the server tells it; `None` for an image.
    pub(super) fn of_files(info: &BackupInfo) -> Option<Self> {
        let digest = info.digest.as_slice().try_into().ok()?;
        let is_name = manifest::check_name(info.name.as_bytes()).is_ok();
        (info.kind == "file" && is_name).then(|| Self {
            name: info.name.clone(),
            digest: ContentHash(digest),
            started: Timestamp {
                secs: info.started_ms.div_euclid(1000),
                nanos: info.started_ms.rem_euclid(1000) as u32 * 1_000_000,
            },
        })
    }
}

/// A list of backups, by their names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct List(Arc<[Arc<Backup>]>);

impl List {
    /// Makes a list. What was in the earlier one is taken from there.
    fn new(mut told: Vec<Backup>, earlier: &Self) -> Self {
        told.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        told.dedup_by(|a, b| a.name == b.name);
        let kept = |backup: Backup| match earlier.find(backup.name.as_bytes()) {
            Some(known) if **known == backup => known.clone(),
            _ => Arc::new(backup),
        };
        Self(told.into_iter().map(kept).collect())
    }

    /// Finds a backup by its name.
    pub(super) fn find(&self, name: &[u8]) -> Option<&Arc<Backup>> {
        let at = self.0.binary_search_by(|backup| backup.name.as_bytes().cmp(name));
        at.ok().map(|at| &self.0[at])
    }

    /// The backup that began last.
    pub(super) fn newest(&self) -> Option<&Arc<Backup>> {
        self.0
            .iter()
            .max_by(|a, b| (a.started, &a.name).cmp(&(b.started, &b.name)))
    }

    /// All of them.
    pub(super) fn all(&self) -> &[Arc<Backup>] {
        &self.0
    }
}

/// What is known of the backups.
pub(super) struct Backups {
    server: Arc<Server>,
    known: Mutex<Known>,
    /// Locked while somebody asks.
    asking: Mutex<()>,
}

struct Known {
    list: List,
    asked: Instant,
}

impl Backups {
    /// Asks for them for the first time.
    pub(super) fn open(server: Arc<Server>) -> Result<Self> {
        let list = List::new(server.list()?, &List::default());
        Ok(Self {
            server,
            known: Mutex::new(Known {
                list,
                asked: Instant::now(),
            }),
            asking: Mutex::new(()),
        })
    }

    /// The backups that there are. While the server can't be asked, those that there were; so it is for others while one asks.
    pub(super) fn current(&self) -> List {
        let (list, asked) = {
            let known = self.known.lock();
            (known.list.clone(), known.asked)
        };
        if asked.elapsed() < FRESH {
            return list;
        }
        let Some(_asking) = self.asking.try_lock() else {
            return list;
        };
        let told = self.server.list();
        let mut known = self.known.lock();
        known.asked = Instant::now();
        match told {
            Ok(told) => known.list = List::new(told, &list),
            Err(error) => tracing::debug!(%error, "the backups could not be listed"),
        }
        known.list.clone()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A backup of which nothing but the name matters.
    pub(in crate::mount) fn backup(name: &str) -> Backup {
        Backup {
            name: name.to_owned(),
            digest: ContentHash::of(name.as_bytes()),
            started: Timestamp::default(),
        }
    }

    fn info(name: &str, kind: &str) -> BackupInfo {
        BackupInfo {
            name: name.to_owned(),
            kind: kind.to_owned(),
            digest: vec![7; 32],
            started_ms: -1,
            ..BackupInfo::default()
        }
    }

    #[test]
    fn images_and_what_is_no_name_are_left_out() {
        let file = Backup::of_files(&info("260401-0930", "file")).unwrap();
        let started = Timestamp {
            secs: -1,
            nanos: 999_000_000,
        };
        assert_eq!((file.digest, file.started), (ContentHash([7; 32]), started));
        assert_eq!(Backup::of_files(&info("260401-0930_image", "image")), None);
        for name in ["", "..", "a/b"] {
            assert_eq!(Backup::of_files(&info(name, "file")), None, "{name:?}");
        }
    }

    #[test]
    fn backups_that_stay_are_the_same_in_the_next_list() {
        let first = List::new(vec![backup("b"), backup("a")], &List::default());
        let again = List::new(vec![backup("c"), backup("b")], &first);
        assert!(Arc::ptr_eq(first.find(b"b").unwrap(), again.find(b"b").unwrap()));
        assert_eq!(again.find(b"a"), None);
        let names: Vec<_> = again.all().iter().map(|backup| &*backup.name).collect();
        assert_eq!(names, ["b", "c"]);
    }

    #[test]
    fn the_newest_is_the_one_that_began_last() {
        let mut old = backup("z");
        old.started.secs = -5;
        let list = List::new(vec![backup("a"), backup("a-2"), old], &List::default());
        assert_eq!(list.newest().unwrap().name, "a-2");
        assert_eq!(List::default().newest(), None);
    }
}
