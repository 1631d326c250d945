//! Which of the backups that wait may start.

use std::collections::HashMap;

use policy::Span;
use policy::Target;
use policy::admission::{Answer, Limits, Running, Turn, Waiting, admit};
use proptest::prelude::*;

const NOW_MS: i64 = 1_800_000_000_000;

fn waiting(client: u32, target: Target, priority: i32, overdue: Span) -> Waiting<u32> {
    Waiting {
        client,
        target,
        priority,
        due_ms: NOW_MS - overdue.len_ms as i64,
    }
}

fn running(jobs: impl IntoIterator<Item = (u32, Target)>) -> Vec<Running<u32>> {
    let job = |(client, target)| Running { client, target };
    jobs.into_iter().map(job).collect()
}

/// Who comes when, and what each is told.
fn told(limits: &Limits, running: &[Running<u32>], jobs: &[Waiting<u32>]) -> Vec<(usize, String)> {
    let answer = |turn: Turn| match turn.answer {
        Answer::Start => (turn.index, "start".to_owned()),
        Answer::Wait(reason) => (turn.index, reason.to_string()),
    };
    admit(limits, running, jobs, NOW_MS)
        .into_iter()
        .map(answer)
        .collect()
}

#[test]
fn they_take_turns_by_priority_then_by_how_long_they_are_overdue() {
    let jobs = [
        waiting(1, Target::Files, 0, Span::minutes(10)),
        waiting(2, Target::Files, 0, Span::minutes(20)),
        waiting(3, Target::Files, 5, Span::minutes(0)),
        waiting(4, Target::Files, 0, Span::minutes(20)),
        waiting(5, Target::Files, -1, Span::minutes(50)),
    ];
    let limits = Limits {
        all: 3,
        ..Limits::default()
    };
    let order = [
        (2, "start".to_owned()),
        (1, "start".to_owned()),
        (3, "start".to_owned()),
        (0, "3 of 3 backups run".to_owned()),
        (4, "3 of 3 backups run".to_owned()),
    ];
    assert_eq!(told(&limits, &[], &jobs), order);
}

#[test]
fn who_is_overdue_rises_by_one_each_hour() {
    let urgent = waiting(1, Target::Files, 10, Span::minutes(0));
    let order = |overdue| {
        let patient = waiting(2, Target::Files, 0, overdue);
        admit(&Limits::default(), &[], &[urgent, patient], NOW_MS)[0].index
    };
    assert_eq!(order(Span::minutes(599)), 0);
    assert_eq!(order(Span::minutes(600)), 1);
}

#[test]
fn each_is_told_what_it_waits_for() {
    let limits = Limits {
        all: 3,
        files: 2,
        images: 1,
        per_client: 1,
    };
    let job = |target| [waiting(9, target, 0, Span::minutes(0))];
    let told = |jobs: &[(u32, Target)], target| {
        told(&limits, &running(jobs.iter().copied()), &job(target))[0]
            .1
            .clone()
    };
    use Target::{Files, Image};
    assert_eq!(
        told(&[(1, Files), (2, Files), (3, Image)], Files),
        "3 of 3 backups run"
    );
    assert_eq!(told(&[(1, Files), (2, Files)], Files), "2 of 2 file backups run");
    assert_eq!(told(&[(1, Files), (2, Files)], Image), "start");
    assert_eq!(told(&[(1, Image)], Image), "1 of 1 images run");
    assert_eq!(told(&[(9, Image)], Files), "another backup of the client runs");
    // A limit was lowered while they ran.
    assert_eq!(
        told(&[(1, Files), (2, Files), (3, Files), (4, Files)], Image),
        "4 of 3 backups run"
    );
}

#[test]
fn who_finds_no_slot_of_its_sort_does_not_hold_back_others() {
    let limits = Limits {
        images: 1,
        ..Limits::default()
    };
    let jobs = [
        waiting(1, Target::Image, 9, Span::hours(5)),
        waiting(2, Target::Image, 9, Span::hours(4)),
        waiting(1, Target::Files, 5, Span::hours(3)),
        waiting(3, Target::Files, 0, Span::hours(0)),
    ];
    let answers = [
        (0, "start".to_owned()),
        (1, "1 of 1 images run".to_owned()),
        (2, "another backup of the client runs".to_owned()),
        (3, "start".to_owned()),
    ];
    assert_eq!(told(&limits, &[], &jobs), answers);
}

#[test]
fn the_lowest_of_many_does_not_starve() {
    // One slot, an hour for each, and each hour a new one of a higher priority.
    let limits = Limits {
        all: 1,
        ..Limits::default()
    };
    let mut jobs = vec![waiting(0, Target::Files, -20, Span::minutes(0))];
    for hour in 1..=30_u32 {
        let now_ms = Span::hours(u64::from(hour)).after(NOW_MS);
        jobs.push(Waiting {
            client: hour,
            target: Target::Files,
            priority: 0,
            due_ms: now_ms,
        });
        let first = admit(&limits, &[], &jobs, now_ms)[0];
        assert_eq!(first.answer, Answer::Start);
        if jobs.remove(first.index).client == 0 {
            assert_eq!(hour, 20);
            return;
        }
    }
    panic!("it never had its turn");
}

#[test]
fn a_thousand_that_wait_have_their_turns() {
    let jobs: Vec<_> = (0..2_000_u32)
        .map(|number| {
            let target = Target::ALL[number as usize % 2];
            waiting(
                number / 2,
                target,
                (number % 7) as i32,
                Span::minutes(u64::from(number)),
            )
        })
        .collect();
    let turns = admit(&Limits::default(), &running([(1, Target::Image)]), &jobs, NOW_MS);
    let starts = turns.iter().filter(|turn| turn.answer == Answer::Start).count();
    assert_eq!((turns.len(), starts), (2_000, 9));
}

fn any_target() -> impl Strategy<Value = Target> {
    prop::sample::select(&Target::ALL[..])
}

prop_compose! {
    fn any_waiting()(
        client in 0..9_u32, target in any_target(), priority in prop_oneof![-3..3, any::<i32>()],
        due_ms in prop_oneof![NOW_MS - 20_000_000..NOW_MS + 1_000_000, any::<i64>()],
    ) -> Waiting<u32> {
        Waiting { client, target, priority, due_ms }
    }
}

prop_compose! {
    fn any_limits()(all in 0..9_u32, files in 0..9_u32, images in 0..5_u32, per_client in 0..3_u32) -> Limits {
        Limits { all, files, images, per_client }
    }
}

/// How many more run than may, by any limit.
fn excess(limits: &Limits, running: &[Running<u32>]) -> u32 {
    let of = |target| running.iter().filter(|job| job.target == target).count() as u32;
    let mut clients: HashMap<u32, u32> = HashMap::new();
    for job in running {
        *clients.entry(job.client).or_default() += 1;
    }
    let (files, images) = (of(Target::Files), of(Target::Image));
    let per_client: u32 = clients
        .values()
        .map(|count| count.saturating_sub(limits.per_client))
        .sum();
    (files + images).saturating_sub(limits.all)
        + files.saturating_sub(limits.files)
        + images.saturating_sub(limits.images)
        + per_client
}

proptest! {
    #[test]
    fn limits_are_kept_and_no_slot_stays_free_that_someone_waits_for(
        limits in any_limits(),
        before in prop::collection::vec((0..9_u32, any_target()), 0..6),
        jobs in prop::collection::vec(any_waiting(), 0..30),
    ) {
        let mut running = running(before);
        let excess_before = excess(&limits, &running);
        let turns = admit(&limits, &running, &jobs, NOW_MS);
        let mut indexes: Vec<_> = turns.iter().map(|turn| turn.index).collect();
        indexes.sort_unstable();
        prop_assert!(indexes.into_iter().eq(0..jobs.len()), "each has one turn");
        let as_running = |turn: &Turn| {
            let job = jobs[turn.index];
            Running { client: job.client, target: job.target }
        };
        running.extend(turns.iter().filter(|turn| turn.answer == Answer::Start).map(as_running));
        prop_assert_eq!(excess(&limits, &running), excess_before);
        for turn in turns.iter().filter(|turn| turn.answer != Answer::Start) {
            let mut one_more = running.clone();
            one_more.push(as_running(turn));
            prop_assert!(excess(&limits, &one_more) > excess_before);
        }
    }
}
