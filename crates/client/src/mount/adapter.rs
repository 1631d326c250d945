//! The questions of the kernel, translated: [FUSE](https://www.kernel.org/doc/html/latest/filesystems/fuse/fuse.html) on one side, the
//! tree and its content on the other. Several threads call at once, each until it has its answer.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fuser::{
    Errno, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, InitFlags, KernelConfig,
    LockOwner, OpenFlags, ReplyAttr, ReplyData, ReplyDirectory, ReplyDirectoryPlus, ReplyEmpty, ReplyEntry,
    ReplyOpen, ReplyStatfs, ReplyXattr, Request,
};
use parking_lot::Mutex;

use super::content::{Contents, FileContent};
use super::tree::{Folder, Refusal, Shown, Tree};

/// A number stands for one thing as long as the kernel knows it.
const GENERATION: Generation = Generation(0);
/// Questions that the kernel may ask in advance.
const BACKGROUND_REQUESTS: u16 = 64;
/// What is told of a file system that has no blocks of its own.
const STATFS_BLOCK_BYTES: u32 = manifest::BLOCK_BYTES as u32;
/// In a list "." and ".." stand in front.
const OWN_ENTRIES: u64 = 2;

/// What capabilities of the kernel make use of.
const WANTED: [InitFlags; 5] = [
    // Lists with attributes, so that a program that shows both does not ask for each entry.
    InitFlags::FUSE_DO_READDIRPLUS,
    InitFlags::FUSE_READDIRPLUS_AUTO,
    InitFlags::FUSE_PARALLEL_DIROPS,
    // Access control lists are enforced, without which the bits of a mode may allow more than they did.
    InitFlags::FUSE_POSIX_ACL,
    InitFlags::FUSE_ASYNC_DIO,
];

/// Answers the kernel.
pub(super) struct Adapter {
    tree: Arc<Tree>,
    contents: Arc<Contents>,
    files: Handles<FileContent>,
    folders: Handles<Folder>,
}

/// What is open, by the handles that the kernel has.
struct Handles<T> {
    open: Mutex<HashMap<u64, Arc<T>>>,
    next: AtomicU64,
}

impl<T> Handles<T> {
    fn new() -> Self {
        Self {
            open: Mutex::default(),
            next: AtomicU64::new(1),
        }
    }

    fn enter(&self, opened: T) -> FileHandle {
        let handle = self.next.fetch_add(1, Ordering::Relaxed);
        self.open.lock().insert(handle, Arc::new(opened));
        FileHandle(handle)
    }

    fn get(&self, handle: FileHandle) -> Result<Arc<T>, Errno> {
        self.open.lock().get(&handle.0).cloned().ok_or(Errno::EBADF)
    }

    fn close(&self, handle: FileHandle) {
        self.open.lock().remove(&handle.0);
    }
}

impl Adapter {
    /// Answers with what these have.
    pub(super) fn new(tree: Arc<Tree>, contents: Arc<Contents>) -> Self {
        Self {
            tree,
            contents,
            files: Handles::new(),
            folders: Handles::new(),
        }
    }

    /// Calls `add` for each entry of a list from an offset on, until it says that there is no more room.
    fn list(
        folder: &Folder,
        offset: u64,
        mut add: impl FnMut(u64, Listed<'_>) -> Result<Room, Errno>,
    ) -> Result<(), Errno> {
        for at in offset.. {
            let listed = match at {
                0 => Listed::Own(folder.number(), "."),
                1 => Listed::Own(folder.parent(), ".."),
                _ => match usize::try_from(at - OWN_ENTRIES)
                    .ok()
                    .and_then(|at| folder.child(at))
                {
                    Some(child) => Listed::Child(child),
                    None => break,
                },
            };
            // The offset of an entry is where the next list goes on.
            if add(at + 1, listed)? == Room::None {
                break;
            }
        }
        Ok(())
    }
}

/// Something in a list.
enum Listed<'a> {
    /// The directory itself, or what it lies in, with its number.
    Own(u64, &'static str),
    Child(super::tree::Child<'a>),
}

/// Whether a list has room for more.
#[derive(PartialEq)]
enum Room {
    Some,
    None,
}

impl Room {
    fn unless(is_full: bool) -> Self {
        if is_full { Self::None } else { Self::Some }
    }
}

fn errno(refusal: Refusal) -> Errno {
    match refusal {
        Refusal::Missing => Errno::ENOENT,
        Refusal::NotADirectory => Errno::ENOTDIR,
        Refusal::WrongKind => Errno::EINVAL,
        Refusal::NoAttribute => Errno::ENODATA,
        Refusal::Unreadable => Errno::EIO,
    }
}

/// Gives the value of an attribute, or its length where the kernel asks for that with a size of 0.
fn reply_value(value: &[u8], size: u32, reply: ReplyXattr) {
    match (u32::try_from(value.len()), size) {
        (Ok(len), 0) => reply.size(len),
        (Ok(len), size) if len <= size => reply.data(value),
        _ => reply.error(Errno::ERANGE),
    }
}

impl Filesystem for Adapter {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> io::Result<()> {
        for wanted in WANTED {
            if let Err(lacking) = config.add_capabilities(wanted) {
                tracing::debug!(?lacking, "the kernel is an older one");
            }
        }
        // It refuses 0 alone.
        let _ = config.set_max_background(BACKGROUND_REQUESTS);
        Ok(())
    }

    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        match self.tree.look_up(parent.0, name.as_bytes()) {
            Ok(Shown { attributes, holds }) => reply.entry(&holds, &attributes, GENERATION),
            Err(refusal) => reply.error(errno(refusal)),
        }
    }

    fn forget(&self, _: &Request, number: INodeNo, lookups: u64) {
        self.tree.forget(number.0, lookups);
    }

    fn getattr(&self, _: &Request, number: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.tree.shown(number.0) {
            Ok(Shown { attributes, holds }) => reply.attr(&holds, &attributes),
            Err(refusal) => reply.error(errno(refusal)),
        }
    }

    fn readlink(&self, _: &Request, number: INodeNo, reply: ReplyData) {
        match self.tree.target(number.0) {
            Ok(target) => reply.data(&target),
            Err(refusal) => reply.error(errno(refusal)),
        }
    }

    fn open(&self, _: &Request, number: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        match self.tree.file(number.0) {
            // What a file of a backup holds never changes.
            Ok(file) => reply.opened(self.files.enter(file), FopenFlags::FOPEN_KEEP_CACHE),
            Err(refusal) => reply.error(errno(refusal)),
        }
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let read = self
            .files
            .get(handle)
            .and_then(|file| self.contents.read(&file, offset, size).map_err(errno));
        match read {
            Ok(bytes) => reply.data(&bytes),
            Err(errno) => reply.error(errno),
        }
    }

    fn release(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        self.files.close(handle);
        reply.ok();
    }

    fn opendir(&self, _: &Request, number: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        match self.tree.folder(number.0) {
            Ok(folder) => reply.opened(self.folders.enter(folder), FopenFlags::empty()),
            Err(refusal) => reply.error(errno(refusal)),
        }
    }

    fn readdir(&self, _: &Request, _: INodeNo, handle: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let listed = self.folders.get(handle).and_then(|folder| {
            Self::list(&folder, offset, |next, listed| {
                let is_full = match listed {
                    Listed::Own(number, name) => reply.add(INodeNo(number), next, FileType::Directory, name),
                    Listed::Child(child) => {
                        let (number, kind) = child.hint();
                        reply.add(INodeNo(number), next, kind, OsStr::from_bytes(child.name()))
                    }
                };
                Ok(Room::unless(is_full))
            })
        });
        match listed {
            Ok(()) => reply.ok(),
            Err(errno) => reply.error(errno),
        }
    }

    fn readdirplus(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        mut reply: ReplyDirectoryPlus,
    ) {
        let listed = self.folders.get(handle).and_then(|folder| {
            let own = self.tree.shown(folder.number()).map_err(errno)?;
            Self::list(&folder, offset, |next, listed| {
                let (number, name, shown) = match &listed {
                    // The kernel takes the name and the number of these alone.
                    Listed::Own(number, name) => (*number, name.as_bytes(), own.clone()),
                    Listed::Child(child) => {
                        let shown = self.tree.child(child).map_err(errno)?;
                        (shown.attributes.ino.0, child.name(), shown)
                    }
                };
                let Shown { attributes, holds } = shown;
                let name = OsStr::from_bytes(name);
                let is_full = reply.add(INodeNo(number), next, name, &holds, &attributes, GENERATION);
                if is_full && matches!(listed, Listed::Child(_)) {
                    // The kernel is not told of it now.
                    self.tree.forget(number, 1);
                }
                Ok(Room::unless(is_full))
            })
        });
        match listed {
            Ok(()) => reply.ok(),
            Err(errno) => reply.error(errno),
        }
    }

    fn releasedir(&self, _: &Request, _: INodeNo, handle: FileHandle, _: OpenFlags, reply: ReplyEmpty) {
        self.folders.close(handle);
        reply.ok();
    }

    fn getxattr(&self, _: &Request, number: INodeNo, name: &OsStr, size: u32, reply: ReplyXattr) {
        let value = self.tree.with_xattrs(number.0, |item| {
            let value = item.and_then(|item| item.xattr(name.as_bytes()));
            value.map(<[u8]>::to_vec).ok_or(Refusal::NoAttribute)
        });
        match value {
            Ok(value) => reply_value(&value, size, reply),
            Err(refusal) => reply.error(errno(refusal)),
        }
    }

    fn listxattr(&self, _: &Request, number: INodeNo, size: u32, reply: ReplyXattr) {
        let names = self.tree.with_xattrs(number.0, |item| {
            let xattrs = item.map_or(&[][..], |item| &item.xattrs);
            let terminated = |xattr: &manifest::Xattr| [&xattr.name, &b"\0"[..]].concat();
            Ok(xattrs.iter().flat_map(terminated).collect::<Vec<u8>>())
        });
        match names {
            Ok(names) => reply_value(&names, size, reply),
            Err(refusal) => reply.error(errno(refusal)),
        }
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        let longest_name = manifest::MAX_NAME_BYTES as u32;
        reply.statfs(
            0,
            0,
            0,
            0,
            0,
            STATFS_BLOCK_BYTES,
            longest_name,
            STATFS_BLOCK_BYTES,
        );
    }

    /// Nothing is to be written when a file is closed; the kernel does not ask again.
    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.error(Errno::ENOSYS);
    }
}
