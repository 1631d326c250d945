//! When log-ins are refused because too many have failed.

use std::collections::HashMap;

use policy::Span;
use policy::lock_out::{Count, Familiarity, Rules, Tally, address_key, after_failure, judge};
use proptest::prelude::*;

const NOW_MS: i64 = 1_800_000_000_000;

const RULES: Rules = Rules {
    tries: 5,
    tries_address: 20,
    tries_name: 100,
    window: Span::minutes(15),
    first: Span::minutes(1),
    most: Span::hours(1),
};

/// What is counted, as a server keeps it.
#[derive(Default)]
struct Door {
    tallies: HashMap<(String, String), Tally>,
}

impl Door {
    fn keys(name: &str, address: &str) -> [(Count, (String, String)); 3] {
        [
            (Count::NameFromAddress, (name.to_owned(), address.to_owned())),
            (Count::Address, (String::new(), address.to_owned())),
            (Count::Name, (name.to_owned(), String::new())),
        ]
    }

    fn judge(&self, name: &str, address: &str, known: Familiarity, now_ms: i64) -> Result<(), String> {
        let found: Vec<_> = Self::keys(name, address)
            .into_iter()
            .filter_map(|(count, key)| Some((count, *self.tallies.get(&key)?)))
            .collect();
        judge(&RULES, &found, known, now_ms).map_err(|locked| locked.to_string())
    }

    fn fail(&mut self, name: &str, address: &str, now_ms: i64) {
        for (count, key) in Self::keys(name, address) {
            let tally = after_failure(&RULES, count, self.tallies.get(&key).copied(), now_ms);
            self.tallies.insert(key, tally);
        }
    }

    fn open(&self, name: &str, address: &str, now_ms: i64) -> bool {
        self.judge(name, address, Familiarity::Strange, now_ms).is_ok()
    }
}

fn after(minutes: i64) -> i64 {
    NOW_MS + minutes * 60_000
}

#[test]
fn the_fifth_failure_locks_and_each_further_one_for_twice_as_long() {
    let mut door = Door::default();
    let mut now_ms = NOW_MS;
    for _ in 0..4 {
        door.fail("anna", "a", now_ms);
        assert!(door.open("anna", "a", now_ms));
    }
    for minutes in [1, 2, 4, 8, 16, 32, 60, 60] {
        door.fail("anna", "a", now_ms);
        let why = door.judge("anna", "a", Familiarity::Known, now_ms).unwrap_err();
        let rest = Span::minutes(minutes);
        assert_eq!(
            why,
            format!("too many log-ins of this user have failed from here; try again in {rest}")
        );
        let end_ms = rest.after(now_ms);
        assert!(!door.open("anna", "a", end_ms - 1));
        assert!(door.open("anna", "a", end_ms));
        now_ms = end_ms;
    }
}

#[test]
fn who_guesses_locks_out_nobody_but_himself() {
    let mut door = Door::default();
    for _ in 0..19 {
        door.fail("anna", "attacker", NOW_MS);
    }
    assert!(!door.open("anna", "attacker", NOW_MS));
    assert!(door.open("anna", "home", NOW_MS));
    assert!(door.open("bert", "attacker", NOW_MS));
    // He goes on with other names: then it is the address that is locked.
    door.fail("bert", "attacker", NOW_MS);
    let why = door.judge("carl", "attacker", Familiarity::Known, NOW_MS);
    assert_eq!(
        why.unwrap_err(),
        "too many log-ins have failed from here; try again in 1 min"
    );
    assert!(door.open("bert", "home", NOW_MS));
}

#[test]
fn guesses_from_everywhere_lock_a_name_but_not_where_it_is_known() {
    let mut door = Door::default();
    for guess in 0..100 {
        assert!(door.open("anna", "cafe", NOW_MS), "{guess}");
        door.fail("anna", &format!("zombie-{guess}"), NOW_MS);
    }
    let stranger = door.judge("anna", "cafe", Familiarity::Strange, NOW_MS);
    assert_eq!(
        stranger.unwrap_err(),
        "too many log-ins of this user have failed; try again in 1 min"
    );
    assert_eq!(door.judge("anna", "home", Familiarity::Known, NOW_MS), Ok(()));
    assert!(door.open("bert", "cafe", NOW_MS));
}

#[test]
fn failures_are_forgotten_after_a_while_without_more() {
    let mut door = Door::default();
    for minute in [0, 14, 28, 42] {
        door.fail("anna", "a", after(minute));
    }
    assert!(door.open("anna", "a", after(42)));
    door.fail("anna", "a", after(57));
    assert!(door.open("anna", "a", after(57)), "the four before are forgotten");
    for _ in 0..4 {
        door.fail("anna", "a", after(58));
    }
    assert!(!door.open("anna", "a", after(58)));
    // The lock is over for less than the window: the next failure locks again, for longer.
    door.fail("anna", "a", after(73));
    assert!(!door.open("anna", "a", after(74)));
    assert!(door.open("anna", "a", after(75)));
}

#[test]
fn a_clock_that_is_put_back_locks_nobody_out_for_long() {
    let mut door = Door::default();
    for _ in 0..12 {
        door.fail("anna", "a", after(0));
    }
    let year_before = after(-365 * 24 * 60);
    assert!(door.open("anna", "a", year_before));
    door.fail("anna", "a", year_before);
    assert!(door.open("anna", "a", year_before), "it begins anew");
}

#[test]
fn a_subscriber_is_one_address() {
    let key = |text: &str| address_key(text.parse().expect("is an address"));
    assert_eq!(key("203.0.113.9"), "203.0.113.9");
    assert_eq!(key("::ffff:203.0.113.9"), "203.0.113.9");
    assert_eq!(key("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
    assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::9"));
    assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
}

proptest! {
    /// However often it fails, a lock is never longer than it may be, and there is an end to it.
    #[test]
    fn locks_have_an_end(failures in 0_u32.., since_s in 0_i64..10_000, count in prop::sample::select(Count::ALL.to_vec())) {
        let before = Tally { failures, last_ms: NOW_MS - since_s * 1000, locked_until_ms: NOW_MS };
        let tally = after_failure(&RULES, count, Some(before), NOW_MS);
        prop_assert!(tally.locked_until_ms <= RULES.most.after(NOW_MS));
        prop_assert!(judge(&RULES, &[(count, tally)], Familiarity::Strange, tally.locked_until_ms).is_ok());
        prop_assert!(tally.is_forgotten(&RULES, RULES.window.after(tally.locked_until_ms)));
    }
}
