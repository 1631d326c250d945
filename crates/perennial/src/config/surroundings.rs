//! The one look at the process's environment: variables and whether it runs as root. Everything after works on this
//! copy, so that tests can hand in another.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// Who runs the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runner {
    /// root: system-wide directories.
    Root,
    /// Anyone else: directories beneath the home directory.
    User,
}

/// What surrounds the process.
#[derive(Debug, Clone)]
pub struct Surroundings {
    variables: BTreeMap<OsString, OsString>,
    runner: Runner,
    system_config_dir: PathBuf,
}

impl Surroundings {
    /// Those of this process.
    pub fn of_process() -> Self {
        let runner = if rustix::process::geteuid().is_root() {
            Runner::Root
        } else {
            Runner::User
        };
        Self::new(std::env::vars_os(), runner, Path::new("/etc/perennial"))
    }

    /// Made up from parts.
    pub fn new(
        variables: impl IntoIterator<Item = (OsString, OsString)>,
        runner: Runner,
        system_config_dir: &Path,
    ) -> Self {
        Self {
            variables: variables.into_iter().collect(),
            runner,
            system_config_dir: system_config_dir.to_owned(),
        }
    }

    /// The variable of this name, where it is set and not empty.
    pub fn variable(&self, name: &str) -> Option<&OsStr> {
        self.variables
            .get(OsStr::new(name))
            .map(OsString::as_os_str)
            .filter(|value| !value.is_empty())
    }

    /// The names of all variables that begin so.
    pub fn variables_with_prefix(&self, prefix: &str) -> impl Iterator<Item = &str> {
        self.variables
            .keys()
            .filter_map(|name| name.to_str())
            .filter(move |name| name.starts_with(prefix))
    }

    /// Where the program keeps its state; `None` where there is no home directory to put it in.
    pub fn state_dir(&self, name: &str) -> Option<PathBuf> {
        match self.runner {
            Runner::Root => Some(Path::new("/var/lib/perennial").join(name)),
            Runner::User => self
                .home_dir("XDG_STATE_HOME", ".local/state")
                .map(|dir| dir.join(name)),
        }
    }

    /// Where the program keeps backups unless told otherwise.
    pub fn data_dir(&self, name: &str) -> Option<PathBuf> {
        match self.runner {
            Runner::Root => Some(Path::new("/var/lib/perennial").join(name)),
            Runner::User => self
                .home_dir("XDG_DATA_HOME", ".local/share")
                .map(|dir| dir.join(name)),
        }
    }

    /// The configuration files that are looked for, the first that is there wins.
    pub fn config_files(&self, name: &str) -> Vec<PathBuf> {
        let file = format!("{name}.toml");
        let own = match self.runner {
            Runner::Root => None,
            Runner::User => self
                .home_dir("XDG_CONFIG_HOME", ".config")
                .map(|dir| dir.join(&file)),
        };
        own.into_iter()
            .chain([self.system_config_dir.join(&file)])
            .collect()
    }

    /// Where it is kept to what this user has logged in, root or not; `None` where there is no home directory.
    pub fn log_in_file(&self) -> Option<PathBuf> {
        let dir = self.home_dir("XDG_CONFIG_HOME", ".config")?;
        Some(dir.join("login.toml"))
    }

    fn home_dir(&self, variable: &str, beneath_home: &str) -> Option<PathBuf> {
        let base = match self
            .variable(variable)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
        {
            Some(base) => base,
            None => Path::new(self.variable("HOME")?).join(beneath_home),
        };
        Some(base.join("perennial"))
    }
}
