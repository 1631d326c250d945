//! One file system in a file, mounted by a loop device.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crate::file_system::run;
use crate::home::Home;
use crate::{Error, FileSystem, Result, mounts};

/// Loop devices are handed out without a lock, so processes that start at once take them from each other.
const MOUNT_ATTEMPTS: u32 = 20;

/// The size of the XFS that holds an image for atomic clones, beside the image's own.
const HOST_SPARE_BYTES: u64 = crate::mib(300);

/// A mounted file system of its own, which is unmounted and deleted when this is dropped, also by a panic.
#[derive(Debug)]
pub struct Scratch {
    kind: FileSystem,
    mount_point: PathBuf,
    mount_options: String,
    image: PathBuf,
    clones: AtomicU64,
    // Dropped in this order, after the drop of Scratch has unmounted: the inner directory lies in the host.
    home: Home,
    host: Option<Box<Scratch>>,
}

impl Scratch {
    /// Makes a btrfs of at least the size (128 MiB is the least).
    pub fn btrfs(size_bytes: u64) -> Result<Self> {
        Self::with_mount_options(FileSystem::Btrfs, size_bytes, "")
    }

    /// Makes an XFS with reflinks of at least the size (300 MiB is the least).
    pub fn xfs(size_bytes: u64) -> Result<Self> {
        Self::with_mount_options(FileSystem::Xfs, size_bytes, "")
    }

    /// Makes an ext4 of the size (8 MiB is the least).
    pub fn ext4(size_bytes: u64) -> Result<Self> {
        Self::with_mount_options(FileSystem::Ext4, size_bytes, "")
    }

    /// Makes a FAT of the size (8 MiB is the least); ask [`FileSystem::available`] first.
    pub fn vfat(size_bytes: u64) -> Result<Self> {
        Self::with_mount_options(FileSystem::Vfat, size_bytes, "")
    }

    /// Makes a file system of a kind, mounted with the options (separated by commas, none if empty).
    pub fn with_mount_options(kind: FileSystem, size_bytes: u64, options: &str) -> Result<Self> {
        kind.available().map_err(|reason| Error::Unavailable { reason })?;
        Self::make(kind, size_bytes, options, None)
    }

    /// As [`Self::with_mount_options`], but the image lies on an XFS of its own, so that [`Self::clone_image`] is one
    /// atomic reflink: a moment of the device between two of its writes, as a power loss would leave it.
    pub fn with_atomic_clones(kind: FileSystem, size_bytes: u64, options: &str) -> Result<Self> {
        kind.available().map_err(|reason| Error::Unavailable { reason })?;
        // Clones share what did not change; each write to the image after a clone takes new space.
        let host_bytes = size_bytes
            .max(kind.min_size_bytes())
            .saturating_mul(4)
            .saturating_add(HOST_SPARE_BYTES);
        let host = Self::xfs(host_bytes)?;
        Self::make(kind, size_bytes, options, Some(Box::new(host)))
    }

    fn make(kind: FileSystem, size_bytes: u64, options: &str, host: Option<Box<Scratch>>) -> Result<Self> {
        let home = Home::create(host.as_ref().map(|host| host.path()))?;
        let image = home.path().join("image");
        let file = File::create_new(&image).map_err(Error::io(&image))?;
        file.set_len(size_bytes.max(kind.min_size_bytes()))
            .map_err(Error::io(&image))?;
        drop(file);
        kind.make(&image)?;
        let mount_point = mount(kind, &image, &home, options)?;
        Ok(Self {
            kind,
            mount_point,
            mount_options: options.to_owned(),
            image,
            clones: AtomicU64::new(0),
            home,
            host,
        })
    }

    /// The kind of file system.
    pub fn kind(&self) -> FileSystem {
        self.kind
    }

    /// The directory where it is mounted: absolute, and free of symbolic links.
    pub fn path(&self) -> &Path {
        &self.mount_point
    }

    /// The file that holds it.
    pub fn image_path(&self) -> &Path {
        &self.image
    }

    /// Copies the image as it is, without asking the file system to write anything out; the copy goes with this
    /// `Scratch`. Call [`Self::mount_image`] on it.
    ///
    /// Atomic only with [`Self::with_atomic_clones`]; else nothing should be writing at the time, since the copy
    /// would mix moments. What the file system under test has written to its device is in the copy, even if it never
    /// asked for that to be flushed.
    pub fn clone_image(&self) -> Result<PathBuf> {
        let clone = self
            .home
            .path()
            .join(format!("clone-{}", self.clones.fetch_add(1, Ordering::Relaxed)));
        let reflink = if self.host.is_some() {
            "--reflink=always"
        } else {
            "--reflink=auto"
        };
        run(
            "cp",
            Command::new("cp")
                .args(["--sparse=auto", reflink])
                .arg(&self.image)
                .arg(&clone),
        )?;
        Ok(clone)
    }

    /// Mounts an image, which replays its journal; the image stays when this is dropped.
    ///
    /// A btrfs clone can be mounted beside its original only by Linux 6.7 and later; older kernels mount the
    /// original once more, which ends in [`Error::OtherDevice`]. Unmount the original first where that matters.
    pub fn mount_image(image: &Path) -> Result<Self> {
        let image = fs::canonicalize(image).map_err(Error::io(image))?;
        let kind = FileSystem::recognize(&image)?;
        kind.available().map_err(|reason| Error::Unavailable { reason })?;
        let home = Home::create(None)?;
        let mount_point = mount(kind, &image, &home, "")?;
        Ok(Self {
            kind,
            mount_point,
            mount_options: String::new(),
            image,
            clones: AtomicU64::new(0),
            home,
            host: None,
        })
    }

    /// Unmounts it and mounts it again, so that nothing but what is on the device remains.
    ///
    /// Panics if it is still in use, since the test's premise is then broken.
    pub fn remount(&mut self) -> Result<()> {
        rustix::mount::unmount(&self.mount_point, rustix::mount::UnmountFlags::empty())
            .expect("a scratch file system that is remounted must not be in use");
        self.mount_point = mount(self.kind, &self.image, &self.home, &self.mount_options)?;
        Ok(())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        mounts::unmount_beneath(&self.mount_point);
    }
}

fn mount(kind: FileSystem, image: &Path, home: &Home, options: &str) -> Result<PathBuf> {
    let mount_point = home.path().join("mount");
    if !mount_point.exists() {
        fs::create_dir(&mount_point).map_err(Error::io(&mount_point))?;
    }
    let mut all = vec!["loop"];
    all.extend(kind.mount_options());
    all.extend(Some(options).filter(|options| !options.is_empty()));
    let all = all.join(",");
    let attempt = || {
        run(
            "mount",
            Command::new("mount")
                .args(["-t", kind.name(), "-o", &all])
                .arg(image)
                .arg(&mount_point),
        )
    };
    let mut outcome = attempt();
    for _ in 1..MOUNT_ATTEMPTS {
        match &outcome {
            Err(Error::Program { stderr, .. }) if stderr.contains("loop device") => {
                thread::sleep(Duration::from_millis(50));
                outcome = attempt();
            }
            _ => break,
        }
    }
    outcome?;
    if mounts::backing_file(&mount_point).is_some_and(|file| file != image) {
        mounts::unmount_at(&mount_point);
        return Err(Error::OtherDevice {
            path: image.to_owned(),
        });
    }
    Ok(mount_point)
}
