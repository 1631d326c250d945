//! What the fuzz targets share: inputs that stand for large sources ([`SparseDisk`]), checksums made right in them, and the walks
//! through a virtual disk and the files of a volume.
//!
//! A new target is a file in `src/bin` that calls `fuzz_target!`, a line in `examples/seeds.rs`, and what that writes to
//! `corpus/TARGET`.

pub mod checksums;
mod files;
mod sparse_disk;
mod volume;
mod walk;

pub use files::files;
pub use sparse_disk::SparseDisk;
pub use volume::volume;
pub use walk::virtual_disk;
