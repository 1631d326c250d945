//! What several pages have in common.

pub mod access;
pub mod address;
pub mod calendar;
pub mod chart;
pub mod command;
pub mod entries;
pub mod forecast;
pub mod form;
pub mod packed;
pub mod page;
pub mod paths;
pub mod qr;
pub mod question;
pub mod say;
pub mod sieve;
pub mod table;
pub mod tabs;
pub mod week;
