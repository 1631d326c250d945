//! Layering, values, unknown keys.

use std::ffi::OsString;
use std::path::Path;

use super::setting::{Fallback, Kind, Setting};
use super::value::Value;
use super::*;

struct Setup {
    dir: tempfile::TempDir,
    variables: Vec<(OsString, OsString)>,
    flags: Flags,
}

impl Setup {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let variables = vec![("HOME".into(), "/home/me".into())];
        Self {
            dir,
            variables,
            flags: Flags::none(),
        }
    }

    fn file(self, name: &str, text: &str) -> Self {
        std::fs::write(self.dir.path().join(name), text).unwrap();
        self
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    fn flag(mut self, key: &'static str, value: &str) -> Self {
        self.flags = self.flags.with(key, value);
        self
    }

    fn surroundings(&self) -> Surroundings {
        Surroundings::new(self.variables.clone(), Runner::User, self.dir.path())
    }

    fn resolve(&self, component: Component) -> Result<Resolved, ConfigError> {
        resolve(component, None, &self.flags, &self.surroundings())
    }

    fn error(&self, component: Component) -> String {
        let text = match self.resolve(component) {
            Err(error) => error.to_string(),
            Ok(resolved) => ClientConfig::new(&resolved).unwrap_err().to_string(),
        };
        text.replace(&self.dir.path().display().to_string(), "ETC")
    }
}

#[test]
fn a_later_layer_wins_and_every_value_knows_its_origin() {
    let setup = Setup::new()
        .file(
            "server.toml",
            "# first\nlisten = \"127.0.0.1:1\"\nincremental_interval = \"2h\"\nadvertise = \"a:1\"\n",
        )
        .variable("PERENNIAL_SERVER_LISTEN", "127.0.0.1:2")
        .variable("PERENNIAL_SERVER_ADVERTISE", "b:2")
        .flag("advertise", "c:3");
    let resolved = setup.resolve(Component::Server).unwrap();
    let from = |key| {
        let (_, _, origin) = resolved.rows().find(|(setting, ..)| setting.key == key).unwrap();
        origin
            .to_string()
            .replace(&setup.dir.path().display().to_string(), "ETC")
    };
    assert_eq!(from("pool"), "default");
    assert_eq!(from("incremental_interval"), "ETC/server.toml:3");
    assert_eq!(from("listen"), "$PERENNIAL_SERVER_LISTEN");
    assert_eq!(from("advertise"), "--advertise");
    let config = ServerConfig::new(&resolved).unwrap();
    assert_eq!(config.listen.port(), 2);
    assert_eq!(config.advertise, ["c:3"]);
    assert_eq!(said(&config, "incremental_interval"), Some("2h"));
    assert!(
        config.policy["incremental_interval"]
            .origin
            .ends_with("server.toml:3")
    );
    assert_eq!(config.state, Path::new("/home/me/.local/state/perennial/server"));
    assert_eq!(
        config.storage,
        Path::new("/home/me/.local/share/perennial/storage")
    );
}

#[test]
fn the_server_runs_without_any_setting() {
    let root = Surroundings::new([], Runner::Root, Path::new("/nonexistent"));
    let resolved = resolve(Component::Server, None, &Flags::none(), &root).unwrap();
    let config = ServerConfig::new(&resolved).unwrap();
    assert_eq!(config.state, Path::new("/var/lib/perennial/server"));
    assert_eq!(config.storage, Path::new("/var/lib/perennial/storage"));
    assert!(config.policy.is_empty());
    assert!(config.backend.is_none());
}

#[test]
fn unknown_keys_name_the_nearest_known_one() {
    let setup = Setup::new().file("server.toml", "listen = \"[::]:1\"\nstorge = \"/x\"\n");
    assert_eq!(
        setup.error(Component::Server),
        "unknown setting \"storge\" in ETC/server.toml:2; did you mean \"storage\"?"
    );
    let setup = Setup::new().file("server.toml", "zzz = 1\n");
    assert_eq!(
        setup.error(Component::Server),
        "unknown setting \"zzz\" in ETC/server.toml:1"
    );
    let setup = Setup::new().variable("PERENNIAL_CLIENT_SOURCE", "/home");
    assert_eq!(
        setup.error(Component::Client),
        "unknown setting \"PERENNIAL_CLIENT_SOURCE\" in $PERENNIAL_CLIENT_SOURCE; did you mean \"PERENNIAL_CLIENT_SOURCES\"?"
    );
    let setup = Setup::new().file("client.toml", "[[sources]]\npath = \"/x\"\nexcludes = []\n");
    assert_eq!(
        setup.error(Component::Client),
        "\"sources\" in ETC/client.toml:1 can't be a source with the unknown key \"excludes\"; did you mean \
         \"exclude\"?: it takes only name, path, optional, one_filesystem, snapshots, exclude, include, cachedir_tag, \
         ignore_file, may_become_empty"
    );
}

#[test]
fn wrong_values_say_what_is_expected() {
    let cases = [
        (
            "listen = 55414",
            "\"listen\" in ETC/server.toml:1 can't be 55414: it takes an IP address and a port such as \"0.0.0.0:55414\"",
        ),
        (
            "pool = \"maybe\"",
            "\"pool\" in ETC/server.toml:1 can't be \"maybe\": it takes true or false",
        ),
        (
            "full_interval = \"0s\"",
            "\"full_interval\" in ETC/server.toml:1 can't be \"0s\": it takes a span of time such as \"5h\" or \"30d\", or \"off\"; other times of the week after it, as in \"5h;1h@Mon-Fri/8-18\"",
        ),
        (
            "backend = \"zfs\"",
            "\"backend\" in ETC/server.toml:1 can't be \"zfs\": it takes one of auto, btrfs, reflink, hardlink",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(
            Setup::new().file("server.toml", text).error(Component::Server),
            expected
        );
    }
    let setup = Setup::new().flag("compression", "99");
    assert_eq!(
        setup.error(Component::Client),
        "\"compression\" in --compression can't be \"99\": it takes \"auto\", \"off\" or a zstd level from 1 to 19"
    );
    let setup = Setup::new().file("server.toml", "listen = \n");
    assert_eq!(
        setup.error(Component::Server),
        "ETC/server.toml is not valid TOML"
    );
}

#[test]
fn settings_in_the_state_directory_count_where_there_is_no_other_file() {
    let state = tempfile::tempdir().unwrap();
    std::fs::write(state.path().join(STATE_FILE), "storage = \"/remembered\"\n").unwrap();
    let dir = state.path().to_str().unwrap();
    let storage = |setup: Setup| {
        ServerConfig::new(&setup.flag("state", dir).resolve(Component::Server).unwrap())
            .unwrap()
            .storage
    };
    assert_eq!(storage(Setup::new()), Path::new("/remembered"));
    assert_eq!(
        storage(Setup::new().file("server.toml", "storage = \"/said\"")),
        Path::new("/said")
    );
}

#[test]
fn a_file_that_was_named_must_be_there() {
    let setup = Setup::new();
    let named = setup.dir.path().join("none.toml");
    let error = resolve(
        Component::Server,
        Some(&named),
        &Flags::none(),
        &setup.surroundings(),
    )
    .unwrap_err();
    assert!(matches!(error, ConfigError::Read { .. }));
    let setup = Setup::new().variable("PERENNIAL_SERVER_CONFIG", "/nonexistent/x.toml");
    assert!(matches!(
        setup.resolve(Component::Server),
        Err(ConfigError::Read { .. })
    ));
}

#[test]
fn intervals_can_be_switched_off() {
    let setup = Setup::new().file(
        "server.toml",
        "full_interval = \"off\"\nincremental_interval = false\n",
    );
    let config = ServerConfig::new(&setup.resolve(Component::Server).unwrap()).unwrap();
    assert_eq!(said(&config, "full_interval"), Some("off"));
    assert_eq!(said(&config, "incremental_interval"), Some("off"));
}

#[test]
fn settings_of_clients_come_from_a_table_flags_and_variables() {
    let setup = Setup::new().file(
        "server.toml",
        "[settings]\nkeep_daily = 14\nkeep_max = false\nsynthetic_disks = [\"vhd\", \"raw\"]\nfull_window = \"Mon-Fri/19-7\"\n",
    );
    let config = ServerConfig::new(&setup.resolve(Component::Server).unwrap()).unwrap();
    assert_eq!(said(&config, "keep_daily"), Some("14"));
    assert_eq!(said(&config, "keep_max"), Some("off"));
    assert_eq!(said(&config, "synthetic_disks"), Some("vhd,raw"));
    assert_eq!(said(&config, "full_window"), Some("Mon-Fri/19-7"));

    let setup = Setup::new().variable("PERENNIAL_SERVER_SETTINGS", "{ keep_daily = 3, quiet = \"x\" }");
    let error = setup.resolve(Component::Server).unwrap_err().to_string();
    assert!(
        error.contains("quiet=x") && error.contains("settings show"),
        "{error}"
    );
    let setup = Setup::new().variable("PERENNIAL_SERVER_SETTINGS", "keep_daily=many");
    let error = setup.resolve(Component::Server).unwrap_err().to_string();
    assert!(error.contains("a whole number"), "{error}");
}

#[test]
fn what_has_a_flag_of_its_own_has_the_default_of_the_rules() {
    for setting in Component::Server.table() {
        if let (Kind::Policy(key), Fallback::Text(text)) = (setting.kind, setting.fallback) {
            let known = policy::settings::setting(key).expect("is there");
            assert_eq!((known.fallback, known.about), (text, setting.about), "{key}");
        }
    }
}

/// What was given of a setting of clients.
fn said<'a>(config: &'a ServerConfig, key: &str) -> Option<&'a str> {
    config.policy.get(key).map(|said| said.text.as_str())
}

#[test]
fn sources_can_be_given_as_paths_names_and_tables_everywhere() {
    let tables =
        "sources = [\"/home\", \"e=/etc\", { path = \"/srv\", exclude = [\"/cache/\"], optional = true }]\n";
    let from_file = Setup::new().file("client.toml", tables);
    let inline = tables.trim().strip_prefix("sources = ").unwrap();
    let from_variable = Setup::new().variable("PERENNIAL_CLIENT_SOURCES", inline);
    let from_flag = Setup::new().flag("sources", inline);
    for setup in [from_file, from_variable, from_flag] {
        let config = ClientConfig::new(&setup.resolve(Component::Client).unwrap()).unwrap();
        let names: Vec<_> = config.sources.iter().map(SourceEntry::display).collect();
        assert_eq!(names, ["/home", "e=/etc", "/srv"]);
        assert_eq!(config.sources[2].exclude, ["/cache/"]);
        assert_eq!(config.sources[2].optional, Some(true));
    }
}

#[test]
fn a_source_can_be_made_of_commands() {
    let streams = "[[sources]]\nname = \"db\"\n[sources.streams]\n\"all.sql\" = \"pg_dumpall\"\n\
                   \"big.sql\" = { command = \"dump\", align = true }\n";
    let setup = Setup::new().file("client.toml", streams);
    let config = ClientConfig::new(&setup.resolve(Component::Client).unwrap()).unwrap();
    let source = &config.sources[0];
    assert_eq!(source.display(), "db=output of commands (all.sql, big.sql)");
    let crate::config::SourceContent::Streams(streams) = &source.content else {
        panic!("{source:?}");
    };
    assert_eq!(
        (streams["all.sql"].command.as_str(), streams["all.sql"].align),
        ("pg_dumpall", false)
    );
    assert!(streams["big.sql"].align);
    // What is written down is read again.
    let written = toml::to_string(source).unwrap();
    let table: toml::Value = toml::from_str(&written).unwrap();
    assert_eq!(SourceEntry::from_toml(&table).unwrap(), *source);
}

#[test]
fn streams_that_can_be_no_files_are_refused_with_the_reason() {
    let error = |source: &str| Setup::new().flag("sources", source).error(Component::Client);
    for (source, words) in [
        ("{ streams = { a = \"true\" } }", "a \"name\" for it"),
        ("{ name = \"db\", streams = {} }", "a table such as"),
        ("{ name = \"db\", streams = \"x\" }", "a table such as"),
        (
            "{ name = \"db\", path = \"/x\", streams = { a = \"true\" } }",
            "only name, streams",
        ),
        (
            "{ name = \"db\", streams = { \"a/b\" = \"true\" } }",
            "a name that can be a file's",
        ),
        ("{ name = \"db\", streams = { a = \" \" } }", "it takes a command"),
        ("{ name = \"db\", streams = { a = 1 } }", "it takes a command"),
        (
            "{ name = \"db\", streams = { a = { comand = \"true\" } } }",
            "did you mean \"command\"?",
        ),
    ] {
        let told = error(source);
        assert!(told.contains(words), "{source}: {told}");
    }
}

#[test]
fn sources_need_absolute_paths_and_distinct_names() {
    let setup = Setup::new().flag("sources", "home");
    assert_eq!(
        setup.error(Component::Client),
        "\"sources\" in --source can't be \"home\": it takes an absolute path"
    );
    let setup = Setup::new().flag("sources", "[\"/a/x\", \"/b/x\"]");
    assert_eq!(
        setup.error(Component::Client),
        "two sources are called \"x\": /a/x and /b/x"
    );
}

#[test]
fn a_value_is_missing_only_without_a_home() {
    let bare = Surroundings::new([], Runner::User, Path::new("/nonexistent"));
    let resolved = resolve(Component::Client, None, &Flags::none(), &bare).unwrap();
    let error = ClientConfig::new(&resolved).unwrap_err();
    assert_eq!(
        error.to_string(),
        "\"state\" is not set, and there is no home directory to derive it from"
    );
}

#[test]
fn every_setting_has_its_own_names() {
    for component in [Component::Server, Component::Client] {
        let mut flags: Vec<_> = component.table().iter().map(Setting::flag).collect();
        flags.sort();
        flags.dedup();
        assert_eq!(flags.len(), component.table().len());
        for setting in component.table() {
            assert!(
                !setting.about.ends_with('.')
                    && setting.key.chars().all(|c| c.is_ascii_lowercase() || c == '_')
            );
        }
    }
}

#[test]
fn spans_of_time_are_read_as_people_write_them() {
    let seconds = |text| parse_duration(text).map(|span| span.as_secs());
    assert_eq!(seconds("90s"), Ok(90));
    assert_eq!(seconds("1h 30m"), Ok(5400));
    assert_eq!(seconds("30d"), Ok(2_592_000));
    for wrong in ["", "5", "0h", "-1h", "soon"] {
        assert!(seconds(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn a_list_of_one_is_a_text_and_addresses_in_brackets_are_no_lists() {
    let listed = |text: &str| Kind::List.read_texts(&[std::ffi::OsStr::new(text)]);
    let list = |items: &[&str]| Ok(Value::List(items.iter().map(|item| (*item).to_owned()).collect()));
    assert_eq!(listed("[fd00::7]:55414"), list(&["[fd00::7]:55414"]));
    assert_eq!(
        listed("[\"[fd00::7]:55414\", \"b:1\"]"),
        list(&["[fd00::7]:55414", "b:1"])
    );
    assert!(listed("[fd00:").is_err());
    let file = toml::Value::String("b:1".into());
    assert_eq!(Kind::List.read_toml(&file), list(&["b:1"]));
}
