//! What can be said on the command line, and what can't.

use clap::{CommandFactory as _, Parser as _};

use super::*;

fn parse(line: &str) -> Result<Cli, clap::error::ErrorKind> {
    Cli::try_parse_from(line.split(' ')).map_err(|error| error.kind())
}

#[test]
fn the_grammar_holds_together() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_can_be_said() {
    let lines = [
        "perennial quickstart /home --once --storage /s --state /t --exclude *.tmp --interval 2h",
        "perennial server",
        "perennial server --storage /srv --listen 127.0.0.1:0",
        "perennial server run --config /x.toml --no-such",
        "perennial server rebuild-catalog --state /x --json",
        "perennial server restore-catalog --from latest --storage /srv --json",
        "perennial server restore-catalog --list",
        "perennial server doctor --json --state /x",
        "perennial client --source /home --source /etc --exclude *.o",
        "perennial client run --threads 2",
        "perennial client once --full --source a=/b",
        "perennial enroll perennial1-abc --name laptop --replace",
        "perennial token create --client a --valid 1d --address h:1 --json",
        "perennial clients list --json",
        "perennial clients revoke laptop",
        "perennial clients disable laptop",
        "perennial clients enable laptop",
        "perennial clients remove laptop",
        "perennial clients take-back laptop",
        "perennial clients rename laptop Anna's",
        "perennial clients restore laptop/latest home/a etc --to /x --existing both --json",
        "perennial client restores --json",
        "perennial client restores confirm 12",
        "perennial client restores decline 12",
        "perennial backup search laptop *.odt --beneath home --json",
        "perennial backup versions laptop home/a --json",
        "perennial retention free 200GiB --storage main --json",
        "perennial backup list laptop --json",
        "perennial backup show laptop/latest",
        "perennial backup browse laptop/latest:etc -r",
        "perennial backup start laptop --full --detach",
        "perennial backup verify laptop/261129-0650 --source 5%",
        "perennial backup diff 261129-0650 latest",
        "perennial backup delete a/1 a/2",
        "perennial restore latest:home --to /x --existing overwrite --delete-extra",
        "perennial mount /mnt/backups --allow-other --cache 256MiB",
        "perennial storage repair --apply --json",
        "perennial storage rebuild-index",
        "perennial jobs list --limit 5",
        "perennial jobs cancel 7",
        "perennial notify list --json",
        "perennial notify add a --mail smtps://u@m:465 --from a@b --to c@d --to e@f --secret-file - --report weekly",
        "perennial notify add a --webhook https://h/x --form slack --tell warnings --except space-low --group g",
        "perennial notify add a --ping https://h/x --client c",
        "perennial notify edit a --to c@d --secret-file - --no-except --everything --report friday --report-only-failures false",
        "perennial notify edit a --webhook - --form ntfy --no-secret --no-report",
        "perennial notify remove a",
        "perennial notify test a",
        "perennial notify outbox --state given-up --limit 5 --json",
        "perennial login h:1 --user a --fingerprint FP --password-file - --code 123456",
        "perennial logout --server h:1",
        "perennial whoami --json --server h:1 --fingerprint FP --token-file /x",
        "perennial users list --json",
        "perennial users add a --password-file -",
        "perennial users add a --no-password",
        "perennial users remove a",
        "perennial users disable a",
        "perennial users enable a",
        "perennial users unlock a",
        "perennial users password",
        "perennial users password a --password-file -",
        "perennial users grant a viewer --everything",
        "perennial users grant a viewer --group g",
        "perennial users revoke a viewer --client c",
        "perennial users totp begin --json",
        "perennial users totp confirm a --code 123456",
        "perennial users totp remove --password-file -",
        "perennial users sessions --all --json",
        "perennial users end-session 7",
        "perennial roles list --json",
        "perennial roles show viewer",
        "perennial roles create r --right see --right logs",
        "perennial roles delete r",
        "perennial api-tokens create t --right see --client c --group g --valid 90d",
        "perennial api-tokens create t --user a --no-expiry --json",
        "perennial api-tokens list --all --json",
        "perennial api-tokens revoke t --user a",
        "perennial status --json --server-state /x",
        "perennial config show server --config /x --json",
        "perennial completions bash",
    ];
    for line in lines {
        let line = &line.replace("FP", &"ab".repeat(32));
        let expected_wrong = line.contains("--no-such");
        assert_eq!(
            parse(line).is_err(),
            expected_wrong,
            "{line}: {:?}",
            parse(line).err()
        );
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    use clap::error::ErrorKind;
    assert_eq!(
        parse("perennial quickstart").unwrap_err(),
        ErrorKind::MissingRequiredArgument
    );
    for missing in [
        "perennial users grant a viewer",
        "perennial api-tokens create t",
        "perennial roles create r",
    ] {
        assert_eq!(
            parse(missing).unwrap_err(),
            ErrorKind::MissingRequiredArgument,
            "{missing}"
        );
    }
    for conflict in [
        "perennial users grant a viewer --everything --group g",
        "perennial api-tokens create t --valid 1d --no-expiry",
        "perennial status --server h:1 --server-state /x",
    ] {
        assert_eq!(
            parse(conflict).unwrap_err(),
            ErrorKind::ArgumentConflict,
            "{conflict}"
        );
    }
    assert_eq!(
        parse("perennial restore latest").unwrap_err(),
        ErrorKind::MissingRequiredArgument
    );
    assert_eq!(
        parse("perennial backup verify x --source 0%").unwrap_err(),
        ErrorKind::ValueValidation
    );
    assert_eq!(
        parse("perennial backup verify x --source 200%").unwrap_err(),
        ErrorKind::ValueValidation
    );
    assert_eq!(
        parse("perennial backup show a/b/c").unwrap_err(),
        ErrorKind::ValueValidation
    );
    assert_eq!(
        parse("perennial token create --valid 5").unwrap_err(),
        ErrorKind::ValueValidation
    );
    assert_eq!(
        parse("perennial config show --config x").unwrap_err(),
        ErrorKind::MissingRequiredArgument
    );
    assert_eq!(
        parse("perennial server --storage /x run").unwrap_err(),
        ErrorKind::ArgumentConflict
    );
}

#[test]
fn a_list_flag_is_given_once_per_item() {
    let cli = parse("perennial client --source /home --source e=/etc --exclude *.o --exclude *.tmp").unwrap();
    let Command::Client(args) = cli.command else {
        panic!("another command")
    };
    let surroundings = crate::config::Surroundings::new(
        [],
        crate::config::Runner::User,
        std::path::Path::new("/nonexistent"),
    );
    let resolved = crate::config::resolve(
        crate::config::Component::Client,
        None,
        &args.settings.flags,
        &surroundings,
    )
    .unwrap();
    assert_eq!(resolved.list("exclude"), ["*.o", "*.tmp"]);
    let sources = resolved.value("sources").display();
    assert_eq!(sources, "/home, e=/etc");
}

/// Commands that print for programs too, by their words.
fn with_json(command: &clap::Command, words: &str, found: &mut Vec<String>) {
    if command
        .get_arguments()
        .any(|argument| argument.get_id() == "json")
    {
        found.push(words.trim().to_owned());
    }
    for part in command.get_subcommands() {
        with_json(part, &format!("{words} {}", part.get_name()), found);
    }
}

#[test]
fn what_each_command_prints_for_programs_is_kept() {
    let mut commands = Vec::new();
    with_json(&Cli::command(), "", &mut commands);
    let kept = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/snapshots");
    commands.retain(|words| !kept.join(format!("{}.snap", words.replace(' ', "-"))).exists());
    assert_eq!(
        commands,
        Vec::<String>::new(),
        "tests/e2e/programs.rs has to call these"
    );
}
