//! What lies in a folder, of a backup or of a volume in an image: read, sorted, and told in the columns of a list.

use std::cmp::Ordering;

use maud::{Markup, html};
use tonic::Streaming;
use wire::v1::{BrowseReply, EntryView};

use crate::failure::Failure;
use crate::parts::paths;
use crate::parts::say::exact_time;
use crate::parts::sieve::Sieve;
use crate::parts::table::{Asked, Pages};
use crate::visitor::{User, Visitor};

/// What a folder is sorted by if nothing is said.
const USUAL: &str = "name";
/// So many entries of a folder can be reached by going from page to page.
pub const MOST_ROWS: usize = 100_000;

/// An entry, ready to be sorted.
#[derive(Debug)]
pub struct Row {
    pub entry: EntryView,
    /// Its name in small letters, as far as it is text.
    key: String,
}

impl Row {
    /// The entry, without what is not shown.
    pub fn of(entry: EntryView) -> Self {
        let key = paths::shown(paths::name(&entry.path)).to_lowercase();
        let entry = EntryView {
            hash: Vec::new(),
            ..entry
        };
        Self { entry, key }
    }

    pub fn is_folder(&self) -> bool {
        self.entry.kind == "directory"
    }

    /// Whether it is a file that can be downloaded.
    pub fn has_content(&self) -> bool {
        matches!(self.entry.kind.as_str(), "file" | "hard link")
    }

    /// Its size, where that means something.
    pub fn size_bytes(&self) -> Option<u64> {
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
pub async fn read(
    user: &User,
    mut parts: Streaming<BrowseReply>,
    asked: &Asked,
) -> Result<(Vec<Row>, Pages), Failure> {
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

/// What is said where a folder has more than can be paged through.
pub fn capped(visitor: &Visitor, pages: Pages) -> Markup {
    let count = visitor.language.number(MOST_ROWS as u64);
    html! {
        @if pages.count > MOST_ROWS {
            p.hint { (visitor.language.say_with("browse-capped", &[("count", count.into())])) }
        }
    }
}

/// What is said where there are no rows.
pub fn nothing(visitor: &Visitor, asked: &Asked) -> Markup {
    let text = match asked.q.is_empty() {
        true => "browse-empty",
        false => "browse-nothing-found",
    };
    html! { p.none { (visitor.say(text)) } }
}

/// The heads of the columns: the name's, which is the page's own, and those of [`columns`].
pub fn heads(visitor: &Visitor, asked: &Asked) -> Markup {
    html! {
        @for (column, class) in [("name", ""), ("size", "figure"), ("time", "")] {
            (asked.head(USUAL, (column, class), &visitor.say(&format!("browse-{column}"))))
        }
        @for head in ["mode", "owner"] { th scope="col" { (visitor.say(&format!("browse-{head}"))) } }
    }
}

/// What is told of an entry beside its name.
pub fn columns(visitor: &Visitor, row: &Row) -> Markup {
    html! {
        td.figure { @if let Some(bytes) = row.size_bytes() { (visitor.language.bytes(bytes)) } }
        td.time { (exact_time(visitor, row.entry.mtime_s.saturating_mul(1000))) }
        td { code { (mode(&row.entry.kind, row.entry.mode)) } }
        td { (owner(&row.entry)) }
    }
}

/// Kind and permissions as `ls` shows them.
pub fn mode(kind: &str, mode: u32) -> String {
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
pub fn owner(entry: &EntryView) -> String {
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
}
