//! Paths within backups: bytes that clients chose. They are shown as far as they are text, and addressed as they are.

use maud::{Markup, html};

/// A path as text that leads back to the same bytes. What is no text, or would not survive a form, becomes `%` and two hex digits, and
/// so does `%`.
pub fn escape(path: &[u8]) -> String {
    let mut text = String::with_capacity(path.len());
    for chunk in path.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character.is_control() || character == '%' {
                true => push_hex(&mut text, character.encode_utf8(&mut [0; 4]).as_bytes()),
                false => text.push(character),
            }
        }
        push_hex(&mut text, chunk.invalid());
    }
    text
}

fn push_hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        text.push('%');
        text.push_str(&data_encoding::HEXUPPER.encode(&[*byte]));
    }
}

/// The path that [`escape`] has made a text of. A `%` without two hex digits stands for itself.
pub fn unescape(text: &str) -> Vec<u8> {
    let mut path = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = (*first == b'%')
            .then(|| after.split_at_checked(2))
            .flatten()
            .and_then(|(hex, after)| {
                let byte = data_encoding::HEXUPPER_PERMISSIVE.decode(hex).ok()?;
                Some((*byte.first()?, after))
            });
        let (byte, after) = escaped.unwrap_or((*first, after));
        path.push(byte);
        rest = after;
    }
    path
}

/// A path as people read it. What has no shape is shown as the sign for that.
pub fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(path).replace(char::is_control, "\u{fffd}")
}

/// The same in a page: it can't turn around what stands beside it.
pub fn show(path: &[u8]) -> Markup {
    html! { bdi.path { (shown(path)) } }
}

/// The last name of a path.
pub fn name(path: &[u8]) -> &[u8] {
    split(path).map_or(path, |(_, name)| name)
}

/// The folder of a path; empty for what lies at the top.
pub fn folder(path: &[u8]) -> &[u8] {
    split(path).map_or(&[], |(folder, _)| folder)
}

fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = path.iter().rposition(|byte| *byte == b'/')?;
    Some((&path[..at], &path[at + 1..]))
}

/// The folders on the way to a path and it itself, each with its name.
pub fn way(path: &[u8]) -> Vec<(&[u8], &[u8])> {
    let ends = (0..=path.len()).filter(|end| path.get(*end).is_none_or(|byte| *byte == b'/'));
    ends.map(|end| (name(&path[..end]), &path[..end]))
        .filter(|(name, _)| !name.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_path_can_be_addressed() {
        let all: Vec<u8> = (0..=255).collect();
        let paths: [&[u8]; 7] = [
            b"",
            b"home/me",
            "home/Müller/日本".as_bytes(),
            b"home/caf\xe9",
            b"100%/%41/%",
            b"line\r\nfeed",
            &all,
        ];
        for path in paths {
            let text = escape(path);
            assert_eq!(unescape(&text), path, "{text}");
            assert!(!text.contains(char::is_control), "{text}");
            let query = serde_urlencoded::to_string([("path", &text)]).expect("it is text");
            let read: Vec<(String, String)> = serde_urlencoded::from_str(&query).expect("it is a query");
            assert_eq!(unescape(&read[0].1), path, "{query}");
        }
    }

    #[test]
    fn text_stays_readable() {
        assert_eq!(escape("home/Müller".as_bytes()), "home/Müller");
        assert_eq!(escape(b"caf\xe9 100%\n"), "caf%E9 100%25%0A");
        assert_eq!(unescape("100%/caf%e9%"), b"100%/caf\xe9%");
        assert_eq!(shown(b"caf\xe9\x1b[2J"), "caf\u{fffd}\u{fffd}[2J");
        let hostile = show(b"<script>alert(1)</script>").into_string();
        assert_eq!(
            hostile,
            "<bdi class=\"path\">&lt;script&gt;alert(1)&lt;/script&gt;</bdi>"
        );
    }

    #[test]
    fn a_path_is_told_folder_by_folder() {
        let way = |path| -> Vec<(&[u8], &[u8])> { super::way(path) };
        assert!(way(b"").is_empty());
        let expected: [(&[u8], &[u8]); 3] = [
            (b"home", b"home"),
            (b"\xff", b"home/\xff"),
            (b"c", b"home/\xff/c"),
        ];
        assert_eq!(way(b"home/\xff/c"), expected);
        assert_eq!((name(b"a/b/c"), folder(b"a/b/c")), (&b"c"[..], &b"a/b"[..]));
        assert_eq!((name(b"a"), folder(b"a")), (&b"a"[..], &b""[..]));
    }
}
