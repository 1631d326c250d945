//! The ioctls of btrfs that subvolumes need (`linux/btrfs.h`, `linux/btrfs_tree.h`).
//!
//! Names must have been checked by the caller; they are cut to the structure's room here all the same.

use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Result;
use rustix::ioctl::{Getter, NoArg, Opcode, Setter, Updater, ioctl, opcode};

pub(super) const BTRFS_IOCTL_MAGIC: u8 = 0x94;
const PATH_NAME_BYTES: usize = 4088;
const SUBVOL_NAME_BYTES: usize = 4040;
const INO_LOOKUP_PATH_BYTES: usize = 4080;
const SEARCH_BUFFER_BYTES: usize = 4096 - size_of::<SearchKey>();

/// `BTRFS_SUBVOL_RDONLY`.
pub(crate) const SUBVOLUME_READ_ONLY: u64 = 1 << 1;

/// `BTRFS_ROOT_TREE_OBJECTID`: the tree of tree roots.
const ROOT_TREE_ID: u64 = 1;
/// `BTRFS_ROOT_ITEM_KEY`.
const ROOT_ITEM_KEY: u32 = 132;
/// `BTRFS_FIRST_FREE_OBJECTID`: the inode number of a subvolume's root directory.
pub(crate) const FIRST_FREE_OBJECT_ID: u64 = 256;

/// `struct btrfs_ioctl_vol_args`.
#[repr(C)]
struct VolArgs {
    fd: i64,
    name: [u8; PATH_NAME_BYTES],
}

/// `struct btrfs_ioctl_vol_args_v2`.
#[repr(C)]
struct VolArgsV2 {
    fd: i64,
    transid: u64,
    flags: u64,
    unused: [u64; 4],
    name: [u8; SUBVOL_NAME_BYTES],
}

/// `struct btrfs_ioctl_ino_lookup_args`.
#[repr(C)]
struct InoLookupArgs {
    treeid: u64,
    objectid: u64,
    name: [u8; INO_LOOKUP_PATH_BYTES],
}

/// `struct btrfs_ioctl_search_key`.
#[repr(C)]
pub(super) struct SearchKey {
    tree_id: u64,
    min_objectid: u64,
    max_objectid: u64,
    min_offset: u64,
    max_offset: u64,
    min_transid: u64,
    max_transid: u64,
    min_type: u32,
    max_type: u32,
    nr_items: u32,
    unused: u32,
    unused_tail: [u64; 4],
}

impl SearchKey {
    /// As many items of a kind as there is room for, of an inode in the subvolume that is asked.
    pub(super) fn items_of(inode: u64, item_type: u32, min_offset: u64) -> Self {
        Self {
            tree_id: 0,
            min_objectid: inode,
            max_objectid: inode,
            min_offset,
            max_offset: u64::MAX,
            min_transid: 0,
            max_transid: u64::MAX,
            min_type: item_type,
            max_type: item_type,
            nr_items: u32::MAX,
            unused: 0,
            unused_tail: [0; 4],
        }
    }

    /// After a search: how many items were found.
    pub(super) fn nr_items(&self) -> u32 {
        self.nr_items
    }
}

/// `struct btrfs_ioctl_search_args`.
#[repr(C)]
struct SearchArgs {
    key: SearchKey,
    buffer: [u8; SEARCH_BUFFER_BYTES],
}

const SYNC: Opcode = opcode::none(BTRFS_IOCTL_MAGIC, 8);
const SNAP_DESTROY: Opcode = opcode::write::<VolArgs>(BTRFS_IOCTL_MAGIC, 15);
const TREE_SEARCH: Opcode = opcode::read_write::<SearchArgs>(BTRFS_IOCTL_MAGIC, 17);
const INO_LOOKUP: Opcode = opcode::read_write::<InoLookupArgs>(BTRFS_IOCTL_MAGIC, 18);
const SNAP_CREATE_V2: Opcode = opcode::write::<VolArgsV2>(BTRFS_IOCTL_MAGIC, 23);
const SUBVOL_CREATE_V2: Opcode = opcode::write::<VolArgsV2>(BTRFS_IOCTL_MAGIC, 24);
const SUBVOL_GETFLAGS: Opcode = opcode::read::<u64>(BTRFS_IOCTL_MAGIC, 25);
const SUBVOL_SETFLAGS: Opcode = opcode::write::<u64>(BTRFS_IOCTL_MAGIC, 26);

const _: () = assert!(size_of::<VolArgs>() == 4096 && size_of::<VolArgsV2>() == 4096);
const _: () = assert!(size_of::<InoLookupArgs>() == 4096 && size_of::<SearchArgs>() == 4096);
const _: () = assert!(SNAP_CREATE_V2 == 0x5000_9417 && TREE_SEARCH == 0xd000_9411);

/// Copies a name into a zeroed buffer, leaving room for the closing NUL.
fn name_buffer<const N: usize>(name: &[u8]) -> [u8; N] {
    let mut buffer = [0; N];
    let len_bytes = name.len().min(N - 1);
    buffer[..len_bytes].copy_from_slice(&name[..len_bytes]);
    buffer
}

fn vol_args_v2(fd: i64, flags: u64, name: &[u8]) -> VolArgsV2 {
    VolArgsV2 {
        fd,
        transid: 0,
        flags,
        unused: [0; 4],
        name: name_buffer(name),
    }
}

pub(crate) fn create_subvolume(parent: BorrowedFd<'_>, name: &[u8]) -> Result<()> {
    let mut args = vol_args_v2(0, 0, name);
    // SAFETY: SUBVOL_CREATE_V2 reads one `struct btrfs_ioctl_vol_args_v2` with a NUL-terminated name, and writes at
    // most into it; the structure is borrowed mutably for the call.
    unsafe { ioctl(parent, Updater::<SUBVOL_CREATE_V2, VolArgsV2>::new(&mut args)) }
}

pub(crate) fn snapshot_subvolume(
    source: BorrowedFd<'_>,
    parent: BorrowedFd<'_>,
    name: &[u8],
    flags: u64,
) -> Result<()> {
    let mut args = vol_args_v2(i64::from(source.as_raw_fd()), flags, name);
    // SAFETY: as for SUBVOL_CREATE_V2; `source` is borrowed for the whole call, so `fd` names an open descriptor.
    unsafe { ioctl(parent, Updater::<SNAP_CREATE_V2, VolArgsV2>::new(&mut args)) }
}

pub(crate) fn delete_subvolume(parent: BorrowedFd<'_>, name: &[u8]) -> Result<()> {
    let args = VolArgs {
        fd: 0,
        name: name_buffer(name),
    };
    // SAFETY: SNAP_DESTROY reads one `struct btrfs_ioctl_vol_args` with a NUL-terminated name, which the setter owns
    // for the call, and writes nothing back.
    unsafe { ioctl(parent, Setter::<SNAP_DESTROY, VolArgs>::new(args)) }
}

pub(crate) fn subvolume_flags(subvolume: BorrowedFd<'_>) -> Result<u64> {
    // SAFETY: SUBVOL_GETFLAGS writes one u64.
    unsafe { ioctl(subvolume, Getter::<SUBVOL_GETFLAGS, u64>::new()) }
}

pub(crate) fn set_subvolume_flags(subvolume: BorrowedFd<'_>, flags: u64) -> Result<()> {
    // SAFETY: SUBVOL_SETFLAGS reads one u64.
    unsafe { ioctl(subvolume, Setter::<SUBVOL_SETFLAGS, u64>::new(flags)) }
}

/// The id of the subvolume that holds the inode; any user may ask.
pub(crate) fn subvolume_id(fd: BorrowedFd<'_>) -> Result<u64> {
    let mut args = InoLookupArgs {
        treeid: 0,
        objectid: FIRST_FREE_OBJECT_ID,
        name: [0; INO_LOOKUP_PATH_BYTES],
    };
    // SAFETY: INO_LOOKUP reads and writes one `struct btrfs_ioctl_ino_lookup_args`, borrowed mutably for the call.
    unsafe { ioctl(fd, Updater::<INO_LOOKUP, InoLookupArgs>::new(&mut args))? };
    Ok(args.treeid)
}

/// Whether the tree of tree roots still has the subvolume's root item; needs `CAP_SYS_ADMIN`.
pub(crate) fn root_item_exists(fd: BorrowedFd<'_>, subvolume_id: u64) -> Result<bool> {
    let mut args = Box::new(SearchArgs {
        key: SearchKey {
            tree_id: ROOT_TREE_ID,
            min_objectid: subvolume_id,
            max_objectid: subvolume_id,
            min_offset: 0,
            max_offset: u64::MAX,
            min_transid: 0,
            max_transid: u64::MAX,
            min_type: ROOT_ITEM_KEY,
            max_type: ROOT_ITEM_KEY,
            nr_items: 1,
            unused: 0,
            unused_tail: [0; 4],
        },
        buffer: [0; SEARCH_BUFFER_BYTES],
    });
    // SAFETY: TREE_SEARCH reads and writes one `struct btrfs_ioctl_search_args`, borrowed mutably for the call.
    unsafe { ioctl(fd, Updater::<TREE_SEARCH, SearchArgs>::new(&mut args))? };
    Ok(args.key.nr_items > 0)
}

/// Commits the running transaction and wakes the thread that cleans up deleted subvolumes.
pub(crate) fn commit_transaction(fd: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: SYNC takes no argument.
    unsafe { ioctl(fd, NoArg::<SYNC>::new()) }
}
