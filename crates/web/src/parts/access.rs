//! What people may, and for whom: roles, rights, grants.

use std::collections::{BTreeSet, HashSet};

use maud::{Markup, html};
use wire::v1::access_scope::Scope;
use wire::v1::{
    AccessScope, AllOfIt, ListClientsRequest, ListGroupsRequest, ListRolesRequest, RightInfo, RoleInfo,
};

use crate::failure::{Failure, OrFail as _};
use crate::visitor::{User, Visitor};

const EVERYTHING: &str = "everything";
const GROUP: &str = "group:";
const CLIENT: &str = "client:";

/// For whom something holds, as forms have it.
pub fn scope_word(scope: Option<&AccessScope>) -> String {
    match scope.and_then(|scope| scope.scope.as_ref()) {
        Some(Scope::Group(name)) => format!("{GROUP}{name}"),
        Some(Scope::Client(name)) => format!("{CLIENT}{name}"),
        Some(Scope::Everything(_)) | None => EVERYTHING.to_owned(),
    }
}

/// For whom something holds, out of a form.
pub fn scope_of_word(word: &str) -> Option<AccessScope> {
    let named = |prefix| word.strip_prefix(prefix).filter(|name| !name.is_empty());
    let scope = match (word == EVERYTHING, named(GROUP), named(CLIENT)) {
        (true, ..) => Scope::Everything(AllOfIt {}),
        (_, Some(name), _) => Scope::Group(name.to_owned()),
        (.., Some(name)) => Scope::Client(name.to_owned()),
        _ => return None,
    };
    Some(AccessScope { scope: Some(scope) })
}

/// For whom something holds, in words.
pub fn told(visitor: &Visitor, scope: Option<&AccessScope>) -> String {
    match scope.and_then(|scope| scope.scope.as_ref()) {
        Some(Scope::Group(name)) => format!("{} {name}", visitor.say("account-group")),
        Some(Scope::Client(name)) => format!("{} {name}", visitor.say("account-client")),
        Some(Scope::Everything(_)) | None => visitor.say("account-everything"),
    }
}

/// For whom something can hold: what there is.
pub struct Whom {
    groups: Vec<String>,
    clients: Vec<String>,
}

impl Whom {
    /// The groups and clients that somebody sees.
    pub async fn seen_by(user: &User) -> Result<Self, Failure> {
        let (mut settings, mut admin) = (user.services.settings(), user.services.admin());
        let groups = settings.list_groups(ListGroupsRequest {}).await.or_fail(user)?;
        let clients = admin
            .list_clients(ListClientsRequest::default())
            .await
            .or_fail(user)?;
        let mut clients = clients.clients;
        clients.retain(|client| client.state != "revoked");
        Ok(Self {
            groups: groups.groups.into_iter().map(|group| group.name).collect(),
            clients: clients.into_iter().map(|client| client.name).collect(),
        })
    }

    /// The text for each kind, what stands before its names in forms, and its names.
    fn kinds(&self) -> [(&'static str, &'static str, &[String]); 2] {
        [
            ("access-groups", GROUP, &self.groups),
            ("access-clients", CLIENT, &self.clients),
        ]
    }

    /// The options of a choice of one of them, or of everything.
    pub fn options(&self, visitor: &Visitor) -> Markup {
        html! {
            option value=(EVERYTHING) { (visitor.say("account-everything")) }
            @for (text, prefix, names) in self.kinds() {
                @if !names.is_empty() {
                    optgroup label=(visitor.say(text)) {
                        @for name in names { option value={ (prefix) (name) } { (name) } }
                    }
                }
            }
        }
    }

    /// A box to tick for each of them, in the form under `scope`.
    pub fn boxes(&self, visitor: &Visitor, chosen: &BTreeSet<String>) -> Markup {
        html! {
            @for (text, prefix, names) in self.kinds() {
                @if !names.is_empty() {
                    fieldset.choices.many {
                        legend { (visitor.say(text)) }
                        @for (at, name) in names.iter().enumerate() {
                            @let word = format!("{prefix}{name}");
                            div.choice {
                                input type="checkbox" id={ (text) "-" (at) } name="scope" value=(word) checked[chosen.contains(&word)];
                                label for={ (text) "-" (at) } { (name) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// All roles.
pub async fn roles(user: &User) -> Result<Vec<RoleInfo>, Failure> {
    let listed = user.services.accounts().list_roles(ListRolesRequest {}).await;
    Ok(listed.or_fail(user)?.roles)
}

/// Every right that a role has, once. One role has all there are.
pub fn rights(roles: &[RoleInfo]) -> Vec<RightInfo> {
    let mut seen = HashSet::new();
    let all = roles.iter().flat_map(|role| &role.rights);
    all.filter(|right| seen.insert(&right.word)).cloned().collect()
}

/// What a right allows: in the visitor's words, or else in the server's.
pub fn meaning(visitor: &Visitor, right: &RightInfo) -> String {
    said_or(visitor, &format!("right-{}", right.word), &right.about)
}

/// Whom a role is for, if that is known.
pub fn purpose(visitor: &Visitor, role: &RoleInfo) -> String {
    match role.is_built_in {
        true => said_or(visitor, &format!("role-{}", role.name), &role.about),
        false => role.about.clone(),
    }
}

fn said_or(visitor: &Visitor, key: &str, else_this: &str) -> String {
    match visitor.language.has(key) {
        true => visitor.say(key),
        false => else_this.to_owned(),
    }
}

/// A box to tick for each right, in the form under `right`.
pub fn right_boxes(visitor: &Visitor, rights: &[RightInfo], chosen: &BTreeSet<String>) -> Markup {
    html! {
        fieldset.choices {
            legend { (visitor.say("access-rights")) }
            @for right in rights {
                @let id = format!("right-{}", right.word);
                div.choice {
                    input type="checkbox" id=(id) name="right" value=(right.word) checked[chosen.contains(&right.word)]
                        aria-describedby={ (id) "-about" };
                    label for=(id) { (right.word) }
                    p.hint id={ (id) "-about" } {
                        (meaning(visitor, right))
                        @if right.needs_everything { " · " (visitor.say("access-needs-everything")) }
                    }
                }
            }
        }
    }
}

/// All that a form says under a name.
pub fn all_of(fields: &[(String, String)], name: &str) -> BTreeSet<String> {
    let of_name = fields.iter().filter(|(other, _)| other == name);
    of_name.map(|(_, value)| value.clone()).collect()
}

/// The one thing that a form says under a name; empty where it says nothing.
pub fn one_of(fields: &[(String, String)], name: &str) -> String {
    let found = fields.iter().find(|(other, _)| other == name);
    found.map(|(_, value)| value.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_survives_a_form() {
        for word in [
            "everything",
            "group:office",
            "client:everything",
            "client:group:a",
        ] {
            let scope = scope_of_word(word);
            assert!(scope.is_some(), "{word}");
            assert_eq!(scope_word(scope.as_ref()), word);
        }
        for word in ["", "group:", "client:", "office", "Everything"] {
            assert_eq!(scope_of_word(word), None, "{word}");
        }
    }

    #[test]
    fn a_right_is_offered_once() {
        let right = |word: &str| RightInfo {
            word: word.to_owned(),
            ..RightInfo::default()
        };
        let role = |rights: &[&str]| RoleInfo {
            rights: rights.iter().copied().map(right).collect(),
            ..RoleInfo::default()
        };
        let found = rights(&[role(&["see", "logs", "users"]), role(&["see", "browse"])]);
        let words: Vec<_> = found.iter().map(|right| right.word.as_str()).collect();
        assert_eq!(words, ["see", "logs", "users", "browse"]);
    }

    #[test]
    fn boxes_that_are_ticked_are_all_found() {
        let fields: Vec<(String, String)> = [("right", "see"), ("name", "ci"), ("right", "logs")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        assert_eq!(
            all_of(&fields, "right"),
            BTreeSet::from(["logs".to_owned(), "see".to_owned()])
        );
        assert_eq!(one_of(&fields, "name"), "ci");
        assert_eq!(one_of(&fields, "valid"), "");
    }
}
