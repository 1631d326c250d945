//! Configuration of server and client: default, then file, then environment, then flag; the later wins.
//!
//! Every value is one line of a table ([`server::TABLE`], [`client::TABLE`]): its key in the file, its flag, its
//! environment variable, its row in `config show` and in the manual all come from that line. Nothing else in the
//! program reads the environment, but for the token and the fingerprint that a user's script hands in.
//!
//! What a user has logged in to ([`LogIns`]) is kept beside it.

mod client;
mod error;
mod flags;
mod layers;
mod log_in;
mod logs;
mod server;
mod setting;
mod source;
mod surroundings;
mod value;

#[cfg(test)]
mod manual_tests;
#[cfg(test)]
mod tests;

pub use client::{ClientConfig, proxy, servers};
pub use error::ConfigError;
pub use flags::{ClientFlags, Flags, ServerFlags};
pub use layers::{Origin, Resolved, STATE_FILE, resolve};
pub use log_in::{Fingerprint, LogIn, LogIns};
pub use logs::{FileFormat, LogSettings};
#[cfg(feature = "server")]
pub use server::{Choice, ServerConfig};
pub use setting::Component;
pub use source::{SourceContent, SourceEntry, StreamEntry, default_name};
#[cfg(test)]
pub use surroundings::Runner;
pub use surroundings::Surroundings;
pub use value::parse_duration;
