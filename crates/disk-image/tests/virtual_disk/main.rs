//! Virtual disks read, against QEMU and libvhdi.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::single_range_in_vec_init, reason = "a list of ranges may have one")]

mod chains;
mod damage;
mod fixtures;
mod formats;
mod writing;
