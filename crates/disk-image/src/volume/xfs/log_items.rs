//! What a record of the log changes, as far as it matters: an unmount, superblocks, or anything else.
//!
//! The data of a record are operations (`fs/xfs/libxfs/xfs_log_format.h`): 0 transaction, 4 bytes of payload, 8 client, 9 flags, 12 payload.
//! A transaction is a start, a header ("TRAN"), items, and a commit. The item of a buffer, in the machine's byte order: 0 type (u16), 2 parts (u16),
//! 8 place in sectors (i64); then its other parts.

use super::super::reader::be32_at;
use crate::source::{u16_at, u32_at, u64_at};

const OPERATION_BYTES: usize = 12;
const START: u8 = 0x01;
const COMMIT: u8 = 0x02;
/// Both ends of an operation that goes on in the next record.
const CONTINUES: u8 = 0x08;
const CONTINUED: u8 = 0x10;
const UNMOUNT: u8 = 0x20;
const BUFFER_ITEM: u16 = 0x123c;
const TRANSACTION_MAGIC: u32 = 0x5452_414e;

/// An operation.
struct Operation<'a> {
    flags: u8,
    payload: &'a [u8],
}

/// Splits the data of a record; ends early where they make no sense.
struct Operations<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Operations<'a> {
    type Item = Operation<'a>;

    fn next(&mut self) -> Option<Operation<'a>> {
        let head = self.rest.get(..OPERATION_BYTES)?;
        let end = OPERATION_BYTES.checked_add(be32_at(head, 4) as usize)?;
        let operation = Operation {
            flags: head[9],
            payload: self.rest.get(OPERATION_BYTES..end)?,
        };
        self.rest = &self.rest[end..];
        Some(operation)
    }
}

/// Whether data begin with an unmount.
pub(super) fn is_unmount(data: &[u8]) -> bool {
    let first = Operations { rest: data }.next();
    first.is_some_and(|operation| operation.flags & UNMOUNT != 0)
}

/// Whether there are as many operations as the record says, and all are of transactions that change superblocks alone.
pub(super) fn are_superblocks_only(data: &[u8], count: u32) -> bool {
    let mut operations = Operations { rest: data }.take(count as usize);
    let mut seen = 0;
    let mut parts = 0_u16;
    let is_harmless = operations.by_ref().all(|operation| {
        seen += 1;
        if operation.flags & (CONTINUES | CONTINUED) != 0 {
            return false;
        }
        if parts > 0 {
            parts -= 1;
            return true;
        }
        if operation.payload.is_empty() {
            return operation.flags & (START | COMMIT | UNMOUNT) != 0;
        }
        if operation.flags & UNMOUNT != 0 {
            return true;
        }
        let is_header = operation.payload.len() == 16 && u32_at(operation.payload, 0) == TRANSACTION_MAGIC;
        is_header
            || others_of_superblock(operation.payload)
                .inspect(|others| parts = *others)
                .is_some()
    });
    is_harmless && seen == count && parts == 0
}

/// The number of further parts of an item, if it is the buffer of the first superblock.
fn others_of_superblock(item: &[u8]) -> Option<u16> {
    let is_superblock = item.len() >= 20 && u16_at(item, 0) == BUFFER_ITEM && u64_at(item, 8) == 0;
    u16_at(item.get(..4)?, 2).checked_sub(1).filter(|_| is_superblock)
}
