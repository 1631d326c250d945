//! The central directory of a zip, which comes last and needs the checksums of all members: it is held compressed until then, which takes a
//! fraction of its length, as names and numbers of neighbours are much alike.

use std::io::{self, Write};

use super::record::{Record, VERSION_4_5, put_u16, put_u32, put_u64, small};
use crate::error::{Error, Result};
use crate::output::Output;

/// Fast, and good enough for what repeats itself.
const ZSTD_LEVEL: i32 = 1;

/// The part of the directory that is known.
pub struct Directory {
    /// `None` where only its length matters.
    held: Option<zstd::Encoder<'static, Vec<u8>>>,
    len_bytes: u64,
    members: u64,
}

impl Directory {
    /// An empty one.
    pub fn holding() -> Result<Self> {
        let held = zstd::Encoder::new(Vec::new(), ZSTD_LEVEL).map_err(Error::Write)?;
        Ok(Self {
            held: Some(held),
            ..Self::measuring()
        })
    }

    /// An empty one that will not be written.
    pub fn measuring() -> Self {
        Self {
            held: None,
            len_bytes: 0,
            members: 0,
        }
    }

    /// Adds a member.
    pub fn add(&mut self, record: &Record) -> Result<()> {
        let header = record.central_header();
        if let Some(held) = &mut self.held {
            held.write_all(&header).map_err(Error::Write)?;
        }
        self.len_bytes += header.len() as u64;
        self.members += 1;
        Ok(())
    }

    /// Writes it, and the end of the archive.
    pub fn finish<W: Write>(self, out: &mut Output<W>) -> Result<()> {
        let offset_bytes = out.position();
        let (len_bytes, members) = (self.len_bytes, self.members);
        match self.held {
            Some(held) => {
                let held = held.finish().map_err(Error::Write)?;
                let mut headers = zstd::Decoder::new(held.as_slice()).map_err(Error::Write)?;
                io::copy(&mut headers, out).map_err(Error::Write)?;
            }
            None => crate::output::Sink::pass_over(out, len_bytes)?,
        }
        let end = end(offset_bytes, len_bytes, members, out.position());
        out.write_all(&end).map_err(Error::Write)
    }
}

/// What ends the archive; of zip64 only if a number is too large for what there was before.
fn end(offset_bytes: u64, len_bytes: u64, members: u64, end_bytes: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(98);
    let members_short = u16::try_from(members).unwrap_or(u16::MAX);
    if members_short == u16::MAX || small(offset_bytes) == u32::MAX || small(len_bytes) == u32::MAX {
        put_u32(&mut out, 0x0606_4b50);
        // How much of it follows.
        put_u64(&mut out, 44);
        put_u16(&mut out, VERSION_4_5);
        put_u16(&mut out, VERSION_4_5);
        put_u32(&mut out, 0);
        put_u32(&mut out, 0);
        for number in [members, members, len_bytes, offset_bytes] {
            put_u64(&mut out, number);
        }
        put_u32(&mut out, 0x0706_4b50);
        put_u32(&mut out, 0);
        put_u64(&mut out, end_bytes);
        put_u32(&mut out, 1);
    }
    put_u32(&mut out, 0x0605_4b50);
    for number in [0, 0, members_short, members_short] {
        put_u16(&mut out, number);
    }
    put_u32(&mut out, small(len_bytes));
    put_u32(&mut out, small(offset_bytes));
    put_u16(&mut out, 0);
    out
}
