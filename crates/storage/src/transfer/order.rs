//! The order in which backups are transferred.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use manifest::Timestamp;

use super::base_of;
use crate::error::{Error, Result};
use crate::names::{BackupName, ClientName};
use crate::store::Store;

/// A backup among those of all clients: when it was finished and begun, its name, and its client.
type Place = (Timestamp, Timestamp, BackupName, ClientName);

impl Store {
    /// The committed backups of some clients in the order in which they are [transferred](crate::transfer()): as they were made, so that
    /// each finds what it shares with those of other clients too, and each after the one that it grew from, as far as that is there.
    pub fn transfer_order(&self, clients: &[ClientName]) -> Result<Vec<(ClientName, BackupName)>> {
        let mut places = BTreeSet::new();
        let mut bases = BTreeMap::new();
        for client in clients {
            for name in self.backups(client)? {
                let (place, base) = match self.open_manifest(client, &name) {
                    // Deleted just now.
                    Err(Error::UnknownBackup { .. }) => continue,
                    // What can't be read can't be transferred, which is told when that is tried.
                    Err(Error::Manifest { .. }) => ((Timestamp::default(), Timestamp::default()), None),
                    opened => {
                        let manifest = opened?;
                        let times = (manifest.conclusion().finished, manifest.header().started);
                        (times, base_of(&manifest))
                    }
                };
                let place: Place = (place.0, place.1, name.clone(), client.clone());
                places.insert(place);
                bases.insert((client.clone(), name), base);
            }
        }
        Ok(arrange(places.into_iter(), &bases))
    }
}

/// Puts each behind its base.
fn arrange(
    places: impl Iterator<Item = Place>,
    bases: &BTreeMap<(ClientName, BackupName), Option<BackupName>>,
) -> Vec<(ClientName, BackupName)> {
    let mut order = Vec::with_capacity(bases.len());
    let mut placed = HashSet::new();
    for (_, _, name, client) in places {
        let mut line = Vec::new();
        let mut next = Some((client, name));
        while let Some(key) = next.filter(|key| bases.contains_key(key) && placed.insert(key.clone())) {
            let base = bases.get(&key).cloned().flatten();
            next = base.map(|base| (key.0.clone(), base));
            line.push(key);
        }
        order.extend(line.into_iter().rev());
    }
    order
}
