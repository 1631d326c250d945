//! Where connections come in: the one TCP port, where ALPN tells control and data connections and those of browsers apart, and
//! the Unix socket of the local administration.
//!
//! A connection that does not finish its handshake in time is dropped; how many may be open is bounded.

mod control;
mod port;
mod unix;
mod web;

pub use control::ControlIo;
pub use port::{DataConnection, Takers, serve_port};
pub use unix::bind_admin_socket;
pub use web::Web;
