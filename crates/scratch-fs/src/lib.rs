//! Real file systems for tests: made in a file, mounted by a loop device, gone when dropped.
//!
//! A test that needs one begins with [`skip_unless_available!`] and then makes a [`Scratch`]. Tests may run at
//! once in any number of processes; what a killed process leaves behind is removed by the next one that starts.
//!
//! The [`tree`] module compares directory trees and makes varied ones. Nothing here depends on the code under test:
//! only on std and rustix, deliberately plain.
//!
//! Never: used outside tests.

mod error;
mod file_system;
mod home;
mod mounts;
mod scratch;
pub mod tree;

pub use error::{Error, Result};
pub use file_system::{FileSystem, available};
pub use scratch::Scratch;

/// The size in bytes of `mebibytes` MiB.
pub const fn mib(mebibytes: u64) -> u64 {
    mebibytes << 20
}

/// Returns from the test, printing why, where [`Scratch`] can't be used.
///
/// `skip_unless_available!(FileSystem::Vfat)` asks for one kind only.
#[macro_export]
macro_rules! skip_unless_available {
    () => {
        if let Err(reason) = $crate::available() {
            eprintln!("skipped: {reason}");
            return;
        }
    };
    ($kind:expr) => {
        if let Err(reason) = $kind.available() {
            eprintln!("skipped: {reason}");
            return;
        }
    };
}
