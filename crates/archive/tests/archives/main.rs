//! Archives made of backups that are written down here, and read by programs of others: Info-ZIP, Python, GNU tar, zstd.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod breaking;
mod large;
mod members;
mod random;
mod rig;
mod tar;
mod zip;
