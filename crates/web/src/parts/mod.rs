//! What several pages have in common.

pub mod form;
pub mod page;
pub mod paths;
pub mod say;
pub mod sieve;
pub mod table;
