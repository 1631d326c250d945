//! Installers of the client, made for whoever brings a token: the programs that they bring, what they say, and how they are fetched.

mod builds;
mod fetch;
mod make;

pub use builds::{Builds, KeptBuild};
pub use fetch::links;
pub use make::{Asked, Made, Wanted, make};
