//! What went wrong while something was read, told once each: a program that finds one bad block often asks for it again and again.

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;

use super::inodes::Place;
use crate::error::{Error, explain};
use crate::monitor::{Monitor, Problem, ProblemKind};

/// So many problems are remembered; after that, all are told anew.
const REMEMBERED: usize = 1000;

/// Tells problems to whoever runs the client.
pub(super) struct Report {
    monitor: Arc<dyn Monitor>,
    told: Mutex<HashSet<(Vec<u8>, &'static str)>>,
}

impl Report {
    /// Has told nothing yet.
    pub(super) fn new(monitor: Arc<dyn Monitor>) -> Self {
        Self {
            monitor,
            told: Mutex::default(),
        }
    }

    /// Tells that content is not as it was backed up, or can't be read by the server.
    pub(super) fn damaged(&self, place: &Place, message: &str) {
        self.problem(ProblemKind::Corrupt, place, message);
    }

    /// Tells that something could not be read. That the server can't be reached is told by who dials it, and what is not there is no problem.
    pub(super) fn failed(&self, place: &Place, error: &Error) {
        if !error.is_transient() && !matches!(error, Error::NotFound { .. } | Error::Cancelled) {
            self.problem(ProblemKind::Unreadable, place, &explain(error));
        }
    }

    fn problem(&self, kind: ProblemKind, place: &Place, message: &str) {
        let path = manifest::join_path(place.backup.name.as_bytes(), &place.path).into_vec();
        let mut told = self.told.lock();
        if told.len() >= REMEMBERED {
            told.clear();
        }
        if told.insert((path.clone(), kind.as_str())) {
            self.monitor.problem(&Problem::new(kind, path, message));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mount::backups::tests::backup;

    #[derive(Default)]
    struct Heard(Mutex<Vec<Problem>>);

    impl Monitor for Heard {
        fn problem(&self, problem: &Problem) {
            self.0.lock().push(problem.clone());
        }
    }

    #[test]
    fn a_problem_is_told_once_and_the_lost_server_not_at_all() {
        let heard = Arc::new(Heard::default());
        let report = Report::new(heard.clone());
        let place = Place::root_of(&Arc::new(backup("b"))).at(b"data/x");
        report.damaged(&place, "it differs");
        report.damaged(&place, "it differs");
        report.failed(&place, &Error::interrupted("the server is gone"));
        let expected = Problem::new(ProblemKind::Corrupt, *b"b/data/x", "it differs");
        assert_eq!(*heard.0.lock(), [expected]);
    }
}
