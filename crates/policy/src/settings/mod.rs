//! What can be set for how clients are backed up: in layers, each value with where it comes from.
//!
//! ```text
//! default ◀ start (file, environment, flags) ◀ server ◀ group ◀ client ◀ the client's own user
//! ```
//! A later layer wins; a list may also be added to. Every setting is one line of [`TABLE`]: its kind, its default, and the
//! last layer that may have it. Values are text, as in a configuration file, and are checked when they are set. One that
//! is stored and not understood (of a newer version, say) does not count, and [`Layers::explain`] says so.

mod kind;
mod layers;
mod rules;
mod table;
mod value;

pub use kind::{Kind, Mismatch, is_name};
pub use layers::{
    Action, Explanation, Layer, LayerOfSettings, Layers, Resolved, Said, SetError, Step, check,
};
pub use rules::{ClientRules, Mending, ServerRules};
pub use table::{DEFAULT_STORAGE, Section, Setting, TABLE, setting};
pub use value::{Rate, UserRight, Value};
