//! Groups of clients: which there are, who is in them.

use axum::extract::Path;
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;
use wire::v1::{
    ClientInfo, GroupInfo, GroupRef, ListClientsRequest, ListGroupsRequest, RenameGroupRequest,
    SetGroupRequest,
};

use crate::failure::{Failure, OrFail as _};
use crate::guard::Posted;
use crate::pages::settings::Owner;
use crate::parts::address::segment;
use crate::parts::form::{Field, key, problem, row_button};
use crate::parts::page::{Place, framed};
use crate::parts::question::Question;
use crate::parts::say::{Condition, now_ms};
use crate::parts::tabs::Tab;
use crate::visitor::User;

/// Where a group's page is.
fn address(group: &str) -> String {
    format!("/groups/{}", segment(group))
}

/// A name that was typed.
#[derive(Default, Deserialize)]
pub struct Named {
    name: String,
}

/// A name that was refused.
#[derive(Default)]
struct Tried {
    name: String,
    problem: Option<Markup>,
}

pub async fn show(user: User) -> Result<Markup, Failure> {
    list(&user, &Tried::default()).await
}

async fn groups(user: &User) -> Result<Vec<GroupInfo>, Failure> {
    let listed = user.services.settings().list_groups(ListGroupsRequest {}).await;
    let mut groups = listed.or_fail(user)?.groups;
    groups.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(groups)
}

async fn list(user: &User, tried: &Tried) -> Result<Markup, Failure> {
    let groups = groups(user).await?;
    let title = user.say("tabs-groups");
    let body = html! {
        (Tab::Groups.show(user))
        h1 { (title) }
        p { (user.say("groups-about")) }
        (table(user, &groups))
        section.card.below {
            h2 { (user.say("groups-new")) }
            (problem(tried.problem.as_ref()))
            (name_form(user, "/groups", &tried.name, "groups-create"))
            p.hint { (user.say("groups-name-hint")) }
        }
    };
    Ok(framed(user, Place::Settings, &title, &body))
}

fn table(user: &User, groups: &[GroupInfo]) -> Markup {
    html! {
        @if groups.is_empty() { p.none { (user.say("groups-none")) } }
        @else {
            div.scroll tabindex="0" role="region" aria-label=(user.say("tabs-groups")) { table {
                thead { tr {
                    th scope="col" { (user.say("groups-name")) }
                    th.figure scope="col" { (user.say("menu-clients")) }
                    th scope="col" { (user.say("tabs-settings")) }
                } }
                tbody { @for group in groups { tr {
                    th scope="row" { a href=(address(&group.name)) { (group.name) } }
                    td.figure { (user.language.number(group.clients)) }
                    td { a href=(Owner::Group(group.name.clone()).address()) { (settings_of(user, &group.name)) } }
                } } }
            } }
        }
    }
}

fn settings_of(user: &User, group: &str) -> String {
    user.language
        .say_with("settings-of-group", &[("name", group.into())])
}

/// A form for a group's name.
fn name_form(user: &User, address: &str, name: &str, action: &str) -> Markup {
    html! {
        form.row method="post" action=(address) {
            (key(user))
            (Field { name: "name", label: &user.say("groups-name"), kind: "text", value: name, autocomplete: "off",
                is_required: true }.show())
            button.main { (user.say(action)) }
        }
    }
}

pub async fn create(Posted { visitor, form }: Posted<Named>) -> Result<Response, Failure> {
    let request = GroupRef {
        name: form.name.clone(),
    };
    let why = match visitor.services.settings().create_group(request).await {
        Ok(_) => return Ok(Redirect::to(&address(&form.name)).into_response()),
        Err(status) => Failure::complaint(status, &visitor)?,
    };
    let user = User::of(visitor).await?;
    let tried = Tried {
        name: form.name,
        problem: Some(why),
    };
    Ok(list(&user, &tried).await?.into_response())
}

pub async fn group(user: User, Path(name): Path<String>) -> Result<Markup, Failure> {
    let tried = Tried {
        name: name.clone(),
        problem: None,
    };
    page(&user, &name, &tried).await
}

async fn page(user: &User, name: &str, tried: &Tried) -> Result<Markup, Failure> {
    let groups = groups(user).await?;
    if groups.iter().all(|group| group.name != name) {
        return Err(Failure::not_found().for_visitor(user));
    }
    let listed = user
        .services
        .admin()
        .list_clients(ListClientsRequest::default())
        .await;
    let (members, others) = members(listed.or_fail(user)?.clients, name);
    let body = html! {
        (Tab::Groups.show(user))
        div.heading {
            h1 { (name) }
            a.button href=(Owner::Group(name.to_owned()).address()) { (user.say("tabs-settings")) }
            a.button.danger href={ (address(name)) "/delete" } { (user.say("groups-delete")) }
        }
        section {
            h2 { (user.say("menu-clients")) }
            (member_table(user, name, &groups, &members))
        }
        @if !others.is_empty() { (add_form(user, name, &others)) }
        section.card {
            h2 { (user.say("groups-rename")) }
            (problem(tried.problem.as_ref()))
            (name_form(user, &format!("{}/rename", address(name)), &tried.name, "groups-rename"))
        }
    };
    Ok(framed(user, Place::Settings, name, &body))
}

/// Who is in a group and who is not, by name.
fn members(mut clients: Vec<ClientInfo>, group: &str) -> (Vec<ClientInfo>, Vec<ClientInfo>) {
    clients.sort_by(|a, b| a.name.cmp(&b.name));
    clients.into_iter().partition(|client| client.group == group)
}

fn member_table(user: &User, group: &str, groups: &[GroupInfo], members: &[ClientInfo]) -> Markup {
    let now_ms = now_ms();
    html! {
        @if members.is_empty() { p.none { (user.say("groups-empty")) } }
        @else {
            div.scroll tabindex="0" role="region" aria-label=(user.say("menu-clients")) { table {
                thead { tr {
                    @for head in ["clients-name", "clients-state", "groups-move", "groups-take-out"] { th scope="col" { (user.say(head)) } }
                } }
                tbody { @for (at, client) in members.iter().enumerate() { tr {
                    th scope="row" { a href={ "/clients/" (segment(&client.name)) } { (client.name) } }
                    td { (Condition::of(client, now_ms).badge(user.language)) }
                    td { (move_form(user, group, groups, (at, client))) }
                    td { (row_button(user, &format!("{}/clients", address(group)),
                        &[("client", &client.name), ("to", "")], &user.say("groups-take-out"), &client.name)) }
                } } }
            } }
        }
    }
}

/// The choice of another group for a client.
fn move_form(user: &User, group: &str, groups: &[GroupInfo], (at, client): (usize, &ClientInfo)) -> Markup {
    let others = || groups.iter().filter(|other| other.name != group);
    let id = format!("to-{at}");
    html! {
        @if others().next().is_some() {
            form.inline method="post" action={ (address(group)) "/clients" } {
                (key(user))
                input type="hidden" name="client" value=(client.name);
                label.unseen for=(id) { (user.say("groups-move")) ": " (client.name) }
                select id=(id) name="to" { @for other in others() { option value=(other.name) { (other.name) } } }
                button.quiet aria-label={ (user.say("groups-move-go")) ": " (client.name) } { (user.say("groups-move-go")) }
            }
        }
    }
}

fn add_form(user: &User, group: &str, others: &[ClientInfo]) -> Markup {
    html! {
        section.card.below {
            h2 { (user.say("groups-add")) }
            form.row method="post" action={ (address(group)) "/clients" } {
                (key(user))
                input type="hidden" name="to" value=(group);
                p.field {
                    label for="client" { (user.say("clients-name")) }
                    select id="client" name="client" {
                        @for client in others {
                            option value=(client.name) { (client.name) @if !client.group.is_empty() { " (" (client.group) ")" } }
                        }
                    }
                }
                button.main { (user.say("groups-add-go")) }
            }
            p.hint { (user.say("groups-one")) }
        }
    }
}

/// Where a client is to be; nowhere if that is empty.
#[derive(Deserialize)]
pub struct Move {
    client: String,
    to: String,
}

pub async fn put(
    Path(name): Path<String>,
    Posted { visitor, form }: Posted<Move>,
) -> Result<Response, Failure> {
    let request = SetGroupRequest {
        client: form.client,
        group: form.to,
    };
    let moved = visitor.services.settings().set_group(request).await;
    moved.or_fail(&visitor)?;
    Ok(Redirect::to(&address(&name)).into_response())
}

pub async fn rename(
    Path(name): Path<String>,
    Posted { visitor, form }: Posted<Named>,
) -> Result<Response, Failure> {
    let request = RenameGroupRequest {
        name: name.clone(),
        new_name: form.name.clone(),
    };
    let why = match visitor.services.settings().rename_group(request).await {
        Ok(_) => return Ok(Redirect::to(&address(&form.name)).into_response()),
        Err(status) => Failure::complaint(status, &visitor)?,
    };
    let user = User::of(visitor).await?;
    let tried = Tried {
        name: form.name,
        problem: Some(why),
    };
    Ok(page(&user, &name, &tried).await?.into_response())
}

/// Asks whether a group is really to be deleted.
pub async fn ask_delete(user: User, Path(name): Path<String>) -> Result<Markup, Failure> {
    let groups = groups(&user).await?;
    let Some(group) = groups.iter().find(|group| group.name == name) else {
        return Err(Failure::not_found().for_visitor(&user));
    };
    let about = user
        .language
        .say_with("groups-delete-about", &[("count", group.clients.into())]);
    let title = user.say("groups-delete-ask");
    let page = address(&name);
    let question = Question {
        title: &title,
        subject: &name,
        about: &about,
        problem: None,
        go: (&format!("{page}/delete"), &user.say("groups-delete-go")),
        back: &page,
    };
    let body = html! { (Tab::Groups.show(&user)) (question.show(&user)) };
    Ok(framed(&user, Place::Settings, &title, &body))
}

/// A form with nothing in it but the button.
#[derive(Deserialize)]
pub struct Pressed {}

pub async fn delete(
    Path(name): Path<String>,
    Posted { visitor, .. }: Posted<Pressed>,
) -> Result<Response, Failure> {
    let deleted = visitor.services.settings().delete_group(GroupRef { name }).await;
    deleted.or_fail(&visitor)?;
    Ok(Redirect::to("/groups").into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_in_or_out_by_name() {
        let client = |name: &str, group: &str| ClientInfo {
            name: name.to_owned(),
            group: group.to_owned(),
            ..ClientInfo::default()
        };
        let clients = vec![
            client("c", "x"),
            client("b", ""),
            client("a", "x"),
            client("d", "y"),
        ];
        let (members, others) = members(clients, "x");
        let names = |clients: Vec<ClientInfo>| -> Vec<String> {
            clients.into_iter().map(|client| client.name).collect()
        };
        assert_eq!(names(members), ["a", "c"]);
        assert_eq!(names(others), ["b", "d"]);
    }
}
