//! What runs at the moment, as it moves: how far it is, how fast it is and was, and when it will be done.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use maud::{Markup, html};
use tokio_stream::{Stream, StreamExt as _};
use wire::v1::watch_event::Event as Told;
use wire::v1::{JobInfo, Progress, WatchEvent, WatchRequest};

use super::{is_paused, kind, subject};
use crate::failure::{Failure, OrFail as _};
use crate::parts::say::{job_state, now_ms};
use crate::server_text;
use crate::visitor::{User, Visitor};

/// How often what runs is drawn anew.
const REDRAWN_EVERY: Duration = Duration::from_millis(700);
/// Between two looks at how far it is, for the line of its speed, and how many of them the line has.
const LOOK_MS: i64 = 1000;
const LOOKS: usize = 60;
/// The line's height, of the same units.
const HEIGHT: f64 = 16.0;

/// What runs, drawn anew as it happens.
pub fn live_list(user: &User, running: &[JobInfo]) -> Markup {
    let jobs: Vec<Running> = running.iter().cloned().map(Running::new).collect();
    html! {
        div hx-ext="sse" sse-connect="/activity/live" sse-swap="jobs" aria-live="off" { (list(user, &jobs)) }
    }
}

fn list(visitor: &Visitor, jobs: &[Running]) -> Markup {
    html! {
        @if jobs.is_empty() { p.none { (visitor.say("activity-nothing-runs")) } }
        @else { ul.jobs { @for job in jobs { li { (progress(visitor, job)) } } } }
    }
}

fn progress(visitor: &Visitor, running: &Running) -> Markup {
    let done = &running.progress;
    let language = visitor.language;
    let path = String::from_utf8_lossy(&done.current_path).into_owned();
    html! {
        p { (subject(visitor, &running.job))
            @if is_paused(&running.job) { " " (job_state(language, "paused")) }
            @else if running.job.state != "running" { " " (job_state(language, &running.job.state)) } }
        @if done.bytes_total > 0 {
            progress max=(done.bytes_total) value=(done.bytes_done.min(done.bytes_total)) aria-label=(kind(visitor, &running.job)) {}
        }
        p.hint {
            @if !done.phase.is_empty() { (server_text::show(language, &done.phase)) }
            @if done.bytes_done > 0 || done.bytes_total > 0 {
                " · " (language.bytes(done.bytes_done))
                @if done.bytes_total > 0 { " / " (language.bytes(done.bytes_total)) }
            }
            @if let Some(bytes_per_s) = running.bytes_per_s() {
                " · " (language.bytes(bytes_per_s)) "/s " (running.pace.drawn())
                @if let Some(rest_ms) = running.rest_ms(bytes_per_s) {
                    " · " (language.say_with("activity-rest", &[("time", language.duration(rest_ms).into())]))
                }
            }
            @if !path.is_empty() { br; span.path { (path) } }
        }
    }
}

/// A job that runs, and how fast.
struct Running {
    job: JobInfo,
    progress: Progress,
    /// When it was first seen to move, and how far it was then.
    first: Option<(i64, u64)>,
    now_ms: i64,
    pace: Pace,
}

impl Running {
    fn new(job: JobInfo) -> Self {
        Self {
            job,
            progress: Progress::default(),
            first: None,
            now_ms: now_ms(),
            pace: Pace::default(),
        }
    }

    fn advance(&mut self, progress: Progress, at_ms: i64) {
        self.first.get_or_insert((at_ms, progress.bytes_done));
        self.now_ms = at_ms;
        self.pace.note(at_ms, progress.bytes_done);
        self.progress = progress;
    }

    /// The mean since it was first seen.
    fn bytes_per_s(&self) -> Option<u64> {
        let (first_ms, first_bytes) = self.first?;
        let took_ms = u64::try_from(self.now_ms.saturating_sub(first_ms)).ok()?;
        let bytes = self.progress.bytes_done.checked_sub(first_bytes)?;
        (took_ms >= 1000 && bytes > 0).then(|| bytes.saturating_mul(1000) / took_ms)
    }

    fn rest_ms(&self, bytes_per_s: u64) -> Option<i64> {
        let rest = self.progress.bytes_total.checked_sub(self.progress.bytes_done)?;
        (rest > 0 && bytes_per_s > 0)
            .then(|| i64::try_from(rest.saturating_mul(1000) / bytes_per_s).unwrap_or(i64::MAX))
    }
}

/// How fast it was of late, from look to look.
#[derive(Default)]
struct Pace(VecDeque<(i64, u64)>);

impl Pace {
    fn note(&mut self, at_ms: i64, bytes_done: u64) {
        let is_due = self
            .0
            .back()
            .is_none_or(|(last_ms, _)| at_ms - last_ms >= LOOK_MS);
        if is_due {
            if self.0.len() > LOOKS {
                self.0.pop_front();
            }
            self.0.push_back((at_ms, bytes_done));
        }
    }

    /// The speeds, the newest last, as shares of the greatest.
    fn shares(&self) -> Vec<f64> {
        let pairs = self.0.iter().zip(self.0.iter().skip(1));
        let speeds = pairs.map(|((from_ms, from), (to_ms, to))| {
            to.saturating_sub(*from) as f64 / (to_ms - from_ms).max(1) as f64
        });
        let speeds: Vec<f64> = speeds.collect();
        let most = speeds.iter().copied().fold(0.0, f64::max);
        match most > 0.0 {
            true => speeds.iter().map(|speed| speed / most).collect(),
            false => Vec::new(),
        }
    }

    /// A line that goes up and down with the speed. What it says is beside it in figures.
    fn drawn(&self) -> Markup {
        let shares = self.shares();
        let begin = LOOKS.saturating_sub(shares.len());
        let points = shares
            .iter()
            .enumerate()
            .map(|(at, share)| format!("{},{:.1}", begin + at, HEIGHT - 1.0 - share * (HEIGHT - 2.0)));
        html! {
            @if shares.len() > 1 {
                svg.spark viewBox={ "0 0 " (LOOKS) " " (HEIGHT) } preserveAspectRatio="none" aria-hidden="true" {
                    polyline points=(points.collect::<Vec<_>>().join(" ")) {}
                }
            }
        }
    }
}

/// What runs at the moment, as far as was told.
#[derive(Default)]
struct Board {
    jobs: BTreeMap<u64, Running>,
    is_changed: bool,
}

impl Board {
    fn take(&mut self, event: WatchEvent) {
        let Some(job) = event.job else { return };
        self.is_changed = true;
        match event.event {
            Some(Told::Done(_)) => drop(self.jobs.remove(&job.id)),
            _ if matches!(
                job.state.as_str(),
                "done" | "failed" | "cancelled" | "interrupted" | "queued"
            ) => {}
            told => {
                let running = self
                    .jobs
                    .entry(job.id)
                    .or_insert_with(|| Running::new(job.clone()));
                running.job = job;
                if let Some(Told::Progress(progress)) = told {
                    running.advance(progress, event.at_ms);
                }
            }
        }
    }

    fn draw(&mut self, visitor: &Visitor) -> Event {
        self.is_changed = false;
        let jobs: Vec<Running> = std::mem::take(&mut self.jobs).into_values().collect();
        let drawn = list(visitor, &jobs).into_string();
        self.jobs = jobs.into_iter().map(|job| (job.job.id, job)).collect();
        Event::default().event("jobs").data(drawn)
    }
}

/// What runs, as an event stream of drawn lists.
pub async fn live(user: User) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Failure> {
    let events = user.services.admin().watch(WatchRequest::default()).await;
    let mut events = events.or_fail(&user)?;
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    let visitor = user.visitor;
    tokio::spawn(async move {
        let mut board = Board {
            is_changed: true,
            ..Board::default()
        };
        let mut tick = tokio::time::interval(REDRAWN_EVERY);
        loop {
            tokio::select! {
                told = events.next() => match told {
                    Some(Ok(event)) => board.take(event),
                    // Who watches is welcome no more, or the server ends: the browser asks again.
                    Some(Err(_)) | None => return,
                },
                _ = tick.tick(), if board.is_changed => {
                    if sender.send(Ok(board.draw(&visitor))).await.is_err() {
                        return;
                    }
                },
                () = sender.closed() => return,
            }
        }
    });
    let stream = tokio_stream::wrappers::ReceiverStream::new(receiver);
    Ok(Sse::new(stream).keep_alive(KeepAlive::default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: u64, state: &str, told: Option<Told>, at_ms: i64) -> WatchEvent {
        WatchEvent {
            job: Some(JobInfo {
                id,
                state: state.to_owned(),
                ..JobInfo::default()
            }),
            at_ms,
            event: told,
        }
    }

    fn progress(bytes_done: u64) -> Option<Told> {
        Some(Told::Progress(Progress {
            bytes_done,
            bytes_total: 10_000,
            ..Progress::default()
        }))
    }

    #[test]
    fn what_runs_comes_and_goes_with_its_speed() {
        let mut board = Board::default();
        board.take(event(1, "running", progress(1000), 0));
        assert_eq!(board.jobs[&1].bytes_per_s(), None, "once is no speed");
        board.take(event(1, "running", progress(5000), 2000));
        assert_eq!(board.jobs[&1].bytes_per_s(), Some(2000));
        assert_eq!(board.jobs[&1].rest_ms(2000), Some(2500));
        board.take(event(2, "queued", None, 0));
        assert_eq!(board.jobs.len(), 1, "what waits does not run");
        board.take(event(
            1,
            "done",
            Some(Told::Done(wire::v1::JobDone::default())),
            3000,
        ));
        assert!(board.jobs.is_empty() && board.is_changed);
    }

    #[test]
    fn the_line_of_speeds_goes_up_and_down() {
        let mut pace = Pace::default();
        for (at_ms, bytes_done) in [(0, 0), (500, 7), (1000, 100), (2000, 300), (3000, 300)] {
            pace.note(at_ms, bytes_done);
        }
        assert_eq!(pace.shares(), [0.5, 1.0, 0.0]);
        let drawn = pace.drawn().into_string();
        assert!(drawn.contains("57,8.0 58,1.0 59,15.0"), "{drawn}");
        for second in 0..1000 {
            pace.note(4000 + second * 1000, 300);
        }
        assert_eq!(pace.0.len(), LOOKS + 1);
        assert!(pace.drawn().into_string().is_empty(), "it stands still");
    }
}
