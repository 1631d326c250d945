//! What surrounds the frames: header block in front, footer with the index and trailer behind.

use crate::codec::{Input, put_bytes, put_varint, unzigzag, zigzag};
use crate::content::ContentHash;
use crate::entry::Timestamp;
use crate::error::{Error, Result};
use crate::frame::{CHECKSUM_BYTES, HEAD_BYTES, checksum};
use crate::header::{BackupKind, Conclusion, Header, Problem, Source, Totals};
use crate::path::{check_name, check_path, compare_paths};

/// The format version that is written, and the newest that is read. Version 1 has no volumes and is else the same.
pub(crate) const VERSION: u32 = 2;
/// The first byte is not ASCII and the last a line end: a transfer as text breaks it.
pub(crate) const MAGIC: [u8; 8] = *b"\xffPMANIF\n";
const END_MAGIC: [u8; 8] = *b"PMANEND\n";
const FOOTER_MARKER: [u8; 4] = *b"FOOT";

/// Magic, version, length, checksum.
pub(crate) const PREAMBLE_BYTES: usize = 8 + 4 + 4 + CHECKSUM_BYTES;
/// Marker, length, checksum.
const FOOTER_HEAD_BYTES: usize = 4 + 4 + CHECKSUM_BYTES;
/// Offset and length of the footer, checksum, magic.
pub(crate) const TRAILER_BYTES: usize = 8 + 4 + CHECKSUM_BYTES + 8;
/// Longest header.
pub(crate) const MAX_HEADER_BYTES: usize = 1 << 20;
/// Longest footer: index and problems.
pub(crate) const MAX_FOOTER_BYTES: usize = 256 << 20;

/// What the index says of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FrameInfo {
    /// Where it begins in the file.
    pub(crate) offset_bytes: u64,
    /// Its length, head included.
    pub(crate) len_bytes: u64,
    pub(crate) records: u64,
    pub(crate) entries: u64,
    /// Entries in all frames before.
    pub(crate) first_entry: u64,
    pub(crate) first_path: Box<[u8]>,
}

/// What stands behind the frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Footer {
    pub(crate) digest: ContentHash,
    pub(crate) totals: Totals,
    pub(crate) conclusion: Conclusion,
    pub(crate) index: Vec<FrameInfo>,
}

fn check_len(part: &'static str, len_bytes: usize, limit_bytes: usize) -> Result<()> {
    if len_bytes > limit_bytes {
        return Err(Error::TooLong {
            part,
            len_bytes: len_bytes as u64,
            limit_bytes: limit_bytes as u64,
        });
    }
    Ok(())
}

fn put_time(out: &mut Vec<u8>, time: Timestamp) -> Result<()> {
    if time.nanos > 999_999_999 {
        return Err(Error::malformed(
            "time",
            "it has more than 999,999,999 nanoseconds",
        ));
    }
    put_varint(out, zigzag(time.secs));
    put_varint(out, u64::from(time.nanos));
    Ok(())
}

fn time(input: &mut Input<'_>) -> Result<Timestamp> {
    let time = Timestamp {
        secs: unzigzag(input.varint()?),
        nanos: input.varint_u32()?,
    };
    if time.nanos > 999_999_999 {
        return Err(input.fault("a time has more than 999,999,999 nanoseconds"));
    }
    Ok(time)
}

/// Encodes everything that stands in front of the first frame.
pub(crate) fn encode_header(header: &Header) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    put_bytes(&mut body, header.client.as_bytes());
    put_bytes(&mut body, header.name.as_bytes());
    body.push(match header.kind {
        BackupKind::Full => 0,
        BackupKind::Incremental => 1,
    });
    put_time(&mut body, header.started)?;
    match &header.base {
        None => body.push(0),
        Some(base) => {
            body.push(1);
            put_bytes(&mut body, base.as_bytes());
        }
    }
    put_bytes(&mut body, header.server_id.as_bytes());
    put_varint(&mut body, header.sources.len() as u64);
    for source in &header.sources {
        check_name(&source.name)?;
        put_bytes(&mut body, &source.name);
        put_bytes(&mut body, &source.path);
        put_bytes(&mut body, source.consistency.as_bytes());
    }
    check_len("header", body.len(), MAX_HEADER_BYTES)?;
    let mut out = Vec::with_capacity(PREAMBLE_BYTES + body.len());
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&(body.len() as u32).to_le_bytes());
    out.extend_from_slice(&checksum([&out[8..16], &body]));
    out.extend_from_slice(&body);
    Ok(out)
}

/// The first bytes of a manifest.
#[derive(Debug)]
pub(crate) struct Preamble {
    fields: [u8; 8],
    pub(crate) header_bytes: usize,
    checksum: [u8; CHECKSUM_BYTES],
}

impl Preamble {
    pub(crate) fn decode(bytes: &[u8; PREAMBLE_BYTES]) -> Result<Self> {
        let mut input = Input::new(bytes, "header");
        if input.array()? != MAGIC {
            return Err(Error::NotAManifest);
        }
        let fields: [u8; 8] = input.array()?;
        let mut input_fields = Input::new(&fields, "header");
        let version = u32::from_le_bytes(input_fields.array()?);
        let header_bytes = u32::from_le_bytes(input_fields.array()?) as usize;
        if !(1..=VERSION).contains(&version) {
            return Err(Error::UnsupportedVersion {
                found: version,
                supported: VERSION,
            });
        }
        check_len("header", header_bytes, MAX_HEADER_BYTES)?;
        Ok(Self {
            fields,
            header_bytes,
            checksum: input.array()?,
        })
    }

    /// Checks and decodes the header that follows.
    pub(crate) fn header(&self, body: &[u8]) -> Result<Header> {
        if checksum([&self.fields, body]) != self.checksum {
            return Err(Error::Damaged {
                what: "the header's checksum is wrong",
                offset_bytes: 0,
            });
        }
        decode_header(body)
    }
}

fn decode_header(body: &[u8]) -> Result<Header> {
    let mut input = Input::new(body, "header");
    let client = input.text()?.to_owned();
    let name = input.text()?.to_owned();
    let kind = match input.byte()? {
        0 => BackupKind::Full,
        1 => BackupKind::Incremental,
        _ => return Err(input.fault("the backup is of no known kind")),
    };
    let started = time(&mut input)?;
    let base = match input.byte()? {
        0 => None,
        1 => Some(input.text()?.to_owned()),
        _ => return Err(input.fault("the base is neither there nor absent")),
    };
    let server_id = input.text()?.to_owned();
    let count = input.count(4)?;
    let mut sources = Vec::with_capacity(count);
    for _ in 0..count {
        let name = input.bytes()?;
        check_name(name)?;
        let path = input.bytes()?.into();
        sources.push(Source {
            name: name.into(),
            path,
            consistency: input.text()?.to_owned(),
        });
    }
    input.end()?;
    Ok(Header {
        client,
        name,
        kind,
        started,
        base,
        sources,
        server_id,
    })
}

/// Encodes everything that stands behind the last frame.
pub(crate) fn encode_footer(footer: &Footer, offset_bytes: u64) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    body.extend_from_slice(&footer.digest.0);
    let totals = &footer.totals;
    for count in [
        totals.directories,
        totals.files,
        totals.symlinks,
        totals.hard_links,
        totals.special,
        totals.bytes,
    ] {
        put_varint(&mut body, count);
    }
    put_time(&mut body, footer.conclusion.finished)?;
    put_varint(&mut body, footer.conclusion.problem_count);
    put_varint(&mut body, footer.conclusion.problems.len() as u64);
    for problem in &footer.conclusion.problems {
        put_bytes(&mut body, &problem.path);
        put_bytes(&mut body, problem.kind.as_bytes());
        put_bytes(&mut body, problem.message.as_bytes());
    }
    put_varint(&mut body, footer.index.len() as u64);
    for frame in &footer.index {
        put_varint(&mut body, frame.len_bytes);
        put_varint(&mut body, frame.records);
        put_varint(&mut body, frame.entries);
        put_bytes(&mut body, &frame.first_path);
    }
    check_len("footer", body.len(), MAX_FOOTER_BYTES)?;
    let mut out = Vec::with_capacity(FOOTER_HEAD_BYTES + body.len() + TRAILER_BYTES);
    out.extend_from_slice(&FOOTER_MARKER);
    out.extend_from_slice(&(body.len() as u32).to_le_bytes());
    out.extend_from_slice(&checksum([&out[4..8], &body]));
    out.extend_from_slice(&body);
    let trailer = out.len();
    out.extend_from_slice(&offset_bytes.to_le_bytes());
    out.extend_from_slice(&(trailer as u32).to_le_bytes());
    out.extend_from_slice(&checksum([&out[trailer..], &END_MAGIC]));
    out.extend_from_slice(&END_MAGIC);
    Ok(out)
}

/// Decodes the trailer of a file: gives the footer's offset and length.
pub(crate) fn decode_trailer(bytes: &[u8; TRAILER_BYTES], file_bytes: u64) -> Result<(u64, usize)> {
    let damaged = |what| Error::Damaged {
        what,
        offset_bytes: file_bytes.saturating_sub(TRAILER_BYTES as u64),
    };
    let mut input = Input::new(bytes, "trailer");
    let fields: [u8; 12] = input.array()?;
    let sum: [u8; CHECKSUM_BYTES] = input.array()?;
    if input.array()? != END_MAGIC {
        return Err(Error::Unfinished);
    }
    if checksum([&fields, &END_MAGIC]) != sum {
        return Err(damaged("the trailer's checksum is wrong"));
    }
    let mut fields = Input::new(&fields, "trailer");
    let offset_bytes = u64::from_le_bytes(fields.array()?);
    let len_bytes = u32::from_le_bytes(fields.array()?) as usize;
    let end = offset_bytes.checked_add(len_bytes as u64 + TRAILER_BYTES as u64);
    if end != Some(file_bytes)
        || !(FOOTER_HEAD_BYTES..=FOOTER_HEAD_BYTES + MAX_FOOTER_BYTES).contains(&len_bytes)
    {
        return Err(damaged("the footer is not where the trailer says"));
    }
    Ok((offset_bytes, len_bytes))
}

/// Checks and decodes a footer that lies at an offset; the first frame lies at another.
pub(crate) fn decode_footer(bytes: &[u8], frames_offset: u64, offset_bytes: u64) -> Result<Footer> {
    let damaged = |what| Error::Damaged { what, offset_bytes };
    let mut input = Input::new(bytes, "footer");
    if input.array()? != FOOTER_MARKER {
        return Err(damaged("the footer doesn't begin as one"));
    }
    let len: [u8; 4] = input.array()?;
    let sum: [u8; CHECKSUM_BYTES] = input.array()?;
    if u32::from_le_bytes(len) as usize != input.remaining() || checksum([&len, input.rest()]) != sum {
        return Err(damaged("the footer's checksum is wrong"));
    }
    let digest = ContentHash(input.array()?);
    let totals = Totals {
        directories: input.varint()?,
        files: input.varint()?,
        symlinks: input.varint()?,
        hard_links: input.varint()?,
        special: input.varint()?,
        bytes: input.varint()?,
    };
    let conclusion = conclusion(&mut input)?;
    let index = index(&mut input, frames_offset)?;
    input.end()?;
    let end = index
        .last()
        .map_or(frames_offset, |frame| frame.offset_bytes + frame.len_bytes);
    let records = index
        .iter()
        .try_fold(0u64, |sum, frame| sum.checked_add(frame.records));
    if end != offset_bytes || records != Some(totals.directories) {
        return Err(damaged("the index doesn't fit the file"));
    }
    Ok(Footer {
        digest,
        totals,
        conclusion,
        index,
    })
}

fn conclusion(input: &mut Input<'_>) -> Result<Conclusion> {
    let finished = time(input)?;
    let problem_count = input.varint()?;
    let count = input.count(3)?;
    let mut problems = Vec::with_capacity(count);
    for _ in 0..count {
        let path = input.bytes()?.into();
        problems.push(Problem {
            path,
            kind: input.text()?.to_owned(),
            message: input.text()?.to_owned(),
        });
    }
    Ok(Conclusion {
        finished,
        problem_count,
        problems,
    })
}

fn index(input: &mut Input<'_>, frames_offset: u64) -> Result<Vec<FrameInfo>> {
    let count = input.count(4)?;
    let mut index: Vec<FrameInfo> = Vec::with_capacity(count);
    let (mut offset_bytes, mut first_entry) = (frames_offset, 0u64);
    for _ in 0..count {
        let (len_bytes, records, entries) = (input.varint()?, input.varint()?, input.varint()?);
        let first_path: Box<[u8]> = input.bytes()?.into();
        check_path(&first_path)?;
        if index
            .last()
            .is_some_and(|last| compare_paths(&last.first_path, &first_path).is_ge())
        {
            return Err(input.fault("the index is out of order"));
        }
        if len_bytes <= HEAD_BYTES as u64 || records == 0 {
            return Err(input.fault("the index has an empty frame"));
        }
        index.push(FrameInfo {
            offset_bytes,
            len_bytes,
            records,
            entries,
            first_entry,
            first_path,
        });
        let next = offset_bytes
            .checked_add(len_bytes)
            .zip(first_entry.checked_add(entries));
        (offset_bytes, first_entry) = next.ok_or_else(|| input.fault("the index goes beyond 64 bits"))?;
    }
    Ok(index)
}
