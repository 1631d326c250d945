//! The `perennial` binary: reads the command line, wires the parts together, prints, and picks the exit status.
//!
//! | module | owns |
//! |---|---|
//! | `cli` | the grammar of the command line and its help |
//! | `config` | the layers of settings |
//! | `channel` | how a command reaches the server |
//! | `commands` | one module per command: ask, print |
//! | `output` | tables, JSON, sizes, times, progress |
//! | `failure`, `hints` | errors as the user sees them |
//! | `interrupt`, `logging` | signals and logs |
//!
//! It decides nothing about backups: that is for `server` and `client`.

// What only the commands of a server use is in a client's program too where taking it out would not be worth a line.
#![cfg_attr(not(feature = "server"), allow(dead_code, unused_imports))]

mod channel;
mod cli;
mod commands;
mod config;
mod failure;
mod hints;
mod interrupt;
mod logging;
mod output;

use std::process::ExitCode;

use clap::Parser as _;

use crate::commands::Context;
use crate::config::Surroundings;
use crate::failure::Outcome;
use crate::output::Console;

/// TLS makes and drops large records all the time. The system's allocator gives their memory back to the kernel each time, which costs as
/// much as encrypting them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Looked at, so that it stays in the program.
    std::hint::black_box(wire::version::BUILD_MARK);
    // clap prints help and usage errors itself, with status 0 and 2.
    let cli = cli::Cli::parse();
    let console = Console::of_process();
    let surroundings = Surroundings::of_process();
    let logging = match logging::start(&cli, &surroundings, &console) {
        Ok(logging) => logging,
        Err(error) => return failure::report(&console, &error),
    };
    #[cfg(feature = "crash-points")]
    arm_crash_points();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return failure::report(
                &console,
                &anyhow::Error::new(error).context("can't start threads"),
            );
        }
    };
    if let Some(log_file) = logging.file {
        let _within = runtime.enter();
        if let Err(error) = log_file.reopen_on_hangup() {
            return failure::report(
                &console,
                &anyhow::Error::new(error).context("can't listen for SIGHUP"),
            );
        }
    }
    let context = Context::new(console.clone(), surroundings, cli.global);
    #[cfg(feature = "server")]
    let context = context.with_log(logging.live);
    let result = runtime.block_on(commands::run(context, cli.command));
    // Blocking work that was given up, such as a read of stdin, must not keep the process.
    runtime.shutdown_background();
    match result {
        Ok(outcome) => outcome.into(),
        Err(error) if failure::is_closed_pipe(&error) => Outcome::Done.into(),
        Err(error) => failure::report(&console, &error),
    }
}

/// Has this process killed at a numbered point, for tests.
#[cfg(feature = "crash-points")]
fn arm_crash_points() {
    let at = std::env::var("PERENNIAL_CRASH_AT")
        .ok()
        .and_then(|at| at.parse().ok());
    if let Some(at) = at {
        storage::crash::arm(at);
        tracing::warn!(at, "crash points are armed");
    }
}
