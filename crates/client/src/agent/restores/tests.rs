//! What the user says to restores, and what the server is told.

use wire::v1::RestoreItem;
use wire::v1::client_event::Event;

use super::*;
use crate::monitor::Unmonitored;

struct Server {
    updates: Updates,
    told: tokio::sync::mpsc::Receiver<wire::v1::ClientEvent>,
}

impl Server {
    fn new() -> Self {
        let (events, told) = tokio::sync::mpsc::channel(100);
        let updates = Updates::default();
        updates.attach(events);
        Self { updates, told }
    }

    fn ask(&mut self, restores: &Restores, job_id: u64) -> Update {
        self.ask_for(restores, request(job_id, "/home/me"))
    }

    fn ask_for(&mut self, restores: &Restores, request: StartRestore) -> Update {
        restores.ask(request, &self.updates, &Unmonitored);
        self.heard()
    }

    fn heard(&mut self) -> Update {
        match self.told.try_recv().expect("something was told").event {
            Some(Event::Update(update)) => update.update.expect("an update"),
            other => panic!("{other:?}"),
        }
    }
}

fn request(job_id: u64, target: &str) -> StartRestore {
    StartRestore {
        job_id,
        backup: "261130-2000".into(),
        items: vec![RestoreItem {
            path: b"home/me".into(),
            target: target.into(),
        }],
        existing: Existing::Keep.into(),
        asked_by: "anna".into(),
    }
}

fn is_queued(update: &Update) -> bool {
    matches!(update, Update::Progress(_))
}

#[test]
fn nothing_begins_before_it_is_confirmed() {
    let (restores, mut server) = (Restores::new(RestoreSetting::Ask), Server::new());
    assert!(matches!(server.ask(&restores, 7), Update::AwaitsConfirmation(_)));
    assert!(
        matches!(server.ask(&restores, 7), Update::AwaitsConfirmation(_)),
        "asked again"
    );
    assert_eq!(restores.list().len(), 1);
    restores
        .answer(7, true, &server.updates)
        .expect("it is confirmed");
    assert!(is_queued(&server.heard()));
    assert!(
        restores.answer(7, true, &server.updates).is_err(),
        "it waits no more"
    );
    assert!(
        restores.answer(8, true, &server.updates).is_err(),
        "nobody asked for it"
    );
}

#[test]
fn the_user_can_decline_and_the_server_is_told_as_often_as_it_asks() {
    let (restores, mut server) = (Restores::new(RestoreSetting::Ask), Server::new());
    server.ask(&restores, 7);
    restores
        .answer(7, false, &server.updates)
        .expect("it is declined");
    assert!(matches!(server.heard(), Update::Failed(_)));
    assert!(matches!(server.ask(&restores, 7), Update::Failed(_)));
}

#[test]
fn settings_allow_and_refuse() {
    let mut server = Server::new();
    assert!(is_queued(&server.ask(&Restores::new(RestoreSetting::Allow), 7)));
    let refused = server.ask(&Restores::new(RestoreSetting::Refuse), 7);
    assert!(matches!(refused, Update::Failed(why) if why.contains("refuse")));
}

#[tokio::test]
async fn one_that_is_cancelled_does_not_begin() {
    let (restores, mut server) = (Restores::new(RestoreSetting::Allow), Server::new());
    server.ask(&restores, 7);
    server.ask(&restores, 8);
    restores.cancel(7);
    let (next, cancel) = restores.next().await;
    assert_eq!(next.job_id, 8);
    restores.cancel(8);
    assert!(cancel.is_cancelled());
    restores.end(8, Err("cancelled".into()), &server.updates);
    assert!(matches!(server.heard(), Update::Failed(_)));
}

#[test]
fn odd_requests_are_refused_without_asking_anybody() {
    let (restores, mut server) = (Restores::new(RestoreSetting::Ask), Server::new());
    for (job_id, target) in ["relative", "", "/home/../etc", "/a\0b"].into_iter().enumerate() {
        let update = server.ask_for(&restores, request(job_id as u64, target));
        assert!(matches!(update, Update::Failed(_)), "{target:?}: {update:?}");
    }
    let mut climbing = request(20, "/home");
    climbing.items[0].path = b"../../etc".into();
    assert!(matches!(server.ask_for(&restores, climbing), Update::Failed(_)));
    let mut nothing = request(21, "/home");
    nothing.items.clear();
    assert!(matches!(server.ask_for(&restores, nothing), Update::Failed(_)));
}

#[test]
fn a_server_can_not_fill_the_memory() {
    let (restores, mut server) = (Restores::new(RestoreSetting::Ask), Server::new());
    for job_id in 0..MOST_WAITING as u64 {
        assert!(matches!(
            server.ask(&restores, job_id),
            Update::AwaitsConfirmation(_)
        ));
    }
    for job_id in 0..500 {
        server.ask(&restores, 1000 + job_id);
    }
    assert_eq!(restores.list().len(), MOST_WAITING + ENDED_KEPT);
    assert!(
        restores.list().iter().any(|asked| asked.request.job_id == 0),
        "those that wait stay"
    );
}

#[test]
fn what_was_restored_is_counted_in_words() {
    let restored = |files_written, problem_count| Restored {
        files_written,
        problem_count,
        ..Restored::default()
    };
    assert_eq!(told(&restored(1, 0)), "1 file was restored");
    assert_eq!(told(&restored(0, 1)), "0 files were restored, with 1 problem");
    assert_eq!(told(&restored(2, 3)), "2 files were restored, with 3 problems");
}
