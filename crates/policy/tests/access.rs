//! Who may do what.

use std::collections::BTreeSet;

use policy::access::{
    BUILT_IN_ROLES, Grant, Limits, Reach, Right, Scope, Subject, built_in_role, decide, has_anywhere,
    read_rights, show_rights,
};
use proptest::prelude::*;

fn grant(role: &str, scope: Scope) -> Grant {
    let rights = built_in_role(role).expect("is built in").rights;
    Grant {
        role: role.to_owned(),
        rights: rights.iter().copied().collect(),
        scope,
    }
}

fn group(name: &str) -> Scope {
    Scope::Group(name.to_owned())
}

fn client(name: &str) -> Scope {
    Scope::Client(name.to_owned())
}

const LAPTOP: Subject<'_> = Subject::Client {
    name: "laptop",
    group: Some("office"),
};
const SERVER: Subject<'_> = Subject::Client {
    name: "server",
    group: None,
};

/// What is decided, in words.
fn told(grants: &[Grant], limits: Option<&Limits>, right: Right, subject: Subject<'_>) -> String {
    match decide(grants, limits, right, subject) {
        Ok(allowed) => format!("yes: {allowed}"),
        Err(refusal) => format!("no: {refusal}"),
    }
}

#[test]
fn a_grant_counts_for_what_it_is_for() {
    let everything = grant("administrator", Scope::Everything);
    let office = grant("administrator", group("office"));
    let laptop = grant("administrator", client("laptop"));
    let table = [
        (&everything, LAPTOP, true),
        (&everything, SERVER, true),
        (&everything, Subject::Group("office"), true),
        (&everything, Subject::Server, true),
        (&office, LAPTOP, true),
        (&office, SERVER, false),
        (&office, Subject::Group("office"), true),
        (&office, Subject::Group("home"), false),
        (&office, Subject::Server, false),
        (&laptop, LAPTOP, true),
        (&laptop, SERVER, false),
        // Who may do something for one of its clients may not do it for the group.
        (&laptop, Subject::Group("office"), false),
        (&laptop, Subject::Server, false),
    ];
    for (grant, subject, expected) in table {
        let decided = decide(std::slice::from_ref(grant), None, Right::Settings, subject);
        assert_eq!(decided.is_ok(), expected, "{} about {subject}", grant.scope);
    }
}

#[test]
fn a_decision_says_why() {
    let grants = [
        grant("viewer", Scope::Everything),
        grant("restorer", group("office")),
    ];
    let token = Limits {
        rights: Some([Right::See, Right::Restore].into()),
        scopes: Some(vec![client("laptop")]),
    };
    let table = [
        (None, Right::See, SERVER, "yes: the role viewer for everything"),
        (
            None,
            Right::Restore,
            LAPTOP,
            "yes: the role restorer for group office",
        ),
        (
            None,
            Right::Restore,
            SERVER,
            "no: the user has the right restore for others only",
        ),
        (
            None,
            Right::Delete,
            LAPTOP,
            "no: none of the user's roles has the right delete",
        ),
        (
            Some(&token),
            Right::Restore,
            LAPTOP,
            "yes: the role restorer for group office",
        ),
        (
            Some(&token),
            Right::Logs,
            LAPTOP,
            "no: the API token does not have the right logs",
        ),
        (
            Some(&token),
            Right::See,
            SERVER,
            "no: the API token has the right see for others only",
        ),
        // A token gives nothing that its user has not.
        (
            Some(&token),
            Right::Restore,
            SERVER,
            "no: the user has the right restore for others only",
        ),
    ];
    for (limits, right, subject, expected) in table {
        assert_eq!(
            told(&grants, limits, right, subject),
            expected,
            "{right} about {subject}"
        );
    }
}

#[test]
fn rights_of_the_server_need_a_grant_for_everything() {
    let here = [grant("administrator", group("office"))];
    let all = [grant("administrator", Scope::Everything)];
    let for_a_client = Limits {
        rights: None,
        scopes: Some(vec![client("laptop")]),
    };
    for right in Right::ALL {
        let needs_everything = right.reach() == Reach::Server;
        // Also where somebody asks about a client.
        assert_eq!(decide(&here, None, right, LAPTOP).is_err(), needs_everything);
        assert_eq!(has_anywhere(&here, None, right).is_err(), needs_everything);
        assert!(decide(&all, None, right, LAPTOP).is_ok());
        let by_token = decide(&all, Some(&for_a_client), right, LAPTOP);
        assert_eq!(by_token.is_err(), needs_everything, "{right}");
    }
    assert_eq!(
        told(&here, None, Right::Users, Subject::Server),
        "no: the right users counts only in a role that is granted for everything"
    );
}

#[test]
fn a_token_that_is_limited_to_nothing_may_nothing() {
    let all = [grant("administrator", Scope::Everything)];
    for limits in [
        Limits {
            rights: Some(BTreeSet::new()),
            scopes: None,
        },
        Limits {
            rights: None,
            scopes: Some(Vec::new()),
        },
    ] {
        for right in Right::ALL {
            assert!(decide(&all, Some(&limits), right, LAPTOP).is_err(), "{right}");
        }
    }
}

#[test]
fn every_right_has_a_word_of_its_own_and_is_read_from_it() {
    let words: BTreeSet<_> = Right::ALL.iter().map(|right| right.word()).collect();
    assert_eq!(words.len(), Right::ALL.len());
    for right in Right::ALL {
        assert_eq!(right.word().parse(), Ok(right));
        if let Some(of_user) = right.of_own_user() {
            assert_eq!(of_user.word(), right.word());
        }
    }
    assert_eq!(read_rights("see, logs,see"), Ok([Right::See, Right::Logs].into()));
    assert_eq!(read_rights(""), Ok(BTreeSet::new()));
    assert_eq!(
        read_rights("see,all").unwrap_err().to_string(),
        "there is no right \"all\""
    );
}

#[test]
fn only_the_administrator_gets_what_leads_to_everything() {
    for role in BUILT_IN_ROLES.iter().skip(1) {
        for right in [Right::Users, Right::Groups, Right::Enrol, Right::Purge] {
            assert!(!role.rights.contains(&right), "{} has {right}", role.name);
        }
        // Whatever else somebody may do, he must find what it is about.
        assert!(role.rights.contains(&Right::See), "{}", role.name);
    }
}

#[test]
fn the_manual_lists_every_right_and_role_as_it_is() {
    let manual = include_str!("../../../docs/manual/users.md");
    for right in Right::ALL {
        let reach = match right.reach() {
            Reach::Client => "client",
            Reach::Server => "server",
        };
        let row = format!("| `{right}` | {reach} | {} |\n", right.about());
        assert!(manual.contains(&row), "docs/manual/users.md should hold:\n{row}");
    }
    for role in BUILT_IN_ROLES {
        let rights = match role.rights.len() == Right::ALL.len() {
            true => "all".to_owned(),
            false => show_rights(role.rights).replace(',', ", "),
        };
        let row = format!("| `{}` | {rights} | {} |\n", role.name, role.about);
        assert!(manual.contains(&row), "docs/manual/users.md should hold:\n{row}");
    }
}

fn any_scope() -> impl Strategy<Value = Scope> {
    prop_oneof![
        Just(Scope::Everything),
        prop::sample::select(vec!["office", "home"]).prop_map(group),
        prop::sample::select(vec!["laptop", "server"]).prop_map(client),
    ]
}

fn any_rights() -> impl Strategy<Value = BTreeSet<Right>> {
    prop::collection::btree_set(prop::sample::select(Right::ALL.to_vec()), 0..6)
}

fn any_grants() -> impl Strategy<Value = Vec<Grant>> {
    let one = (any_rights(), any_scope()).prop_map(|(rights, scope)| Grant {
        role: "a".to_owned(),
        rights,
        scope,
    });
    prop::collection::vec(one, 0..4)
}

proptest! {
    /// A token never gives more than its user has, and what counts for something counts before it is known for what.
    #[test]
    fn limits_only_take_away(grants in any_grants(), rights in prop::option::of(any_rights()),
        scopes in prop::option::of(prop::collection::vec(any_scope(), 0..3)), right in prop::sample::select(Right::ALL.to_vec())) {
        let limits = Limits { rights, scopes };
        for subject in [LAPTOP, SERVER, Subject::Group("office"), Subject::Server] {
            let by_token = decide(&grants, Some(&limits), right, subject);
            if by_token.is_ok() {
                prop_assert!(decide(&grants, None, right, subject).is_ok());
                prop_assert!(has_anywhere(&grants, Some(&limits), right).is_ok());
            }
            let fewer = &grants[..grants.len().saturating_sub(1)];
            prop_assert!(decide(fewer, None, right, subject).is_err() || decide(&grants, None, right, subject).is_ok());
        }
    }
}
