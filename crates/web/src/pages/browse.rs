//! What lies in a backup, folder by folder.

use std::cmp::Ordering;

use axum::extract::{Path, Query};
use maud::{Markup, html};
use serde::Deserialize;
use wire::v1::{BackupInfo, BrowseRequest, EntryView};

use crate::failure::{Failure, OrFail as _};
use crate::pages::backup::{Named, address, crumbs, detail, reference};
use crate::parts::page::{Place, framed};
use crate::parts::paths;
use crate::parts::say::exact_time;
use crate::parts::sieve::Sieve;
use crate::parts::table::{Asked, Pages};
use crate::visitor::User;

/// What a folder is sorted by if nothing is said.
const USUAL: &str = "name";
/// So many entries of a folder can be reached by going from page to page.
const MOST_ROWS: usize = 100_000;

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
    let (rows, pages) = read(&user, &info, path, &asked).await?;
    let title = match path {
        [] => info.name.clone(),
        path => paths::shown(paths::name(path)),
    };
    let capped = user.language.say_with(
        "browse-capped",
        &[("count", user.language.number(MOST_ROWS as u64).into())],
    );
    let body = html! {
        (crumbs(&user, &info, Some(&way(&user, &info, path))))
        h1 { bdi { (title) } }
        @if info.kind == "image" { (image(&user, &info)) }
        div.tools { (asked.search(&user, &user.say("browse-find"))) }
        @if pages.count > MOST_ROWS { p.hint { (capped) } }
        (table(&user, &asked, &rows))
        (asked.pager(&user, pages))
    };
    Ok(framed(&user, Place::Clients, &title, &body))
}

/// The files within an image's volumes are for the client's own program.
fn image(user: &User, info: &BackupInfo) -> Markup {
    let command = format!("perennial image browse {}/{}:DISK/VOLUME", info.client, info.name);
    html! {
        section.card {
            p { (user.say("browse-image")) }
            pre.copy data-copied=(user.say("copied")) { code { (command) } }
        }
    }
}

/// The folders down to the one that is looked into.
fn way(user: &User, info: &BackupInfo, path: &[u8]) -> Markup {
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

/// An entry, ready to be sorted.
#[derive(Debug)]
struct Row {
    entry: EntryView,
    /// Its name in small letters, as far as it is text.
    key: String,
}

impl Row {
    /// The entry, without what is not shown.
    fn of(entry: EntryView) -> Self {
        let key = paths::shown(paths::name(&entry.path)).to_lowercase();
        let entry = EntryView {
            hash: Vec::new(),
            ..entry
        };
        Self { entry, key }
    }

    fn is_folder(&self) -> bool {
        self.entry.kind == "directory"
    }

    /// Whether it is a file that can be downloaded.
    fn has_content(&self) -> bool {
        matches!(self.entry.kind.as_str(), "file" | "hard link")
    }

    /// Its size, where that means something.
    fn size_bytes(&self) -> Option<u64> {
        matches!(self.entry.kind.as_str(), "file" | "volume").then_some(self.entry.size)
    }
}

/// Folders first, whichever way round the rest goes; names that read the same as their bytes are.
fn compare(one: &Row, other: &Row, (column, is_reversed): (&str, bool)) -> Ordering {
    let (a, b) = (&one.entry, &other.entry);
    let by_column = match column {
        "size" => one.size_bytes().cmp(&other.size_bytes()),
        "time" => (a.mtime_s, a.mtime_ns).cmp(&(b.mtime_s, b.mtime_ns)),
        _ => Ordering::Equal,
    };
    let by_name = || one.key.cmp(&other.key).then_with(|| a.path.cmp(&b.path));
    let within = by_column.then_with(by_name);
    let within = if is_reversed { within.reverse() } else { within };
    other.is_folder().cmp(&one.is_folder()).then(within)
}

/// Reads a folder, and keeps what the page shows.
async fn read(
    user: &User,
    info: &BackupInfo,
    path: &[u8],
    asked: &Asked,
) -> Result<(Vec<Row>, Pages), Failure> {
    let request = BrowseRequest {
        backup: Some(reference(&info.client, &info.name)),
        path: path.to_vec(),
        recursive: false,
    };
    let mut parts = user.services.backups().browse(request).await.or_fail(user)?;
    let order = asked.order(USUAL);
    let needle = asked.q.to_lowercase();
    let mut sieve = Sieve::new(asked, MOST_ROWS, |one: &Row, other: &Row| {
        compare(one, other, order)
    });
    while let Some(part) = parts
        .message()
        .await
        .map_err(|status| Failure::of(status).for_visitor(user))?
    {
        let rows = part.entries.into_iter().map(Row::of);
        rows.filter(|row| row.key.contains(&needle))
            .for_each(|row| sieve.add(row));
    }
    Ok(sieve.finish())
}

fn table(user: &User, asked: &Asked, rows: &[Row]) -> Markup {
    let table = html! {
        table {
            thead { tr {
                @for (column, class) in [("name", ""), ("size", "figure"), ("time", "")] {
                    (asked.head(USUAL, (column, class), &user.say(&format!("browse-{column}"))))
                }
                @for head in ["mode", "owner"] { th scope="col" { (user.say(&format!("browse-{head}"))) } }
            } }
            tbody { @for row in rows { tr {
                (name(asked, row))
                td.figure { @if let Some(bytes) = row.size_bytes() { (user.language.bytes(bytes)) } }
                td.time { (exact_time(user, row.entry.mtime_s.saturating_mul(1000))) }
                td { code { (mode(&row.entry.kind, row.entry.mode)) } }
                td { (owner(&row.entry)) }
            } } }
        }
    };
    html! {
        @match (rows.is_empty(), asked.q.is_empty()) {
            (true, true) => { p.none { (user.say("browse-empty")) } }
            (true, false) => { p.none { (user.say("browse-nothing-found")) } }
            _ => { div.scroll tabindex="0" role="region" aria-label=(user.say("browse-all")) { (table) } }
        }
    }
}

/// The name of an entry; a folder's leads into it, and how it is sorted stays.
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
            } @else if row.has_content() {
                a href={ "download?" (query("path", &paths::escape(&row.entry.path))) } { (shown) }
            } @else { (shown) }
            @if !row.entry.target.is_empty() { span.hint { " → " (paths::show(&row.entry.target)) } }
        }
    }
}

/// One thing that is said in an address.
fn query(name: &str, value: &str) -> String {
    serde_urlencoded::to_string([(name, value)]).unwrap_or_default()
}

/// Kind and permissions as `ls` shows them.
fn mode(kind: &str, mode: u32) -> String {
    let kind = match kind {
        "directory" => 'd',
        "symlink" => 'l',
        "fifo" => 'p',
        "character device" => 'c',
        "block device" => 'b',
        _ => '-',
    };
    // Who it is for, the bit that changes how one runs it, and the letter for that.
    let classes = [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')];
    let mut text = String::from(kind);
    for (shift, special, letter) in classes {
        let bits = mode >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (mode & special != 0, bits & 1 != 0) {
            (false, false) => '-',
            (false, true) => 'x',
            (true, true) => letter,
            (true, false) => letter.to_ascii_uppercase(),
        });
    }
    text
}

/// User and group by name, or by number where they have none.
fn owner(entry: &EntryView) -> String {
    let named = |name: &str, number: u32| match name {
        "" => number.to_string(),
        name => name.to_owned(),
    };
    format!(
        "{}:{}",
        named(&entry.user, entry.uid),
        named(&entry.group, entry.gid)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(path: &[u8], kind: &str, size: u64, mtime_s: i64) -> Row {
        Row::of(EntryView {
            path: path.to_vec(),
            kind: kind.to_owned(),
            size,
            mtime_s,
            ..EntryView::default()
        })
    }

    fn sorted(order: (&str, bool)) -> Vec<String> {
        let mut rows = [
            row(b"d/b.txt", "file", 10, 300),
            row(b"d/A.txt", "file", 30, 100),
            row(b"d/Sub", "directory", 4096, 50),
            row(b"d/link", "symlink", 0, 200),
            row(b"d/archive", "directory", 0, 400),
        ];
        rows.sort_by(|one, other| compare(one, other, order));
        rows.iter().map(|row| row.key.clone()).collect()
    }

    #[test]
    fn folders_come_first_either_way_round() {
        assert_eq!(
            sorted(("name", false)),
            ["archive", "sub", "a.txt", "b.txt", "link"]
        );
        assert_eq!(
            sorted(("name", true)),
            ["sub", "archive", "link", "b.txt", "a.txt"]
        );
        assert_eq!(
            sorted(("size", false)),
            ["archive", "sub", "link", "b.txt", "a.txt"]
        );
        assert_eq!(
            sorted(("size", true)),
            ["sub", "archive", "a.txt", "b.txt", "link"]
        );
        assert_eq!(
            sorted(("time", false)),
            ["sub", "archive", "a.txt", "link", "b.txt"]
        );
        assert_eq!(sorted(("nonsense", false)), sorted(("name", false)));
    }

    #[test]
    fn names_that_read_the_same_are_told_apart() {
        let (one, other) = (row(b"\xfe", "file", 0, 0), row(b"\xff", "file", 0, 0));
        assert_eq!(compare(&one, &other, ("name", false)), Ordering::Less);
    }

    #[test]
    fn modes_read_as_in_ls() {
        assert_eq!(mode("file", 0o644), "-rw-r--r--");
        assert_eq!(mode("directory", 0o1777), "drwxrwxrwt");
        assert_eq!(mode("directory", 0o1770), "drwxrwx--T");
        assert_eq!(mode("file", 0o4755), "-rwsr-xr-x");
        assert_eq!(mode("file", 0o2644), "-rw-r-Sr--");
        assert_eq!(mode("symlink", 0o777), "lrwxrwxrwx");
        assert_eq!(mode("fifo", 0), "p---------");
        assert_eq!(mode("file", 0o100_644), "-rw-r--r--", "with the file type too");
    }

    #[test]
    fn owners_without_name_are_numbers() {
        let entry = EntryView {
            uid: 1000,
            gid: 27,
            group: "sudo".to_owned(),
            ..EntryView::default()
        };
        assert_eq!(owner(&entry), "1000:sudo");
    }

    #[test]
    fn hostile_names_lead_where_they_are_and_nowhere_else() {
        let row = row(b"a\"><b&/\xff?#%", "directory", 0, 0);
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
