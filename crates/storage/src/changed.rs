//! Which backups have come or gone since background work has last looked.
//!
//! Whoever keeps something true of all backups looks at those alone, so that a commit costs the same however many backups there are.
//! After a start nobody knows what was left undone: then the names there are are compared with those that are known. That is
//! enough, as what was known of a name is forgotten before a new backup gets it ([`Shared::expect`]).

use std::collections::BTreeSet;

use parking_lot::Mutex;

use crate::error::Result;
use crate::layout::Layout;
use crate::names::{BackupName, ClientName};
use crate::store::Shared;

/// A backup, there or not.
pub(crate) type Key = (ClientName, BackupName);

/// What is to be looked at.
#[derive(Debug)]
pub(crate) struct Changed(Mutex<Noted>);

#[derive(Debug, Default)]
struct Noted {
    /// Whatever else is noted.
    all: bool,
    backups: BTreeSet<Key>,
}

impl Changed {
    /// Anything may have changed.
    pub fn anything() -> Self {
        Self(Mutex::new(Noted {
            all: true,
            backups: BTreeSet::new(),
        }))
    }

    /// Notes a backup that has come or gone.
    pub fn note(&self, client: &ClientName, name: &BackupName) {
        self.0.lock().backups.insert((client.clone(), name.clone()));
    }

    /// Notes that nothing is known any more.
    pub fn note_anything(&self) {
        self.0.lock().all = true;
    }

    /// Begins a look. After a start that is at every backup that is there and not known, or known and not there.
    pub fn look(&self, layout: &Layout, known: &dyn Knowledge) -> Result<Look<'_>> {
        let mut look = Look {
            changed: self,
            left: std::mem::take(&mut *self.0.lock()),
        };
        if look.left.all {
            let mut clients = known.clients();
            clients.extend(layout.clients()?);
            for client in clients {
                let there = BTreeSet::from_iter(layout.backup_names(&client)?);
                let known = known.backups(&client);
                let differing = known.symmetric_difference(&there);
                look.left
                    .backups
                    .extend(differing.map(|name| (client.clone(), name.clone())));
            }
            look.left.all = false;
        }
        Ok(look)
    }
}

/// What whoever looks knows already.
pub(crate) trait Knowledge {
    /// The clients that have backups.
    fn clients(&self) -> BTreeSet<ClientName>;

    /// The backups of one of them.
    fn backups(&self, client: &ClientName) -> BTreeSet<BackupName>;
}

/// A look at what has changed. What is not done when it ends is noted again.
#[derive(Debug)]
pub(crate) struct Look<'a> {
    changed: &'a Changed,
    left: Noted,
}

impl Look<'_> {
    /// What is left to be looked at, sorted.
    pub fn left(&self) -> Vec<Key> {
        self.left.backups.iter().cloned().collect()
    }

    /// This one has been looked at.
    pub fn done(&mut self, key: &Key) {
        self.left.backups.remove(key);
    }
}

impl Drop for Look<'_> {
    fn drop(&mut self) {
        let mut noted = self.changed.0.lock();
        noted.all |= self.left.all;
        noted.backups.append(&mut self.left.backups);
    }
}

impl Shared {
    /// Forgets what is known of a backup that had the name and is gone, before a new one gets it.
    pub fn expect(&self, client: &ClientName, name: &BackupName) {
        self.index.forget_backup(client, name);
        crate::sizes::forget_replaced(self, client, name);
    }

    /// Lets background work look at a backup that has come or gone.
    pub fn note_changed(&self, client: &ClientName, name: &BackupName) {
        self.index.changed.note(client, name);
        self.ledger.changed.note(client, name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        ("laptop".parse().unwrap(), name.parse().unwrap())
    }

    impl Knowledge for &[&str] {
        fn clients(&self) -> BTreeSet<ClientName> {
            BTreeSet::from(["laptop", "gone"].map(|client| client.parse().unwrap()))
        }

        fn backups(&self, client: &ClientName) -> BTreeSet<BackupName> {
            let names = self.iter().map(|name| name.parse().unwrap());
            names.filter(|_| client.as_str() == "laptop").collect()
        }
    }

    /// What is noted is all there is to look at.
    struct Unasked;

    impl Knowledge for Unasked {
        fn clients(&self) -> BTreeSet<ClientName> {
            panic!("nobody need know")
        }

        fn backups(&self, _: &ClientName) -> BTreeSet<BackupName> {
            panic!("nobody need know")
        }
    }

    /// A storage's layout with manifests of these names.
    fn layout(temp: &tempfile::TempDir, names: &[&str]) -> Layout {
        let dir = temp.path().join(".perennial/manifests/laptop");
        std::fs::create_dir_all(&dir).unwrap();
        for name in names {
            std::fs::write(dir.join(format!("{name}.manifest")), b"").unwrap();
        }
        let root = Layout::open_root(temp.path()).unwrap();
        let state = Layout::ensure_state(&root).unwrap();
        Layout::open(temp.path(), root, state).unwrap()
    }

    #[test]
    fn what_is_not_done_is_noted_again() {
        let temp = tempfile::tempdir().unwrap();
        let layout = layout(&temp, &["260101-0000", "260102-0000", "260104-0000"]);
        let changed = Changed::anything();
        let mut look = changed
            .look(&layout, &["260101-0000", "260103-0000"].as_slice())
            .unwrap();
        let found = ["260102-0000", "260103-0000", "260104-0000"].map(key);
        assert_eq!(look.left(), found);
        look.done(&found[0]);
        look.done(&found[2]);
        changed.note(&found[2].0, &found[2].1);
        drop(look);
        let mut look = changed.look(&layout, &Unasked).unwrap();
        assert_eq!(look.left(), found[1..]);
        look.left().iter().for_each(|key| look.done(key));
        drop(look);
        assert_eq!(changed.look(&layout, &Unasked).unwrap().left(), []);
    }

    #[test]
    fn a_look_that_could_not_begin_is_not_forgotten() {
        let temp = tempfile::tempdir().unwrap();
        let layout = layout(&temp, &["260101-0000"]);
        let changed = Changed::anything();
        let manifests = temp.path().join(".perennial/manifests/laptop");
        let aside = temp.path().join("aside");
        std::fs::rename(&manifests, &aside).unwrap();
        std::fs::write(&manifests, b"").unwrap();
        assert!(changed.look(&layout, &[].as_slice()).is_err());
        std::fs::remove_file(&manifests).unwrap();
        std::fs::rename(&aside, &manifests).unwrap();
        let look = changed.look(&layout, &[].as_slice()).unwrap();
        assert_eq!(look.left(), [key("260101-0000")]);
    }
}
