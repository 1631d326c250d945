//! One module per command: each asks a part of Perennial to do something and prints what came of it.

mod api_tokens;
mod backup;
mod browse;
#[cfg(feature = "server")]
mod builds;
mod client;
mod client_restores;
mod clients;
mod config;
mod diff;
mod enroll;
mod follow;
mod groups;
mod hold_still;
mod image;
mod installer;
mod jobs;
mod log_in;
mod monitor;
mod mount;
mod notify;
mod own_account;
mod own_backup;
#[cfg(feature = "server")]
mod quickstart;
mod refer;
mod restore;
mod restore_disk;
mod retention;
mod roles;
#[cfg(feature = "server")]
mod safety;
mod schedule;
mod scope;
mod search;
pub mod secret_file;
#[cfg(feature = "server")]
pub mod server;
mod settings;
mod status;
mod storage;
mod stream;
mod systemd;
mod token;
mod users;
mod watch;

use std::path::PathBuf;

#[cfg(feature = "server")]
use ::server::LiveLog;
use anyhow::{Context as _, Result};
use clap::CommandFactory as _;

use crate::cli::{BackupCommand, Cli, Command, GlobalArgs};
use crate::config::{Component, Flags, Resolved, Surroundings, resolve};
use crate::failure::Outcome;
use crate::output::Console;

/// What every command is given.
pub struct Context {
    console: Console,
    surroundings: Surroundings,
    global: GlobalArgs,
    #[cfg(feature = "server")]
    log: LiveLog,
}

impl Context {
    /// Puts it together.
    pub fn new(console: Console, surroundings: Surroundings, global: GlobalArgs) -> Self {
        Self {
            console,
            surroundings,
            global,
            #[cfg(feature = "server")]
            log: LiveLog::default(),
        }
    }

    /// Lets a server that is started have what is logged.
    #[cfg(feature = "server")]
    pub fn with_log(self, log: LiveLog) -> Self {
        Self { log, ..self }
    }

    /// What is logged, for whoever watches a server that is started.
    #[cfg(feature = "server")]
    pub fn log(&self) -> &LiveLog {
        &self.log
    }

    /// Where to print.
    pub fn console(&self) -> &Console {
        &self.console
    }

    /// The environment.
    pub fn surroundings(&self) -> &Surroundings {
        &self.surroundings
    }

    /// The options of every command.
    pub fn global(&self) -> &GlobalArgs {
        &self.global
    }

    /// The settings of the server on this machine, as a command sees them that has no settings of its own.
    pub fn server_settings(&self) -> Result<Resolved> {
        let flags = Flags::none().with_some("state", self.global.server_state.as_ref());
        Ok(resolve(Component::Server, None, &flags, &self.surroundings)?)
    }

    /// The settings of the client on this machine, likewise.
    pub fn client_settings(&self) -> Result<Resolved> {
        let flags = Flags::none().with_some("state", self.global.client_state.as_ref());
        Ok(resolve(Component::Client, None, &flags, &self.surroundings)?)
    }

    /// The state directory of the server on this machine, if there is one.
    pub fn server_state(&self) -> Result<PathBuf> {
        Ok(self.server_settings()?.path("state")?)
    }

    /// The state directory of the client on this machine, if there is one.
    pub fn client_state(&self) -> Result<PathBuf> {
        Ok(self.client_settings()?.path("state")?)
    }
}

/// Does what the command line asks for.
pub async fn run(context: Context, command: Command) -> Result<Outcome> {
    let context = &context;
    match command {
        #[cfg(feature = "server")]
        Command::Quickstart(args) => quickstart::run(context, args).await,
        #[cfg(feature = "server")]
        Command::Server(args) => server::run(context, args).await,
        Command::Client(args) => client::run(context, args).await,
        Command::Enroll(args) => enroll::run(context, args).await,
        Command::Token(command) => token::run(context, command).await,
        Command::Clients(command) => clients::run(context, command).await,
        Command::Login(args) => log_in::log_in(context, args).await,
        Command::Logout => log_in::log_out(context).await,
        Command::Whoami(args) => log_in::who_am_i(context, args.shape()).await,
        Command::Users(command) => users::run(context, command).await,
        Command::Roles(command) => roles::run(context, command).await,
        Command::ApiTokens(command) => api_tokens::run(context, command).await,
        Command::Groups(command) => groups::run(context, command).await,
        Command::Settings(command) => settings::run(context, command).await,
        Command::Notify(command) => notify::run(context, command).await,
        Command::Schedule(command) => schedule::run(context, command).await,
        Command::Retention(command) => retention::run(context, command).await,
        Command::Trash(command) => retention::trash(context, command).await,
        Command::Audit(args) => groups::audit(context, args).await,
        Command::Backup(BackupCommand::Browse(args)) => browse::run(context, args).await,
        Command::Backup(BackupCommand::Diff(args)) => diff::run(context, args).await,
        Command::Backup(command) => backup::run(context, command).await,
        Command::Restore(args) => restore::run(context, args).await,
        Command::Mount(args) => mount::run(context, args).await,
        Command::Image(command) => image::run(context, command).await,
        Command::RestoreDisk(args) => restore_disk::run(context, args).await,
        Command::Storage(command) => storage::run(context, command).await,
        Command::Jobs(command) => jobs::run(context, command).await,
        Command::Status(args) => status::run(context, args).await,
        Command::Stream(command) => stream::run(&command),
        Command::Config(command) => config::run(context, command),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "perennial", &mut script);
            context.console().result(&String::from_utf8_lossy(&script))?;
            Ok(Outcome::Done)
        }
        Command::ManPages { dir } => {
            let written = clap_mangen::generate_to(Cli::command(), &dir);
            written.with_context(|| format!("can't write manual pages into {}", dir.display()))?;
            Ok(Outcome::Done)
        }
    }
}
