//! What lies in a backup, folder by folder.

use axum::extract::{Path, Query};
use maud::{Markup, html};
use serde::Deserialize;
use wire::v1::{BackupInfo, BrowseRequest};

use crate::failure::{Failure, OrFail as _};
use crate::pages::backup::{Named, address, crumbs, detail, reference};
use crate::pages::{archive, search};
use crate::parts::entries::{self, Row};
use crate::parts::page::{Place, framed};
use crate::parts::paths;
use crate::parts::table::Asked;
use crate::visitor::{Downloads, User};

/// The folder that is looked into.
#[derive(Deserialize)]
pub struct Folder {
    /// As [`paths::escape`] makes it.
    #[serde(default)]
    path: String,
}

/// Where a folder of a backup is shown.
pub fn folder_address(client: &str, name: &str, path: &[u8]) -> String {
    let query = Asked::default().along("path", paths::escape(path));
    format!("{}/files{}", address(client, name), query.with(|_| ()))
}

pub async fn show(
    user: User,
    Path((client, name)): Named,
    Query(asked): Query<Asked>,
    Query(folder): Query<Folder>,
) -> Result<Markup, Failure> {
    let path = paths::unescape(&folder.path);
    let path = path.strip_suffix(b"/").unwrap_or(&path);
    let asked = asked.along("path", paths::escape(path));
    let (info, _) = detail(&user, &client, &name).await?;
    let request = BrowseRequest {
        backup: Some(reference(&info.client, &info.name)),
        path: path.to_vec(),
        recursive: false,
    };
    let listed = user.services.backups().browse(request).await.or_fail(&user)?;
    let (rows, pages) = entries::read(&user, listed, &asked).await?;
    let downloads = user.downloads_of(&info.client).await;
    let title = match path {
        [] => info.name.clone(),
        path => paths::shown(paths::name(path)),
    };
    let body = html! {
        (crumbs(&user, &info, Some(&way(&user, &info, path))))
        h1 { bdi { (title) } }
        @if info.kind == "image" { (image(&user, &info)) }
        div.tools {
            (asked.search(&user, &user.say("browse-find")))
            @if info.kind == "file" { (search::field(&user, &info.client, path, "")) }
        }
        (entries::capped(&user, pages))
        (table(&user, &asked, &info, path, &rows, downloads))
        (asked.pager(&user, pages))
    };
    Ok(framed(&user, Place::Clients, &title, &body))
}

/// The volumes of an image are files here; those on them are found by way of its disks.
fn image(user: &User, info: &BackupInfo) -> Markup {
    html! {
        p.hint {
            (user.say("browse-image")) " "
            a href={ (address(&info.client, &info.name)) "#disks" } { (user.say("image-disks")) }
        }
    }
}

/// The folders down to what is looked at.
pub fn way(user: &User, info: &BackupInfo, path: &[u8]) -> Markup {
    let way = paths::way(path);
    html! {
        @if way.is_empty() { li aria-current="page" { (user.say("browse-all")) } }
        @else { li { a href=(folder_address(&info.client, &info.name, b"")) { (user.say("browse-all")) } } }
        @for (at, (name, folder)) in way.iter().enumerate() {
            @if at + 1 == way.len() { li aria-current="page" { (paths::show(name)) } }
            @else { li { a href=(folder_address(&info.client, &info.name, folder)) { (paths::show(name)) } } }
        }
    }
}

fn table(
    user: &User,
    asked: &Asked,
    info: &BackupInfo,
    folder: &[u8],
    rows: &[Row],
    downloads: Downloads,
) -> Markup {
    html! {
        @if rows.is_empty() { (entries::nothing(user, asked)) }
        @else if !downloads.are_shown() {
            div.scroll tabindex="0" role="region" aria-label=(user.say("browse-all")) { table {
                thead { tr { (entries::heads(user, asked)) } }
                tbody { @for row in rows { tr { (name(asked, row)) (entries::columns(user, row)) } } }
            } }
        }
        @else {
            form method="get" action="archive" {
                (formats(user, info, folder))
                div.scroll tabindex="0" role="region" aria-label=(user.say("browse-all")) { table {
                    thead { tr {
                        td.pick { label data-pick-all hidden { input type="checkbox"; span.unseen { (user.say("pick-all")) } } }
                        (entries::heads(user, asked))
                        td {}
                    } }
                    tbody { @for row in rows { tr {
                        (pick(user, row))
                        (name(asked, row))
                        (entries::columns(user, row))
                        (fetch(user, row))
                    } } }
                } }
            }
        }
    }
}

/// As what the selection can be downloaded, or all of the folder; files can be restored by their client, too.
fn formats(user: &User, info: &BackupInfo, folder: &[u8]) -> Markup {
    html! {
        div.tools.start {
            input type="hidden" name="folder" value=(paths::escape(folder));
            span { (user.say("pick-download")) }
            span.buttons { @for (format, _) in archive::FORMATS {
                button name="format" value=(format) aria-label=(user.language.say_with("pick-as", &[("format", format.into())])) { (format) }
            } }
            @if info.kind == "file" { button.quiet formaction="restore" { (user.say("bring-back")) } }
        }
    }
}

/// The box that selects an entry. Its name stands for it within the folder: an address has not room for many paths.
fn pick(user: &User, row: &Row) -> Markup {
    let name = paths::name(&row.entry.path);
    let label = user
        .language
        .say_with("pick-one", &[("name", paths::shown(name).into())]);
    html! {
        td.pick { label { input type="checkbox" name="name" value=(paths::escape(name)); span.unseen { (label) } } }
    }
}

/// The way to download a file at once.
fn fetch(user: &User, row: &Row) -> Markup {
    let name = paths::shown(paths::name(&row.entry.path));
    let label = user
        .language
        .say_with("file-download-named", &[("name", name.into())]);
    html! {
        td.pick {
            @if row.has_content() {
                a.fetch href={ "download?" (query("path", &paths::escape(&row.entry.path))) } aria-label=(label) title=(user.say("file-download")) { "↓" }
            }
        }
    }
}

/// The name of an entry, which leads to its page; a folder's leads into it, and how it is sorted stays.
fn name(asked: &Asked, row: &Row) -> Markup {
    let shown = paths::show(paths::name(&row.entry.path));
    let inside = Asked {
        sort: asked.sort.clone(),
        ..Asked::default()
    };
    html! {
        th.long scope="row" {
            @if row.is_folder() {
                a href=(inside.along("path", paths::escape(&row.entry.path)).with(|_| ())) { (shown) "/" }
            } @else {
                a href={ "file?" (query("path", &paths::escape(&row.entry.path))) } { (shown) }
            }
            @if !row.entry.target.is_empty() { span.hint { " → " (paths::show(&row.entry.target)) } }
        }
    }
}

/// One thing that is said in an address.
fn query(name: &str, value: &str) -> String {
    serde_urlencoded::to_string([(name, value)]).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use wire::v1::EntryView;

    use super::*;

    #[test]
    fn hostile_names_lead_where_they_are_and_nowhere_else() {
        let row = Row::of(EntryView {
            path: b"a\"><b&/\xff?#%".to_vec(),
            kind: "directory".to_owned(),
            ..EntryView::default()
        });
        let shown = name(&Asked::default(), &row).into_string();
        assert!(
            shown.contains("href=\"?path=a%22%3E%3Cb%26%2F%25FF%3F%23%2525\""),
            "{shown}"
        );
        assert_eq!(
            folder_address("laptop", "one", b"home"),
            "/clients/laptop/backups/one/files?path=home"
        );
    }
}
