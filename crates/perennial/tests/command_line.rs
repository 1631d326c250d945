//! The binary as a user meets it when something is wrong: exit status, streams, words. The environment is cleared.

#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

use std::path::Path;
use std::process::{Command, Output};

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Runs the binary as a user with nothing but this home directory, and its own places for the state.
    fn run(&self, line: &str) -> Shown {
        self.run_with(line, &[])
    }

    fn run_with(&self, line: &str, variables: &[(&str, &str)]) -> Shown {
        let state = |name: &str| self.path().join(name);
        let output = Command::new(env!("CARGO_BIN_EXE_perennial"))
            .args(line.split_whitespace())
            .env_clear()
            .env("HOME", self.path())
            .env("TZ", "UTC")
            .env("PERENNIAL_SERVER_STATE", state("server"))
            .env("PERENNIAL_SERVER_STORAGE", state("storage"))
            .env("PERENNIAL_CLIENT_STATE", state("client"))
            .envs(variables.iter().copied())
            .current_dir(self.path())
            .output()
            .unwrap();
        Shown::new(&output, self.path())
    }
}

#[derive(Debug, PartialEq)]
struct Shown {
    code: i32,
    out: String,
    err: String,
}

impl Shown {
    fn new(output: &Output, home: &Path) -> Self {
        let home = home.display().to_string();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap().replace(&home, "HOME");
        Self {
            code: output.status.code().unwrap(),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }

    fn assert_fails(&self, code: i32, err: &str) {
        assert_eq!((self.code, self.out.as_str(), self.err.as_str()), (code, "", err));
    }
}

#[test]
fn without_a_server_and_a_client_the_error_says_where_was_looked() {
    Home::new().run("backup list").assert_fails(
        1,
        "error: there is neither a server nor an enrolled client here\n\
         hint: start a server with \"perennial server\" or join one with \"perennial enroll TOKEN\"; looked for a server \
         in HOME/server (--server-state) and for a client in HOME/client (--client-state)\n",
    );
}

#[test]
fn administration_needs_a_server_here_or_a_log_in() {
    Home::new()
        .run("token create --server-state /nonexistent")
        .assert_fails(
            1,
            "error: no server is running here, and nobody has logged in to one elsewhere\n\
         hint: run it on the server's machine, as the user that the server runs as, or log in: perennial login HOST:PORT; \
         looked in /nonexistent (--server-state)\n",
        );
}

#[test]
fn a_server_that_nobody_knows_is_not_dialled() {
    let home = Home::new();
    home.run("clients list --server backup.example").assert_fails(
        1,
        "error: nobody has logged in to the server at backup.example:55414 from here, so its fingerprint is not known\n\
         hint: log in with \"perennial login backup.example:55414\", or give the fingerprint with --fingerprint\n",
    );
    let fingerprint = "ab".repeat(32);
    home.run_with(
        "clients list --server backup.example:1",
        &[("PERENNIAL_FINGERPRINT", &fingerprint)],
    )
    .assert_fails(
        1,
        "error: nobody has logged in to the server at backup.example:1 from here\n\
         hint: log in with \"perennial login backup.example:1\", or give an API token with --token-file or in \
         PERENNIAL_TOKEN\n",
    );
}

#[test]
fn a_client_that_is_not_enrolled_is_told_how() {
    Home::new().run("client once --source /usr").assert_fails(
        1,
        "error: this client is not enrolled: there is no identity in HOME/client\n\
         hint: make a token on the server with \"perennial token create\", then here: perennial enroll TOKEN\n",
    );
}

#[test]
fn what_is_no_token_is_refused_before_anything_is_dialled() {
    Home::new().run("enroll hello").assert_fails(
        1,
        "error: this is not an enrolment token: one begins with \"perennial1-\"\n\
         hint: make a new one with \"perennial token create\" on the server and copy it as a whole\n",
    );
}

#[test]
fn unknown_settings_name_the_nearest_one() {
    let home = Home::new();
    std::fs::write(home.path().join("s.toml"), "storgae = \"/x\"\n").unwrap();
    home.run("server --config s.toml").assert_fails(
        1,
        "error: unknown setting \"storgae\" in s.toml:1; did you mean \"storage\"?\n\
         hint: \"perennial config show\" lists every setting\n",
    );
    let shown = home.run_with("config show server", &[("PERENNIAL_SERVER_STORE", "/x")]);
    shown.assert_fails(
        1,
        "error: unknown setting \"PERENNIAL_SERVER_STORE\" in $PERENNIAL_SERVER_STORE; did you mean \
         \"PERENNIAL_SERVER_STORAGE\"?\nhint: \"perennial config show\" lists every setting\n",
    );
}

#[test]
fn wrong_usage_has_a_status_of_its_own() {
    let home = Home::new();
    let shown = home.run("client once --compression 99");
    shown.assert_fails(
        2,
        "error: \"compression\" in --compression can't be \"99\": it takes \"auto\", \"off\" or a zstd level from 1 to \
         19\nhint: \"perennial config show\" lists every setting\n",
    );
    for line in [
        "",
        "no-such-command",
        "restore latest",
        "backup verify x --source 0%",
    ] {
        assert_eq!(home.run(line).code, 2, "{line:?}");
    }
    assert_eq!(home.run("--help").code, 0);
}

#[test]
fn quickstart_refuses_what_can_not_be_a_source() {
    let home = Home::new();
    home.run("quickstart --once nowhere").assert_fails(
        1,
        "error: can't back up nowhere: No such file or directory (os error 2)\n",
    );
    std::fs::create_dir(home.path().join("storage")).unwrap();
    home.run("quickstart --once storage").assert_fails(
        1,
        "error: can't back up storage: it lies in HOME/storage, which holds Perennial's own files\n",
    );
    assert!(!home.path().join("server").exists(), "nothing was made");
}

#[test]
fn settings_are_shown_with_their_origin() {
    let home = Home::new();
    std::fs::write(
        home.path().join("c.toml"),
        "threads = 3\nsources = [\"/etc\", \"data=/srv\"]\n",
    )
    .unwrap();
    let shown = home.run("config show client --config c.toml --client-state /flag");
    assert_eq!(
        shown.out,
        "SETTING                     VALUE            FROM\n\
         client.state                /flag            --state\n\
         client.dial                 -                default\n\
         client.proxy                -                default\n\
         client.sources              /etc, data=/srv  c.toml:2\n\
         client.exclude              -                default\n\
         client.snapshots            auto             default\n\
         client.image_volumes        -                default\n\
         client.image_omit           -                default\n\
         client.image_freeze         -                default\n\
         client.compression          auto             default\n\
         client.threads              3                c.toml:1\n\
         client.restores             ask              default\n\
         client.before_file_backup   -                default\n\
         client.after_file_backup    -                default\n\
         client.failed_file_backup   -                default\n\
         client.before_image_backup  -                default\n\
         client.after_image_backup   -                default\n\
         client.failed_image_backup  -                default\n\
         client.after_snapshot       -                default\n\
         client.hook_timeout         1h               default\n\
         client.log_level            info             default\n\
         client.log_file             -                default\n\
         client.log_file_format      text             default\n"
    );
    let json = home.run("config show client --json").out;
    assert!(json.contains("\"from\": \"$PERENNIAL_CLIENT_STATE\""), "{json}");
}

#[test]
fn every_command_has_a_manual_page() {
    let home = Home::new();
    let dir = tempfile::tempdir().expect("a directory");
    let written = home.run(&format!("man-pages {}", dir.path().display()));
    assert_eq!((written.code, written.err.as_str()), (0, ""));
    let page = |name: &str| std::fs::read_to_string(dir.path().join(name)).expect(name);
    assert!(
        page("perennial.1").contains("perennial\\-restore(1)"),
        "it leads to the others"
    );
    assert!(page("perennial-backup-verify.1").contains("SYNOPSIS"));
    let missing = home.run("man-pages /nowhere/at/all");
    assert_eq!(missing.code, 1);
    assert!(missing.err.contains("/nowhere/at/all"), "{}", missing.err);
}

#[test]
fn completions_go_to_stdout() {
    let shown = Home::new().run("completions bash");
    assert_eq!((shown.code, shown.err.as_str()), (0, ""));
    assert!(shown.out.contains("quickstart"));
}
