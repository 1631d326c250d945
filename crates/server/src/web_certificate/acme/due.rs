//! When to get a certificate, and when to try again.

use crate::web_certificate::Shown;

/// The pause after a first failure.
const FIRST_PAUSE_S: i64 = 60;
/// By how much each pause is longer than the one before. Let's Encrypt lets five tries at a name fail in an hour.
const GROWTH: i64 = 5;
const LONGEST_PAUSE_S: i64 = 6 * 3600;

/// When a certificate is to be renewed: after two thirds of its life.
pub fn at_s(shown: &Shown) -> i64 {
    let life_s = shown.valid_until_s().saturating_sub(shown.valid_from_s());
    shown.valid_from_s().saturating_add(life_s / 3 * 2)
}

/// How long to wait after so many failures in a row.
pub fn pause_s(failures: u32) -> i64 {
    let growth = GROWTH.saturating_pow(failures.saturating_sub(1));
    FIRST_PAUSE_S.saturating_mul(growth).min(LONGEST_PAUSE_S)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_become_rare_and_never_end() {
        let pauses: Vec<i64> = [1, 2, 3, 4, 5, 1000].map(pause_s).into();
        assert_eq!(pauses, [60, 300, 1500, 7500, 21_600, 21_600]);
        let in_an_hour = (1..).scan(0, |at_s, failures| {
            *at_s += pause_s(failures);
            Some(*at_s)
        });
        // The first comes before all pauses.
        assert!(1 + in_an_hour.take_while(|at_s| *at_s < 3600).count() < 5);
    }
}
