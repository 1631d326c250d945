//! Decisions: when a backup is due and which ones are kept. Each comes with its reason, which can be shown.
//!
//! Pure functions of what they are given: no clock, no I/O, no settings of their own. Times are milliseconds
//! since the Unix epoch; a time zone is handed in where days matter.

pub mod retention;
pub mod schedule;
mod span;

pub use span::Span;
