//! Who may do what: rights, roles that put them together, and grants that say for whom they hold.
//!
//! ```text
//! user ── grants: a role, for everything, a group or a client ──▶ rights
//! API token ── what its user has at the time, and of that only what it is limited to
//! ```
//! Nothing is allowed that is not granted, and nothing that is granted can be taken away again by another grant.

mod decision;
mod right;
mod role;

pub use decision::{Allowed, Grant, Limits, Refusal, Scope, Subject, decide, has_anywhere};
pub use right::{Reach, Right, UnknownRight, read_rights, show_rights};
pub use role::{ADMINISTRATOR, BUILT_IN_ROLES, BuiltInRole, built_in_role};
