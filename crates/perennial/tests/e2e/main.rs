//! The whole system, as its users run it: the real binary, real TLS on loopback, real file systems.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod acme;
mod api;
mod browser;
mod by_itself;
mod contents;
mod damage;
mod disk;
mod errors;
mod fidelity;
mod hooks;
mod hostile;
mod image;
mod image_files;
mod image_held;
mod image_hostile;
mod image_lvm;
mod image_published;
mod image_restore;
mod image_use;
mod interruption;
mod kill;
mod lab;
mod listeners;
mod living;
mod load;
mod logs;
mod machine;
mod main_job;
mod metrics;
mod network;
mod programs;
mod reports;
mod restore_to_client;
mod retry;
mod safety;
mod server_hooks;
mod storages;
mod streams;
mod telling;
mod trust;
mod users;
mod web;
mod web_certificate;
mod web_files;
