//! Files in real file systems, made and filled by the tools of their own, read without mounting and compared.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod exfat;
mod ext;
mod extracting;
mod fat;
mod hostile;
mod ntfs;
mod rig;
