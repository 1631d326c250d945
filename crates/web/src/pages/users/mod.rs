//! All users, and adding one.

pub mod one;

use axum::extract::Query;
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;
use wire::v1::{AddUserRequest, ListUsersRequest, UserInfo};

use crate::failure::{Failure, OrFail as _};
use crate::guard::Posted;
use crate::parts::access::told;
use crate::parts::form::{Field, key, problem};
use crate::parts::page::{Place, framed};
use crate::parts::say::time;
use crate::parts::table::Asked;
use crate::text::Language;
use crate::visitor::{User, Visitor};

/// What the list is sorted by if nothing is said.
const USUAL: &str = "name";

/// The way between users and roles; `here` is the address of this one.
pub fn user_tabs(visitor: &Visitor, here: &str) -> Markup {
    html! {
        nav.tabs aria-label=(visitor.say("menu-users")) {
            @for (address, text) in [("/users", "menu-users"), ("/roles", "roles")] {
                a href=(address) aria-current=[(address == here).then_some("page")] { (visitor.say(text)) }
            }
        }
    }
}

/// How a user gets in, if at all: one word for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Entry {
    LockedOut,
    Disabled,
    TokensOnly,
    Active,
}

impl Entry {
    const ALL: [Self; 4] = [Self::LockedOut, Self::Disabled, Self::TokensOnly, Self::Active];

    /// What holds of a user, the most that keeps him out first.
    pub fn of(user: &UserInfo) -> Self {
        match (user.state.as_str(), user.locked_until_ms > 0, user.has_password) {
            ("disabled", ..) => Self::Disabled,
            (_, true, _) => Self::LockedOut,
            (_, _, false) => Self::TokensOnly,
            _ => Self::Active,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::LockedOut => "locked-out",
            Self::Disabled => "disabled",
            Self::TokensOnly => "tokens-only",
            Self::Active => "active",
        }
    }

    fn name(self, language: Language) -> String {
        language.say(&format!("user-{}", self.word()))
    }

    /// A badge with it.
    pub fn badge(self, language: Language) -> Markup {
        let style = match self {
            Self::LockedOut => "late",
            Self::Active => "fine",
            Self::Disabled | Self::TokensOnly => "off",
        };
        html! { span.badge.(style) { (self.name(language)) } }
    }
}

/// All users, for who may know them.
pub async fn all(user: &User) -> Result<Vec<UserInfo>, Failure> {
    let listed = user.services.accounts().list_users(ListUsersRequest {}).await;
    Ok(listed.or_fail(user)?.users)
}

pub async fn show(user: User, Query(asked): Query<Asked>) -> Result<Markup, Failure> {
    let all: Vec<(Entry, UserInfo)> = all(&user)
        .await?
        .into_iter()
        .map(|other| (Entry::of(&other), other))
        .collect();
    let counted = |entry| all.iter().filter(|(of, _)| *of == entry).count();
    let choices = Entry::ALL.map(|entry| (entry.word(), entry.name(user.language), counted(entry)));
    let filters = asked.filters(&user, all.len(), &choices);
    let needle = asked.q.to_lowercase();
    let mut rows: Vec<_> = all
        .into_iter()
        .filter(|(entry, _)| asked.only.is_empty() || entry.word() == asked.only)
        .filter(|(_, other)| {
            let roles = other.grants.iter().map(|grant| &grant.role);
            roles
                .chain([&other.name])
                .any(|text| text.to_lowercase().contains(&needle))
        })
        .collect();
    sort(&mut rows, asked.order(USUAL));
    let (rows, pages) = asked.page(rows);
    let title = user.say("menu-users");
    let body = html! {
        (user_tabs(&user, "/users"))
        div.heading { h1 { (title) } a.button.main href="/new-user" { (user.say("user-add")) } }
        div.tools { (filters) (asked.search(&user, &user.say("users-find"))) }
        (table(&user, &asked, &rows))
        (asked.pager(&user, pages))
    };
    Ok(framed(&user, Place::Users, &title, &body))
}

fn sort(rows: &mut [(Entry, UserInfo)], (column, is_reversed): (&str, bool)) {
    match column {
        "state" => rows.sort_by(|(a, one), (b, other)| (a, &one.name).cmp(&(b, &other.name))),
        "factor" => rows.sort_by_key(|(_, user)| user.has_totp),
        "last" => rows.sort_by_key(|(_, user)| user.last_log_in_ms),
        "sessions" => rows.sort_by_key(|(_, user)| user.sessions),
        "tokens" => rows.sort_by_key(|(_, user)| user.api_tokens),
        _ => rows.sort_by(|(_, a), (_, b)| a.name.cmp(&b.name)),
    }
    if is_reversed {
        rows.reverse();
    }
}

fn table(user: &User, asked: &Asked, rows: &[(Entry, UserInfo)]) -> Markup {
    let head =
        |column: &str, class: &str| asked.head(USUAL, (column, class), &user.say(&format!("users-{column}")));
    html! {
        @if rows.is_empty() { p.none { (user.say("users-none")) } }
        @else {
            div.scroll tabindex="0" role="region" aria-label=(user.say("menu-users")) { table {
                thead { tr {
                    (head("name", "")) (head("state", ""))
                    th scope="col" { (user.say("roles")) }
                    (head("factor", "")) (head("last", "")) (head("sessions", "figure")) (head("tokens", "figure"))
                } }
                tbody { @for (entry, other) in rows { tr {
                    th scope="row" { a href={ "/users/" (other.name) } { (other.name) } }
                    td { (entry.badge(user.language)) }
                    td.long {
                        @if other.grants.is_empty() { span.none { "–" } }
                        @else { ul.plain { @for grant in &other.grants { li { (grant.role) " · " (told(user, grant.scope.as_ref())) } } } }
                    }
                    td { @if other.has_totp { (user.say("yes")) } @else { span.none { (user.say("no")) } } }
                    td { (time(user, other.last_log_in_ms)) }
                    td.figure { (user.language.number(other.sessions)) }
                    td.figure { (user.language.number(other.api_tokens)) }
                } } }
            } }
        }
    }
}

pub async fn new(user: User) -> Markup {
    adding(&user, "", None)
}

fn adding(user: &User, name: &str, why: Option<&Markup>) -> Markup {
    let title = user.say("user-add");
    let password = |name: &'static str, key: &str| {
        let label = user.say(key);
        Field {
            name,
            label: &label,
            kind: "password",
            value: "",
            autocomplete: "new-password",
            is_required: false,
        }
        .show()
    };
    let body = html! {
        nav.crumbs aria-label=(user.say("backup-way")) { ol {
            li { a href="/users" { (user.say("menu-users")) } }
            li aria-current="page" { (title) }
        } }
        h1 { (title) }
        section.card {
            (problem(why))
            form.narrow method="post" action="/new-user" {
                (key(user))
                (Field { name: "name", label: &user.say("users-name"), kind: "text", value: name, autocomplete: "off",
                    is_required: true }.show())
                p.hint { (user.say("access-name-hint")) }
                (password("password", "password-title"))
                p.hint { (user.say("user-password-hint")) }
                (password("again", "password-again"))
                button.main { (title) }
            }
        }
    };
    framed(user, Place::Users, &title, &body)
}

/// Who is to be added.
#[derive(Deserialize)]
pub struct NewUser {
    name: String,
    password: String,
    again: String,
}

pub async fn add(Posted { visitor, form }: Posted<NewUser>) -> Result<Response, Failure> {
    let user = User::of(visitor).await?;
    if form.password != form.again {
        let why = html! { (user.say("welcome-differ")) };
        return Ok(adding(&user, &form.name, Some(&why)).into_response());
    }
    let request = AddUserRequest {
        name: form.name.clone(),
        password: form.password,
    };
    match user.services.accounts().add_user(request).await {
        // He may do nothing yet: there it can be said what.
        Ok(_) => Ok(Redirect::to(&format!("/users/{}", form.name)).into_response()),
        Err(status) => {
            let why = Failure::complaint(status, &user)?;
            Ok(adding(&user, &form.name, Some(&why)).into_response())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str, state: &str, locked_until_ms: i64, has_password: bool) -> UserInfo {
        UserInfo {
            name: name.to_owned(),
            state: state.to_owned(),
            locked_until_ms,
            has_password,
            ..UserInfo::default()
        }
    }

    #[test]
    fn what_keeps_a_user_out_is_told() {
        assert_eq!(Entry::of(&user("a", "active", 0, true)), Entry::Active);
        assert_eq!(Entry::of(&user("a", "active", 0, false)), Entry::TokensOnly);
        assert_eq!(Entry::of(&user("a", "active", 9, true)), Entry::LockedOut);
        assert_eq!(Entry::of(&user("a", "disabled", 9, false)), Entry::Disabled);
        for entry in Entry::ALL {
            for language in Language::ALL {
                assert!(language.has(&format!("user-{}", entry.word())), "{entry:?}");
            }
        }
    }

    #[test]
    fn users_are_sorted_as_asked() {
        let rows = [
            user("b", "active", 0, true),
            user("c", "active", 9, true),
            user("a", "disabled", 0, true),
        ];
        let sorted = |order: (&str, bool)| -> Vec<String> {
            let mut rows: Vec<_> = rows.iter().map(|user| (Entry::of(user), user.clone())).collect();
            sort(&mut rows, order);
            rows.into_iter().map(|(_, user)| user.name).collect()
        };
        assert_eq!(sorted(("name", false)), ["a", "b", "c"]);
        assert_eq!(sorted(("name", true)), ["c", "b", "a"]);
        assert_eq!(sorted(("state", false)), ["c", "a", "b"]);
    }
}
