//! Who may talk to this server: its own certificate authority, the certificates that it gives to clients, and
//! what a TLS connection says about its peer.
//!
//! Keys live in the state directory and never leave it, but for a copy in the storage where the settings ask for that. A
//! client's private key is never seen here.

mod authority;
mod choice;
mod peer;
mod tls;

pub use authority::{
    Authority, CERTIFICATE_DAYS, FILES, Keys, create_dir, dir, put_back_keys, write_private,
};
pub use peer::{ClientPeer, Peer};
pub use tls::server_config;
