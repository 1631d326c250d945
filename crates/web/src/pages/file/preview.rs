//! The beginning of a file, as far as it can be shown: text as text, and pictures of kinds that hold nothing but a picture. What a file
//! is is told by what is in it, never by its name.

use axum::extract::{Path, Query};
use axum::http::HeaderMap;
use axum::response::Response;
use maud::{Markup, html};
use tonic::{Code, Status};
use wire::v1::{BackupInfo, ContentHead, EntryView, ReadContentRequest};

use super::Asked;
use crate::content::{self, Served, Source};
use crate::failure::Failure;
use crate::pages::backup::{Named, address, reference};
use crate::parts::paths;
use crate::parts::table;
use crate::server_text;
use crate::visitor::User;

/// So much of a text is shown.
pub const MOST_TEXT_BYTES: u64 = 64 * 1024;
/// Larger pictures are only downloaded.
const MOST_PICTURE_BYTES: u64 = 20 * 1024 * 1024;
/// So much tells what a picture is.
const MAGIC_BYTES: u64 = 16;

/// What can be shown of a file.
#[derive(Debug, PartialEq, Eq)]
pub enum Preview {
    Text {
        text: String,
        is_cut: bool,
    },
    Picture,
    /// It is neither.
    Nothing,
    /// Whoever asks may not read it.
    Refused,
    /// Why it could not be read.
    Unreadable(String),
}

/// Finds out what can be shown, and how long the file is if it may be read.
pub async fn of(user: &User, info: &BackupInfo, entry: &EntryView) -> (Preview, Option<ContentHead>) {
    match start(user, source(info, &entry.path), MOST_TEXT_BYTES).await {
        Ok((head, data)) => (told(head.size_bytes, &data), Some(head)),
        Err(status) if status.code() == Code::PermissionDenied => (Preview::Refused, None),
        Err(status) => (Preview::Unreadable(status.message().to_owned()), None),
    }
}

/// What a file of this size is that begins with this.
fn told(size_bytes: u64, start: &[u8]) -> Preview {
    if picture_kind(start).is_some() && size_bytes <= MOST_PICTURE_BYTES {
        return Preview::Picture;
    }
    let is_cut = size_bytes > start.len() as u64;
    match as_text(start, is_cut) {
        Some(text) => Preview::Text { text, is_cut },
        None => Preview::Nothing,
    }
}

/// A file as it can be read.
pub fn source(info: &BackupInfo, path: &[u8]) -> Source {
    Source::File(ReadContentRequest {
        backup: Some(reference(&info.client, &info.name)),
        path: path.to_vec(),
        ..ReadContentRequest::default()
    })
}

/// Reads the beginning of a file; all of it where it is no longer than that.
pub async fn start(user: &User, file: Source, len_bytes: u64) -> Result<(ContentHead, Vec<u8>), Status> {
    let (head, mut parts) = file.open(&user.services, 0, len_bytes).await?;
    let mut start = Vec::new();
    while let Some(part) = parts.message().await? {
        start.append(&mut content::data_of(Ok(part))?);
    }
    Ok((head, start))
}

/// The text that bytes are, UTF-8 or else Latin-1; `None` for what is no text. Where it was cut, it may be within a character.
pub fn as_text(bytes: &[u8], is_cut: bool) -> Option<String> {
    let is_odd = |character: char| character.is_control() && !"\n\r\t\u{b}\u{c}\u{1b}".contains(character);
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(error) if is_cut && error.error_len().is_none() => {
            String::from_utf8_lossy(&bytes[..error.valid_up_to()]).into_owned()
        }
        Err(_) => bytes.iter().copied().map(char::from).collect(),
    };
    (!text.contains(is_odd)).then(|| text.replace(['\u{b}', '\u{c}', '\u{1b}'], "\u{fffd}"))
}

/// The media type of a picture that begins with this. One that can hold scripts, as SVG can, is none.
fn picture_kind(start: &[u8]) -> Option<&'static str> {
    match start {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => None,
    }
}

/// What the page shows of it.
pub fn show(user: &User, info: &BackupInfo, path: &[u8], preview: &Preview) -> Markup {
    let cut = user.language.bytes(MOST_TEXT_BYTES);
    html! {
        section.card {
            h2 { (user.say("file-preview")) }
            @match preview {
                Preview::Text { text, .. } if text.is_empty() => { p.none { (user.say("file-empty")) } }
                Preview::Text { text, is_cut } => {
                    pre.preview tabindex="0" { code { (text) } }
                    @if *is_cut { p.hint { (user.language.say_with("file-cut", &[("bytes", cut.into())])) } }
                }
                Preview::Picture => {
                    img.preview src=(picture_address(info, path)) alt=(paths::shown(paths::name(path)));
                }
                Preview::Nothing => { p.none { (user.say("file-no-preview")) } }
                Preview::Refused => { p.none { (user.say("file-refused")) } }
                Preview::Unreadable(why) => { p.problem { (user.say("file-unreadable")) " " (server_text::show(user.language, why)) } }
            }
        }
    }
}

fn picture_address(info: &BackupInfo, path: &[u8]) -> String {
    let query = table::Asked::default().along("path", paths::escape(path));
    format!(
        "{}/picture{}",
        address(&info.client, &info.name),
        query.with(|_| ())
    )
}

/// The picture that a file is; nothing else is ever shown.
pub async fn picture(
    user: User,
    Path((client, name)): Named,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let info = BackupInfo {
        client,
        name,
        ..BackupInfo::default()
    };
    let file = source(&info, &asked.path());
    let (head, magic) = start(&user, file.clone(), MAGIC_BYTES)
        .await
        .map_err(|status| Failure::of(status).for_visitor(&user))?;
    let kind = picture_kind(&magic).filter(|_| head.size_bytes <= MOST_PICTURE_BYTES);
    let Some(kind) = kind else {
        return Err(Failure::not_found().for_visitor(&user));
    };
    match content::serve(&user.services, &Served::shown(file, kind), &headers).await {
        Ok(response) => Ok(response),
        Err(refused) => refused.answer(&user),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_told_from_what_is_none() {
        assert_eq!(as_text("grün\n".as_bytes(), false).as_deref(), Some("grün\n"));
        assert_eq!(as_text(b"gr\xfcn", false).as_deref(), Some("grün"));
        assert_eq!(as_text(b"\x1b[2Jx", false).as_deref(), Some("\u{fffd}[2Jx"));
        assert_eq!(as_text(b"a\0b", false), None);
        assert_eq!(as_text(b"\x7fELF\x02", false), None);
        assert_eq!(
            as_text(b"\x93\x81", false),
            None,
            "Latin-1 has no characters there"
        );
        assert_eq!(as_text(b"", false).as_deref(), Some(""));
    }

    #[test]
    fn a_text_may_be_cut_within_a_character() {
        let text = "日本".as_bytes();
        assert_eq!(as_text(&text[..5], true).as_deref(), Some("日"));
        assert_ne!(as_text(&text[..5], false).as_deref(), Some("日"));
    }

    #[test]
    fn pictures_are_known_by_how_they_begin() {
        assert_eq!(picture_kind(b"\x89PNG\r\n\x1a\n\0\0"), Some("image/png"));
        assert_eq!(picture_kind(b"\xff\xd8\xff\xe0"), Some("image/jpeg"));
        assert_eq!(picture_kind(b"GIF89a"), Some("image/gif"));
        assert_eq!(picture_kind(b"RIFF\x01\x02\x03\x04WEBPVP8 "), Some("image/webp"));
        for other in [
            &b"<svg xmlns='http://www.w3.org/2000/svg'>"[..],
            b"<?xml version='1.0'?><svg/>",
            b"<html>",
            b"RIFF\x01\x02\x03\x04WAVE",
            b"\x89PN",
            b"GIF80a",
            b"",
        ] {
            assert_eq!(picture_kind(other), None);
        }
    }

    #[test]
    fn what_is_shown_depends_on_what_is_in_a_file() {
        assert_eq!(told(4, b"\xff\xd8\xff\xe0"), Preview::Picture);
        assert_eq!(
            told(30 << 20, b"\xff\xd8\xff\0"),
            Preview::Nothing,
            "it is too large"
        );
        let svg = "<svg><script>alert(1)</script></svg>";
        let text = |text: &str, is_cut| Preview::Text {
            text: text.to_owned(),
            is_cut,
        };
        assert_eq!(told(svg.len() as u64, svg.as_bytes()), text(svg, false));
        assert_eq!(told(100, b"ab"), text("ab", true));
    }
}
