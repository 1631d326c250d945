//! The content of a file of a backup or an archive of several, as it is answered: whole or in part. Whatever is in it, it is not shown
//! or run as a page of ours.

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use tokio_stream::StreamExt as _;
use tonic::{Code, Status, Streaming};
use wire::v1::content_part::Part;
use wire::v1::{
    ContentHead, ContentPart, ReadArchiveRequest, ReadContentRequest, ReadPublishedRequest,
    ReadVolumeFileRequest,
};

use crate::door::Services;
use crate::failure::Failure;
use crate::parts::address::segment;
use crate::parts::paths;
use crate::visitor::Visitor;

/// What browsers may do with a file that they are given: nothing.
const FILE_POLICY: &str = "default-src 'none'; sandbox";

/// What can be read from anywhere within.
#[derive(Debug, Clone)]
pub enum Source {
    File(ReadContentRequest),
    VolumeFile(ReadVolumeFileRequest),
    Archive(ReadArchiveRequest),
    Published(ReadPublishedRequest),
}

impl From<ReadContentRequest> for Source {
    fn from(request: ReadContentRequest) -> Self {
        Self::File(request)
    }
}

impl From<ReadVolumeFileRequest> for Source {
    fn from(request: ReadVolumeFileRequest) -> Self {
        Self::VolumeFile(request)
    }
}

impl From<ReadArchiveRequest> for Source {
    fn from(request: ReadArchiveRequest) -> Self {
        Self::Archive(request)
    }
}

impl From<ReadPublishedRequest> for Source {
    fn from(request: ReadPublishedRequest) -> Self {
        Self::Published(request)
    }
}

impl Source {
    /// Begins to read from there on, so much or, with 0, all; an archive always to its end. What comes first is told apart from what
    /// follows.
    pub async fn open(
        &self,
        services: &Services,
        offset_bytes: u64,
        len_bytes: u64,
    ) -> Result<(ContentHead, Streaming<ContentPart>), Status> {
        let mut parts = match self.clone() {
            Self::File(request) => {
                let part = ReadContentRequest {
                    offset_bytes,
                    len_bytes,
                    ..request
                };
                services.backups().read_content(part).await?
            }
            Self::VolumeFile(request) => {
                let part = ReadVolumeFileRequest {
                    offset_bytes,
                    len_bytes,
                    ..request
                };
                services.contents().read_volume_file(part).await?
            }
            Self::Archive(request) => {
                let rest = ReadArchiveRequest {
                    offset_bytes,
                    ..request
                };
                services.contents().read_archive(rest).await?
            }
            Self::Published(request) => {
                let part = ReadPublishedRequest {
                    offset_bytes,
                    len_bytes,
                    ..request
                };
                services.contents().read_published(part).await?
            }
        }
        .into_inner();
        let head = head_of(&mut parts).await?;
        Ok((head, parts))
    }

    /// The same, told with its size even where that takes time.
    fn measured(&self) -> Self {
        match self.clone() {
            Self::Archive(request) => Self::Archive(ReadArchiveRequest {
                is_measured: true,
                ..request
            }),
            other => other,
        }
    }

    /// What tells one content from another, where that is known. The files on a volume have no hash, but the volume of a backup never
    /// changes; which backup a word such as "latest" means does. Nor does a published disk change, and another has another identity.
    fn tag(&self, head: &ContentHead) -> Option<String> {
        let digest = match self {
            _ if !head.hash.is_empty() => head.hash.clone(),
            Self::VolumeFile(request) => {
                let backup = request.backup.as_ref()?;
                if !backup.name.starts_with(|first: char| first.is_ascii_digit()) {
                    return None;
                }
                let mut hasher = blake3::Hasher::new();
                for part in [&backup.client, &backup.name, &request.volume].map(String::as_bytes) {
                    hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
                }
                hasher.update(&head.size_bytes.to_le_bytes());
                hasher.update(&head.mtime_s.to_le_bytes());
                hasher.update(&request.path).finalize().as_bytes().to_vec()
            }
            Self::Published(request) => {
                let mut hasher = blake3::Hasher::new();
                hasher.update(request.id.as_bytes());
                hasher.update(&head.size_bytes.to_le_bytes());
                hasher.update(&head.mtime_s.to_le_bytes());
                hasher.finalize().as_bytes().to_vec()
            }
            _ => return None,
        };
        Some(format!("\"{}\"", data_encoding::HEXLOWER.encode(&digest)))
    }

    /// The last name of the file's path.
    fn name(&self) -> String {
        let path: &[u8] = match self {
            Self::File(request) => &request.path,
            Self::VolumeFile(request) => &request.path,
            Self::Archive(_) | Self::Published(_) => &[],
        };
        String::from_utf8_lossy(paths::name(path)).into_owned()
    }
}

/// As what something is served.
#[derive(Debug, Clone)]
pub struct Served {
    source: Source,
    kind: &'static str,
    disposition: String,
}

impl Served {
    /// A file to be kept.
    pub fn file(source: impl Into<Source>) -> Self {
        let source = source.into();
        let name = source.name();
        Self::named(source, &name)
    }

    /// Something to be kept under a name.
    pub fn named(source: impl Into<Source>, name: &str) -> Self {
        Self {
            source: source.into(),
            kind: "application/octet-stream",
            disposition: attachment(name),
        }
    }

    /// Something to be shown, of a kind that can't run anything.
    pub fn shown(source: impl Into<Source>, kind: &'static str) -> Self {
        Self {
            source: source.into(),
            kind,
            disposition: "inline".to_owned(),
        }
    }

    /// The same as this kind.
    pub fn of_kind(self, kind: &'static str) -> Self {
        Self { kind, ..self }
    }

    fn answer(&self, status: StatusCode, head: &ContentHead, len_bytes: Option<u64>, body: Body) -> Response {
        let named = (!head.name.is_empty()).then(|| attachment(&head.name));
        let headers = [
            (header::CONTENT_TYPE, self.kind),
            (
                header::CONTENT_DISPOSITION,
                named.as_deref().unwrap_or(&self.disposition),
            ),
            (header::CONTENT_SECURITY_POLICY, FILE_POLICY),
            (header::ACCEPT_RANGES, "bytes"),
        ];
        let mut response = (status, headers, body).into_response();
        let headers = response.headers_mut();
        if let Some(len_bytes) = len_bytes {
            headers.insert(header::CONTENT_LENGTH, len_bytes.into());
        }
        if let Some(tag) = self.source.tag(head) {
            headers.insert(header::ETAG, in_header(tag));
        }
        response
    }
}

/// Why there is no content.
pub enum Refused {
    /// What the service has answered.
    By(Status),
    /// The part that is wanted lies behind the end of a file of this size.
    NotWithin { size_bytes: u64 },
}

impl From<Status> for Refused {
    fn from(status: Status) -> Self {
        Self::By(status)
    }
}

impl Refused {
    /// What somebody is answered who visits.
    pub fn answer(self, visitor: &Visitor) -> Result<Response, Failure> {
        match self {
            Self::By(status) => Err(Failure::of(status).for_visitor(visitor)),
            Self::NotWithin { size_bytes } => {
                let range = [(header::CONTENT_RANGE, format!("bytes */{size_bytes}"))];
                Ok((StatusCode::RANGE_NOT_SATISFIABLE, range).into_response())
            }
        }
    }
}

/// A part of a file that is asked for: from where on, and to where, or for how much of the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    From(u64),
    Between(u64, u64),
    Last(u64),
}

/// Answers a request for a file with what its headers ask for.
pub async fn serve(services: &Services, served: &Served, headers: &HeaderMap) -> Result<Response, Refused> {
    let Some(wanted) = text(headers, header::RANGE).and_then(parse_range) else {
        return all_of_it(services, served).await;
    };
    // How long it is, and whether it is still what the browser has a part of: as little as can be asked for tells.
    let (mut head, _) = served.source.open(services, 0, 1).await?;
    let tag = served.source.tag(&head);
    if text(headers, header::IF_RANGE).is_some_and(|known| tag.as_deref() != Some(known)) {
        return all_of_it(services, served).await;
    }
    if head.is_size_unknown {
        // A part is told by how long the whole is.
        (head, _) = served.source.measured().open(services, 0, 1).await?;
    }
    let size_bytes = head.size_bytes;
    let Some((first, last)) = wanted.within(size_bytes) else {
        return Err(Refused::NotWithin { size_bytes });
    };
    let len_bytes = last - first + 1;
    let (_, parts) = served.source.open(services, first, len_bytes).await?;
    let body = body(parts, len_bytes);
    let mut response = served.answer(StatusCode::PARTIAL_CONTENT, &head, Some(len_bytes), body);
    let range = format!("bytes {first}-{last}/{size_bytes}");
    response
        .headers_mut()
        .insert(header::CONTENT_RANGE, in_header(range));
    Ok(response)
}

async fn all_of_it(services: &Services, served: &Served) -> Result<Response, Refused> {
    let (head, parts) = served.source.open(services, 0, 0).await?;
    let len_bytes = (!head.is_size_unknown).then_some(head.size_bytes);
    Ok(served.answer(StatusCode::OK, &head, len_bytes, body(parts, u64::MAX)))
}

fn in_header(text: String) -> HeaderValue {
    HeaderValue::try_from(text).expect("figures and letters are fine in a header")
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

/// The content, up to so much of it. The last piece waits until the service has said that all is right: content that turns out to be
/// damaged ends without its end, so that nobody takes it for whole.
fn body(parts: Streaming<ContentPart>, most_bytes: u64) -> Body {
    let mut left_bytes = most_bytes;
    let wanted = parts.map_while(move |part| {
        let is_enough = left_bytes == 0;
        let piece = data_of(part).map(|mut data| {
            data.truncate(usize::try_from(left_bytes).unwrap_or(usize::MAX));
            left_bytes -= data.len() as u64;
            Bytes::from(data)
        });
        (!is_enough).then_some(piece)
    });
    let mut held = None;
    let pieces = wanted
        .map(Some)
        .chain(tokio_stream::once(None))
        .filter_map(move |piece| match piece {
            Some(Ok(data)) => held.replace(data).map(Ok),
            Some(Err(status)) => {
                held = None;
                Some(Err(std::io::Error::other(status)))
            }
            None => held.take().map(Ok),
        });
    Body::from_stream(pieces)
}

/// The data of a part; none where it is another.
pub fn data_of(part: Result<ContentPart, Status>) -> Result<Vec<u8>, Status> {
    part.map(|part| match part.part {
        Some(Part::Data(data)) => data,
        _ => Vec::new(),
    })
}

/// Under which name a file is kept (RFC 6266): what is no letter, digit or one of a few signs is encoded, so that no name can say anything
/// else.
pub fn attachment(name: &str) -> String {
    format!("attachment; filename*=UTF-8''{}", segment(name))
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
    fn a_file_on_a_volume_is_known_by_where_it_is() {
        let tag = |name: &str, path: &[u8], size_bytes| {
            let file = ReadVolumeFileRequest {
                backup: Some(wire::v1::BackupRef {
                    client: "laptop".to_owned(),
                    name: name.to_owned(),
                }),
                volume: "sda/sda1.raw".to_owned(),
                path: path.to_vec(),
                ..ReadVolumeFileRequest::default()
            };
            let head = ContentHead {
                size_bytes,
                ..ContentHead::default()
            };
            Source::from(file).tag(&head)
        };
        let known = tag("261130-0650_image", b"a", 1);
        assert!(known.is_some());
        assert_eq!(tag("261130-0650_image", b"a", 1), known);
        assert_ne!(tag("261130-0650_image", b"b", 1), known);
        assert_ne!(tag("261129-0650_image", b"a", 1), known);
        assert_eq!(tag("latest_image", b"a", 1), None);
    }

    #[test]
    fn names_say_nothing_but_themselves() {
        let file = |path: &[u8]| {
            Served::file(ReadContentRequest {
                path: path.to_vec(),
                ..ReadContentRequest::default()
            })
        };
        let kept = file(b"a/b/evil\"\r\nX: y;.html").disposition;
        assert_eq!(kept, "attachment; filename*=UTF-8''evil%22%0D%0AX%3A%20y%3B.html");
        assert!(HeaderValue::try_from(file(b"d/\xff\x00name").disposition).is_ok());
    }
}
