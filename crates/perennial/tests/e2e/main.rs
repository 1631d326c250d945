//! The whole system, as its users run it: the real binary, real TLS on loopback, real file systems.

mod errors;
mod interruption;
mod lab;
mod main_job;
mod trust;
