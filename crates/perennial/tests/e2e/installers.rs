//! Installers of the client, from making them to a clean Debian that is backed up, and back.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::debian::Debian;
use crate::lab::{Lab, refused, signal, text, wait_for};
use crate::network::Network;

/// A network with a clean Debian for its one end, and a lab whose server is at the other, with a program for installers that is as small
/// as it gets. `None`, with the reason printed, where that can't be had. What comes first ends last.
fn stage(name: &str) -> Option<(Network, Debian, Lab)> {
    let network = Network::create(1000)?;
    let debian = Debian::create(name)?;
    let mut lab = Lab::plain();
    lab.move_to(&network);
    lab.keep_small_program();
    lab.start();
    Some((network, debian, lab))
}

/// Makes an installer of a form for a client; returns its file.
fn made(lab: &Lab, client: &str, form: &str) -> PathBuf {
    let file = lab.root().join(format!("{client}.{form}"));
    let path = file.to_str().unwrap();
    lab.ok([
        "client",
        "installer",
        client,
        "--form",
        form,
        "--output",
        path,
        "--source",
        "/etc",
    ]);
    file
}

/// Waits until the client is connected, has it backed up, and verifies that.
fn back_up_and_verify(lab: &Lab, client: &str) {
    wait_for(lab, "the client", || {
        let clients = lab.json(["clients", "list", "--json"]);
        let clients = clients.as_array().unwrap();
        let found = clients.iter().find(|known| known["name"] == client)?;
        (found["connected"] == true).then_some(())
    });
    lab.ok(["backup", "start", client]);
    let listed = lab.json(["backup", "list", client, "--json"]);
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    lab.ok(["backup", "verify", &format!("{client}/latest")]);
    let browsed = lab.ok(["backup", "browse", &format!("{client}/latest:etc")]);
    assert!(browsed.contains("hostname"), "{browsed}");
}

#[test]
fn one_line_installs_a_client_that_is_named_like_its_machine_and_is_backed_up() {
    let Some((network, mut debian, lab)) = stage("oak") else {
        return;
    };
    let line = lab.ok(["client", "installer", "--one-line", "--source", "/etc"]);
    assert!(
        line.starts_with("sh -c \"$(curl -fsS --insecure --pinnedpubkey 'sha256//"),
        "{line}"
    );
    debian.boot(&network);
    let said = debian.ok(["sh", "-c", &line]);
    assert!(said.contains("The client runs"), "{said}");
    assert_eq!(
        debian.ok(["systemctl", "is-enabled", "perennial-client"]).trim(),
        "enabled"
    );
    assert_eq!(
        debian.ok(["systemctl", "is-active", "perennial-client"]).trim(),
        "active"
    );
    back_up_and_verify(&lab, "oak");

    // The token is used up, so there is no second client, and the key is pinned, so there is no other server.
    let again = debian.refused(["sh", "-c", &line]);
    assert!(again.contains("403"), "{again}");
    let key = line.split('\'').nth(1).unwrap();
    let other = line.replace(key, "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    let refused = debian.refused(["sh", "-c", &other]);
    assert!(refused.contains("pinned"), "{refused}");

    let kept = debian.ok(["perennial-uninstall"]);
    assert!(kept.contains("stay"), "{kept}");
    assert!(!debian.has("/usr/local/bin/perennial") && debian.has("/var/lib/perennial/client/client.toml"));
    assert!(
        !debian
            .output(["systemctl", "cat", "perennial-client"])
            .status
            .success()
    );
    assert_eq!(text(&debian.output(["pgrep", "-x", "perennial"]).stdout), "");
}

#[test]
fn a_script_installs_renews_and_removes() {
    let Some((network, mut debian, lab)) = stage("elm") else {
        return;
    };
    let file = made(&lab, "desk", "sh");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    debian.put(&file);
    let script = "/root/desk.sh";

    // Damaged, or cut, it changes nothing.
    let content = fs::read(&file).unwrap();
    for (name, damaged) in [
        ("cut.sh", content[..content.len() - 70_000].to_vec()),
        ("flipped.sh", flipped(&content)),
    ] {
        fs::write(debian.root().join("root").join(name), damaged).unwrap();
        debian.refused(["sh", &format!("/root/{name}")]);
        assert!(!debian.has("/usr/local/bin/perennial") && !debian.has("/usr/local/bin/perennial.new"));
    }
    let odd = debian.refused(["sh", script, "--colour"]);
    assert!(odd.contains("there is no option --colour"), "{odd}");
    let alike = debian.refused(["sh", script, "--source", "/a/x", "--source", "/b/x/"]);
    assert!(alike.contains("two sources are called /x/"), "{alike}");

    // As in an image that is being made: there is no network, and nothing runs.
    let said = debian.ok([
        "sh",
        script,
        "--later",
        "--source",
        "/etc",
        "--source",
        "/srv/a \"b\"",
    ]);
    assert!(said.contains("starts with the system"), "{said}");
    let settings = fs::read_to_string(debian.root().join("etc/perennial/client.toml")).unwrap();
    assert!(
        settings.contains("\"/etc\",\n") && settings.contains(r#""/srv/a \"b\"""#),
        "{settings}"
    );
    let state = debian.root().join("var/lib/perennial/client");
    assert_eq!(
        fs::metadata(state.join("token")).unwrap().permissions().mode() & 0o777,
        0o600
    );
    debian.ok(["mkdir", "-p", "/srv/a \"b\""]);

    // It joins when the machine starts.
    debian.boot(&network);
    back_up_and_verify(&lab, "desk");
    assert!(!debian.has("/var/lib/perennial/client/token"));

    let renewed = debian.ok(["sh", script]);
    assert!(
        renewed.contains("is a client already") && renewed.contains("Settings stay"),
        "{renewed}"
    );
    assert_eq!(
        debian.ok(["systemctl", "is-active", "perennial-client"]).trim(),
        "active"
    );
    let anew = debian.refused(["sh", script, "--replace"]);
    assert!(anew.contains("used already"), "{anew}");
    // It is still who it was.
    assert!(debian.has("/var/lib/perennial/client/client.toml"));
    debian.ok(["systemctl", "stop", "perennial-client"]);
    let stopped = debian.ok(["sh", script]);
    assert!(stopped.contains("if it ran"), "{stopped}");
    let state = debian.output(["systemctl", "is-active", "perennial-client"]);
    assert_eq!(text(&state.stdout).trim(), "inactive");

    debian.ok(["sh", script, "--uninstall", "--purge"]);
    for path in [
        "/usr/local/bin/perennial",
        "/usr/local/sbin/perennial-uninstall",
        "/etc/perennial",
        "/var/lib/perennial",
        "/etc/systemd/system/perennial-client.service",
    ] {
        assert!(!debian.has(path), "{path} is left");
    }
}

/// A program in it has another bit.
fn flipped(script: &[u8]) -> Vec<u8> {
    let mut flipped = script.to_vec();
    let at = flipped.len() - 100_000;
    flipped[at] ^= 4;
    flipped
}

#[test]
fn a_debian_package_joins_by_itself_and_is_removed() {
    let Some((network, mut debian, lab)) = stage("ash") else {
        return;
    };
    debian.put(&made(&lab, "office", "deb"));
    debian.boot(&network);
    debian.ok(["dpkg", "--install", "/root/office.deb"]);
    back_up_and_verify(&lab, "office");
    assert!(!debian.has("/usr/lib/perennial/token") && !debian.has("/var/lib/perennial/client/token"));
    assert_eq!(
        debian.ok(["systemctl", "is-enabled", "perennial-client"]).trim(),
        "enabled"
    );
    // Again, as when it is renewed: it stays who it is.
    debian.ok(["dpkg", "--install", "/root/office.deb"]);
    assert_eq!(
        debian.ok(["systemctl", "is-active", "perennial-client"]).trim(),
        "active"
    );
    assert!(!debian.has("/usr/lib/perennial/token"));

    let removed = debian.ok(["dpkg", "--remove", "perennial-client"]);
    assert!(!removed.contains("not empty"), "{removed}");
    assert!(!debian.has("/usr/bin/perennial") && debian.has("/etc/perennial/client.toml"));
    assert_eq!(text(&debian.output(["pgrep", "-x", "perennial"]).stdout), "");
    debian.ok(["dpkg", "--purge", "perennial-client"]);
    assert!(!debian.has("/etc/perennial") && !debian.has("/var/lib/perennial"));
}

#[test]
fn a_package_takes_over_what_the_script_has_installed() {
    let Some((_network, debian, lab)) = stage("oat") else {
        return;
    };
    debian.put(&made(&lab, "barn", "sh"));
    debian.put(&made(&lab, "shed", "deb"));
    debian.ok(["sh", "/root/barn.sh", "--later", "--source", "/srv"]);
    let token = fs::read(debian.root().join("var/lib/perennial/client/token")).unwrap();
    debian.ok(["dpkg", "--install", "/root/shed.deb"]);
    for path in [
        "/usr/local/bin/perennial",
        "/usr/local/sbin/perennial-uninstall",
        "/etc/systemd/system/perennial-client.service",
    ] {
        assert!(!debian.has(path), "{path} is left");
    }
    assert!(
        debian.has("/usr/bin/perennial") && debian.has("/usr/lib/systemd/system/perennial-client.service")
    );
    assert_eq!(
        debian.ok(["systemctl", "is-enabled", "perennial-client"]).trim(),
        "enabled"
    );
    let settings = fs::read_to_string(debian.root().join("etc/perennial/client.toml")).unwrap();
    assert!(settings.contains("/srv"), "{settings}");
    // The other way round the script refuses.
    let refused = debian.refused(["sh", "/root/barn.sh", "--later"]);
    assert!(refused.contains("belongs to a package"), "{refused}");
    let state = fs::read(debian.root().join("var/lib/perennial/client/token")).unwrap();
    assert!(state != token, "the newer token counts");
}

#[test]
fn an_rpm_package_joins_by_itself_and_is_removed() {
    let Some((network, mut debian, lab)) = stage("yew") else {
        return;
    };
    let package = made(&lab, "shop", "rpm");
    let package = package.to_str().unwrap();
    let root = debian.root();
    let rpm = |arguments: &[&str]| {
        let output = Command::new("rpm")
            .arg("--root")
            .arg(&root)
            .args(["--dbpath", "/var/lib/rpm"])
            .args(arguments)
            .output()
            .unwrap();
        let (told, complaints) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{arguments:?}: {complaints}");
        assert_eq!(complaints, "", "{arguments:?}");
        told
    };
    let needs = rpm(&["--query", "--requires", "--package", package]);
    assert!(needs.contains("libc.so.6(GLIBC_2."), "{needs}");
    // What it needs is there, and not as packages of RPM. Debian's rpm wants to hear that this is meant.
    let how = ["--nodeps", "--force-debian"];
    rpm(&[&["--install", package], &how[..]].concat());
    assert!(debian.has("/var/lib/perennial/client/token") && !debian.has("/usr/lib/perennial/token"));
    let wanted = "/etc/systemd/system/multi-user.target.wants/perennial-client.service";
    assert!(debian.has(wanted));
    debian.boot(&network);
    back_up_and_verify(&lab, "shop");
    debian.ok(["systemctl", "stop", "perennial-client"]);
    rpm(&[&["--erase", "perennial-client"], &how[..]].concat());
    assert!(!debian.has("/usr/bin/perennial") && !debian.has("/usr/lib/perennial") && !debian.has(wanted));
    assert!(debian.has("/var/lib/perennial/client/client.toml"));
}

#[test]
fn installers_are_had_by_a_token_that_is_good_and_for_processors_that_there_are_programs_for() {
    let mut lab = Lab::plain();
    lab.start();
    let json = lab.json([
        "client",
        "installer",
        "den",
        "--one-line",
        "--valid",
        "1h",
        "--json",
    ]);
    let address = json["installers"].as_str().unwrap();
    let get = |path: &str| {
        let output = Command::new("curl")
            .args(["-sSk", "-o", "-", "-D", "-"])
            .arg(format!("{address}{path}"))
            .output()
            .unwrap();
        text(&output.stdout[..output.stdout.len().min(4000)])
    };
    // The server's own program, as it runs here.
    let script = get("/sh");
    assert!(
        script.starts_with("HTTP/2 200") && script.contains("x86_64 0 "),
        "{script}"
    );
    assert!(
        script.contains("content-disposition: attachment; filename*=UTF-8''perennial-client-den.sh"),
        "{script}"
    );
    assert!(get("").contains("#!/bin/sh"), "{}", get(""));
    let refusals = [
        (
            "/sh?architecture=aarch64",
            "404",
            "no program for the processor aarch64",
        ),
        ("/sh?architecture=s390x", "404", "no program for s390x processors"),
        ("/exe", "400", "there is no installer \"exe\""),
        ("/../../etc/passwd", "404", ""),
        ("AAAA/sh", "403", "does not know the enrolment token"),
    ];
    for (path, code, why) in refusals {
        let answer = get(path);
        assert!(
            answer.starts_with(&format!("HTTP/2 {code}")) && answer.contains(why),
            "{path}: {answer}"
        );
    }
    let builds = lab.json(["server", "builds", "list", "--json"]);
    assert_eq!(
        (&builds[0]["is_own"], &builds[0]["architecture"]),
        (&true.into(), &"x86_64".into()),
        "{builds}"
    );
    let missing = refused(
        &lab,
        &[
            "client",
            "installer",
            "den",
            "--form",
            "deb",
            "--architecture",
            "arm64",
            "-o",
            "-",
        ],
    );
    assert!(
        missing.contains("no program for the processor aarch64") && missing.contains("server builds add"),
        "{missing}"
    );
    let relative = refused(
        &lab,
        &["client", "installer", "den", "--source", "home", "-o", "-"],
    );
    assert!(relative.contains("a source is an absolute path"), "{relative}");
    let none = refused(&lab, &["server", "builds", "add", "/etc/passwd"]);
    assert!(none.contains("no program for 64-bit Linux"), "{none}");
}

#[test]
fn a_token_lets_as_many_join_as_it_says() {
    let mut lab = Lab::plain();
    lab.start();
    let token = lab.token(&["--uses", "2"]);
    for client in ["one", "two"] {
        let output = lab.enroll_with(client, &token);
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
    let third = lab.enroll_with("three", &token);
    assert!(
        text(&third.stderr).contains("used already, by client two"),
        "{}",
        text(&third.stderr)
    );
}

#[test]
fn a_client_joins_by_a_token_that_was_left_for_it_once_the_server_is_there() {
    let mut lab = Lab::plain();
    lab.start();
    let token = lab.token(&["--client", "late"]);
    lab.stop();
    let state = lab.client_state("late");
    fs::create_dir_all(&state).unwrap();
    fs::write(state.join("token"), format!("{token}\n")).unwrap();
    let source = lab.root().join("source");
    fs::create_dir(&source).unwrap();
    let mut client = lab.start_agent("late", &source);
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert!(state.join("token").exists());
    lab.start();
    wait_for(&lab, "the client", || {
        let clients = lab.json(["clients", "list", "--json"]);
        (clients[0]["connected"] == true).then_some(())
    });
    assert!(!state.join("token").exists() && state.join("client.toml").exists());
    signal(&client, rustix::process::Signal::TERM);
    assert!(client.wait().unwrap().success());
}

/// The scripts as they are written, before anything is put into them.
#[test]
fn the_scripts_have_no_faults_that_a_linter_finds() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../installer/src/scripts");
    if Command::new("shellcheck").arg("--version").output().is_err() {
        assert!(std::env::var_os("CI").is_none(), "shellcheck is missing");
        eprintln!("skipped: shellcheck is not installed");
        return;
    }
    let scripts = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let output = Command::new("shellcheck")
        .args(["--shell=sh", "--exclude=SC2148"])
        .args(scripts)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stdout));
}
