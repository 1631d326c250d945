//! One user: how he gets in, what he may, his sessions and tokens; and what can be changed of all that.

use axum::extract::{Path, Query};
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;
use tonic::Status;
use wire::v1::{RoleGrant, RoleGrantRequest, SetUserStateRequest, UserInfo, UserRef};

use super::{Entry, all};
use crate::failure::{Failure, OrFail as _};
use crate::guard::Posted;
use crate::pages::account::whose::{Told, Whose};
use crate::pages::account::{sessions, tokens};
use crate::parts::access::{Whom, purpose, roles, scope_of_word, scope_word, told};
use crate::parts::form::{button, key, row_button};
use crate::parts::page::{Place, framed};
use crate::parts::question::Question;
use crate::parts::say::exact_time;
use crate::visitor::User;

/// Where a user's page is.
fn address(name: &str) -> String {
    Whose::Others(name.to_owned()).address()
}

fn back(name: &str) -> Response {
    Redirect::to(&address(name)).into_response()
}

async fn find(user: &User, name: &str) -> Result<UserInfo, Failure> {
    let found = all(user).await?.into_iter().find(|other| other.name == name);
    found.ok_or_else(|| Failure::not_found().for_visitor(user))
}

pub async fn show(
    user: User,
    Path(name): Path<String>,
    Query(asked): Query<Told>,
) -> Result<Markup, Failure> {
    let other = find(&user, &name).await?;
    let whose = Whose::of(&user, Some(Path(name)));
    let body = html! {
        nav.crumbs aria-label=(user.say("backup-way")) { ol {
            li { a href="/users" { (user.say("menu-users")) } }
            li aria-current="page" { (other.name) }
        } }
        div.heading {
            h1 { (other.name) " " (Entry::of(&other).badge(user.language)) }
            @if !whose.is_own() { (actions(&user, &other)) }
        }
        (asked.show(&user))
        (facts(&user, &whose, &other))
        (grants(&user, &other).await?)
        (sessions::list(&user, &whose).await?)
        (tokens::list(&user, &whose).await?)
    };
    Ok(framed(&user, Place::Users, &other.name, &body))
}

/// What can be done with others; nobody is to shut himself out by accident.
fn actions(user: &User, other: &UserInfo) -> Markup {
    let address = address(&other.name);
    html! {
        @if other.locked_until_ms > 0 { (button(user, &format!("{address}/unlock"), &user.say("user-unlock"), "main")) }
        @match other.state.as_str() {
            "disabled" => { (button(user, &format!("{address}/enable"), &user.say("user-enable"), "")) }
            _ => { (button(user, &format!("{address}/disable"), &user.say("user-disable"), "")) }
        }
        a.button.danger href={ (address) "/remove" } { (user.say("user-remove")) }
    }
}

fn facts(user: &User, whose: &Whose, other: &UserInfo) -> Markup {
    let yes_or_no = |is_so| user.say(if is_so { "yes" } else { "no" });
    let address = whose.address();
    html! {
        section.card {
            dl {
                dt { (user.say("log-in-password")) } dd { (yes_or_no(other.has_password)) }
                dt { (user.say("users-factor")) }
                dd {
                    (yes_or_no(other.has_totp))
                    @if other.has_totp {
                        " · " (user.language.say_with("account-recovery-codes", &[("count", other.recovery_codes.into())]))
                    }
                }
                dt { (user.say("user-added")) } dd { (exact_time(user, other.created_ms)) }
                dt { (user.say("users-last")) } dd { (exact_time(user, other.last_log_in_ms)) }
                @if other.locked_until_ms > 0 {
                    dt { (user.say("user-locked-until")) } dd { (exact_time(user, other.locked_until_ms)) }
                }
            }
            div.row {
                a.button href={ (address) "/password" } { (user.say("password-title")) }
                @if other.has_totp { a.button href={ (address) "/second-factor" } { (user.say("factor-remove")) } }
            }
            @if whose.is_own() { p.hint { (user.say("user-own")) " " a href="/account" { (user.say("menu-account")) } } }
        }
    }
}

/// What the user may, and the form for more.
async fn grants(user: &User, other: &UserInfo) -> Result<Markup, Failure> {
    let roles = roles(user).await?;
    let whom = Whom::seen_by(user).await?;
    let address = address(&other.name);
    let title = user.say("user-may");
    Ok(html! {
        section.card {
            h2 { (title) }
            @if other.grants.is_empty() { p.none { (user.say("user-may-nothing")) } }
            @else {
                div.scroll tabindex="0" role="region" aria-label=(title) { table {
                    thead { tr { th scope="col" { (user.say("grant-role")) } th scope="col" { (user.say("grant-scope")) } td {} } }
                    tbody { @for grant in &other.grants {
                        @let scope = told(user, grant.scope.as_ref());
                        tr {
                            th scope="row" { (grant.role) }
                            td.long { (scope) }
                            td.does {
                                (row_button(user, &format!("{address}/revoke"),
                                    &[("role", &grant.role), ("scope", &scope_word(grant.scope.as_ref()))],
                                    &user.say("grant-revoke"), &format!("{} · {scope}", grant.role)))
                            }
                        }
                    } }
                } }
            }
            form.row.below method="post" action={ (address) "/grant" } {
                (key(user))
                p.field {
                    label for="role" { (user.say("grant-role")) }
                    select id="role" name="role" {
                        @for role in &roles { option value=(role.name) title=(purpose(user, role)) { (role.name) } }
                    }
                }
                p.field {
                    label for="scope" { (user.say("grant-scope")) }
                    select id="scope" name="scope" { (whom.options(user)) }
                }
                button.main { (user.say("grant-add")) }
            }
            p.hint { a href="/roles" { (user.say("grant-roles")) } }
        }
    })
}

/// A role for a scope.
#[derive(Deserialize)]
pub struct Grant {
    role: String,
    scope: String,
}

impl Grant {
    fn request(self, user: String) -> Result<RoleGrantRequest, Status> {
        let scope = scope_of_word(&self.scope);
        let scope = scope.ok_or_else(|| Status::invalid_argument("there is no such scope"))?;
        Ok(RoleGrantRequest {
            user,
            grant: Some(RoleGrant {
                role: self.role,
                scope: Some(scope),
            }),
        })
    }
}

pub async fn grant(
    Path(name): Path<String>,
    Posted { visitor, form }: Posted<Grant>,
) -> Result<Response, Failure> {
    let request = form.request(name.clone());
    let request = request.map_err(|status| Failure::of(status).for_visitor(&visitor))?;
    let granted = visitor.services.accounts().grant_role(request).await;
    granted.or_fail(&visitor)?;
    Ok(back(&name))
}

pub async fn revoke(
    Path(name): Path<String>,
    Posted { visitor, form }: Posted<Grant>,
) -> Result<Response, Failure> {
    let request = form.request(name.clone());
    let request = request.map_err(|status| Failure::of(status).for_visitor(&visitor))?;
    let revoked = visitor.services.accounts().revoke_role(request).await;
    revoked.or_fail(&visitor)?;
    Ok(back(&name))
}

/// A form with nothing in it but the button.
#[derive(Deserialize)]
pub struct Pressed {}

pub async fn disable(
    Path(name): Path<String>,
    Posted { visitor, .. }: Posted<Pressed>,
) -> Result<Response, Failure> {
    let request = state(&name, "disabled");
    let set = visitor.services.accounts().set_user_state(request).await;
    set.or_fail(&visitor)?;
    Ok(back(&name))
}

pub async fn enable(
    Path(name): Path<String>,
    Posted { visitor, .. }: Posted<Pressed>,
) -> Result<Response, Failure> {
    let request = state(&name, "active");
    let set = visitor.services.accounts().set_user_state(request).await;
    set.or_fail(&visitor)?;
    Ok(back(&name))
}

fn state(name: &str, state: &str) -> SetUserStateRequest {
    SetUserStateRequest {
        name: name.to_owned(),
        state: state.to_owned(),
    }
}

pub async fn unlock(
    Path(name): Path<String>,
    Posted { visitor, .. }: Posted<Pressed>,
) -> Result<Response, Failure> {
    let request = UserRef { name: name.clone() };
    let unlocked = visitor.services.accounts().unlock_user(request).await;
    unlocked.or_fail(&visitor)?;
    Ok(back(&name))
}

/// Asks whether a user is really to be removed.
pub async fn ask_remove(user: User, Path(name): Path<String>) -> Result<Markup, Failure> {
    let other = find(&user, &name).await?;
    let (title, address) = (user.say("user-remove-ask"), address(&other.name));
    let question = Question {
        title: &title,
        subject: &other.name,
        about: &user.say("user-remove-about"),
        problem: None,
        go: (&format!("{address}/remove"), &user.say("user-remove")),
        back: &address,
    };
    let body = question.show(&user);
    Ok(Whose::Others(other.name.clone()).framed(&user, &title, &body))
}

pub async fn remove(
    Path(name): Path<String>,
    Posted { visitor, .. }: Posted<Pressed>,
) -> Result<Response, Failure> {
    let removed = visitor.services.accounts().remove_user(UserRef { name }).await;
    removed.or_fail(&visitor)?;
    Ok(Redirect::to("/users").into_response())
}
