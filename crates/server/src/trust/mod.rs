//! Who may talk to this server: its own certificate authority, the certificates that it gives to clients, and
//! what a TLS connection says about its peer.
//!
//! Keys live in the state directory and never leave it. A client's private key is never seen here.

mod authority;
mod peer;
mod tls;

pub use authority::Authority;
pub use peer::{ClientPeer, Peer};
pub use tls::server_config;
