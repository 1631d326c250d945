//! Quotas: their text, by how much they are exceeded, and what goes to meet them.

use jiff::tz::TimeZone;
use policy::quota::{Account, Quota, Rest, Scope, Settlement, Share, Usage, to_meet};
use policy::retention::trash::Trashed;
use policy::retention::{Candidate, Rules, Series, Verification};
use policy::schedule::Mode;
use policy::{Span, Target};
use proptest::prelude::*;

const GIB: u64 = 1 << 30;
const DAY_MS: i64 = 86_400_000;

fn quota(text: &str) -> Quota {
    text.parse().expect(text)
}

#[test]
fn sizes_are_read_in_binary_units_and_shown_without_loss() {
    let cases = [
        ("20G", 20 * GIB, "20 GiB"),
        ("1.5T", 1536 * GIB, "1.5 TiB"),
        ("500MiB", 500 << 20, "500 MiB"),
        ("1536 M", 3 * GIB / 2, "1.5 GiB"),
        ("7B", 7, "7 B"),
        ("0", 0, "0 B"),
        ("1025 B", 1025, "1025 B"),
        ("0.0005K", 0, "0 B"),
        ("15.999E", 18_445_591_152_204_944_769, "18445591152204944769 B"),
    ];
    for (text, bytes, shown) in cases {
        assert_eq!(quota(text), Quota::Bytes(bytes), "{text}");
        assert_eq!(quota(text).to_string(), shown, "{text}");
    }
}

#[test]
fn shares_are_of_the_total_size() {
    let usage = Usage {
        used_bytes: 300,
        capacity_bytes: 1_000,
    };
    let cases = [
        ("10%", "10%", Some(100), 200),
        ("2.5 %", "2.5%", Some(25), 275),
        ("100%", "100%", Some(1_000), 0),
        ("0%", "0%", Some(0), 300),
        ("0.05%", "0.05%", Some(0), 300),
        ("off", "off", None, 0),
        ("299B", "299 B", Some(299), 1),
    ];
    for (text, shown, limit_bytes, excess_bytes) in cases {
        let quota = quota(text);
        assert_eq!(quota.to_string(), shown);
        assert_eq!(quota.limit_bytes(usage.capacity_bytes), limit_bytes, "{text}");
        assert_eq!(quota.excess_bytes(usage), excess_bytes, "{text}");
    }
    let whole = Share::percent(100).expect("a share");
    assert_eq!(whole.of_bytes(u64::MAX), u64::MAX);
    assert_eq!(Share::percent(101), None);
}

#[test]
fn what_is_wrong_with_a_quota_is_told() {
    let complaint = |text: &str| text.parse::<Quota>().expect_err(text).to_string();
    let no_quota =
        |text: &str| format!("\"{text}\" is not a quota: a size such as 20G, a share such as 10%, or off");
    for text in ["", "G", "-1G", ".5G", "1.G", "1.5.5G"] {
        let number = text.trim_end_matches('G');
        let told = complaint(text);
        assert!(
            told == no_quota(text) || told == no_quota(number),
            "{text}: {told}"
        );
    }
    let cases = [
        ("20", "a unit is missing after 20: such as 20G, or 20%"),
        (
            "20GB",
            "\"GB\" is no unit of size: B, K, M, G, T, P and E are, also as KiB and so on",
        ),
        ("101%", "101% is more than the whole"),
        ("100.001%", "100.001% is more than the whole"),
        (
            "99999999999999999999G",
            "\"99999999999999999999\" has too many digits",
        ),
        ("1.0123456789G", "\"1.0123456789\" has too many digits"),
        ("16E", "\"16E\" is too large a size"),
    ];
    for (text, message) in cases {
        assert_eq!(complaint(text), message, "{text}");
    }
}

/// Files of successive days that free so much each.
fn files(freed_bytes: &[Option<u64>]) -> Series<usize> {
    let backups = (0..).zip(freed_bytes).map(|(day, freed_bytes)| Candidate {
        freed_bytes: *freed_bytes,
        ..Candidate::new(day, day as i64 * DAY_MS, Mode::Incremental)
    });
    Series {
        target: Target::Files,
        rules: Rules::KEEP_ALL,
        backups: backups.collect(),
    }
}

fn account(
    client: &'static str,
    text: &str,
    used_bytes: u64,
    series: Series<usize>,
) -> Account<&'static str, usize> {
    Account {
        client,
        quota: quota(text),
        used_bytes,
        trash: Vec::new(),
        series: vec![series],
    }
}

fn settle(
    text: &str,
    used_bytes: u64,
    accounts: Vec<Account<&'static str, usize>>,
) -> Settlement<&'static str, usize> {
    let storage = Usage {
        used_bytes,
        capacity_bytes: 1_000,
    };
    to_meet(quota(text), storage, accounts, &TimeZone::UTC, 0)
}

fn told(settlement: &Settlement<&'static str, usize>) -> Vec<String> {
    let deletions = settlement
        .deletions
        .iter()
        .map(|deletion| format!("{} {}: {deletion}", deletion.client, deletion.key));
    let unmet = settlement.unmet.iter().map(|unmet| match unmet.over.scope {
        Scope::Client(client) => format!("{client}: {unmet}"),
        Scope::Storage => format!("storage: {unmet}"),
    });
    deletions.chain(unmet).collect()
}

#[test]
fn nothing_goes_while_quotas_are_kept() {
    let accounts = vec![account("anna", "100B", 100, files(&[Some(1); 5]))];
    assert_eq!(told(&settle("20%", 200, accounts)), [""; 0]);
}

#[test]
fn each_client_gives_up_its_own_then_any_for_the_storage() {
    let mut anna = account("anna", "100B", 125, files(&[Some(20); 5]));
    anna.trash.push(Trashed {
        key: 9,
        target: Target::Image,
        deleted_ms: 0,
        keep: Span::days(9),
        in_use: None,
        freed_bytes: Some(10),
    });
    let berta = account("berta", "off", 500, files(&[Some(30); 5]));
    let expected = [
        "anna 9: the client is over its quota of 100 B; already in the trash",
        "anna 0: the client is over its quota of 100 B; the oldest file backup that nothing protects",
        "berta 0: the storage is over its quota of 60%; the oldest file backup that nothing protects",
    ];
    // 50 bytes too much: anna's 10 and 20 count.
    assert_eq!(told(&settle("60%", 650, vec![anna, berta])), expected);
}

#[test]
fn what_the_protected_keep_is_a_shortfall() {
    let mut series = files(&[Some(20); 4]);
    series.rules.at_least = 2;
    series.backups[0].verification = Verification::Passed;
    let settlement = settle("off", 0, vec![account("anna", "10B", 80, series)]);
    let expected = [
        "anna 1: the client is over its quota of 10 B; the oldest file backup that nothing protects",
        "anna: 50 B too much for a quota of 10 B, and all that is left is protected",
    ];
    assert_eq!(told(&settlement), expected);
    assert_eq!(settlement.unmet[0].rest, Rest::Shortfall { missing_bytes: 50 });
}

#[test]
fn after_a_deletion_of_unknown_gain_the_usage_is_measured() {
    let series = files(&[Some(20), None, Some(20), Some(20), Some(20)]);
    let accounts = vec![
        account("anna", "10B", 100, series.clone()),
        account("berta", "off", 100, series),
    ];
    let expected = [
        "anna 0: the client is over its quota of 10 B; the oldest file backup that nothing protects",
        "anna 1: the client is over its quota of 10 B; the oldest file backup that nothing protects",
        "anna: what the deletions free for a quota of 10 B has to be measured",
        "storage: what the deletions free for a quota of 10% has to be measured",
    ];
    assert_eq!(told(&settle("10%", 200, accounts)), expected);
}

fn any_account() -> impl Strategy<Value = Account<&'static str, usize>> {
    let freed = prop::collection::vec(prop::option::weighted(0.9, 0..60_u64), 0..15);
    let quota = prop_oneof![
        Just(Quota::Off),
        (0..900_u64).prop_map(Quota::Bytes),
        (0..=100_u8).prop_map(|percent| Quota::Share(Share::percent(percent).expect("a share"))),
    ];
    (freed, quota, 0..900_u64, 0..5_u32).prop_map(|(freed, quota, used_bytes, at_least)| {
        let mut series = files(&freed);
        series.rules.at_least = at_least;
        Account {
            quota,
            ..account("any", "off", used_bytes, series)
        }
    })
}

proptest! {
    #[test]
    fn the_text_of_a_quota_gives_the_quota(bytes in any::<u64>(), shift in 0..64_u32, hundredths in 0..=10_000_u32) {
        let size = Quota::Bytes(bytes >> shift << (shift / 2));
        prop_assert_eq!(size.to_string().parse(), Ok(size));
        let text = format!("{}.{:02}%", hundredths / 100, hundredths % 100);
        let share = quota(&text);
        prop_assert_eq!(share.to_string().parse(), Ok(share));
        prop_assert_eq!(share.limit_bytes(10_000), Some(u64::from(hundredths)));
    }

    #[test]
    fn no_text_is_too_strange_to_refuse(text in "[0-9]{0,22}\\.?[0-9]{0,10} ?(%|[KMGTPE]?(iB)?|\\PC{0,3})") {
        let _ = text.parse::<Quota>();
    }

    #[test]
    fn the_last_deletion_for_a_quota_was_needed_and_less_is_missing_after_it(
        accounts in prop::collection::vec(any_account(), 0..4), used_bytes in 0..3_000_u64, limit_bytes in 0..3_000_u64,
    ) {
        let storage = Usage { used_bytes, capacity_bytes: 1_000 };
        let global = Quota::Bytes(limit_bytes);
        let named: Vec<_> = accounts
            .into_iter()
            .zip(["anna", "berta", "carl", "dora"])
            .map(|(account, client)| Account { client, ..account })
            .collect();
        let settlement = to_meet(global, storage, named.clone(), &TimeZone::UTC, 0);
        let mut scopes: Vec<_> = named
            .iter()
            .map(|account| {
                let usage = Usage { used_bytes: account.used_bytes, ..storage };
                (Scope::Client(account.client), account.quota.excess_bytes(usage))
            })
            .collect();
        scopes.push((Scope::Storage, global.excess_bytes(storage)));
        for (scope, excess_bytes) in scopes {
            // All deletions count for the storage, those of its own for a client.
            let counted: Vec<_> = settlement
                .deletions
                .iter()
                .filter(|deletion| scope == Scope::Storage || deletion.over.scope == scope)
                .collect();
            let freed: u64 = counted.iter().filter_map(|deletion| deletion.freed_bytes).sum();
            let all_known = counted.iter().all(|deletion| deletion.freed_bytes.is_some());
            let rest = settlement.unmet.iter().find(|unmet| unmet.over.scope == scope).map(|unmet| unmet.rest);
            let expected = match excess_bytes.saturating_sub(freed) {
                0 => None,
                _ if !all_known => Some(Rest::Unmeasured),
                missing_bytes => Some(Rest::Shortfall { missing_bytes }),
            };
            prop_assert_eq!(rest, expected);
            if let Some(last) = counted.iter().rfind(|deletion| deletion.over.scope == scope) {
                prop_assert!(freed - last.freed_bytes.unwrap_or(0) < excess_bytes);
            }
        }
        // A shortfall means that all that nothing protects is gone.
        for unmet in settlement.unmet.iter().filter(|unmet| matches!(unmet.rest, Rest::Shortfall { .. })) {
            for account in named.iter().filter(|account| {
                unmet.over.scope == Scope::Storage || unmet.over.scope == Scope::Client(account.client)
            }) {
                let series = &account.series[0];
                let spared = series.backups.len().min(series.rules.at_least.max(1) as usize);
                let gone = settlement.deletions.iter().filter(|deletion| deletion.client == account.client).count();
                prop_assert_eq!(gone + spared, series.backups.len());
            }
        }
    }
}
