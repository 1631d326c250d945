//! The names of users and groups, looked up once each.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use parking_lot::RwLock;

/// Translates between numbers and names of users and groups and remembers the answers, also that there is
/// none.
///
/// Handed to whatever reads or applies metadata; one per process or job is enough.
#[derive(Debug)]
pub struct Names {
    users: Table,
    groups: Table,
}

#[derive(Debug)]
struct Table {
    names: RwLock<HashMap<u32, Option<Arc<str>>>>,
    ids: RwLock<HashMap<Box<str>, Option<u32>>>,
    system: Option<Lookup>,
}

/// How the system is asked.
#[derive(Clone, Copy, Debug)]
struct Lookup {
    name: fn(u32) -> Option<Arc<str>>,
    id: fn(&str) -> Option<u32>,
}

impl Names {
    /// Asks the system's user database (/etc/passwd, LDAP and whatever else it is set up with).
    pub fn system() -> Names {
        let users = Lookup {
            name: system_user,
            id: system_user_id,
        };
        let groups = Lookup {
            name: system_group,
            id: system_group_id,
        };
        Names {
            users: Table::new(&[], Some(users)),
            groups: Table::new(&[], Some(groups)),
        }
    }

    /// Knows exactly these users and groups.
    pub fn fixed(users: &[(u32, &str)], groups: &[(u32, &str)]) -> Names {
        Names {
            users: Table::new(users, None),
            groups: Table::new(groups, None),
        }
    }

    /// Returns the user's name. Names that are not UTF-8 count as none.
    pub fn user(&self, uid: u32) -> Option<Arc<str>> {
        self.users.name(uid)
    }

    /// Returns the group's name. Names that are not UTF-8 count as none.
    pub fn group(&self, gid: u32) -> Option<Arc<str>> {
        self.groups.name(gid)
    }

    /// Returns the number of the user with this name.
    pub fn uid(&self, user: &str) -> Option<u32> {
        self.users.id(user)
    }

    /// Returns the number of the group with this name.
    pub fn gid(&self, group: &str) -> Option<u32> {
        self.groups.id(group)
    }
}

impl Table {
    fn new(known: &[(u32, &str)], system: Option<Lookup>) -> Table {
        let names = known.iter().map(|&(id, name)| (id, Some(name.into()))).collect();
        let ids = known.iter().map(|&(id, name)| (name.into(), Some(id))).collect();
        Table {
            names: RwLock::new(names),
            ids: RwLock::new(ids),
            system,
        }
    }

    fn name(&self, id: u32) -> Option<Arc<str>> {
        let ask = self.system.map(|system| move || (system.name)(id));
        remembered(&self.names, &id, ask, || id)
    }

    fn id(&self, name: &str) -> Option<u32> {
        let ask = self.system.map(|system| move || (system.id)(name));
        remembered(&self.ids, name, ask, || name.into())
    }
}

/// Returns the known answer, or asks and remembers. Two threads may ask at once: the answers are the same.
fn remembered<K, Q, V>(
    known: &RwLock<HashMap<K, Option<V>>>,
    key: &Q,
    ask: Option<impl FnOnce() -> Option<V>>,
    owned: impl FnOnce() -> K,
) -> Option<V>
where
    K: Hash + Eq + std::borrow::Borrow<Q>,
    Q: Hash + Eq + ?Sized,
    V: Clone,
{
    if let Some(answer) = known.read().get(key) {
        return answer.clone();
    }
    let answer = ask?();
    known.write().insert(owned(), answer.clone());
    answer
}

fn system_user(uid: u32) -> Option<Arc<str>> {
    uzers::get_user_by_uid(uid)?.name().to_str().map(Arc::from)
}

fn system_group(gid: u32) -> Option<Arc<str>> {
    uzers::get_group_by_gid(gid)?.name().to_str().map(Arc::from)
}

fn system_user_id(name: &str) -> Option<u32> {
    uzers::get_user_by_name(name).map(|user| user.uid())
}

fn system_group_id(name: &str) -> Option<u32> {
    uzers::get_group_by_name(name).map(|group| group.gid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_root_has_number_zero() {
        let names = Names::system();
        assert_eq!(names.user(0).as_deref(), Some("root"));
        assert_eq!(names.uid("root"), Some(0));
        assert_eq!(names.gid("root"), Some(0));
        assert_eq!(names.user(0).as_deref(), names.user(0).as_deref());
        assert_eq!(names.user(4_000_000_001), None);
        assert_eq!(names.uid("no such user"), None);
    }

    #[test]
    fn a_fixed_table_asks_nobody() {
        let names = Names::fixed(&[(7, "seven")], &[(8, "eight")]);
        assert_eq!(names.user(7).as_deref(), Some("seven"));
        assert_eq!(names.gid("eight"), Some(8));
        assert_eq!(names.user(0), None);
        assert_eq!(names.uid("root"), None);
    }
}
