//! Holding volumes still that are mounted and written to, for as long as they are read.
//!
//! | how | where | what it costs |
//! |---|---|---|
//! | [`lvm`]: a snapshot of the volume below the file system | logical volumes of LVM | room in the volume group |
//! | [`freeze`]: everybody who writes waits | file systems that can be frozen, where the settings ask for it | writers wait |
//!
//! [`Holds::release`] tells whether they held to the end; what is left ends when it is dropped. Both ways end by themselves when this process is killed: a freeze at once, a snapshot when the next one is made.

mod freeze;
mod lvm;

use std::path::{Path, PathBuf};

use super::machine::{BlockDevice, Machine, Mount};
use crate::error::{Error, Result};
use crate::settings::{FreezeSetting, ImageSettings, SnapshotSetting};

use freeze::Freeze;
pub use freeze::HELD;
use lvm::LvmSnapshot;

/// What is held of an image's volumes.
#[derive(Debug)]
pub(super) struct Holds {
    snapshot: SnapshotSetting,
    freeze: Option<FreezeSetting>,
    /// A directory that this client writes to.
    own_dir: PathBuf,
    frozen: Vec<Freeze>,
    snapshots: Vec<LvmSnapshot>,
}

/// How a volume is held.
#[derive(Debug)]
pub(super) enum Held {
    /// By its file system; it is read as it is.
    Frozen,
    /// By a snapshot, which is a device of its own.
    Snapshot(PathBuf),
    /// Not at all, for a reason if there is one to tell.
    Not(Option<String>),
}

/// A volume whose file system is written to.
pub(super) struct Written<'a> {
    /// What is mounted: the volume itself, or a loop device on it.
    pub(super) device: &'a BlockDevice,
    pub(super) mount: &'a Mount,
    /// Whether `device` is the volume itself.
    pub(super) is_volume: bool,
}

impl Holds {
    /// None yet. `own_dir` is a directory that this client writes to.
    pub(super) fn new(settings: &ImageSettings, own_dir: &Path) -> Self {
        Self {
            snapshot: settings.snapshot,
            freeze: settings.freeze.clone(),
            own_dir: own_dir.to_owned(),
            frozen: Vec::new(),
            snapshots: Vec::new(),
        }
    }

    /// Holds a volume in the best way that is possible and allowed.
    ///
    /// Fails with [`Error::SnapshotRequired`] where there is none and the settings don't allow to go on without.
    pub(super) fn hold(&mut self, machine: &Machine, volume: &Written<'_>) -> Result<Held> {
        let mut reasons = Vec::new();
        if self.snapshot != SnapshotSetting::Off
            && volume.is_volume
            && let Some(name) = volume.device.logical_volume()
        {
            match LvmSnapshot::create(&name, self.snapshots.len(), &volume.mount.path) {
                Ok(snapshot) => {
                    let path = snapshot.path().to_owned();
                    self.snapshots.push(snapshot);
                    return Ok(Held::Snapshot(path));
                }
                Err(reason) => reasons.push(format!("no LVM snapshot: {reason}")),
            }
        }
        if let Some(setting) = &self.freeze {
            let frozen = self
                .may_freeze(machine, volume)
                .and_then(|()| Freeze::begin(setting, &volume.mount.path));
            match frozen {
                Ok(freeze) => {
                    self.frozen.push(freeze);
                    return Ok(Held::Frozen);
                }
                Err(reason) => reasons.push(format!("it can't be frozen: {reason}")),
            }
        }
        let reason = (!reasons.is_empty()).then(|| reasons.join("; "));
        match self.snapshot {
            SnapshotSetting::Required => Err(Error::SnapshotRequired {
                path: volume.mount.path.clone(),
                reason: reason
                    .unwrap_or_else(|| "it is no logical volume of LVM, and may not be frozen".to_owned()),
            }),
            SnapshotSetting::Auto | SnapshotSetting::Off => Ok(Held::Not(reason)),
        }
    }

    /// What this process needs to go on must not be frozen.
    fn may_freeze(&self, machine: &Machine, volume: &Written<'_>) -> Result<(), String> {
        for (dir, what) in [
            (Path::new("/"), "the system's root"),
            (&self.own_dir, "this client's state directory"),
        ] {
            if machine.holding(dir) == Some(volume.device.number) {
                return Err(format!("{what} is on it"));
            }
        }
        Ok(())
    }

    /// Whether anybody has to wait until this is released.
    pub(super) fn is_freezing(&self) -> bool {
        !self.frozen.is_empty()
    }

    /// Fails if a freeze has ended that should not have yet.
    pub(super) fn watch(&mut self) -> Result<()> {
        self.frozen.iter_mut().try_for_each(Freeze::check)
    }

    /// Fails if anything has ended that should not have yet; asks LVM too, which takes a moment.
    pub(super) fn check(&mut self) -> Result<()> {
        self.watch()?;
        self.snapshots.iter().try_for_each(LvmSnapshot::check)
    }

    /// Lets go of what is frozen, once all has been read; fails if something had not held until now.
    ///
    /// Snapshots go when this is dropped: the devices that they were read through must be closed by then.
    pub(super) fn release(&mut self) -> Result<()> {
        let frozen = self.frozen.drain(..).map(Freeze::end).fold(Ok(()), Result::and);
        frozen.and_then(|()| self.check())
    }
}
