//! Every reason that `policy` gives. A reason that is new there is to be added here, which the compiler says, and to the texts.

use std::fmt::Display;

use policy::access::{BUILT_IN_ROLES, Refusal, Right};
use policy::alert::What;
use policy::archive::Until;
use policy::lock_out::{Count, Locked};
use policy::quota::{Deletion, Over, Quota, Rest, Scope, Unmet};
use policy::retention::{Period, Use, Why, trash};
use policy::schedule::{Hindrance, Mode};
use policy::settings::{TABLE, check};
use policy::{Span, Target, admission, archive, cleanup, retention, schedule, standing};

use super::*;

const SPANS: [Span; 3] = [Span { len_ms: 1 }, Span::hours(30), Span::days(2)];

fn all_german<T: Display>(texts: impl IntoIterator<Item = T>) {
    for text in texts {
        german(&text.to_string());
    }
}

fn targets_and_modes() -> Vec<archive::What> {
    let targets = [None, Some(Target::Files), Some(Target::Image)];
    let modes = [None, Some(Mode::Full), Some(Mode::Incremental)];
    let of_target = |target| modes.map(|mode| archive::What { target, mode });
    targets.into_iter().flat_map(of_target).collect()
}

#[test]
fn why_backups_begin() {
    let every = |reason: &schedule::Reason| match reason {
        schedule::Reason::Off
        | schedule::Reason::FirstBackup
        | schedule::Reason::NoFullBackup
        | schedule::Reason::Interval { .. }
        | schedule::Reason::CatchingUp { .. }
        | schedule::Reason::Hindered(_) => {}
    };
    let mut reasons = vec![
        schedule::Reason::Off,
        schedule::Reason::FirstBackup,
        schedule::Reason::NoFullBackup,
        schedule::Reason::Hindered(Hindrance::FullFirst),
    ];
    for span in SPANS {
        reasons.push(schedule::Reason::Interval {
            every: span,
            elapsed: span,
        });
        reasons.push(schedule::Reason::CatchingUp { overdue: span });
    }
    reasons.iter().for_each(every);
    all_german(reasons);
}

#[test]
fn what_holds_backups_back() {
    let every = |hindrance: &Hindrance| match hindrance {
        Hindrance::SwitchedOff
        | Hindrance::NotConnected
        | Hindrance::OnBattery
        | Hindrance::Metered
        | Hindrance::Paused { .. }
        | Hindrance::OutsideWindow { .. }
        | Hindrance::Failed { .. }
        | Hindrance::StartDelay { .. }
        | Hindrance::Jitter { .. }
        | Hindrance::FullFirst => {}
    };
    let mut hindrances = vec![
        Hindrance::SwitchedOff,
        Hindrance::NotConnected,
        Hindrance::OnBattery,
        Hindrance::Metered,
        Hindrance::Paused { until_ms: 0 },
        Hindrance::Jitter { until_ms: 0 },
        Hindrance::FullFirst,
    ];
    for window in ["never", "Mon-Fri/19-7;Sat,Sun/0-24", "Sun/0:30-1"] {
        let window = window.parse().expect("is a window");
        hindrances.push(Hindrance::OutsideWindow {
            window,
            opens_ms: None,
        });
    }
    for wait in SPANS {
        hindrances.push(Hindrance::StartDelay { wait, until_ms: 0 });
        hindrances.extend([1, 2].map(|count| Hindrance::Failed {
            count,
            wait,
            until_ms: 0,
        }));
    }
    hindrances.iter().for_each(every);
    all_german(hindrances);
}

#[test]
fn what_backups_wait_for() {
    let (running, limit) = (3, 4);
    let reasons = [
        admission::Reason::Client { running: 1, limit: 1 },
        admission::Reason::Client { running, limit },
        admission::Reason::All { running, limit },
        admission::Reason::Target {
            target: Target::Files,
            running,
            limit,
        },
        admission::Reason::Target {
            target: Target::Image,
            running,
            limit,
        },
    ];
    reasons.iter().for_each(|reason| match reason {
        admission::Reason::Client { .. }
        | admission::Reason::All { .. }
        | admission::Reason::Target { .. } => {}
    });
    all_german(reasons);
}

#[test]
fn how_clients_stand() {
    let mut reasons = vec![standing::Reason::Off, standing::Reason::NoBackup];
    for elapsed in SPANS {
        reasons.push(standing::Reason::LastBackup { elapsed });
        for count in [1, 3] {
            let missing = count.try_into().expect("is not 0");
            reasons.push(standing::Reason::Missing {
                count: missing,
                elapsed,
            });
            let since = [None, Some(elapsed)];
            reasons.extend(since.map(|elapsed| standing::Reason::Failed {
                count: count.into(),
                elapsed,
            }));
        }
    }
    reasons.iter().for_each(|reason| match reason {
        standing::Reason::Off
        | standing::Reason::NoBackup
        | standing::Reason::LastBackup { .. }
        | standing::Reason::Missing { .. }
        | standing::Reason::Failed { .. } => {}
    });
    all_german(reasons);
}

fn uses() -> [Use; 3] {
    let uses = [Use::Base, Use::Restore, Use::Serve];
    uses.map(|used| match used {
        Use::Base | Use::Restore | Use::Serve => used,
    })
}

/// Why backups stay or go.
fn verdicts() -> Vec<retention::Reason> {
    use retention::Reason;
    let mut reasons = vec![
        Reason::Newest,
        Reason::Held { why: "".into() },
        Reason::Held {
            why: "ask: Anna".into(),
        },
        Reason::Archived(Until::Forever),
        Reason::NewestVerified,
        Reason::NoRule,
        Reason::NotWanted,
    ];
    reasons.extend(
        [i64::MIN, 0, 1_795_996_800_123, i64::MAX].map(|at_ms| Reason::Archived(Until::Time { at_ms })),
    );
    reasons.extend(uses().map(Reason::InUse));
    reasons.extend(SPANS.map(Reason::Within));
    reasons.extend(Period::ALL.map(|period| Reason::NewestOf {
        period,
        number: 2,
        of: 30,
    }));
    for mode in [None, Some(Mode::Full), Some(Mode::Incremental)] {
        reasons.push(Reason::AmongNewest { at_least: 5, mode });
        reasons.push(Reason::BeyondMost { at_most: 5, mode });
    }
    reasons.iter().for_each(|reason| match reason {
        Reason::Newest
        | Reason::Held { .. }
        | Reason::Archived(_)
        | Reason::InUse(_)
        | Reason::NewestVerified
        | Reason::AmongNewest { .. }
        | Reason::Within(_)
        | Reason::NewestOf { .. }
        | Reason::NoRule
        | Reason::BeyondMost { .. }
        | Reason::NotWanted => {}
    });
    reasons
}

#[test]
fn why_backups_stay_or_go() {
    all_german(verdicts());
}

#[test]
fn why_backups_leave_the_trash() {
    use trash::Reason;
    let mut reasons = vec![Reason::SpaceNeeded];
    reasons.extend(uses().map(Reason::InUse));
    for span in SPANS {
        reasons.extend([Reason::Undo { left: span }, Reason::Expired { keep: span }]);
    }
    reasons.iter().for_each(|reason| match reason {
        Reason::Undo { .. } | Reason::InUse(_) | Reason::Expired { .. } | Reason::SpaceNeeded => {}
    });
    all_german(reasons);
}

fn sacrifices() -> Vec<Why> {
    let mut reasons = vec![Why::InTrash];
    reasons.extend(Target::ALL.map(Why::Oldest));
    reasons.extend(verdicts().into_iter().map(Why::Unwanted));
    reasons.iter().for_each(|why| match why {
        Why::InTrash | Why::Unwanted(_) | Why::Oldest(_) => {}
    });
    reasons
}

#[test]
fn why_backups_are_given_up() {
    let quotas = ["95%", "2.5%", "20G", "off"].map(|quota| quota.parse::<Quota>().expect("is a quota"));
    for why in sacrifices() {
        german(&why.to_string());
        for (scope, quota) in [(Scope::Client("laptop"), quotas[0]), (Scope::Storage, quotas[2])] {
            let deletion = Deletion {
                client: "laptop",
                key: 1,
                target: Target::Files,
                freed_bytes: None,
                over: Over { scope, quota },
                why: why.clone(),
            };
            german(&deletion.to_string());
            german(&format!("laptop/261130-0650: {deletion}"));
            german(&format!("laptop/261130-0650 is given up: {deletion}"));
        }
    }
    for quota in quotas {
        for rest in [
            Rest::Shortfall {
                missing_bytes: 123_456_789,
            },
            Rest::Unmeasured,
        ] {
            let over = Over {
                scope: Scope::Client("laptop"),
                quota,
            };
            german(&Unmet { over, rest }.to_string());
        }
        german(&format!("there should be {quota} free at least"));
    }
}

#[test]
fn why_backups_are_archived() {
    use archive::Reason;
    let mut reasons = vec![Reason::First, Reason::ClockPutBack];
    reasons.extend(targets_and_modes().into_iter().map(Reason::OtherBackups));
    for span in SPANS {
        let (every, elapsed) = (span, span);
        reasons.extend([
            Reason::Interval { every, elapsed },
            Reason::TooSoon { every, elapsed },
        ]);
    }
    reasons.iter().for_each(|reason| match reason {
        Reason::OtherBackups(_)
        | Reason::First
        | Reason::Interval { .. }
        | Reason::ClockPutBack
        | Reason::TooSoon { .. } => {}
    });
    all_german(reasons);
}

#[test]
fn why_a_cleanup_runs() {
    let mut reasons = vec![cleanup::Reason::Window];
    reasons.extend(SPANS.map(|overdue| cleanup::Reason::Missed { overdue }));
    reasons.iter().for_each(|reason| match reason {
        cleanup::Reason::Window | cleanup::Reason::Missed { .. } => {}
    });
    all_german(reasons);
}

#[test]
fn why_somebody_may_not() {
    for right in Right::ALL {
        let refusals = [
            Refusal::NotGranted { right },
            Refusal::OtherScope { right },
            Refusal::NeedsEverything { right },
            Refusal::NotOfToken { right },
            Refusal::TokenForOthers { right },
        ];
        refusals.iter().for_each(|refusal| match refusal {
            Refusal::NotGranted { .. }
            | Refusal::OtherScope { .. }
            | Refusal::NeedsEverything { .. }
            | Refusal::NotOfToken { .. }
            | Refusal::TokenForOthers { .. } => {}
        });
        for refusal in refusals {
            german(&format!("user anna may not do that: {refusal}"));
            german(&format!("user anna may not do that to client laptop: {refusal}"));
        }
    }
    for count in [Count::NameFromAddress, Count::Address, Count::Name] {
        match count {
            Count::NameFromAddress | Count::Address | Count::Name => {}
        }
        all_german(SPANS.map(|rest| Locked { count, rest }));
    }
}

#[test]
fn each_setting() {
    for setting in TABLE {
        german(setting.about);
        german(&setting.kind.expectation());
        let wrong = [
            "",
            "x;y z",
            "5 parsecs",
            "-1",
            "Mon/25-26",
            "20Q",
            "101%",
            "every 0s keep 1d",
            "9w@never",
        ];
        for value in wrong {
            if let Err(refused) = check(setting.reach, setting.key, policy::settings::Action::Set, value) {
                german(&refused.to_string());
            }
        }
    }
}

/// What is told by a word has a text of its own in every language.
#[test]
fn each_word() {
    let troubles = What::ALL.iter().map(|what| format!("trouble-{what}"));
    let rights = Right::ALL.iter().map(|right| format!("right-{right}"));
    let roles = BUILT_IN_ROLES.iter().map(|role| format!("role-{}", role.name));
    let sections = TABLE
        .iter()
        .map(|setting| format!("settings-section-{}", setting.section));
    for key in troubles.chain(rights).chain(roles).chain(sections) {
        assert!(Language::ALL.iter().all(|language| language.has(&key)), "{key}");
    }
}
