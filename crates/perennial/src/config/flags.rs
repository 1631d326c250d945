//! Makes a flag of every setting, so that the command line can't fall behind the table.

use std::ffi::{OsStr, OsString};
use std::marker::PhantomData;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint, value_parser};

use super::setting::{Component, Kind, Setting};

/// Settings that were given as flags.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    given: Vec<(&'static str, Vec<OsString>)>,
}

impl Flags {
    /// None.
    pub fn none() -> Self {
        Self::default()
    }

    /// With this setting given as well.
    pub fn with(mut self, key: &'static str, value: impl Into<OsString>) -> Self {
        self.given.push((key, vec![value.into()]));
        self
    }

    /// With this setting given as well, if there is a value.
    pub fn with_some(self, key: &'static str, value: Option<impl Into<OsString>>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    /// With this setting given as well, if there is a value and it was not given yet.
    pub fn with_default(self, key: &'static str, value: Option<impl Into<OsString>>) -> Self {
        if self.given.iter().any(|(given, _)| *given == key) {
            self
        } else {
            self.with_some(key, value)
        }
    }

    /// What was given for a component's settings.
    pub(super) fn given(
        &self,
        component: Component,
    ) -> impl Iterator<Item = (&'static Setting, Vec<&OsStr>)> {
        self.given.iter().map(move |(key, texts)| {
            let setting = component.setting(key).expect("flags are made from the table");
            (setting, texts.iter().map(OsString::as_os_str).collect())
        })
    }
}

/// Which component a set of flags is of.
pub trait Table {
    /// That component.
    const COMPONENT: Component;
}

/// The server's settings as flags.
#[derive(Debug, Clone)]
pub struct OfServer;

impl Table for OfServer {
    const COMPONENT: Component = Component::Server;
}

/// The client's settings as flags.
#[derive(Debug, Clone)]
pub struct OfClient;

impl Table for OfClient {
    const COMPONENT: Component = Component::Client;
}

/// Every setting of the server as a flag, and `--config`.
pub type ServerFlags = SettingFlags<OfServer>;

/// Every setting of the client as a flag, and `--config`.
pub type ClientFlags = SettingFlags<OfClient>;

/// Every setting of a component as a flag, and `--config`.
#[derive(Debug, Clone)]
pub struct SettingFlags<T> {
    /// The configuration file that was named.
    pub file: Option<PathBuf>,
    /// The settings that were given.
    pub flags: Flags,
    component: PhantomData<T>,
}

impl<T: Table> clap::Args for SettingFlags<T> {
    fn augment_args(command: Command) -> Command {
        let component = T::COMPONENT;
        let file = Arg::new("config")
            .long("config")
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .value_hint(ValueHint::FilePath)
            .help(format!("Configuration file [env: {}]", component.file_variable()));
        let settings = component
            .table()
            .iter()
            .map(|setting| argument(component, setting));
        command
            .next_help_heading("Settings")
            .arg(file)
            .args(settings)
            .next_help_heading(None)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<T: Table> clap::FromArgMatches for SettingFlags<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let file = matches.get_one::<PathBuf>("config").cloned();
        let mut flags = Flags::default();
        for setting in T::COMPONENT.table() {
            if let Some(values) = matches.get_many::<OsString>(setting.key) {
                flags.given.push((setting.key, values.cloned().collect()));
            }
        }
        Ok(Self {
            file,
            flags,
            component: PhantomData,
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn argument(component: Component, setting: &'static Setting) -> Arg {
    let argument = Arg::new(setting.key)
        .long(setting.flag())
        .value_name(setting.placeholder)
        .value_parser(value_parser!(OsString))
        .help(format!(
            "{} [env: {}]",
            setting.about,
            component.variable(setting)
        ));
    match setting.kind {
        Kind::List | Kind::Sources | Kind::Policies => argument.action(ArgAction::Append),
        Kind::Path => argument.value_hint(ValueHint::AnyPath),
        _ => argument,
    }
}
