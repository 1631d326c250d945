//! What there is to measure, for Prometheus and what reads its format, on a port of its own.
//!
//! Labels are names of clients and words from fixed lists, so that the number of series goes with the number of clients and with
//! nothing else. Read-only; who can connect can read, so that the port is to be on loopback or in a network that is trusted.

mod exposition;
mod figures;
mod listen;

pub use listen::serve;
