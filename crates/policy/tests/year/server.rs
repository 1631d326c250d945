//! A server without disks or network: it decides, admits, and notes what comes of it. Time is in minutes since the year's
//! beginning; the clock that decisions are made by may show another.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use policy::Target;
use policy::admission::{Answer, Limits, Running, Waiting, admit};
use policy::schedule::{Case, Due, Interval, Kind, Mode, Power, Rules, Situation, next};
use policy::standing::{Standing, USUALLY_LATE_AFTER, standing};

use crate::fleet::{Habit, Member};
use crate::lane::{Lane, State};

pub const HOUR: i64 = 60;
pub const DAY: i64 = 24 * HOUR;

const MINUTE_MS: i64 = 60_000;
/// 1 January 2026, at midnight in Berlin.
const BEGIN_MS: i64 = 1_767_222_000_000;
const LIMITS: Limits = Limits {
    all: 8,
    files: 6,
    images: 4,
    per_client: 1,
};
/// From when until when the clock is wrong, and by how much.
const WRONG_CLOCKS: [(i64, i64, i64); 2] = [(60 * DAY, 62 * DAY, 40 * DAY), (240 * DAY, 241 * DAY, -3 * DAY)];

pub struct Server {
    pub clients: Vec<Client>,
    pub begun: usize,
    zone: TimeZone,
    die: u64,
    minute: i64,
    now_ms: i64,
}

pub struct Client {
    pub member: Member,
    pub lanes: [Lane; 2],
    situation: Situation,
}

/// Tells whether the clock was wrong at any time.
pub fn clock_was_wrong(from: i64, to: i64) -> bool {
    WRONG_CLOCKS
        .iter()
        .any(|(begin, end, _)| from < *end && to >= *begin)
}

fn wrong_by(minute: i64) -> i64 {
    let now = WRONG_CLOCKS
        .iter()
        .find(|(begin, end, _)| (*begin..*end).contains(&minute));
    now.map_or(0, |(.., by)| *by)
}

impl Server {
    pub fn new(fleet: Vec<Member>) -> Self {
        let client = |member| Client {
            member,
            lanes: Target::ALL.map(Lane::new),
            situation: Situation::default(),
        };
        Self {
            clients: fleet.into_iter().map(client).collect(),
            begun: 0,
            zone: TimeZone::get("Europe/Berlin").expect("the zone is known"),
            die: 1,
            minute: 0,
            now_ms: BEGIN_MS,
        }
    }

    /// How a client stands at present.
    pub fn standing(&self, number: usize, target: Target) -> Standing {
        let client = &self.clients[number];
        let history = client.lane(target).history(self.now_ms);
        let rules = client.member.rules(target);
        standing(rules, &history, USUALLY_LATE_AFTER, &self.zone, self.now_ms).standing
    }

    /// Lives through a minute.
    pub fn tick(&mut self, minute: i64) {
        self.minute = minute;
        self.now_ms = BEGIN_MS + (minute + wrong_by(minute)) * MINUTE_MS;
        let true_ms = BEGIN_MS + minute * MINUTE_MS;
        let local = Timestamp::from_millisecond(true_ms)
            .expect("in range")
            .to_zoned(self.zone.clone());
        let weekday = i64::from(local.weekday().to_monday_zero_offset());
        let minute_of_day = i64::from(local.hour()) * HOUR + i64::from(local.minute());
        let clock_has_jumped = wrong_by(minute) != wrong_by(minute - 1);
        for number in 0..self.clients.len() {
            let habit = self.clients[number].member.habit;
            let is_there = habit.is_there(minute, weekday, minute_of_day);
            self.clients[number].come_or_go(is_there, habit.power(weekday, minute_of_day), self.now_ms);
            if clock_has_jumped {
                self.clients[number].lanes.iter_mut().for_each(Lane::wake);
            }
            for target in Target::ALL {
                self.finish(number, target);
                self.decide(number, target);
            }
        }
        self.admit();
    }

    fn finish(&mut self, number: usize, target: Target) {
        let habit = self.clients[number].member.habit;
        let (minute, now_ms) = (self.minute, self.now_ms);
        let lane = self.clients[number].lane_mut(target);
        if let State::Running {
            since,
            until,
            mode,
            began_ms,
        } = lane.state
            && until <= minute
        {
            self.die = self.die.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            match habit.fails(minute, self.die >> 33) {
                true => lane.fail(now_ms),
                false => lane.commit(since, mode, began_ms),
            }
        }
    }

    /// Decides what is to be decided: when a lane wakes, and for what waits, since a window may have closed.
    fn decide(&mut self, number: usize, target: Target) {
        let (minute, now_ms) = (self.minute, self.now_ms);
        let lane = self.clients[number].lane(target);
        let queued = match lane.state {
            State::Asleep { until_ms } if until_ms <= now_ms => None,
            State::Queued { since, due_ms, .. } => Some((since, due_ms)),
            _ => return,
        };
        let history = lane.history(now_ms);
        let client = &self.clients[number];
        let decision = next(&Case {
            target,
            rules: client.member.rules(target),
            history: &history,
            situation: &client.situation,
            seed: number as u64,
            zone: &self.zone,
            now_ms,
        });
        let (since, due_ms) = queued.unwrap_or((minute, now_ms));
        let lane = self.clients[number].lane_mut(target);
        lane.longest_in_queue = lane.longest_in_queue.max(minute - since);
        lane.state = match decision.due {
            Due::Now(kind) => State::Queued { since, kind, due_ms },
            Due::Later { at_ms, .. } => State::Asleep { until_ms: at_ms },
            Due::WhenPossible { .. } | Due::Never => State::Asleep { until_ms: i64::MAX },
        };
    }

    fn admit(&mut self) {
        let waiting: Vec<(Kind, Waiting<usize>)> = self.lanes().filter_map(queued).collect();
        if waiting.is_empty() {
            return;
        }
        let running: Vec<Running<usize>> = self.lanes().filter_map(running).collect();
        let jobs: Vec<_> = waiting.iter().map(|(_, job)| *job).collect();
        for turn in admit(&LIMITS, &running, &jobs, self.now_ms) {
            let (kind, job) = waiting[turn.index];
            if turn.answer == Answer::Start {
                self.start(job.client, kind);
            }
        }
    }

    fn start(&mut self, number: usize, kind: Kind) {
        self.check_start(number, kind);
        self.note_lateness(number, kind);
        self.die = self.die.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let die = (self.die >> 33) as i64;
        let minutes = match (kind.target, kind.mode) {
            (Target::Files, Mode::Incremental) => 5 + die % 15,
            (Target::Files, Mode::Full) => 60 + die % 120,
            (Target::Image, Mode::Incremental) => 20 + die % 40,
            (Target::Image, Mode::Full) => 120 + die % 120,
        };
        self.clients[number].lane_mut(kind.target).state = State::Running {
            since: self.minute,
            until: self.minute + minutes,
            mode: kind.mode,
            began_ms: self.now_ms,
        };
        self.begun += 1;
        self.check_slots();
    }

    /// The rules of beginning, told again.
    fn check_start(&self, number: usize, kind: Kind) {
        let client = &self.clients[number];
        let rules = client.member.rules(kind.target);
        let told = format!("minute {}, client {number}, {kind}", self.minute);
        assert!(client.situation.connected_since_ms.is_some(), "{told}: not there");
        let on_battery = client.situation.power == Power::Battery;
        assert!(!(on_battery && kind.mode == Mode::Full), "{told}: on battery");
        let began = &client.lane(kind.target).began;
        let last_ms = |wanted| {
            began
                .iter()
                .rev()
                .find(|(mode, ms)| *mode == wanted && *ms <= self.now_ms)
                .map(|(_, ms)| *ms)
        };
        let basis_ms = match kind.mode {
            Mode::Full => last_ms(Mode::Full),
            Mode::Incremental => last_ms(Mode::Full).max(last_ms(Mode::Incremental)),
        };
        assert!(
            basis_ms.is_some() || kind.mode == Mode::Full,
            "{told}: nothing to grow from"
        );
        let elapsed_ms = basis_ms.map_or(i64::MAX, |basis_ms| self.now_ms - basis_ms);
        let every_ms = interval_ms(rules, kind.mode);
        assert!(elapsed_ms >= every_ms, "{told}: too early");
        let catches_up = rules
            .catch_up_after
            .is_some_and(|after| elapsed_ms - every_ms >= after.len_ms as i64);
        let is_open = rules.of(kind.mode).window.contains(self.now_ms, &self.zone);
        assert!(is_open || catches_up, "{told}: outside of its window");
    }

    fn check_slots(&self) {
        let running: Vec<_> = self.lanes().filter_map(running).collect();
        let of = |target| running.iter().filter(|job| job.target == target).count();
        let (files, images) = (of(Target::Files), of(Target::Image));
        assert!(
            files <= 6 && images <= 4 && files + images <= 8,
            "{files} and {images} run"
        );
        let mut clients: Vec<_> = running.iter().map(|job| job.client).collect();
        clients.dedup();
        assert_eq!(clients.len(), running.len(), "two of one client");
    }

    /// How much later than it could have this one begins, if nothing was wrong since the last. All windows open on the hour.
    fn note_lateness(&mut self, number: usize, kind: Kind) {
        let client = &self.clients[number];
        let (lane, rules) = (client.lane(kind.target), client.member.rules(kind.target));
        let Some(last) = lane.last else { return };
        let is_well = lane.failures.is_none() && !clock_was_wrong(last - DAY, self.minute);
        if client.member.habit != Habit::AlwaysOn || !is_well || kind.mode == Mode::Full {
            return;
        }
        let hour_ms = HOUR * MINUTE_MS;
        let mut could_ms = BEGIN_MS + last * MINUTE_MS + interval_ms(rules, Mode::Incremental);
        while !rules.incremental.window.contains(could_ms, &self.zone) {
            could_ms += hour_ms - could_ms.rem_euclid(hour_ms);
        }
        let late = (self.now_ms - could_ms) / MINUTE_MS;
        let lane = self.clients[number].lane_mut(kind.target);
        lane.latest = lane.latest.max(late);
        lane.judged += 1;
        lane.unpunctual += usize::from(late > HOUR / 2);
    }

    fn lanes(&self) -> impl Iterator<Item = (usize, &Lane)> {
        let numbered = self.clients.iter().enumerate();
        numbered.flat_map(|(number, client)| client.lanes.iter().map(move |lane| (number, lane)))
    }
}

impl Client {
    fn lane(&self, target: Target) -> &Lane {
        &self.lanes[target as usize]
    }

    fn lane_mut(&mut self, target: Target) -> &mut Lane {
        &mut self.lanes[target as usize]
    }

    fn come_or_go(&mut self, is_there: bool, power: Power, now_ms: i64) {
        let was_there = self.situation.connected_since_ms.is_some();
        if was_there == is_there && self.situation.power == power {
            return;
        }
        self.situation.power = power;
        if !was_there && is_there {
            self.situation.connected_since_ms = Some(now_ms);
        }
        if was_there && !is_there {
            self.situation.connected_since_ms = None;
            for lane in &mut self.lanes {
                if matches!(lane.state, State::Running { .. }) {
                    lane.fail(now_ms);
                }
            }
        }
        self.lanes.iter_mut().for_each(Lane::wake);
    }
}

fn interval_ms(rules: &Rules, mode: Mode) -> i64 {
    match rules.of(mode).interval.values().next() {
        Some(Interval::Every(every)) => every.len_ms as i64,
        _ => i64::MAX,
    }
}

fn queued((client, lane): (usize, &Lane)) -> Option<(Kind, Waiting<usize>)> {
    let State::Queued { kind, due_ms, .. } = lane.state else {
        return None;
    };
    let job = Waiting {
        client,
        target: lane.target,
        priority: 0,
        due_ms,
    };
    Some((kind, job))
}

fn running((client, lane): (usize, &Lane)) -> Option<Running<usize>> {
    let is_running = matches!(lane.state, State::Running { .. });
    is_running.then_some(Running {
        client,
        target: lane.target,
    })
}
