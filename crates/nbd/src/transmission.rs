//! The transmission: requests and their replies, one after another.
//!
//! ```text
//! request              simple reply         chunk of a structured reply
//! 0   4  magic         0  4  magic          0   4  magic
//! 4   2  flags         4  4  error          4   2  flags: 1 the last
//! 6   2  command       8  8  cookie         6   2  type
//! 8   8  cookie        16    data           8   8  cookie
//! 16  8  offset                             16  4  length
//! 24  4  length                             20     data
//! 28     data
//! ```

use std::io;
use std::ops::Range;

use crate::channel::Channel;
use crate::handshake::Agreed;
use crate::protocol::{
    ALLOCATION_ID, IS_HOLE_OF_ZEROS, MAX_REQUEST_BYTES, REQUEST_MAGIC, SIMPLE_REPLY_MAGIC,
    STRUCTURED_REPLY_MAGIC, chunk, command, command_flags, errno,
};
use crate::{Access, Error, Export, Extent, ExtentKind, Result};

/// Data goes to the client and to the disk in pieces of that size.
const PIECE_BYTES: usize = 1 << 20;
/// So many ranges are told of at once.
const MAX_STATUS_EXTENTS: usize = 2048;
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

struct Request {
    flags: u16,
    command: u16,
    cookie: u64,
    offset_bytes: u64,
    len_bytes: u32,
}

struct Transmission<'a> {
    channel: &'a mut Channel,
    agreed: &'a Agreed,
    /// For data, as large as the largest piece so far.
    buffer: Vec<u8>,
}

/// Answers requests until the client has had enough.
pub(crate) fn serve(channel: &mut Channel, agreed: &Agreed) -> Result<()> {
    let mut transmission = Transmission {
        channel,
        agreed,
        buffer: Vec::new(),
    };
    while transmission.channel.has_more()? {
        let request = transmission.request()?;
        match request.command {
            command::DISC => return Ok(()),
            command::READ => transmission.read(&request)?,
            command::WRITE => transmission.write(&request)?,
            command::BLOCK_STATUS => transmission.block_status(&request)?,
            command::FLUSH => {
                let done = transmission.export().flush();
                transmission.answer(&request, done.map_err(error_number))?;
            }
            command::TRIM | command::WRITE_ZEROES => {
                let done = transmission.zero(&request);
                transmission.answer(&request, done)?;
            }
            _ => transmission.answer(&request, Err(errno::EINVAL))?,
        }
    }
    Ok(())
}

impl Transmission<'_> {
    fn request(&mut self) -> Result<Request> {
        let bytes: [u8; 28] = self.channel.array()?;
        let u32_at = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let u64_at = |at: usize| u64::from(u32_at(at)) << 32 | u64::from(u32_at(at + 4));
        if u32_at(0) != REQUEST_MAGIC {
            return Err(Error::Protocol("a request has no signature"));
        }
        Ok(Request {
            flags: u16::from_be_bytes([bytes[4], bytes[5]]),
            command: u16::from_be_bytes([bytes[6], bytes[7]]),
            cookie: u64_at(8),
            offset_bytes: u64_at(16),
            len_bytes: u32_at(24),
        })
    }

    fn export(&self) -> &dyn Export {
        &*self.agreed.export
    }

    /// The range that a request is about, if it lies within the disk.
    fn range(&self, request: &Request) -> Option<Range<u64>> {
        let end = request.offset_bytes.checked_add(request.len_bytes.into())?;
        (end <= self.export().len_bytes()).then_some(request.offset_bytes..end)
    }

    fn read(&mut self, request: &Request) -> Result<()> {
        let range = self.range(request);
        let Some(range) = range.filter(|_| request.len_bytes <= MAX_REQUEST_BYTES) else {
            return self.answer(request, Err(errno::EINVAL));
        };
        if !self.agreed.has_structured_replies {
            return self.read_simple(request);
        }
        if range.is_empty() {
            return self.answer(request, Ok(()));
        }
        if request.flags & command_flags::DF != 0 {
            let len = request.len_bytes as usize;
            return match self.fill(request.offset_bytes, len) {
                Ok(()) => self.data_chunk(request, chunk::IS_LAST, request.offset_bytes, len),
                Err(error) => self.answer(request, Err(error)),
            };
        }
        self.read_sparse(request, range)
    }

    /// In one piece, of which the client must know beforehand that it can be had.
    fn read_simple(&mut self, request: &Request) -> Result<()> {
        let len = request.len_bytes as usize;
        match self.fill(request.offset_bytes, len) {
            Ok(()) => {
                self.channel.write(&simple_reply(request, 0))?;
                self.channel.write(&self.buffer[..len])
            }
            Err(error) => self.answer(request, Err(error)),
        }
    }

    /// In chunks, of which those of holes have no data.
    fn read_sparse(&mut self, request: &Request, range: Range<u64>) -> Result<()> {
        let mut at = range.start;
        while at < range.end {
            let extent = match first_extent(self.export(), at..range.end) {
                Ok(extent) => extent,
                Err(error) => return self.answer(request, Err(error_number(error))),
            };
            let len = match extent.kind {
                ExtentKind::Hole => extent.range.end - at,
                ExtentKind::Data => (extent.range.end - at).min(PIECE_BYTES as u64),
            };
            let flags = if at + len == range.end { chunk::IS_LAST } else { 0 };
            match extent.kind {
                ExtentKind::Hole => {
                    let mut hole = at.to_be_bytes().to_vec();
                    // Within a request, thus at most 32 MiB.
                    hole.extend((len as u32).to_be_bytes());
                    self.chunk(request, flags, chunk::OFFSET_HOLE, &hole)?;
                }
                ExtentKind::Data => match self.fill(at, len as usize) {
                    Ok(()) => self.data_chunk(request, flags, at, len as usize)?,
                    Err(error) => return self.answer(request, Err(error)),
                },
            }
            at += len;
        }
        Ok(())
    }

    /// Reads from the disk into the buffer.
    fn fill(&mut self, offset_bytes: u64, len: usize) -> Result<(), u32> {
        if self.buffer.len() < len {
            self.buffer.resize(len, 0);
        }
        let read = self.agreed.export.read_at(&mut self.buffer[..len], offset_bytes);
        read.map_err(error_number)
    }

    fn write(&mut self, request: &Request) -> Result<()> {
        if request.len_bytes > MAX_REQUEST_BYTES {
            return Err(Error::TooLarge {
                len_bytes: request.len_bytes.into(),
                limit_bytes: MAX_REQUEST_BYTES.into(),
            });
        }
        let may_write = self.may_write(request).map(|_| ());
        let mut done = may_write;
        let mut at = request.offset_bytes;
        let mut left = request.len_bytes as usize;
        let piece = left.min(PIECE_BYTES);
        if self.buffer.len() < piece {
            self.buffer.resize(piece, 0);
        }
        while left > 0 {
            let piece = left.min(PIECE_BYTES);
            // The data comes whatever becomes of it.
            self.channel.read(&mut self.buffer[..piece])?;
            if done.is_ok() {
                let written = self.agreed.export.write_at(&self.buffer[..piece], at);
                done = written.map_err(error_number);
                at += piece as u64;
            }
            left -= piece;
        }
        let done = done.and_then(|()| self.force_out(request));
        self.answer(request, done)
    }

    /// Frees a range, or makes it zeros.
    fn zero(&mut self, request: &Request) -> Result<(), u32> {
        let range = self.may_write(request)?;
        let keeps_space =
            request.command == command::WRITE_ZEROES && request.flags & command_flags::NO_HOLE != 0;
        if range.is_empty() {
            return Ok(());
        }
        let export = self.export();
        let done = match keeps_space {
            true => write_zeros(export, range),
            false => export.discard(range),
        };
        done.map_err(error_number)?;
        self.force_out(request)
    }

    fn may_write(&self, request: &Request) -> Result<Range<u64>, u32> {
        if self.export().access() == Access::ReadOnly {
            return Err(errno::EPERM);
        }
        self.range(request).ok_or(errno::ENOSPC)
    }

    /// Makes what was just written durable, where the client wants that.
    fn force_out(&self, request: &Request) -> Result<(), u32> {
        if request.flags & command_flags::FUA == 0 {
            return Ok(());
        }
        self.export().flush().map_err(error_number)
    }

    fn block_status(&mut self, request: &Request) -> Result<()> {
        let range = self.range(request).filter(|range| !range.is_empty());
        let Some(range) = range.filter(|_| self.agreed.has_allocation) else {
            return self.answer(request, Err(errno::EINVAL));
        };
        let most = match request.flags & command_flags::REQ_ONE {
            0 => MAX_STATUS_EXTENTS,
            _ => 1,
        };
        let mut status = ALLOCATION_ID.to_be_bytes().to_vec();
        let mut at = range.start;
        for _ in 0..most {
            if at >= range.end {
                break;
            }
            let extent = match first_extent(self.export(), at..range.end) {
                Ok(extent) => extent,
                Err(error) => return self.answer(request, Err(error_number(error))),
            };
            let flags = match extent.kind {
                ExtentKind::Data => 0,
                ExtentKind::Hole => IS_HOLE_OF_ZEROS,
            };
            // Within a request, whose length has 32 bits.
            status.extend(((extent.range.end - at) as u32).to_be_bytes());
            status.extend(flags.to_be_bytes());
            at = extent.range.end;
        }
        self.chunk(request, chunk::IS_LAST, chunk::BLOCK_STATUS, &status)
    }

    /// Ends the reply to a request.
    fn answer(&mut self, request: &Request, done: Result<(), u32>) -> Result<()> {
        let error = done.err().unwrap_or(0);
        if !self.agreed.has_structured_replies {
            return self.channel.write(&simple_reply(request, error));
        }
        if error == 0 {
            return self.chunk(request, chunk::IS_LAST, chunk::NONE, &[]);
        }
        let mut payload = error.to_be_bytes().to_vec();
        // The length of a message.
        payload.extend([0; 2]);
        self.chunk(request, chunk::IS_LAST, chunk::ERROR, &payload)
    }

    fn chunk(&mut self, request: &Request, flags: u16, kind: u16, payload: &[u8]) -> Result<()> {
        let mut bytes = chunk_header(request, flags, kind, payload.len() as u32);
        bytes.extend(payload);
        self.channel.write(&bytes)
    }

    /// A chunk of what is in the buffer.
    fn data_chunk(&mut self, request: &Request, flags: u16, offset_bytes: u64, len: usize) -> Result<()> {
        // At most 32 MiB.
        let mut bytes = chunk_header(request, flags, chunk::OFFSET_DATA, len as u32 + 8);
        bytes.extend(offset_bytes.to_be_bytes());
        self.channel.write(&bytes)?;
        self.channel.write(&self.buffer[..len])
    }
}

fn simple_reply(request: &Request, error: u32) -> Vec<u8> {
    let mut bytes = SIMPLE_REPLY_MAGIC.to_be_bytes().to_vec();
    bytes.extend(error.to_be_bytes());
    bytes.extend(request.cookie.to_be_bytes());
    bytes
}

fn chunk_header(request: &Request, flags: u16, kind: u16, len_bytes: u32) -> Vec<u8> {
    let mut bytes = STRUCTURED_REPLY_MAGIC.to_be_bytes().to_vec();
    bytes.extend(flags.to_be_bytes());
    bytes.extend(kind.to_be_bytes());
    bytes.extend(request.cookie.to_be_bytes());
    bytes.extend(len_bytes.to_be_bytes());
    bytes
}

/// The first extent of a range that is not empty.
fn first_extent(export: &dyn Export, range: Range<u64>) -> io::Result<Extent> {
    let extent = export.first_extent(range.clone())?;
    let fits = extent.range.start == range.start && extent.range.end <= range.end;
    // Else the reply would never end.
    if !fits || extent.range.is_empty() {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(extent)
}

fn write_zeros(export: &dyn Export, range: Range<u64>) -> io::Result<()> {
    let mut at = range.start;
    while at < range.end {
        let len = (range.end - at).min(ZEROS.len() as u64);
        export.write_at(&ZEROS[..len as usize], at)?;
        at += len;
    }
    Ok(())
}

fn error_number(error: io::Error) -> u32 {
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => errno::EPERM,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => errno::ENOSPC,
        io::ErrorKind::OutOfMemory => errno::ENOMEM,
        io::ErrorKind::Unsupported => errno::ENOTSUP,
        _ => errno::EIO,
    }
}
