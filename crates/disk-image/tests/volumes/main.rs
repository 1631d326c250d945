//! Used-block maps, proven by the tools of each file system: made, filled, deleted from, copied by the map alone, checked,
//! and compared.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod btrfs;
mod exfat;
mod ext;
mod fat;
mod hostile;
mod ntfs;
mod rig;
mod signs;
mod swap;
mod xfs;
