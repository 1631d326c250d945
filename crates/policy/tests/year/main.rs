//! A year of 50 clients, minute by minute: servers, laptops, one that is away for months and one that fails for weeks, with windows,
//! jitter, slots, failures, and a clock that jumps forward and back.
//!
//! What begins is checked at once, against the rules told again in the simplest way; what has come of it is checked at the
//! end.

mod fleet;
mod lane;
mod server;

use policy::Target;
use policy::standing::Standing;
use policy::window::Windows;

use fleet::{Habit, fleet};
use server::{DAY, HOUR, Server};

#[test]
fn in_a_year_everything_is_backed_up_on_time_and_nothing_at_a_wrong_time() {
    let mut server = Server::new(fleet());
    let mut seen = vec![Vec::new(); server.clients.len()];
    for minute in 0..365 * DAY {
        server.tick(minute);
        if minute % (6 * HOUR) == 0 && minute > DAY && !server::clock_was_wrong(minute - 2 * DAY, minute) {
            for (number, seen) in seen.iter_mut().enumerate() {
                seen.push(server.standing(number, Target::Files));
            }
        }
    }
    assert!(server.begun > 40_000, "{} backups", server.begun);
    let (mut judged, mut unpunctual) = (0, 0);
    for (number, client) in server.clients.iter().enumerate() {
        let [files, images] = &client.lanes;
        let habit = client.member.habit;
        let told = format!("client {number}, {habit:?}, files {files}, images {images}");
        let was = |standing| seen[number].iter().filter(|seen| **seen == standing).count();
        match habit {
            Habit::AlwaysOn => {
                (judged, unpunctual) = (judged + files.judged, unpunctual + files.unpunctual);
                // Who must share the window or wait for an image of its own may find it closed, and waits for the next.
                let is_always_open = client.member.files.incremental.window == Windows::ALWAYS;
                let latest = if is_always_open { 6 * HOUR } else { 20 * HOUR };
                assert!(files.latest <= latest && images.latest <= 8 * HOUR, "{told}");
                assert!(files.unpunctual * 20 <= files.judged, "{told}");
                // With failures and wrong clocks, too.
                assert!(
                    files.longest_gap <= 3 * DAY && images.longest_gap <= 15 * DAY,
                    "{told}"
                );
                assert_eq!(was(Standing::Late), 0, "{told}");
            }
            // A weekend and a day of failures.
            Habit::OfficeHours { .. } => {
                assert!(
                    files.longest_gap <= 5 * DAY && images.longest_gap <= 15 * DAY,
                    "{told}"
                );
            }
            Habit::AwayInSummer => {
                assert!((120 * DAY..121 * DAY).contains(&files.longest_gap), "{told}");
                assert!((119 * 4..=120 * 4).contains(&was(Standing::Late)), "{told}");
            }
            Habit::BrokenInJune => {
                assert!((14 * DAY..15 * DAY).contains(&files.longest_gap), "{told}");
                assert!(was(Standing::Failing) >= 13 * 4, "{told}");
            }
        }
        // At the beginning all want a full image, which takes up to 4 hours, and there are 4 slots.
        assert!(
            files.longest_in_queue <= DAY && images.longest_in_queue <= 30 * HOUR,
            "{told}"
        );
        let is_away = matches!(habit, Habit::OfficeHours { .. });
        for target in Target::ALL {
            let standing = server.standing(number, target);
            assert!(
                is_away || matches!(standing, Standing::Fine | Standing::Failing),
                "{told}: {standing}"
            );
        }
    }
    assert!(
        unpunctual * 20 <= judged,
        "{unpunctual} of {judged} were not on time"
    );
}
