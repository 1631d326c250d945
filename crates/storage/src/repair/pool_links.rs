//! Comparing the links into the pool that a tree has with the list of them.

use std::collections::HashMap;

use file_tree::Dir;
use manifest::{KindRef, Reader, is_beneath, join_path};

use super::{Finding, Remedy};
use crate::error::{During as _, Error, Result, shown};
use crate::names::{BackupName, ClientName, PoolId};
use crate::pool::{PoolLink, PoolList, parse_link};
use crate::store::Shared;

/// All links into the pool that a backup's tree has, whatever its list says.
pub(super) fn collect(shared: &Shared, client: &ClientName, name: &BackupName) -> Result<Vec<PoolLink>> {
    let tree = shared
        .layout
        .backups(client)?
        .child(name.as_bytes())
        .during("open", name.as_str())?;
    let manifest = shared.open_manifest(client, name)?;
    let pool = shared.layout.find_pool(client)?;
    let mut examination = Examination {
        client,
        name,
        tree,
        pool,
        listed: HashMap::new(),
        found: Vec::new(),
    };
    examination.run(&manifest)?;
    let link = |finding| match finding {
        Finding::UnlistedPoolLink { path, pool, .. } | Finding::WrongPoolLink { path, pool, .. } => {
            Some(PoolLink { path, pool })
        }
        _ => None,
    };
    Ok(examination
        .found
        .into_iter()
        .filter_map(|(finding, _)| link(finding))
        .collect())
}

/// Examines one backup.
pub(super) fn examine(
    shared: &Shared,
    client: &ClientName,
    name: &BackupName,
    tree: Dir,
    manifest: &Reader,
) -> Result<Vec<(Finding, Remedy)>> {
    let manifests = shared.layout.manifests(client)?;
    let pool = shared.layout.find_pool(client)?;
    let mut found = Vec::new();
    let list = match PoolList::read(&manifests, name) {
        Err(Error::Corrupt { .. }) => {
            let finding = Finding::DamagedPoolList {
                client: client.clone(),
                backup: name.clone(),
            };
            found.push((finding, Remedy::RewriteList));
            PoolList::default()
        }
        list => list?,
    };
    if pool.is_none() && list.is_empty() {
        return Ok(found);
    }
    let is_damaged = !found.is_empty();
    let listed = list
        .links()
        .iter()
        .map(|link| (link.path.clone(), link.pool.clone()))
        .collect();
    let mut examination = Examination {
        client,
        name,
        tree,
        pool,
        listed,
        found,
    };
    examination.run(manifest)?;
    // The new list will have them all.
    examination
        .found
        .retain(|(finding, _)| !is_damaged || !matches!(finding, Finding::UnlistedPoolLink { .. }));
    Ok(examination.found)
}

struct Examination<'a> {
    client: &'a ClientName,
    name: &'a BackupName,
    tree: Dir,
    pool: Option<Dir>,
    listed: HashMap<Box<[u8]>, PoolId>,
    found: Vec<(Finding, Remedy)>,
}

impl Examination<'_> {
    fn run(&mut self, manifest: &Reader) -> Result<()> {
        let failed = || Error::manifest(self.name.as_str());
        // The last directory that is a link: what is beneath is not the tree's.
        let mut linked: Option<Box<[u8]>> = None;
        for record in manifest.raw_records() {
            let record = record.map_err(failed())?;
            let path = record.path();
            if linked.as_deref().is_some_and(|linked| is_beneath(path, linked)) {
                continue;
            }
            match self.tree.open_beneath(path) {
                Ok(dir) => {
                    for entry in record.entries().map_err(failed())? {
                        let entry = entry.map_err(failed())?;
                        if entry.kind == KindRef::Directory {
                            self.directory(&dir, join_path(path, entry.name), entry.name);
                        }
                    }
                }
                Err(file_tree::Error::SymbolicLink { .. } | file_tree::Error::NotDirectory { .. }) => {
                    linked = Some(path.into());
                }
                // A directory that is missing is for verification to report.
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(Error::new("open", shown(path), error)),
            }
        }
        Ok(())
    }

    fn directory(&mut self, dir: &Dir, path: Box<[u8]>, name: &[u8]) {
        let (client, backup) = (self.client.clone(), self.name.clone());
        let listed = self.listed.get(&path).cloned();
        let (finding, remedy) = match (dir.read_link(name), listed) {
            (Err(_), None) => return,
            (Err(error), Some(_)) if error.is_not_found() => return,
            (Err(_), Some(_)) => (
                Finding::NeedlessPoolEntry { client, backup, path },
                Remedy::CorrectList,
            ),
            (Ok(text), listed) => {
                let led_to = parse_link(&client, &path, &text);
                let meant = listed
                    .clone()
                    .or(led_to.clone())
                    .or_else(|| last_component(&text));
                match meant.filter(|pool| self.is_there(pool)) {
                    None => (Finding::MissingPooled { client, backup, path }, Remedy::None),
                    Some(pool) if led_to.as_ref() != Some(&pool) => (
                        Finding::WrongPoolLink {
                            client,
                            backup,
                            path,
                            pool,
                        },
                        Remedy::Relink,
                    ),
                    Some(pool) if listed.is_none() => (
                        Finding::UnlistedPoolLink {
                            client,
                            backup,
                            path,
                            pool,
                        },
                        Remedy::CorrectList,
                    ),
                    Some(_) => return,
                }
            }
        };
        self.found.push((finding, remedy));
    }

    fn is_there(&self, pool: &PoolId) -> bool {
        self.pool
            .as_ref()
            .is_some_and(|dir| dir.child(pool.as_bytes()).is_ok())
    }
}

/// The id at the end of a link that has been changed in front, for instance by a program that made it absolute.
fn last_component(text: &[u8]) -> Option<PoolId> {
    PoolId::from_file_name(text.rsplit(|&byte| byte == b'/').next()?)
}
