//! Which backups go, and when: the nightly cleanup, what goes when space runs out, and the trash.
//!
//! The decisions are `policy`'s; here they meet the catalog and the storage.
//!
//! ```text
//! committed ─ by hand, by the rules ─▶ trash ─ its time is over, space is needed ─▶ deleted
//!     └────────────── without a trash, or when space is needed ────────────────────▶ deleted
//! ```
//! Only backups of clients that are known go by rules; what is held or archived does not, whoever asks.

mod archive;
mod candidates;
mod cleanup;
mod clients;
mod freeing;
mod plan;
mod quota;
mod space;
mod trash;
mod usage;

pub use archive::archive;
pub use cleanup::{look as look_for_cleanup, start as start_cleanup};
pub use clients::remove_client;
pub use freeing::plan_freeing;
pub use plan::{Expecting, Judged, Planned, plan_ahead, plan_now};
pub use space::{Emergency, look as look_for_space};
pub use trash::{delete, delete_for_good, restore, trash};
pub use usage::{Usage, forecast, freed_by, measure as measure_usage};
