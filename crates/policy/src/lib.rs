//! Decisions: when a backup is due, which jobs may run, how a client stands, what people are told of it, which backups are kept,
//! who may do what, and what follows from what is set. Each comes with its reason, which can be shown.
//!
//! Pure functions of what they are given: no clock, no I/O, no settings of their own. Times are milliseconds
//! since the Unix epoch; a time zone is handed in where days matter.

pub mod access;
pub mod admission;
pub mod alert;
pub mod archive;
pub mod catalog_copies;
pub mod checks;
pub mod cleanup;
mod error;
pub mod forecast;
pub mod lock_out;
pub mod quota;
pub mod report;
pub mod retention;
pub mod schedule;
pub mod settings;
mod span;
pub mod standing;
mod target;
mod text;
pub mod timed;
pub mod window;

pub use error::Error;
pub use span::{ParseSpanError, Span};
pub use target::Target;
