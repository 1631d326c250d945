//! A file of a backup, to be kept by a browser. Whatever is in it, it is not shown or run as a page of ours.

use axum::body::{Body, Bytes};
use axum::extract::{Path, Query};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use tokio_stream::StreamExt as _;
use tonic::{Code, Status, Streaming};
use wire::v1::content_part::Part;
use wire::v1::{BackupRef, ContentHead, ContentPart, ReadContentRequest};

use crate::failure::{Failure, OrFail as _};
use crate::parts::address::segment;
use crate::parts::paths;
use crate::visitor::User;

/// What browsers may do with a file that they are given: nothing.
const FILE_POLICY: &str = "default-src 'none'; sandbox";

/// Which file.
#[derive(Deserialize)]
pub struct Asked {
    #[serde(default)]
    path: String,
}

/// A part of a file that is asked for: from where on, and to where, or for how much of the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    From(u64),
    Between(u64, u64),
    Last(u64),
}

pub async fn file(
    user: User,
    Path((client, name)): Path<(String, String)>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let path = paths::unescape(&asked.path);
    let whole = ReadContentRequest {
        backup: Some(BackupRef { client, name }),
        path: path.clone(),
        offset_bytes: 0,
        len_bytes: 0,
    };
    let Some(wanted) = text(&headers, header::RANGE).and_then(parse_range) else {
        return all_of_it(&user, whole).await;
    };
    // How long it is, and whether it is still what the browser has a part of: as little as can be asked for tells.
    let first_byte = ReadContentRequest {
        len_bytes: 1,
        ..whole.clone()
    };
    let (head, _) = open(&user, first_byte).await?;
    let tag = tag(&head);
    if text(&headers, header::IF_RANGE).is_some_and(|known| known != tag) {
        return all_of_it(&user, whole).await;
    }
    let Some((first, last)) = wanted.within(head.size_bytes) else {
        let range = format!("bytes */{}", head.size_bytes);
        return Ok((
            StatusCode::RANGE_NOT_SATISFIABLE,
            [(header::CONTENT_RANGE, range)],
        )
            .into_response());
    };
    let len_bytes = last - first + 1;
    let part = ReadContentRequest {
        offset_bytes: first,
        len_bytes,
        ..whole
    };
    let (_, parts) = open(&user, part).await?;
    let mut response = answer(StatusCode::PARTIAL_CONTENT, &path, &tag, len_bytes, body(parts));
    let range = format!("bytes {first}-{last}/{}", head.size_bytes);
    response.headers_mut().insert(
        header::CONTENT_RANGE,
        HeaderValue::try_from(range).expect("figures are fine in a header"),
    );
    Ok(response)
}

async fn all_of_it(user: &User, whole: ReadContentRequest) -> Result<Response, Failure> {
    let path = whole.path.clone();
    let (head, parts) = open(user, whole).await?;
    Ok(answer(
        StatusCode::OK,
        &path,
        &tag(&head),
        head.size_bytes,
        body(parts),
    ))
}

/// What tells one content from another.
fn tag(head: &ContentHead) -> String {
    format!("\"{}\"", data_encoding::HEXLOWER.encode(&head.hash))
}

/// Begins to read; what comes first is told apart from what follows.
async fn open(
    user: &User,
    request: ReadContentRequest,
) -> Result<(ContentHead, Streaming<ContentPart>), Failure> {
    let mut parts = user
        .services
        .backups()
        .read_content(request)
        .await
        .or_fail(user)?;
    match head_of(&mut parts).await {
        Ok(head) => Ok((head, parts)),
        Err(status) => Err(Failure::of(status).for_visitor(user)),
    }
}

async fn head_of(parts: &mut Streaming<ContentPart>) -> Result<ContentHead, Status> {
    match parts.next().await {
        Some(Ok(ContentPart {
            part: Some(Part::Head(head)),
        })) => Ok(head),
        Some(Err(status)) => Err(status),
        _ => Err(Status::new(Code::Internal, "the content came without a head")),
    }
}

/// The content. One that turns out to be damaged ends without its end, so that the browser does not take it for right.
fn body(parts: Streaming<ContentPart>) -> Body {
    let pieces = parts.filter_map(|part| match part {
        Ok(ContentPart {
            part: Some(Part::Data(data)),
        }) => Some(Ok(Bytes::from(data))),
        Ok(_) => None,
        Err(status) => Some(Err(std::io::Error::other(status))),
    });
    Body::from_stream(pieces)
}

fn answer(status: StatusCode, path: &[u8], tag: &str, len_bytes: u64, body: Body) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_DISPOSITION, disposition(path)),
        (header::CONTENT_SECURITY_POLICY, FILE_POLICY.to_owned()),
        (header::CONTENT_LENGTH, len_bytes.to_string()),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
        (header::ETAG, tag.to_owned()),
    ];
    (status, headers, body).into_response()
}

/// Under which name a file is kept (RFC 6266): what is no letter, digit or one of a few signs is encoded, so that no name can say anything
/// else.
fn disposition(path: &[u8]) -> String {
    let name = String::from_utf8_lossy(paths::name(path));
    format!("attachment; filename*=UTF-8''{}", segment(&name))
}

/// A single range (RFC 9110, section 14.1.2). Several, which few ask for, are answered with the whole.
fn parse_range(text: &str) -> Option<Wanted> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let (first, last) = (first.trim(), last.trim());
    match (first.is_empty(), last.is_empty()) {
        (true, true) => None,
        (true, false) => Some(Wanted::Last(last.parse().ok()?)),
        (false, true) => Some(Wanted::From(first.parse().ok()?)),
        (false, false) => {
            let (first, last) = (first.parse().ok()?, last.parse().ok()?);
            (first <= last).then_some(Wanted::Between(first, last))
        }
    }
}

impl Wanted {
    /// The first and the last byte; `None` where a file of this size has none of it.
    fn within(self, size_bytes: u64) -> Option<(u64, u64)> {
        let end = size_bytes.checked_sub(1)?;
        let (first, last) = match self {
            Self::From(first) => (first, end),
            Self::Between(first, last) => (first, last.min(end)),
            Self::Last(0) => return None,
            Self::Last(count) => (size_bytes.saturating_sub(count), end),
        };
        (first <= end).then_some((first, last))
    }
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_and_cut() {
        let within = |text: &str, size| parse_range(text).and_then(|wanted| wanted.within(size));
        assert_eq!(within("bytes=0-", 10), Some((0, 9)));
        assert_eq!(within("bytes=2-4", 10), Some((2, 4)));
        assert_eq!(within("bytes=8-99", 10), Some((8, 9)));
        assert_eq!(within("bytes=-3", 10), Some((7, 9)));
        assert_eq!(within("bytes=-30", 10), Some((0, 9)));
        assert_eq!(within("bytes=10-", 10), None);
        assert_eq!(within("bytes=-0", 10), None);
        assert_eq!(within("bytes=0-", 0), None);
        for wrong in [
            "bytes=",
            "bytes=-",
            "bytes=4-2",
            "bytes=a-b",
            "items=0-1",
            "bytes=0-1,3-4",
            "bytes=0-99999999999999999999",
        ] {
            assert_eq!(parse_range(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn names_say_nothing_but_themselves() {
        let kept = disposition(b"a/b/evil\"\r\nX: y;.html");
        assert_eq!(kept, "attachment; filename*=UTF-8''evil%22%0D%0AX%3A%20y%3B.html");
        assert!(HeaderValue::try_from(disposition(b"d/\xff\x00name")).is_ok());
    }
}
