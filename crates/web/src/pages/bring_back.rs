//! Files of a backup that the client is to restore itself: what, to where, and what happens with what is there.

use axum::extract::{Path, RawQuery};
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};
use wire::v1::{BackupInfo, RestoreToClientRequest};

use crate::failure::Failure;
use crate::guard::Posted;
use crate::pages::archive::Selection;
use crate::pages::backup::{Named, address, crumbs, detail, reference};
use crate::pages::browse::way;
use crate::parts::access::one_of;
use crate::parts::form::{key, problem};
use crate::parts::page::{Place, framed};
use crate::parts::paths;
use crate::visitor::User;

/// So many of the selected are named.
const MOST_NAMED: usize = 20;
/// What can happen with a file that is there and differs, the gentlest first.
const EXISTING: [&str; 3] = ["keep", "both", "overwrite"];

/// What was typed into the form.
#[derive(Debug, Default, PartialEq, Eq)]
struct Typed {
    /// Into one directory, rather than to where they came from.
    is_elsewhere: bool,
    target: String,
    existing: String,
}

impl Typed {
    fn of(fields: &[(String, String)]) -> Self {
        Self {
            is_elsewhere: one_of(fields, "where") == "elsewhere",
            target: one_of(fields, "target").trim().to_owned(),
            existing: one_of(fields, "existing"),
        }
    }
}

pub async fn ask(
    user: User,
    Path((client, name)): Named,
    RawQuery(query): RawQuery,
) -> Result<Markup, Failure> {
    let Some(selection) = Selection::of_query(&query.unwrap_or_default()) else {
        return Err(Failure::invalid("the selection is not well-formed").for_visitor(&user));
    };
    let (info, _) = detail(&user, &client, &name).await?;
    Ok(page(&user, &info, &selection, &Typed::default(), None))
}

pub async fn go(
    Path((client, name)): Named,
    Posted { visitor, form }: Posted<Vec<(String, String)>>,
) -> Result<Response, Failure> {
    let user = User::of(visitor).await?;
    let (typed, selection) = (Typed::of(&form), Selection::of_fields(&form));
    let (info, _) = detail(&user, &client, &name).await?;
    if typed.is_elsewhere && typed.target.is_empty() {
        let why = html! { (user.say("bring-back-no-target")) };
        return Ok(page(&user, &info, &selection, &typed, Some(&why)).into_response());
    }
    let request = RestoreToClientRequest {
        backup: Some(reference(&info.client, &info.name)),
        paths: selection.paths.clone(),
        target: match typed.is_elsewhere {
            true => typed.target.clone(),
            false => String::new(),
        },
        existing: typed.existing.clone(),
    };
    match user.services.contents().restore_to_client(request).await {
        Ok(job) => Ok(Redirect::to(&format!("/activity/{}", job.get_ref().id)).into_response()),
        Err(status) => {
            let why = Failure::complaint(status, &user)?;
            Ok(page(&user, &info, &selection, &typed, Some(&why)).into_response())
        }
    }
}

fn page(
    user: &User,
    info: &BackupInfo,
    selection: &Selection,
    typed: &Typed,
    why: Option<&Markup>,
) -> Markup {
    let title = user
        .language
        .say_with("bring-back-title", &[("client", info.client.as_str().into())]);
    let body = html! {
        (crumbs(user, info, Some(&way(user, info, &selection.folder))))
        h1 { (title) }
        section.card {
            (problem(why))
            h2 { (user.say("bring-back-what")) }
            (wanted(user, &selection.paths))
            form method="post" action={ (address(&info.client, &info.name)) "/restore" } {
                (key(user))
                input type="hidden" name="folder" value=(paths::escape(&selection.folder));
                @for path in &selection.paths { input type="hidden" name="path" value=(paths::escape(path)); }
                fieldset {
                    legend { (user.say("bring-back-where")) }
                    (place(user, "original", !typed.is_elsewhere))
                    (place(user, "elsewhere", typed.is_elsewhere))
                    p.field {
                        label for="target" { (user.say("bring-back-target")) }
                        input id="target" name="target" type="text" value=(typed.target) placeholder="/tmp/restored" autocomplete="off" spellcheck="false";
                    }
                }
                p.field {
                    label for="existing" { (user.say("bring-back-existing")) }
                    select id="existing" name="existing" { @for word in EXISTING {
                        option value=(word) selected[word == typed.existing] { (user.say(&format!("bring-back-{word}"))) }
                    } }
                }
                p.hint { (user.say("bring-back-about")) }
                div.row { button.main { (user.say("bring-back-go")) } }
            }
        }
    };
    framed(user, Place::Clients, &title, &body)
}

fn wanted(user: &User, wanted: &[Vec<u8>]) -> Markup {
    html! {
        @if wanted.is_empty() { p { (user.say("bring-back-all")) } }
        @else {
            ul { @for path in wanted.iter().take(MOST_NAMED) { li { (paths::show(path)) } } }
            @if wanted.len() > MOST_NAMED {
                p.hint { (user.language.say_with("bring-back-more", &[("count", (wanted.len() - MOST_NAMED).into())])) }
            }
        }
    }
}

fn place(user: &User, word: &str, is_chosen: bool) -> Markup {
    html! {
        div.choice {
            input type="radio" id={ "where-" (word) } name="where" value=(word) checked[is_chosen];
            label for={ "where-" (word) } { (user.say(&format!("bring-back-{word}"))) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn what_is_typed_is_read() {
        let typed = Typed::of(&fields(&[
            ("where", "elsewhere"),
            ("target", " /tmp/x "),
            ("existing", "both"),
        ]));
        assert_eq!((typed.is_elsewhere, typed.target.as_str()), (true, "/tmp/x"));
        assert!(!Typed::of(&fields(&[("where", "original")])).is_elsewhere);
    }
}
