//! One file of a backup: what it is, what can be seen of it, and what it was in other backups.

mod preview;
mod text_changes;
mod versions;

use axum::extract::{Path, Query};
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;
use wire::v1::{BackupInfo, BrowseRequest, ContentHead, EntryView};

use self::preview::Preview;
pub use self::preview::picture;
pub use self::text_changes::show as text_changes;
use crate::failure::{Failure, OrFail as _};
use crate::pages::backup::{Named, address, crumbs, detail, reference};
use crate::pages::browse;
use crate::parts::page::{Place, framed};
use crate::parts::say::exact_time;
use crate::parts::{entries, paths, table};
use crate::visitor::User;

/// Which file.
#[derive(Deserialize)]
pub struct Asked {
    /// As [`paths::escape`] makes it.
    #[serde(default)]
    path: String,
}

impl Asked {
    fn path(&self) -> Vec<u8> {
        let path = paths::unescape(&self.path);
        path.strip_suffix(b"/").unwrap_or(&path).to_vec()
    }
}

/// Where something in a backup is shown: a folder as what is in it, anything else on a page of its own.
pub fn entry_address(client: &str, name: &str, entry: &EntryView) -> String {
    match entry.kind.as_str() {
        "directory" => browse::folder_address(client, name, &entry.path),
        _ => file_address(client, name, "file", &entry.path),
    }
}

/// The address of something about a file: `file` is its page.
fn file_address(client: &str, name: &str, what: &str, path: &[u8]) -> String {
    let query = table::Asked::default().along("path", paths::escape(path));
    format!("{}/{what}{}", address(client, name), query.with(|_| ()))
}

pub async fn show(
    user: User,
    Path((client, name)): Named,
    Query(asked): Query<Asked>,
) -> Result<Response, Failure> {
    let path = asked.path();
    let (info, _) = detail(&user, &client, &name).await?;
    let Some(entry) = entry(&user, &info, &path).await? else {
        let folder = browse::folder_address(&info.client, &info.name, &path);
        return Ok(Redirect::to(&folder).into_response());
    };
    let (preview, head) = if has_content(&entry) {
        preview::of(&user, &info, &entry).await
    } else if user.downloads_of(&info.client).await.are_shown() {
        (Preview::Nothing, None)
    } else {
        (Preview::Refused, None)
    };
    let versions = versions::of(&user, &info, &entry, &preview).await?;
    let title = paths::shown(paths::name(&path));
    let body = html! {
        (crumbs(&user, &info, Some(&browse::way(&user, &info, &path))))
        div.heading {
            h1 { bdi { (title) } }
            @if is_readable(&entry) && preview != Preview::Refused {
                a.button.main href=(file_address(&info.client, &info.name, "download", &path)) { (user.say("file-download")) }
            }
            @if info.kind == "file" && preview != Preview::Refused {
                a.button href=(file_address(&info.client, &info.name, "restore", &path)) { (user.say("bring-back")) }
            }
        }
        (facts(&user, &entry, head.as_ref()))
        @if has_content(&entry) { (preview::show(&user, &info, &path, &preview)) }
        (versions)
    };
    Ok(framed(&user, Place::Clients, &title, &body).into_response())
}

/// What there is at a path; `None` if it is a folder.
async fn entry(user: &User, info: &BackupInfo, path: &[u8]) -> Result<Option<EntryView>, Failure> {
    let request = BrowseRequest {
        backup: Some(reference(&info.client, &info.name)),
        path: path.to_vec(),
        recursive: false,
    };
    let mut listed = user.services.backups().browse(request).await.or_fail(user)?;
    let first = listed
        .message()
        .await
        .map_err(|status| Failure::of(status).for_visitor(user))?;
    // Of a folder comes what is in it, of anything else that itself.
    let first = first.and_then(|part| part.entries.into_iter().next());
    Ok(first.filter(|entry| entry.path == path))
}

/// Whether it is a file.
fn has_content(entry: &EntryView) -> bool {
    matches!(entry.kind.as_str(), "file" | "hard link")
}

/// Whether it can be downloaded.
fn is_readable(entry: &EntryView) -> bool {
    has_content(entry) || entry.kind == "volume"
}

fn facts(user: &User, entry: &EntryView, head: Option<&ContentHead>) -> Markup {
    // A further name of a file has its size and hash from the file.
    let (size_bytes, hash) = match head {
        Some(head) => (Some(head.size_bytes), &head.hash),
        None => (
            matches!(entry.kind.as_str(), "file" | "volume").then_some(entry.size),
            &entry.hash,
        ),
    };
    html! {
        section.card { dl {
            dt { (user.say("file-kind")) } dd { (kind(user, &entry.kind)) }
            @if !entry.target.is_empty() { dt { (user.say("file-target")) } dd { (paths::show(&entry.target)) } }
            @if let Some(bytes) = size_bytes {
                dt { (user.say("browse-size")) }
                dd { (user.language.bytes(bytes)) @if bytes >= 1024 { span.hint { " · " (user.language.number(bytes)) " B" } } }
            }
            dt { (user.say("browse-time")) } dd { (exact_time(user, entry.mtime_s.saturating_mul(1000))) }
            dt { (user.say("browse-mode")) } dd { code { (entries::mode(&entry.kind, entry.mode)) } }
            dt { (user.say("browse-owner")) } dd { (entries::owner(entry)) }
            @if !hash.is_empty() { dt { (user.say("file-hash")) } dd { code { (data_encoding::HEXLOWER.encode(hash)) } } }
        } }
    }
}

/// What something in a backup is, in words.
pub fn kind(user: &User, kind: &str) -> String {
    user.say(&format!("entry-{}", kind.replace(' ', "-")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Language;

    #[test]
    fn folders_and_files_are_shown_where_they_are() {
        let at = |path: &[u8], kind: &str| {
            let entry = EntryView {
                path: path.to_vec(),
                kind: kind.to_owned(),
                ..EntryView::default()
            };
            entry_address("laptop", "one", &entry)
        };
        assert_eq!(
            at(b"a/b", "directory"),
            "/clients/laptop/backups/one/files?path=a%2Fb"
        );
        assert_eq!(
            at(b"a\"><b&\xff", "file"),
            "/clients/laptop/backups/one/file?path=a%22%3E%3Cb%26%25FF"
        );
        assert_eq!(at(b"a", "symlink"), "/clients/laptop/backups/one/file?path=a");
    }

    #[test]
    fn each_kind_has_its_word() {
        for kind in [
            "file",
            "volume",
            "directory",
            "symlink",
            "hard link",
            "fifo",
            "character device",
            "block device",
        ] {
            for language in Language::ALL {
                assert!(
                    language.has(&format!("entry-{}", kind.replace(' ', "-"))),
                    "{kind}"
                );
            }
        }
    }
}
