//! Roles: what they allow, making one, deleting one.

use std::collections::BTreeSet;

use axum::extract::Path;
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};
use wire::v1::{CreateRoleRequest, RightInfo, RoleInfo, RoleRef};

use crate::failure::Failure;
use crate::guard::Posted;
use crate::pages::users::one::Pressed;
use crate::pages::users::user_tabs;
use crate::parts::access::{all_of, meaning, one_of, purpose, right_boxes, rights, roles};
use crate::parts::address::segment;
use crate::parts::form::{Field, key, problem};
use crate::parts::page::{Place, framed};
use crate::parts::question::Question;
use crate::visitor::User;

pub async fn show(user: User) -> Result<Markup, Failure> {
    let roles = roles(&user).await?;
    let may_change = user.may_manage_users();
    let title = user.say("roles");
    let body = html! {
        (user_tabs(&user, "/roles"))
        div.heading {
            h1 { (title) }
            @if may_change { a.button.main href="/new-role" { (user.say("role-make")) } }
        }
        div.scroll tabindex="0" role="region" aria-label=(title) { table {
            thead { tr {
                th scope="col" { (user.say("grant-role")) }
                th scope="col" { (user.say("access-rights")) }
                @if may_change { td {} }
            } }
            tbody { @for role in &roles { (row(&user, role, may_change)) } }
        } }
        (glossary(&user, &rights(&roles)))
    };
    Ok(framed(&user, Place::Users, &title, &body))
}

fn row(user: &User, role: &RoleInfo, may_change: bool) -> Markup {
    let words: Vec<_> = role.rights.iter().map(|right| right.word.as_str()).collect();
    html! {
        tr {
            th scope="row" {
                (role.name)
                @if role.is_built_in { " " span.badge { (user.say("role-built-in")) } }
                p.hint { (purpose(user, role)) }
            }
            td.long { (words.join(", ")) }
            @if may_change {
                td.does {
                    @if !role.is_built_in {
                        a.button.danger href={ "/roles/" (role.name) "/delete" } aria-label={ (user.say("role-delete")) ": " (role.name) } {
                            (user.say("role-delete"))
                        }
                    }
                }
            }
        }
    }
}

/// What each right means.
fn glossary(user: &User, rights: &[RightInfo]) -> Markup {
    let title = user.say("role-glossary");
    html! {
        section.card.below {
            h2 { (title) }
            p { (user.say("role-glossary-about")) }
            dl { @for right in rights {
                dt { (right.word) }
                dd {
                    (meaning(user, right))
                    @if right.needs_everything { " · " (user.say("access-needs-everything")) }
                }
            } }
        }
    }
}

pub async fn new(user: User) -> Result<Markup, Failure> {
    making(&user, "", &BTreeSet::new(), None).await
}

async fn making(
    user: &User,
    name: &str,
    chosen: &BTreeSet<String>,
    why: Option<&Markup>,
) -> Result<Markup, Failure> {
    let rights = rights(&roles(user).await?);
    let title = user.say("role-make");
    let body = html! {
        (crumbs(user, &title))
        h1 { (title) }
        section.card {
            (problem(why))
            form.boxes method="post" action="/new-role" {
                (key(user))
                (Field { name: "name", label: &user.say("role-name"), kind: "text", value: name, autocomplete: "off",
                    is_required: true }.show())
                p.hint { (user.say("access-name-hint")) }
                (right_boxes(user, &rights, chosen))
                button.main { (title) }
            }
        }
    };
    Ok(framed(user, Place::Users, &title, &body))
}

fn crumbs(user: &User, here: &str) -> Markup {
    html! {
        nav.crumbs aria-label=(user.say("backup-way")) { ol {
            li { a href="/roles" { (user.say("roles")) } }
            li aria-current="page" { (here) }
        } }
    }
}

pub async fn make(Posted { visitor, form }: Posted<Vec<(String, String)>>) -> Result<Response, Failure> {
    let user = User::of(visitor).await?;
    let (name, chosen) = (one_of(&form, "name"), all_of(&form, "right"));
    let request = CreateRoleRequest {
        name: name.clone(),
        rights: chosen.iter().cloned().collect(),
    };
    match user.services.accounts().create_role(request).await {
        Ok(_) => Ok(Redirect::to("/roles").into_response()),
        Err(status) => {
            let why = Failure::complaint(status, &user)?;
            let page = making(&user, &name, &chosen, Some(&why)).await?;
            Ok(page.into_response())
        }
    }
}

/// Asks whether a role is really to be deleted.
pub async fn ask_delete(user: User, Path(name): Path<String>) -> Result<Markup, Failure> {
    match roles(&user).await?.iter().any(|role| role.name == name) {
        true => Ok(asking(&user, &name, None)),
        false => Err(Failure::not_found().for_visitor(&user)),
    }
}

fn asking(user: &User, name: &str, why: Option<&Markup>) -> Markup {
    let title = user.say("role-delete-ask");
    let question = Question {
        title: &title,
        subject: name,
        about: &user.say("role-delete-about"),
        problem: why,
        go: (
            &format!("/roles/{}/delete", segment(name)),
            &user.say("role-delete"),
        ),
        back: "/roles",
    };
    let body = html! { (crumbs(user, &title)) (question.show(user)) };
    framed(user, Place::Users, &title, &body)
}

pub async fn delete(
    Path(name): Path<String>,
    Posted { visitor, .. }: Posted<Pressed>,
) -> Result<Response, Failure> {
    let user = User::of(visitor).await?;
    let request = RoleRef { name: name.clone() };
    match user.services.accounts().delete_role(request).await {
        Ok(_) => Ok(Redirect::to("/roles").into_response()),
        Err(status) => {
            let why = Failure::complaint(status, &user)?;
            Ok(asking(&user, &name, Some(&why)).into_response())
        }
    }
}
