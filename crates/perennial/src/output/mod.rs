//! Everything that is printed: results to stdout, all else to stderr.
//!
//! Tables and sentences are for people, the types of [`json`] for programs; the latter are a contract.

pub mod console;
pub mod format;
pub mod json;
pub mod progress;
pub mod table;

pub use console::{Console, Shape};
