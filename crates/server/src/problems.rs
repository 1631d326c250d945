//! What could not be backed up as it should have been, collected while a backup comes in.

use std::collections::HashSet;

use wire::v1::LogLine;

use crate::jobs::LiveJob;

/// Problems that are kept by name; the rest is only counted.
const KEPT_PROBLEMS: usize = 10_000;
/// The kind of a problem that is none: something of a type that is not backed up, such as a socket.
const SKIPPED: &str = "skipped";
/// The kind of a problem with what the base should have had.
pub const LOST: &str = "lost";

/// The problems of a backup: the first by name, all by count.
#[derive(Debug, Clone, Default)]
pub struct ProblemList {
    /// The first of them.
    pub kept: Vec<manifest::Problem>,
    /// All of them.
    pub count: u64,
}

impl ProblemList {
    /// Adds one.
    pub fn add(&mut self, problem: manifest::Problem) {
        self.count += 1;
        if self.kept.len() < KEPT_PROBLEMS {
            self.kept.push(problem);
        }
    }

    /// Adds what was lost and is not known yet.
    pub fn add_lost(&mut self, paths: &[Box<[u8]>]) {
        let known: HashSet<&[u8]> = self.kept.iter().map(|problem| &*problem.path).collect();
        let new: Vec<_> = paths.iter().filter(|path| !known.contains(&***path)).collect();
        for path in new {
            self.add(manifest::Problem {
                path: path.clone(),
                kind: LOST.to_owned(),
                message: "the server has lost the file that this is a link to".to_owned(),
            });
        }
    }

    /// Adds what a client met. What was left out as it should be is worth a line in the log, but the backup is whole.
    pub fn take(&mut self, problems: Vec<wire::v1::Problem>, job: &LiveJob) {
        for problem in problems {
            if problem.kind == SKIPPED {
                job.log(LogLine {
                    text: shown(&problem),
                    ..LogLine::default()
                });
                continue;
            }
            self.add(manifest::Problem {
                path: problem.path.into(),
                kind: problem.kind,
                message: problem.message,
            });
        }
    }
}

fn shown(problem: &wire::v1::Problem) -> String {
    format!("{}: {}", String::from_utf8_lossy(&problem.path), problem.message)
}
