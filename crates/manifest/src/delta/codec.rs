//! Operations as bytes, and back. What is decoded here comes from the network.

use super::{Basis, DirDelta, FileId, Op, Upsert};
use crate::codec::{Input, put_bytes, put_varint};
use crate::entry::Entry;
use crate::error::{Error, Result};
use crate::path::{check_name, check_path, name_fault};
use crate::record::{EntryDecoder, EntryEncoder, MAX_RECORD_BYTES};

/// Longest operation.
pub const MAX_OP_BYTES: usize = MAX_RECORD_BYTES;

const SAME: u8 = 1;
const DROP: u8 = 2;
const DIR: u8 = 3;

/// What a directory's first byte tells.
const COMPLETE: u8 = 0x01;
const METADATA: u8 = 0x02;

const MIN_REMOVED_BYTES: usize = 2;
/// Name (2), tag, mode, owner, mtime (2), ctime (2), inode.
const MIN_UPSERT_BYTES: usize = 10;

/// Appends the encoding of operations.
pub fn encode_ops<'a>(ops: impl IntoIterator<Item = &'a Op>, out: &mut Vec<u8>) -> Result<()> {
    ops.into_iter().try_for_each(|op| encode_op(op, out))
}

/// Appends the encoding of an operation.
///
/// # Errors
/// If the operation breaks a rule; nothing is appended then.
pub fn encode_op(op: &Op, out: &mut Vec<u8>) -> Result<()> {
    let (kind, dirs) = match op {
        Op::Same { dirs } => (SAME, *dirs),
        Op::Drop { dirs } => (DROP, *dirs),
        Op::Dir(delta) => {
            let mut body = Vec::new();
            encode_dir(delta, &mut body)?;
            check_op_len(body.len() as u64, MAX_OP_BYTES)?;
            out.push(DIR);
            put_bytes(out, &body);
            return Ok(());
        }
    };
    if dirs == 0 {
        return Err(Error::malformed("operation", "a run of no directories"));
    }
    out.push(kind);
    put_varint(out, dirs);
    Ok(())
}

fn check_op_len(len_bytes: u64, limit_bytes: usize) -> Result<()> {
    if len_bytes > limit_bytes as u64 {
        return Err(Error::TooLong {
            part: "operation",
            len_bytes,
            limit_bytes: limit_bytes as u64,
        });
    }
    Ok(())
}

fn encode_dir(delta: &DirDelta, out: &mut Vec<u8>) -> Result<()> {
    check_path(&delta.path)?;
    delta.check_lists()?;
    let mut encoder = EntryEncoder::default();
    let complete = if delta.basis == Basis::Complete {
        COMPLETE
    } else {
        0
    };
    if delta.path.is_empty() != delta.metadata.is_none() {
        return Err(Error::malformed(
            "operation",
            "a directory has metadata unless it is the root",
        ));
    }
    out.push(complete | if delta.metadata.is_some() { METADATA } else { 0 });
    put_bytes(out, &delta.path);
    if let Some(metadata) = &delta.metadata {
        encoder.directory(metadata, out)?;
    }
    put_varint(out, delta.removed.len() as u64);
    for name in &delta.removed {
        check_name(name)?;
        out.push(name.len() as u8);
        out.extend_from_slice(name);
    }
    put_varint(out, delta.upserts.len() as u64);
    for Upsert { entry, pending } in &delta.upserts {
        match pending {
            None => encoder.entry(entry, out)?,
            Some(file) => {
                encoder.pending(entry, out)?;
                put_varint(out, file.0);
            }
        }
    }
    Ok(())
}

/// Decodes a batch that is complete, one operation at a time.
pub fn decode_ops(bytes: &[u8]) -> Ops<'_> {
    Ops {
        input: Some(Input::new(bytes, "operation")),
    }
}

/// Goes through the operations of a batch; ends at the first error.
#[derive(Debug, Clone)]
pub struct Ops<'a> {
    input: Option<Input<'a>>,
}

impl Iterator for Ops<'_> {
    type Item = Result<Op>;

    fn next(&mut self) -> Option<Self::Item> {
        let input = self.input.as_mut().filter(|input| input.remaining() > 0)?;
        let op = decode_op(input);
        if op.is_err() {
            self.input = None;
        }
        Some(op)
    }
}

fn decode_op(input: &mut Input<'_>) -> Result<Op> {
    let kind = input.byte()?;
    if kind == DIR {
        return Ok(Op::Dir(Box::new(decode_dir(input.bytes()?)?)));
    }
    let dirs = input.varint()?;
    match kind {
        _ if dirs == 0 => Err(input.fault("a run of no directories")),
        SAME => Ok(Op::Same { dirs }),
        DROP => Ok(Op::Drop { dirs }),
        _ => Err(input.fault("it is of no known kind")),
    }
}

fn decode_dir(bytes: &[u8]) -> Result<DirDelta> {
    let mut input = Input::new(bytes, "operation");
    let mut decoder = EntryDecoder::default();
    let flags = input.byte()?;
    if flags & !(COMPLETE | METADATA) != 0 {
        return Err(input.fault("a directory has unknown flags"));
    }
    let path = input.bytes()?;
    check_path(path)?;
    if path.is_empty() != (flags & METADATA == 0) {
        return Err(input.fault("a directory has metadata unless it is the root"));
    }
    let metadata = if flags & METADATA == 0 {
        None
    } else {
        Some(decoder.directory(&mut input)?)
    };
    let basis = if flags & COMPLETE == 0 {
        Basis::Delta
    } else {
        Basis::Complete
    };
    let removed = decode_removed(&mut input)?;
    let upserts = decode_upserts(&mut input, &mut decoder)?;
    input.end()?;
    let delta = DirDelta {
        path: path.into(),
        metadata,
        basis,
        removed,
        upserts,
    };
    delta.check_lists()?;
    Ok(delta)
}

fn decode_removed(input: &mut Input<'_>) -> Result<Vec<Box<[u8]>>> {
    let count = input.count(MIN_REMOVED_BYTES)?;
    let mut removed = Vec::with_capacity(count);
    for _ in 0..count {
        let len_bytes = input.byte()?;
        let name = input.take(usize::from(len_bytes))?;
        if let Some(what) = name_fault(name) {
            return Err(input.fault(what));
        }
        removed.push(name.into());
    }
    Ok(removed)
}

fn decode_upserts<'a>(input: &mut Input<'a>, decoder: &mut EntryDecoder<'a>) -> Result<Vec<Upsert>> {
    let count = input.count(MIN_UPSERT_BYTES)?;
    let mut upserts = Vec::with_capacity(count);
    for _ in 0..count {
        let (entry, is_pending) = decoder.any_entry(input)?;
        let entry: Entry = decoder.own(&entry);
        let pending = if is_pending {
            Some(FileId(input.varint()?))
        } else {
            None
        };
        upserts.push(Upsert { entry, pending });
    }
    Ok(upserts)
}

/// Takes encoded operations in pieces that are cut anywhere, and gives them out whole.
#[derive(Debug)]
pub struct OpStream {
    buffer: Vec<u8>,
    /// Bytes of the buffer that have been decoded.
    used: usize,
    limit_bytes: usize,
}

impl OpStream {
    /// Creates a stream that accepts operations up to a length, at most [`MAX_OP_BYTES`].
    pub fn new(limit_bytes: usize) -> Self {
        Self {
            buffer: Vec::new(),
            used: 0,
            limit_bytes: limit_bytes.min(MAX_OP_BYTES),
        }
    }

    /// Takes the next bytes. All that is complete should be taken out before more is fed.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.used);
        self.used = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// Gives the next operation, if all of it is there.
    ///
    /// # Errors
    /// If the bytes are no operation, or one that is too long; the stream is of no use after that.
    pub fn next_op(&mut self) -> Result<Option<Op>> {
        let rest = &self.buffer[self.used..];
        let Some(len) = op_len(rest, self.limit_bytes)?.filter(|&len| len <= rest.len()) else {
            return Ok(None);
        };
        let mut input = Input::new(&rest[..len], "operation");
        let op = decode_op(&mut input)?;
        input.end()?;
        self.used += len;
        Ok(Some(op))
    }

    /// Ends the stream.
    ///
    /// # Errors
    /// If it ends within an operation, or some were not taken out.
    pub fn finish(self) -> Result<()> {
        if self.used == self.buffer.len() {
            return Ok(());
        }
        Err(Error::malformed("operation", "it ends too early"))
    }
}

/// Tells the length of the operation that begins here, as soon as that can be said.
fn op_len(bytes: &[u8], limit_bytes: usize) -> Result<Option<usize>> {
    const MAX_VARINT_BYTES: usize = 10;
    let Some((&kind, rest)) = bytes.split_first() else {
        return Ok(None);
    };
    let number = &rest[..rest.len().min(MAX_VARINT_BYTES)];
    let complete = number.iter().any(|&byte| byte < 0x80);
    if !complete && number.len() < MAX_VARINT_BYTES {
        return Ok(None);
    }
    let mut input = Input::new(number, "operation");
    let value = input.varint()?;
    let prefix = 1 + number.len() - input.remaining();
    if kind != DIR {
        return Ok(Some(prefix));
    }
    check_op_len(value, limit_bytes)?;
    Ok(Some(prefix + value as usize))
}
