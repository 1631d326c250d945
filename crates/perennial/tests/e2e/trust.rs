//! Who gets in, and what those who don't are told.

use crate::lab::{Lab, source, text};

fn started() -> Lab {
    let mut lab = Lab::plain();
    lab.start();
    lab
}

#[test]
fn a_token_works_once() {
    let lab = started();
    let token = lab.token(&[]);
    assert!(lab.enroll_with("one", &token).status.success());
    let again = lab.enroll_with("two", &token);
    assert_eq!(again.status.code(), Some(1));
    assert!(
        text(&again.stderr).contains("used already, by client one"),
        "{}",
        text(&again.stderr)
    );
}

#[test]
fn a_token_for_one_name_is_no_good_for_another() {
    let lab = started();
    let token = lab.token(&["--client", "one"]);
    let refused = lab.enroll_with("two", &token);
    assert!(
        text(&refused.stderr).contains("meant for a client named one"),
        "{}",
        text(&refused.stderr)
    );
    assert!(lab.enroll_with("one", &token).status.success());
}

#[test]
fn a_machine_takes_the_name_that_the_token_is_bound_to() {
    let lab = started();
    let token = lab.token(&["--client", "laptop"]);
    let state = lab.client_state("any");
    let mut enroll = lab.command(["enroll", &token, "--client-state"]);
    let output = enroll.arg(&state).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let listed = lab.json(["clients", "list", "--json"]);
    assert_eq!(listed[0]["name"], "laptop", "{listed}");
}

#[test]
fn an_expired_token_is_refused() {
    let lab = started();
    let token = lab.token(&["--valid", "1s"]);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let refused = lab.enroll_with("one", &token);
    assert!(
        text(&refused.stderr).contains("has expired"),
        "{}",
        text(&refused.stderr)
    );
}

#[test]
fn a_damaged_or_unknown_token_is_refused() {
    let lab = started();
    let refused = lab.enroll_with("one", "hello");
    assert!(
        text(&refused.stderr).contains("not an enrolment token"),
        "{}",
        text(&refused.stderr)
    );
    let mut token = wire::token::Token::parse(&lab.token(&[])).unwrap();
    token.secret = [1; 32];
    let refused = lab.enroll_with("one", &token.to_string());
    assert!(
        text(&refused.stderr).contains("does not know the enrolment token"),
        "{}",
        text(&refused.stderr)
    );
}

#[test]
fn a_server_with_another_fingerprint_gets_nothing() {
    let lab = started();
    let mut token = wire::token::Token::parse(&lab.token(&[])).unwrap();
    token.authority_fingerprint[0] ^= 1;
    let refused = lab.enroll_with("one", &token.to_string());
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        text(&refused.stderr).contains("fingerprint"),
        "{}",
        text(&refused.stderr)
    );
    token.authority_fingerprint[0] ^= 1;
    assert!(
        lab.enroll_with("one", &token.to_string()).status.success(),
        "the token was used up"
    );
}

#[test]
fn a_name_that_is_taken_is_refused() {
    let lab = started();
    lab.enroll("one");
    let other = lab.root().join("other");
    let output = lab
        .command(["enroll", "--name", "one", &lab.token(&[])])
        .arg("--client-state")
        .arg(&other)
        .output()
        .unwrap();
    assert!(
        text(&output.stderr).contains("there is a client named one already"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn names_that_are_no_names_are_refused() {
    let lab = started();
    for name in ["..", "a/b", "", ".hidden", "current", "-x"] {
        let refused = lab
            .command(["enroll", &format!("--name={name}"), &lab.token(&[])])
            .arg("--client-state")
            .arg(lab.root().join("refused"))
            .output()
            .unwrap();
        assert!(!refused.status.success(), "{name:?} was taken");
    }
    assert!(
        lab.json(["clients", "list", "--json"])
            .as_array()
            .unwrap()
            .is_empty()
    );
}

#[test]
fn a_revoked_client_is_refused_and_its_backups_stay() {
    let lab = started();
    lab.enroll("laptop");
    let source = source(&lab, 5);
    let name = lab.back_up("laptop", &source);
    lab.ok(["clients", "revoke", "laptop"]);
    let output = lab.once_command("laptop", &source, &[]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("revoked"),
        "{}",
        text(&output.stderr)
    );
    assert_eq!(lab.backups("laptop"), std::slice::from_ref(&name));
    lab.verify("laptop", &name);
    assert!(lab.log().contains("revoked client was refused"), "{}", lab.log());
}

#[test]
fn a_client_sees_and_restores_only_its_own_backups_and_deletes_none() {
    let lab = started();
    lab.enroll("one");
    lab.enroll("two");
    let source = source(&lab, 6);
    let name = lab.back_up("one", &source);
    let as_two = |arguments: &[&str]| {
        let mut command = lab.command(arguments);
        command.arg("--client-state").arg(lab.client_state("two"));
        command
            .arg("--server-state")
            .arg(lab.root().join("nowhere"))
            .output()
            .unwrap()
    };
    for arguments in [
        ["backup", "show", &format!("one/{name}")],
        ["backup", "browse", &format!("one/{name}")],
        ["backup", "list", "one"],
    ] {
        let refused = as_two(&arguments);
        assert_eq!(refused.status.code(), Some(1), "{arguments:?}");
        assert!(
            text(&refused.stderr).contains("only see its own"),
            "{}",
            text(&refused.stderr)
        );
    }
    let to = lab.root().join("stolen");
    assert!(
        !lab.restore("two", &format!("one/{name}"), &to, &[])
            .status
            .success()
    );
    let mut delete = lab.command(["backup", "delete", "--now", &name]);
    delete
        .arg("--client-state")
        .arg(lab.client_state("one"))
        .arg("--server-state")
        .arg(lab.root().join("nowhere"));
    let refused = delete.output().unwrap();
    assert!(
        text(&refused.stderr).contains("administrator"),
        "{}",
        text(&refused.stderr)
    );
    lab.verify("one", &name);
}
