//! People and scripts that call from elsewhere: added, logged in, let through to what they may, refused the rest.

use std::io::Write as _;
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::lab::{Lab, source, text};

pub const PASSWORD: &str = "correct horse battery";

/// A lab with the clients `laptop`, in group `office`, and `web`.
fn with_clients() -> Lab {
    let mut lab = Lab::plain();
    lab.start();
    for client in ["laptop", "web"] {
        lab.enroll(client);
    }
    lab.ok(["groups", "create", "office"]);
    lab.ok(["groups", "add", "office", "laptop"]);
    lab
}

impl Lab {
    fn fingerprint(&self) -> String {
        let status = self.json(["status", "--json"]);
        status["authority_fingerprint"].as_str().unwrap().to_owned()
    }

    pub fn add_user(&self, name: &str, grants: &[&[&str]]) {
        let added = self.fed(
            ["users", "add", name, "--password-file", "-", "--server-state"]
                .into_iter()
                .map(str::to_owned)
                .chain([self.server_state().display().to_string()]),
            PASSWORD,
        );
        assert!(added.status.success(), "{}", text(&added.stderr));
        for grant in grants {
            let mut line = vec!["users", "grant", name];
            line.extend(*grant);
            self.ok(line);
        }
    }

    /// Runs a command that reads this.
    pub fn fed(&self, arguments: impl IntoIterator<Item = String>, input: &str) -> Output {
        let mut command = self.command(arguments);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        writeln!(child.stdin.take().unwrap(), "{input}").unwrap();
        child.wait_with_output().unwrap()
    }

    fn log_in(&self, name: &str, password: &str, more: &[&str]) -> Output {
        let line = ["login", self.address(), "--user", name, "--password-file", "-"];
        let line = line.iter().chain(more).map(|word| (*word).to_owned());
        self.fed(line, password)
    }

    /// Logs in for the first time.
    pub fn logged_in(&self, name: &str) {
        let output = self.log_in(name, PASSWORD, &["--fingerprint", &self.fingerprint()]);
        assert!(output.status.success(), "{}", text(&output.stderr));
    }

    /// Runs a command as the user who has logged in.
    pub fn remote(&self, line: &str) -> Output {
        let mut command = self.command(line.split(' '));
        command.args(["--server", self.address()]).output().unwrap()
    }

    fn remote_ok(&self, line: &str) -> String {
        let output = self.remote(line);
        assert!(output.status.success(), "{line}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    fn remote_json(&self, line: &str) -> Value {
        serde_json::from_str(&self.remote_ok(line)).unwrap()
    }

    /// What is said when a command is refused.
    fn refusal(&self, line: &str) -> String {
        refusal(&self.remote(line))
    }

    /// Runs a command with an API token.
    fn with_token(&self, token: &str, line: &str) -> Output {
        let mut command = self.command(line.split(' '));
        command
            .args(["--server", self.address()])
            .env("PERENNIAL_TOKEN", token)
            .env("PERENNIAL_FINGERPRINT", self.fingerprint())
            .output()
            .unwrap()
    }

    /// What the audit log has of this action, the newest first: who, to whom, how.
    fn audited(&self, action: &str) -> Vec<[String; 3]> {
        let changes = self.json(["audit", "--json"]);
        let word = |change: &Value, key: &str| change[key].as_str().unwrap().to_owned();
        let changes = changes.as_array().unwrap().iter();
        let of_action = changes.filter(|change| change["action"] == action);
        of_action
            .map(|change| {
                assert!(
                    word(change, "origin").starts_with("127.0.0.1") || word(change, "who") == "administrator",
                    "{change}"
                );
                [
                    word(change, "who"),
                    word(change, "subject"),
                    word(change, "detail"),
                ]
            })
            .collect()
    }
}

fn refusal(output: &Output) -> String {
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{out}{err}");
    err
}

fn names(list: &Value, key: &str) -> Vec<String> {
    let list = list.as_array().unwrap().iter();
    list.map(|item| item[key].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_user_does_from_elsewhere_what_was_granted_and_no_more() {
    let lab = with_clients();
    let data = source(&lab, 1);
    lab.back_up("web", &data);
    let backup = lab.back_up("laptop", &data);
    let delete = format!("backup delete laptop/{backup}");
    lab.add_user(
        "anna",
        &[&["operator", "--group", "office"], &["viewer", "--client", "web"]],
    );
    lab.logged_in("anna");

    let who = lab.remote_json("whoami --json");
    assert_eq!(who["user"], "anna");
    assert_eq!(who["grants"][0]["for"]["group"], "office");
    assert_eq!(
        names(&lab.remote_json("clients list --json"), "name"),
        ["laptop", "web"]
    );
    assert_eq!(
        names(&lab.remote_json("backup list --json"), "client"),
        ["web", "laptop"]
    );
    lab.remote_ok("backup hold laptop/latest --reason audit");
    assert_eq!(lab.audited("backup-hold")[0][0], "user anna");
    assert_eq!(
        lab.json(["backup", "show", "laptop/latest", "--json"])["held_for"],
        "audit"
    );

    let refused = lab.refusal("backup hold web/latest --reason audit");
    assert!(
        refused.contains(
            "user anna may not do that to client web: the user has the right protect for others only"
        ) && refused.contains("hint: \"perennial whoami\" tells what this user may do"),
        "{refused}"
    );
    for (line, why) in [
        (delete.as_str(), "none of the user's roles has the right delete"),
        (
            "backup browse laptop/latest",
            "none of the user's roles has the right browse",
        ),
        (
            "status",
            "the right status counts only in a role that is granted for everything",
        ),
        ("users list", "none of the user's roles has the right users"),
        (
            "token create --client laptop",
            "none of the user's roles has the right enrol",
        ),
        (
            "settings set --client laptop keep_daily=1",
            "none of the user's roles has the right settings",
        ),
    ] {
        let refused = lab.refusal(line);
        assert!(refused.contains(why), "{line}: {refused}");
    }

    // What is granted more, and taken away, counts at the next call.
    lab.ok(["users", "grant", "anna", "administrator", "--client", "laptop"]);
    lab.remote_ok("backup release laptop/latest");
    lab.remote_ok("settings set --client laptop keep_daily=1");
    lab.ok(["users", "revoke", "anna", "viewer", "--client", "web"]);
    assert_eq!(names(&lab.remote_json("clients list --json"), "name"), ["laptop"]);
    lab.ok(["users", "disable", "anna"]);
    let refused = lab.refusal("clients list");
    assert!(
        refused.contains("the session has ended; log in again"),
        "{refused}"
    );
    assert!(lab.log_in("anna", PASSWORD, &[]).status.code() == Some(1));
}

#[test]
fn an_administrator_from_elsewhere_is_as_good_as_one_here() {
    let lab = with_clients();
    lab.add_user("root", &[&["administrator", "--everything"]]);
    lab.logged_in("root");
    // Without --server too, where no server is on the machine.
    let listed = lab.command(["users", "list", "--json"]).output().unwrap();
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(names(&listed, "name"), ["root"]);
    lab.remote_ok("users add script --no-password");
    lab.remote_ok("roles create starter --right see --right start-full-file");
    lab.remote_ok("users grant script starter --client web");
    let roles = lab.remote_json("roles list --json");
    assert_eq!(
        names(&roles, "name"),
        ["administrator", "operator", "restorer", "viewer", "starter"]
    );
    let shown = lab.remote_json("roles show starter --json");
    assert_eq!(names(&shown["rights"], "right"), ["see", "start-full-file"]);
    let in_use = lab.refusal("roles delete starter");
    assert!(in_use.contains("user script has it"), "{in_use}");
    let token = lab.remote_ok("token create --client new");
    assert!(lab.enroll_with("new", token.trim()).status.success());
    assert_eq!(lab.audited("token-create")[0][0], "user root");
    lab.remote_ok("users remove script");
    lab.remote_ok("roles delete starter");

    let sessions = lab.remote_json("users sessions --json");
    assert_eq!(sessions[0]["this"], true);
    assert_eq!(sessions[0]["user"], "root");
    lab.remote_ok("logout");
    let refused = lab.refusal("users list");
    assert!(
        refused.contains("nobody has logged in to the server"),
        "{refused}"
    );
    assert_eq!(lab.json(["users", "sessions", "--json"]), Value::Array(vec![]));
    assert_eq!(lab.audited("log-out")[0][0], "user root");
}

#[test]
fn a_server_is_recognised_by_its_fingerprint() {
    let lab = with_clients();
    lab.add_user("anna", &[]);
    // There is no terminal to ask on.
    let unknown = lab.log_in("anna", PASSWORD, &[]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(
        text(&unknown.stderr).contains(&format!("it shows {}", lab.fingerprint())),
        "{}",
        text(&unknown.stderr)
    );
    let other = "0".repeat(64);
    let refused = refusal(&lab.log_in("anna", PASSWORD, &["--fingerprint", &other]));
    assert!(refused.contains("fingerprint"), "{refused}");
    assert_eq!(lab.audited("log-in"), Vec::<[String; 3]>::new());
    lab.logged_in("anna");
    // It is known from now on.
    assert!(lab.log_in("anna", PASSWORD, &[]).status.success());
    let file = lab.root().join(".config/perennial/login.toml");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_second_factor_is_asked_for_and_a_recovery_code_stands_in() {
    let lab = with_clients();
    lab.add_user("anna", &[]);
    lab.logged_in("anna");
    let begun = lab.fed(
        [
            "users",
            "totp",
            "begin",
            "--json",
            "--password-file",
            "-",
            "--server",
            lab.address(),
        ]
        .map(str::to_owned),
        PASSWORD,
    );
    let begun: Value = serde_json::from_slice(&begun.stdout).unwrap();
    let uri = begun["uri"].as_str().unwrap();
    let secret = begun["secret"].as_str().unwrap();
    assert!(
        uri.starts_with("otpauth://totp/Perennial:anna?secret=") && uri.contains(secret),
        "{uri}"
    );
    let wrong = lab.refusal("users totp confirm --code 000000x");
    assert!(wrong.contains("the code is not that of this secret"), "{wrong}");
    let first = code(secret);
    let confirmed = lab.remote_json(&format!("users totp confirm --json --code {first}"));
    let recovery = confirmed["recovery_codes"].as_array().unwrap();
    assert_eq!(recovery.len(), 10);

    let without = lab.log_in("anna", PASSWORD, &[]);
    assert_eq!(without.status.code(), Some(2));
    assert!(
        text(&without.stderr).contains("--code"),
        "{}",
        text(&without.stderr)
    );
    // The code that has confirmed it is used up.
    let spent = refusal(&lab.log_in("anna", PASSWORD, &["--code", &first]));
    assert!(spent.contains("or the code is wrong"), "{spent}");
    let recovery = recovery[0].as_str().unwrap();
    assert!(
        lab.log_in("anna", PASSWORD, &["--code", recovery])
            .status
            .success()
    );
    assert_eq!(lab.remote_json("whoami --json")["recovery_codes"], 9);
    lab.ok(["users", "totp", "remove", "anna"]);
    assert!(lab.log_in("anna", PASSWORD, &[]).status.success());
}

/// The code of now, as an app would show it.
pub fn code(secret: &str) -> String {
    let script = "import base64, hashlib, hmac, struct, sys, time\n\
                  key = base64.b32decode(sys.argv[1])\n\
                  tag = hmac.new(key, struct.pack('>Q', int(time.time()) // 30), hashlib.sha1).digest()\n\
                  at = tag[-1] & 15\n\
                  print('%06d' % ((struct.unpack('>I', tag[at:at + 4])[0] & 0x7fffffff) % 1000000))";
    let output = std::process::Command::new("python3")
        .args(["-c", script, secret])
        .output()
        .unwrap();
    text(&output.stdout).trim().to_owned()
}

#[test]
fn guesses_are_locked_out_over_a_restart_until_somebody_unlocks() {
    let mut lab = with_clients();
    lab.add_user("anna", &[]);
    // However slow the machine is.
    lab.ok(["settings", "set", "login_lock=30min"]);
    let fingerprint = lab.fingerprint();
    let log_in = |lab: &Lab, password: &str| lab.log_in("anna", password, &["--fingerprint", &fingerprint]);
    for _ in 0..5 {
        let wrong = refusal(&log_in(&lab, "a wrong guess"));
        assert!(
            wrong.contains("the user's name, the password or the code is wrong"),
            "{wrong}"
        );
    }
    lab.stop();
    lab.start();
    let locked = refusal(&log_in(&lab, PASSWORD));
    assert!(
        locked.contains("too many log-ins of this user have failed from here; try again in")
            && locked.contains("perennial users unlock"),
        "{locked}"
    );
    let users = lab.json(["users", "list", "--json"]);
    assert!(users[0]["locked_until"].is_string(), "{users}");
    lab.ok(["users", "unlock", "anna"]);
    assert!(log_in(&lab, PASSWORD).status.success());
    let failed = lab.audited("log-in-failed");
    assert_eq!(failed.len(), 5);
    assert_eq!(
        failed[0],
        [
            "somebody",
            "user anna",
            "a wrong password; the user is locked out there for 30 min"
        ]
    );
    assert_eq!(lab.audited("log-in")[0][0], "user anna");
    assert_eq!(lab.audited("user-unlock").len(), 1);
}

#[test]
fn a_script_may_with_its_token_what_both_may() {
    let lab = with_clients();
    let data = source(&lab, 1);
    lab.back_up("web", &data);
    let backup = lab.back_up("laptop", &data);
    let delete = format!("backup delete laptop/{backup}");
    lab.add_user("anna", &[&["operator", "--everything"]]);
    let made = lab.json([
        "api-tokens",
        "create",
        "ci",
        "--user",
        "anna",
        "--right",
        "see",
        "--right",
        "delete",
        "--right",
        "protect",
        "--group",
        "office",
        "--valid",
        "90d",
        "--json",
    ]);
    let token = made["token"].as_str().unwrap();
    assert!(token.starts_with("perennial_api_"), "{token}");
    let listed = lab.with_token(token, "backup list --json");
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(names(&listed, "client"), ["laptop"]);
    let held = lab.with_token(token, "backup hold laptop/latest --reason ci");
    assert!(held.status.success(), "{}", text(&held.stderr));
    assert_eq!(lab.audited("backup-hold")[0][0], "user anna, token ci");
    for (line, why) in [
        (
            "backup hold web/latest --reason ci",
            "the API token has the right protect for others only",
        ),
        // The token has it, its user has not.
        (delete.as_str(), "none of the user's roles has the right delete"),
        // Its user has it, the token has not.
        (
            "backup verify laptop/latest",
            "the API token does not have the right verify",
        ),
        (
            "api-tokens create more --no-expiry",
            "an API token can't change the account that it belongs to",
        ),
    ] {
        let refused = refusal(&lab.with_token(token, line));
        assert!(refused.contains(why), "{line}: {refused}");
    }
    let tokens = lab.json(["api-tokens", "list", "--json"]);
    assert!(
        tokens[0]["last_used"].is_string() && tokens[0]["expires"].is_string(),
        "{tokens}"
    );
    assert!(!tokens.to_string().contains(token), "it is shown once");
    let cut = refusal(&lab.with_token(&token[..60], "backup list"));
    assert!(cut.contains("it was not copied as a whole"), "{cut}");
    lab.logged_in("anna");
    let password = lab.root().join("password");
    std::fs::write(&password, "a wrong guess").unwrap();
    let create = format!(
        "api-tokens create own --valid 1d --json --password-file {}",
        password.display()
    );
    let guessed = lab.refusal(&create);
    assert!(guessed.contains("the password or the code is wrong"), "{guessed}");
    std::fs::write(&password, PASSWORD).unwrap();
    let own = lab.remote_json(&create);
    let shown = lab.with_token(own["token"].as_str().unwrap(), "backup verify web/latest");
    assert!(shown.status.success(), "{}", text(&shown.stderr));
    assert_eq!(
        names(&lab.remote_json("api-tokens list --json"), "name"),
        ["ci", "own"]
    );
    lab.ok(["api-tokens", "revoke", "ci", "--user", "anna"]);
    let revoked = refusal(&lab.with_token(token, "backup list"));
    assert!(revoked.contains("it may have been revoked"), "{revoked}");
    // Tokens are in no file of the server's, as they are shown.
    let catalog = std::fs::read(lab.server_state().join("catalog.sqlite-wal")).unwrap_or_default();
    let needle = token.as_bytes();
    assert!(!catalog.windows(needle.len()).any(|window| window == needle));
}

#[test]
fn another_password_ends_the_sessions_elsewhere() {
    let lab = with_clients();
    lab.add_user("anna", &[]);
    lab.logged_in("anna");
    let (home, other) = (lab.root().join(".config"), lab.root().join("elsewhere"));
    std::fs::rename(&home, &other).unwrap();
    lab.logged_in("anna");
    let (new, current) = (lab.root().join("new"), lab.root().join("current"));
    std::fs::write(&new, "another battery").unwrap();
    std::fs::write(&current, "no idea at all").unwrap();
    let line = format!(
        "users password --password-file {} --current-password-file {}",
        new.display(),
        current.display()
    );
    let wrong = lab.refusal(&line);
    assert!(wrong.contains("the password or the code is wrong"), "{wrong}");
    std::fs::write(&current, PASSWORD).unwrap();
    lab.remote_ok(&line);
    lab.remote_ok("whoami");
    std::fs::remove_dir_all(&home).unwrap();
    std::fs::rename(&other, &home).unwrap();
    assert!(lab.refusal("whoami").contains("the session has ended"));
    assert!(lab.log_in("anna", "another battery", &[]).status.success());
}

#[test]
fn where_backups_lie_is_not_told_elsewhere() {
    let lab = with_clients();
    let data = source(&lab, 1);
    lab.back_up("laptop", &data);
    lab.add_user("anna", &[&["administrator", "--everything"]]);
    lab.logged_in("anna");
    let shown = lab.remote_json("backup show laptop/latest --json");
    assert!(
        shown["location"].is_null(),
        "paths of the server's are none of his business: {shown}"
    );
    let listed = lab.remote_ok("backup browse laptop/latest -r");
    assert!(listed.contains("data"), "{listed}");
}
