//! The descriptors of branches: which are open, closing those far above, opening them again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use rustix::io::Errno;

use crate::stat::Stat;
use crate::{Dir, Error};

use super::super::HELD_ANCESTORS;
use super::{Branch, Place};

/// A branch's descriptor: closed for the backup's root, and for a far ancestor until it is needed again.
#[derive(Debug)]
pub(super) struct Descriptor {
    dir: Mutex<Option<Arc<Dir>>>,
    is_open: AtomicBool,
}

impl Descriptor {
    pub(super) fn open(dir: Arc<Dir>) -> Descriptor {
        Descriptor {
            dir: Mutex::new(Some(dir)),
            is_open: AtomicBool::new(true),
        }
    }

    pub(super) fn closed() -> Descriptor {
        Descriptor {
            dir: Mutex::new(None),
            is_open: AtomicBool::new(false),
        }
    }

    fn get(&self) -> Option<Arc<Dir>> {
        self.dir.lock().clone()
    }

    fn set(&self, dir: Option<Arc<Dir>>) {
        let mut held = self.dir.lock();
        self.is_open.store(dir.is_some(), Ordering::Relaxed);
        *held = dir;
    }
}

impl Branch {
    /// Returns whether a child can be opened without opening this directory first.
    pub(in super::super) fn is_open(&self) -> bool {
        self.dir.is_open.load(Ordering::Relaxed) || self.is_root()
    }

    /// Gives up the descriptor until it is needed again.
    pub(in super::super) fn close(&self) {
        self.dir.set(None);
    }

    /// Opens the child. A directory that was closed is opened again and stays open, and so do the ancestors
    /// that the consumer, being here, will need next.
    pub(in super::super) fn open_child(&self, child: usize) -> Result<Arc<Dir>, Errno> {
        if let Place::Root(sources) = &self.place {
            return Ok(Arc::clone(&sources[child].dir));
        }
        let dir = match self.dir.get() {
            Some(dir) => dir,
            None => self.reopen()?,
        };
        dir.child_for_scan(self.child_name(child)).map(Arc::new)
    }

    /// Opens this directory and the nearest ancestors again, from the first of them that is open or from the
    /// source's root. One long path is thus resolved for many directories.
    fn reopen(&self) -> Result<Arc<Dir>, Errno> {
        let mut closed = vec![self];
        let mut above = self.parent.as_deref();
        let mut reached = None;
        while let Some(branch) = above.filter(|branch| !branch.is_root()) {
            reached = branch.dir.get();
            if reached.is_some() || closed.len() == HELD_ANCESTORS {
                break;
            }
            closed.push(branch);
            above = branch.parent.as_deref();
        }
        for branch in closed.into_iter().rev() {
            let dir = match reached {
                Some(above) => Arc::new(above.child_for_scan(branch.own_name())?),
                None => branch.open_from_source()?,
            };
            branch.check_identity(&dir)?;
            branch.dir.set(Some(Arc::clone(&dir)));
            reached = Some(dir);
        }
        reached.ok_or(Errno::NOENT)
    }

    /// Opens this directory by its whole path from the source's root.
    fn open_from_source(&self) -> Result<Arc<Dir>, Errno> {
        let (Place::Beneath { source, .. }, Some(parent)) = (&self.place, &self.parent) else {
            return Err(Errno::NOENT);
        };
        let mut path = Vec::new();
        parent.child_path(self.index, &mut path);
        let dir = source.dir.open_beneath(&path).map_err(|error| match error {
            Error::Denied { source, .. } | Error::Io { source, .. } => source,
            _ => Errno::NOENT,
        })?;
        Ok(Arc::new(dir))
    }

    /// Fails as if it were gone if another directory has taken this one's place.
    fn check_identity(&self, dir: &Dir) -> Result<(), Errno> {
        match &self.place {
            Place::Beneath { identity, .. } if Stat::of(dir)?.identity() == *identity => Ok(()),
            _ => Err(Errno::NOENT),
        }
    }
}
