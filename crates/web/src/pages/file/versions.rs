//! What a file was in each backup: its versions, the newest first, and the ways to them.

use maud::{Markup, html};
use wire::v1::{BackupInfo, EntryView, FileVersion, ListVersionsRequest};

use super::preview::Preview;
use super::text_changes::{self, MOST_BYTES};
use super::{file_address, is_readable, kind};
use crate::failure::{Failure, OrFail as _};
use crate::pages::backup::address;
use crate::parts::say::exact_time;
use crate::visitor::User;

/// The columns, each with its class.
const COLUMNS: [(&str, &str); 6] = [
    ("changed", ""),
    ("size", "figure"),
    ("from", ""),
    ("to", ""),
    ("backups", "figure"),
    ("do", ""),
];

/// The versions of a file in a table; nothing for what is in an image.
pub async fn of(
    user: &User,
    info: &BackupInfo,
    entry: &EntryView,
    preview: &Preview,
) -> Result<Markup, Failure> {
    if info.kind != "file" {
        return Ok(html! {});
    }
    let request = ListVersionsRequest {
        client: info.client.clone(),
        path: entry.path.clone(),
    };
    let listed = user.services.contents().list_versions(request).await;
    let all = listed.or_fail(user)?.versions;
    let label = user.say("file-versions");
    Ok(html! {
        section.card #versions {
            h2 { (label) }
            div.scroll tabindex="0" role="region" aria-label=(label) { table {
                thead { tr { @for (head, class) in COLUMNS {
                    th.(class) scope="col" { (user.say(&format!("file-version-{head}"))) }
                } } }
                tbody { @for (at, version) in all.iter().enumerate() {
                    (row(user, info, preview, version, all.get(at + 1)))
                } }
            } }
        }
    })
}

fn row(
    user: &User,
    info: &BackupInfo,
    preview: &Preview,
    version: &FileVersion,
    before: Option<&FileVersion>,
) -> Markup {
    let entry = version.entry.clone().unwrap_or_default();
    let is_here = is_of(version, info);
    // The page that is open is that of this very backup, whichever of those with the same it is.
    let page = file_address(&info.client, &version.newest, "file", &entry.path);
    let changed = exact_time(user, entry.mtime_s.saturating_mul(1000));
    html! {
        tr aria-current=[is_here.then_some("true")] {
            th scope="row" {
                @if is_here { (changed) " " span.badge { (user.say("file-version-here")) } }
                @else { a href=(page) { (changed) } }
            }
            td.figure { @if is_readable(&entry) { (user.language.bytes(entry.size)) } @else { (kind(user, &entry.kind)) } }
            td { (backup(user, info, &version.oldest, version.oldest_ms)) }
            td { (backup(user, info, &version.newest, version.newest_ms)) }
            td.figure { (user.language.number(version.backups.into())) }
            td { (deeds(user, info, preview, version, before)) }
        }
    }
}

fn backup(user: &User, info: &BackupInfo, name: &str, at_ms: i64) -> Markup {
    html! { a href=(address(&info.client, name)) { (exact_time(user, at_ms)) } }
}

/// What can be done with a version.
fn deeds(
    user: &User,
    info: &BackupInfo,
    preview: &Preview,
    version: &FileVersion,
    before: Option<&FileVersion>,
) -> Markup {
    let entry = version.entry.clone().unwrap_or_default();
    let download = file_address(&info.client, &version.newest, "download", &entry.path);
    let is_text = matches!(preview, Preview::Text { .. });
    let before = before.filter(|before| is_text && is_comparable(version) && is_comparable(before));
    html! {
        span.buttons {
            @if is_readable(&entry) && *preview != Preview::Refused { a href=(download) { (user.say("file-download")) } }
            @if let Some(before) = before {
                a href=(text_changes::address(&info.client, &version.newest, &entry.path, &before.newest)) {
                    (user.say("file-compare"))
                }
            }
        }
    }
}

/// Whether a backup has this version.
fn is_of(version: &FileVersion, info: &BackupInfo) -> bool {
    (version.oldest_ms..=version.newest_ms).contains(&info.started_ms)
}

/// Whether a version is short enough to be compared.
fn is_comparable(version: &FileVersion) -> bool {
    let entry = version.entry.as_ref();
    entry.is_some_and(|entry| super::has_content(entry) && entry.size <= MOST_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_that_of_the_backups_in_a_row() {
        let version = FileVersion {
            oldest_ms: 1000,
            newest_ms: 3000,
            ..FileVersion::default()
        };
        let backup = |started_ms| BackupInfo {
            started_ms,
            ..BackupInfo::default()
        };
        let of = [999, 1000, 2000, 3000, 3001].map(|at_ms| is_of(&version, &backup(at_ms)));
        assert_eq!(of, [false, true, true, true, false]);
    }

    #[test]
    fn only_short_files_are_compared() {
        let version = |kind: &str, size| FileVersion {
            entry: Some(EntryView {
                kind: kind.to_owned(),
                size,
                ..EntryView::default()
            }),
            ..FileVersion::default()
        };
        assert!(is_comparable(&version("file", MOST_BYTES)));
        assert!(!is_comparable(&version("file", MOST_BYTES + 1)));
        assert!(!is_comparable(&version("symlink", 3)));
        assert!(!is_comparable(&FileVersion::default()));
    }
}
