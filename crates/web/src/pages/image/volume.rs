//! The files on a volume of an image, folder by folder, without mounting it; and their content.

use axum::extract::{Path, Query};
use axum::http::HeaderMap;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;
use wire::v1::{BackupInfo, BrowseVolumeRequest, ReadVolumeFileRequest};

use super::{KIND, disks, volume_name};
use crate::content::{self, Served};
use crate::failure::{Failure, OrFail as _};
use crate::pages::backup::{Named, address, crumbs, detail, reference};
use crate::parts::entries::{self, Row};
use crate::parts::page::{Place, framed};
use crate::parts::paths;
use crate::parts::table::Asked;
use crate::visitor::{Downloads, User};

/// Something on a volume.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Spot {
    /// The volume, as the image has its path; empty where none is chosen.
    #[serde(default)]
    volume: String,
    /// As [`paths::escape`] makes it.
    #[serde(default)]
    path: String,
}

/// What leads to something on a volume.
fn along(asked: Asked, volume: &str, path: &[u8]) -> Asked {
    asked
        .along("volume", volume.to_owned())
        .along("path", paths::escape(path))
}

/// Where a folder on a volume is shown.
pub fn folder_address(info: &BackupInfo, volume: &str, path: &[u8]) -> String {
    let query = along(Asked::default(), volume, path).with(|_| ());
    format!("{}/volume{query}", address(&info.client, &info.name))
}

/// A folder on a volume; where none is named, the choice of one.
pub async fn show(
    user: User,
    Path((client, name)): Named,
    Query(asked): Query<Asked>,
    Query(spot): Query<Spot>,
) -> Result<Markup, Failure> {
    let (info, _) = detail(&user, &client, &name).await?;
    if spot.volume.is_empty() {
        return choice(&user, &info).await;
    }
    let path = paths::unescape(&spot.path);
    let path = path.strip_suffix(b"/").unwrap_or(&path);
    let asked = along(asked, &spot.volume, path);
    let request = BrowseVolumeRequest {
        backup: Some(reference(&info.client, &info.name)),
        volume: spot.volume.clone(),
        path: path.to_vec(),
    };
    let listed = user.services.contents().browse_volume(request).await;
    let listed = listed.or_fail(&user)?;
    let (rows, pages) = entries::read(&user, listed, &asked).await?;
    let downloads = user.downloads_of(&info.client).await;
    let title = match path {
        [] => volume_name(&spot.volume).to_owned(),
        path => paths::shown(paths::name(path)),
    };
    let body = html! {
        (crumbs(&user, &info, Some(&way(&info, &spot.volume, path))))
        h1 { bdi { (title) } }
        div.tools { (asked.search(&user, &user.say("browse-find"))) }
        (entries::capped(&user, pages))
        (table(&user, &asked, &spot.volume, &rows, downloads))
        (asked.pager(&user, pages))
    };
    Ok(framed(&user, Place::Clients, &title, &body))
}

async fn choice(user: &User, info: &BackupInfo) -> Result<Markup, Failure> {
    let title = user.say("image-disks");
    let volumes = match info.kind.as_str() {
        KIND => disks(user, info).await?,
        _ => html! { p.none { (user.say("image-none")) } },
    };
    let here = html! { li aria-current="page" { (title) } };
    let body = html! {
        (crumbs(user, info, Some(&here)))
        h1 { (info.name) }
        (volumes)
    };
    Ok(framed(user, Place::Clients, &title, &body))
}

/// The volume and the folders down to the one that is looked into.
fn way(info: &BackupInfo, volume: &str, path: &[u8]) -> Markup {
    let way = paths::way(path);
    let name = volume_name(volume);
    html! {
        @if way.is_empty() { li aria-current="page" { bdi { (name) } } }
        @else { li { a href=(folder_address(info, volume, b"")) { bdi { (name) } } } }
        @for (at, (name, folder)) in way.iter().enumerate() {
            @if at + 1 == way.len() { li aria-current="page" { (paths::show(name)) } }
            @else { li { a href=(folder_address(info, volume, folder)) { (paths::show(name)) } } }
        }
    }
}

fn table(user: &User, asked: &Asked, volume: &str, rows: &[Row], downloads: Downloads) -> Markup {
    html! {
        @if rows.is_empty() { (entries::nothing(user, asked)) }
        @else {
            div.scroll tabindex="0" role="region" aria-label=(user.say("browse-all")) { table {
                thead { tr { (entries::heads(user, asked)) } }
                tbody { @for row in rows { tr { (name(asked, volume, row, downloads)) (entries::columns(user, row)) } } }
            } }
        }
    }
}

/// The name of an entry; a folder's leads into it, and how it is sorted stays.
fn name(asked: &Asked, volume: &str, row: &Row, downloads: Downloads) -> Markup {
    let shown = paths::show(paths::name(&row.entry.path));
    let sorted = Asked {
        sort: asked.sort.clone(),
        ..Asked::default()
    };
    let query = |asked: Asked| along(asked, volume, &row.entry.path).with(|_| ());
    html! {
        th.long scope="row" {
            @if row.is_folder() { a href=(query(sorted)) { (shown) "/" } }
            @else if row.has_content() && downloads.are_shown() { a href={ "volume-file" (query(Asked::default())) } { (shown) } }
            @else { (shown) }
            @if !row.entry.target.is_empty() { span.hint { " → " (paths::show(&row.entry.target)) } }
        }
    }
}

/// The content of a file on a volume, whole or in part.
pub async fn file(
    user: User,
    Path((client, name)): Named,
    Query(spot): Query<Spot>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let whole = ReadVolumeFileRequest {
        backup: Some(reference(&client, &name)),
        volume: spot.volume,
        path: paths::unescape(&spot.path),
        ..ReadVolumeFileRequest::default()
    };
    let served = content::serve(&user.services, &Served::file(whole), &headers).await;
    served.or_else(|refused| refused.answer(&user))
}

#[cfg(test)]
mod tests {
    use wire::v1::EntryView;

    use super::*;

    #[test]
    fn hostile_names_lead_where_they_are_and_nowhere_else() {
        let row = Row::of(EntryView {
            path: b"a\"><b&/\xff?#%".to_vec(),
            kind: "file".to_owned(),
            ..EntryView::default()
        });
        let shown = name(&Asked::default(), "sda/sda1.raw", &row, Downloads::Shown).into_string();
        assert!(
            shown.contains(
                "href=\"volume-file?volume=sda%2Fsda1.raw&amp;path=a%22%3E%3Cb%26%2F%25FF%3F%23%2525\""
            ),
            "{shown}"
        );
        let hidden = name(&Asked::default(), "sda/sda1.raw", &row, Downloads::Hidden).into_string();
        assert!(!hidden.contains("href"), "{hidden}");
    }

    #[test]
    fn a_folder_keeps_how_it_is_sorted() {
        let row = Row::of(EntryView {
            path: b"home/me".to_vec(),
            kind: "directory".to_owned(),
            ..EntryView::default()
        });
        let asked = Asked {
            sort: "-size".to_owned(),
            q: "x".to_owned(),
            page: 3,
            ..Asked::default()
        };
        let shown = name(&asked, "sda/sda1.raw", &row, Downloads::Shown).into_string();
        assert!(
            shown.contains("href=\"?volume=sda%2Fsda1.raw&amp;path=home%2Fme&amp;sort=-size\""),
            "{shown}"
        );
    }
}
