//! Frames of the data connections: a small protobuf header and the raw bytes of many pieces of files.
//!
//! ```text
//! offset  size  field
//! 0       4     length of the header in bytes, little endian, at most 1 MiB
//! 4       4     length of the payload in bytes, little endian, at most 4 MiB
//! 8       h     DataHeader (protobuf)
//! 8+h     p     payload: the pieces' bytes in order, as a whole zstd-compressed if the header says so
//! ```
//!
//! Both ends are blocking: a connection is served by one thread, which gives back-pressure for nothing.
//! Buffers are reused and never larger than the limits, whatever the peer sends.

use std::io::{self, Read, Write};

use prost::Message as _;

use crate::v1::{DataEnd, DataHeader, DataHello, Piece, Pieces, data_header::Header};

/// Largest header accepted.
pub const MAX_HEADER_BYTES: usize = 1 << 20;
/// Largest payload accepted, before and after decompression.
pub const MAX_PAYLOAD_BYTES: usize = 4 << 20;
/// A sender cuts a frame when its payload has reached this size.
pub const TARGET_PAYLOAD_BYTES: usize = 512 << 10;
/// A sender cuts a frame when it has this many pieces.
pub const MAX_PIECES: usize = 2048;

/// A piece of this size that is not compressed is a frame of its own, and not copied.
const ALONE_FROM_BYTES: usize = 128 << 10;
const PREFIX_BYTES: usize = 8;
/// Payloads below this are not worth compressing.
const COMPRESS_FROM_BYTES: usize = 512;

/// What is wrong with a frame, or with the connection that should have brought it.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The connection failed or ended inside a frame.
    #[error("the data connection failed")]
    Io(#[from] io::Error),
    /// A length in the prefix or the header is over its limit.
    #[error("a frame's {what} of {len_bytes} bytes is over the limit of {limit_bytes}")]
    TooLong {
        /// Which part.
        what: &'static str,
        /// As the peer gave it.
        len_bytes: u64,
        /// What is accepted.
        limit_bytes: u64,
    },
    /// The header is not a valid message.
    #[error("a frame's header can't be decoded")]
    Header(#[from] prost::DecodeError),
    /// The header is valid, but doesn't fit the payload or the protocol.
    #[error("a frame is malformed: {what}")]
    Malformed {
        /// What does not fit.
        what: &'static str,
    },
}

/// Whether payloads are compressed, and how hard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Payloads travel as they are.
    Off,
    /// zstd at this level, where a payload shrinks by an eighth at least.
    Zstd(i32),
}

/// Collects pieces and writes them as frames.
pub struct FrameWriter<W> {
    out: W,
    pieces: Vec<Piece>,
    payload: Vec<u8>,
    scratch: Vec<u8>,
    packed: Vec<u8>,
    compression: Compression,
    sent_bytes: u64,
    raw_bytes: u64,
}

impl<W: Write> FrameWriter<W> {
    /// Creates a writer on a fresh data connection and introduces it as belonging to `session`.
    pub fn create(out: W, session: &[u8]) -> Result<Self, FrameError> {
        let mut writer = Self {
            out,
            pieces: Vec::new(),
            payload: Vec::with_capacity(TARGET_PAYLOAD_BYTES * 2),
            scratch: Vec::new(),
            packed: Vec::new(),
            compression: Compression::Off,
            sent_bytes: 0,
            raw_bytes: 0,
        };
        writer.write(
            Header::Hello(DataHello {
                session: session.to_vec(),
            }),
            Body::Empty,
        )?;
        writer.out.flush()?;
        Ok(writer)
    }

    /// Compresses from the next frame on, or no longer.
    pub fn set_compression(&mut self, compression: Compression) {
        self.compression = compression;
    }

    /// Adds a piece whose bytes are `bytes`; a full frame is sent at once.
    pub fn piece(&mut self, mut piece: Piece, bytes: &[u8]) -> Result<(), FrameError> {
        let goes_alone = bytes.len() >= ALONE_FROM_BYTES && self.compression == Compression::Off;
        if goes_alone || self.payload.len() + bytes.len() > MAX_PAYLOAD_BYTES {
            self.flush_pieces()?;
        }
        piece.len_bytes = u32::try_from(bytes.len())
            .ok()
            .filter(|&len| len as usize <= MAX_PAYLOAD_BYTES)
            .ok_or(FrameError::Malformed {
                what: "a piece is longer than a frame",
            })?;
        if goes_alone {
            let pieces = Pieces {
                pieces: vec![piece],
                raw_len_bytes: 0,
            };
            self.raw_bytes += bytes.len() as u64;
            return self.write(Header::Pieces(pieces), Body::Bytes(bytes));
        }
        self.payload.extend_from_slice(bytes);
        self.pieces.push(piece);
        if self.payload.len() >= TARGET_PAYLOAD_BYTES || self.pieces.len() >= MAX_PIECES {
            self.flush()?;
        }
        Ok(())
    }

    /// Sends what has been collected.
    pub fn flush(&mut self) -> Result<(), FrameError> {
        self.flush_pieces()?;
        self.out.flush()?;
        Ok(())
    }

    fn flush_pieces(&mut self) -> Result<(), FrameError> {
        if !self.pieces.is_empty() {
            let pieces = std::mem::take(&mut self.pieces);
            let raw_len_bytes = self.compress()?;
            let body = if raw_len_bytes > 0 {
                Body::Packed
            } else {
                Body::Raw
            };
            self.raw_bytes += self.payload.len() as u64;
            self.write(
                Header::Pieces(Pieces {
                    pieces,
                    raw_len_bytes,
                }),
                body,
            )?;
            self.payload.clear();
        }
        Ok(())
    }

    /// Sends the rest and the mark that nothing follows; gives the connection back.
    pub fn finish(mut self) -> Result<W, FrameError> {
        self.flush()?;
        self.write(Header::End(DataEnd {}), Body::Empty)?;
        self.out.flush()?;
        Ok(self.out)
    }

    /// Whether pieces wait to be sent.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Bytes written to the connection so far.
    pub fn sent_bytes(&self) -> u64 {
        self.sent_bytes
    }

    /// Bytes of payload before compression so far.
    pub fn raw_bytes(&self) -> u64 {
        self.raw_bytes
    }

    /// Compresses the payload into `packed` and returns its raw length, or 0 where it stays as it is.
    fn compress(&mut self) -> Result<u32, FrameError> {
        let Compression::Zstd(level) = self.compression else {
            return Ok(0);
        };
        if self.payload.len() < COMPRESS_FROM_BYTES {
            return Ok(0);
        }
        self.packed.clear();
        self.packed
            .reserve(zstd::zstd_safe::compress_bound(self.payload.len()));
        let mut encoder = zstd::bulk::Compressor::new(level)?;
        encoder.compress_to_buffer(&self.payload, &mut self.packed)?;
        let worth_it = self.packed.len() < self.payload.len() / 8 * 7;
        Ok(if worth_it { self.payload.len() as u32 } else { 0 })
    }

    fn write(&mut self, header: Header, body: Body<'_>) -> Result<(), FrameError> {
        let payload: &[u8] = match body {
            Body::Empty => &[],
            Body::Raw => &self.payload,
            Body::Packed => &self.packed,
            Body::Bytes(bytes) => bytes,
        };
        let header = DataHeader { header: Some(header) };
        let header_len = header.encoded_len();
        if header_len > MAX_HEADER_BYTES {
            return Err(FrameError::Malformed {
                what: "the header is too long to send",
            });
        }
        self.scratch.clear();
        self.scratch.extend_from_slice(&(header_len as u32).to_le_bytes());
        self.scratch
            .extend_from_slice(&(payload.len() as u32).to_le_bytes());
        header.encode(&mut self.scratch).expect("a Vec grows as needed");
        self.out.write_all(&self.scratch)?;
        self.out.write_all(payload)?;
        self.sent_bytes += (self.scratch.len() + payload.len()) as u64;
        Ok(())
    }
}

#[derive(Clone, Copy)]
enum Body<'a> {
    Empty,
    Raw,
    Packed,
    Bytes(&'a [u8]),
}

/// One frame as it was read.
#[derive(Debug)]
pub enum Frame<'a> {
    /// Pieces, with the payload that they cut up.
    Pieces(Vec<Piece>, &'a [u8]),
    /// The peer is done.
    End,
}

/// Reads frames from a data connection.
pub struct FrameReader<R> {
    input: R,
    header: Vec<u8>,
    payload: Vec<u8>,
    raw: Vec<u8>,
    received_bytes: u64,
}

impl<R: Read> FrameReader<R> {
    /// Opens a reader on a fresh connection: reads the peer's introduction and returns the session it names.
    pub fn open(input: R) -> Result<(Self, Vec<u8>), FrameError> {
        let mut reader = Self {
            input,
            header: Vec::new(),
            payload: Vec::new(),
            raw: Vec::new(),
            received_bytes: 0,
        };
        match reader.read_frame()? {
            Header::Hello(hello) if reader.payload.is_empty() => Ok((reader, hello.session)),
            _ => Err(FrameError::Malformed {
                what: "the first frame is not an introduction",
            }),
        }
    }

    /// Reads the next frame. Pieces and payload are checked to fit each other.
    pub fn next_frame(&mut self) -> Result<Frame<'_>, FrameError> {
        match self.read_frame()? {
            Header::Hello(_) => Err(FrameError::Malformed {
                what: "a second introduction",
            }),
            Header::End(_) => Ok(Frame::End),
            Header::Pieces(pieces) => {
                let payload: &[u8] = if pieces.raw_len_bytes == 0 {
                    &self.payload
                } else {
                    decompress(&self.payload, pieces.raw_len_bytes, &mut self.raw)?;
                    &self.raw
                };
                check_pieces(&pieces.pieces, payload.len())?;
                Ok(Frame::Pieces(pieces.pieces, payload))
            }
        }
    }

    /// Gives the connection back.
    pub fn into_inner(self) -> R {
        self.input
    }

    /// Bytes read from the connection so far.
    pub fn received_bytes(&self) -> u64 {
        self.received_bytes
    }

    fn read_frame(&mut self) -> Result<Header, FrameError> {
        let mut prefix = [0u8; PREFIX_BYTES];
        self.input.read_exact(&mut prefix)?;
        let header_len = u32::from_le_bytes([prefix[0], prefix[1], prefix[2], prefix[3]]) as usize;
        let payload_len = u32::from_le_bytes([prefix[4], prefix[5], prefix[6], prefix[7]]) as usize;
        check_length("header", header_len, MAX_HEADER_BYTES)?;
        check_length("payload", payload_len, MAX_PAYLOAD_BYTES)?;
        self.header.resize(header_len, 0);
        self.input.read_exact(&mut self.header)?;
        self.payload.resize(payload_len, 0);
        self.input.read_exact(&mut self.payload)?;
        self.received_bytes += (PREFIX_BYTES + header_len + payload_len) as u64;
        let header = DataHeader::decode(self.header.as_slice())?;
        header.header.ok_or(FrameError::Malformed {
            what: "an empty header",
        })
    }
}

fn check_length(what: &'static str, len: usize, limit: usize) -> Result<(), FrameError> {
    if len > limit {
        return Err(FrameError::TooLong {
            what,
            len_bytes: len as u64,
            limit_bytes: limit as u64,
        });
    }
    Ok(())
}

fn decompress(packed: &[u8], raw_len_bytes: u32, raw: &mut Vec<u8>) -> Result<(), FrameError> {
    let raw_len = raw_len_bytes as usize;
    check_length("raw payload", raw_len, MAX_PAYLOAD_BYTES)?;
    raw.clear();
    raw.reserve(raw_len);
    let written = zstd::bulk::Decompressor::new()?
        .decompress_to_buffer(packed, raw)
        .map_err(|_| FrameError::Malformed {
            what: "the payload can't be decompressed",
        })?;
    if written != raw_len {
        return Err(FrameError::Malformed {
            what: "the payload has another length than announced",
        });
    }
    Ok(())
}

fn check_pieces(pieces: &[Piece], payload_len: usize) -> Result<(), FrameError> {
    let mut total = 0usize;
    for piece in pieces {
        total += piece.len_bytes as usize;
        let end = piece.offset_bytes.checked_add(u64::from(piece.len_bytes));
        let end = end.and_then(|end| end.checked_add(piece.hole_len_bytes));
        if end.is_none_or(|end| end > i64::MAX as u64) {
            return Err(FrameError::Malformed {
                what: "a piece ends beyond the largest file",
            });
        }
    }
    if total != payload_len {
        return Err(FrameError::Malformed {
            what: "the pieces' lengths don't add up to the payload",
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
