//! Lines of backups, and the runs of them that refer to a piece of the storage.
//!
//! A **line** is a sequence of backups of which each has grown from the one before. What a backup refers to and the
//! next one does too is referred to by an unbroken **run** of backups. A run names its first backup and its last, if
//! that is not the line's newest; when backups are deleted, it means those that are left between the two, so nothing of
//! it has to be written anew.

use immutable_chunkmap::map::MapS;

/// The number of a backup in the ledger. Numbers are never used twice, and grow along each line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct BackupId(pub i64);

/// The number of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct LineId(pub i64);

/// An unbroken run of backups of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Run {
    pub line: LineId,
    pub first: BackupId,
    pub end: End,
}

/// Where a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum End {
    /// With this backup.
    Closed(BackupId),
    /// With the line's newest, which refers to the piece so many times.
    Open { references: i64 },
}

/// A line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Line {
    /// Its backups that are not deleted, sorted.
    pub live: Vec<BackupId>,
    /// Its newest, deleted or not: open runs speak of that.
    pub tip: Option<BackupId>,
}

/// All lines that have backups.
pub(super) type Lines = MapS<LineId, Line>;

impl Line {
    /// The backups of a run that are not deleted.
    pub fn live_in(&self, run: &Run) -> &[BackupId] {
        let begin = self.live.partition_point(|id| *id < run.first);
        let end = match run.end {
            End::Closed(last) => self.live.partition_point(|id| *id <= last),
            End::Open { .. } => self.live.len(),
        };
        self.live.get(begin..end).unwrap_or_default()
    }

    /// The same run in terms of backups that are not deleted; `None` if there are none.
    fn clamp(&self, run: &Run) -> Option<Run> {
        let live = self.live_in(run);
        let (first, last) = (*live.first()?, *live.last()?);
        let end = match run.end {
            End::Closed(_) => End::Closed(last),
            open @ End::Open { .. } => open,
        };
        Some(Run { first, end, ..*run })
    }

    /// Whether no backup lies between the end of a run and the begin of the next.
    fn touches(&self, run: &Run, next: &Run) -> bool {
        match run.end {
            End::Open { .. } => true,
            End::Closed(last) => {
                self.live.partition_point(|id| *id <= last)
                    >= self.live.partition_point(|id| *id < next.first)
            }
        }
    }
}

/// The one way to write down the backups of some runs: sorted, without those that are deleted, and with as few runs as
/// there can be.
pub(super) fn canonical(mut runs: Vec<Run>, lines: &Lines) -> Vec<Run> {
    runs.sort_unstable();
    let mut merged: Vec<Run> = Vec::with_capacity(runs.len());
    for run in runs {
        let Some(line) = lines.get(&run.line) else {
            continue;
        };
        let Some(run) = line.clamp(&run) else { continue };
        match merged.last_mut() {
            Some(last) if last.line == run.line && line.touches(last, &run) => {
                last.end = last.end.max(run.end)
            }
            _ => merged.push(run),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: LineId = LineId(0);

    fn lines(live: &[i64]) -> Lines {
        let live: Vec<BackupId> = live.iter().copied().map(BackupId).collect();
        let tip = live.last().copied();
        Lines::from_iter([(LINE, Line { live, tip })])
    }

    fn run(first: i64, end: End) -> Run {
        Run {
            line: LINE,
            first: BackupId(first),
            end,
        }
    }

    fn closed(first: i64, last: i64) -> Run {
        run(first, End::Closed(BackupId(last)))
    }

    #[test]
    fn a_run_means_what_is_left_of_it() {
        assert_eq!(canonical(vec![closed(1, 5)], &lines(&[2, 4, 7])), [closed(2, 4)]);
        assert_eq!(canonical(vec![closed(5, 6)], &lines(&[2, 4, 7])), []);
        assert_eq!(canonical(vec![closed(1, 5)], &Lines::new()), []);
    }

    #[test]
    fn runs_with_nothing_left_between_them_are_one() {
        let open = End::Open { references: 2 };
        let runs = vec![run(5, open), closed(1, 2)];
        assert_eq!(canonical(runs.clone(), &lines(&[1, 2, 5, 6])), [run(1, open)]);
        assert_eq!(
            canonical(runs.clone(), &lines(&[1, 3, 5])),
            [closed(1, 1), run(5, open)]
        );
        assert_eq!(canonical(runs, &lines(&[3, 5])), [run(5, open)]);
    }
}
