//! Publishing: virtual disks made of images, to be downloaded or used where they lie.
//!
//! ```text
//! job: assembled beside the backups, durable, named ─▶ published ─ by hand ───────────────▶ removed
//!                                                         └─ its time is over, space is needed,
//!                                                            its client is gone for good ─▶ removed
//! ```
//! A disk shares the extents of its image where the storage can, and is a copy elsewhere. Nothing of a backup is written to, and none
//! depends on what is published.

mod room;
mod stay;
mod wanted;
mod work;

pub use stay::{all, expire, find, in_storage, remove, remove_of_client, until_ms};
pub use wanted::Wanted;
pub use work::start;
