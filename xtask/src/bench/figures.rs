//! The figures that the benchmark is for, each as a ratio within one run.

use std::fmt::Write as _;
use std::time::Duration;

use super::report::{Report, Step};
use super::workloads::{HASHING, STATTING};

/// The others that make backups.
const RIVALS: [&str; 3] = ["restic", "borg", "rsync"];

/// A figure.
#[derive(Debug)]
pub struct Row {
    /// What of what.
    pub name: String,
    /// As it was measured.
    pub value: f64,
    /// What it may be at most; infinity where nobody has asked.
    pub limit: f64,
    /// Its unit, with the space before it.
    pub unit: &'static str,
}

impl Row {
    /// A time as a multiple of another.
    pub fn ratio(name: &str, wall: Duration, other: Duration, limit: f64) -> Self {
        Self {
            name: name.to_owned(),
            value: wall.as_secs_f64() / other.as_secs_f64(),
            limit,
            unit: " ×",
        }
    }

    /// A time.
    pub fn seconds(name: &str, wall: Duration, limit: f64) -> Self {
        Self {
            name: name.to_owned(),
            value: wall.as_secs_f64(),
            limit,
            unit: " s",
        }
    }

    /// A figure with a limit.
    pub fn of(name: &str, value: f64, limit: f64, unit: &'static str) -> Self {
        Self {
            name: name.to_owned(),
            value,
            limit,
            unit,
        }
    }

    /// A figure that nobody has asked for.
    pub fn told(name: &str, value: f64, unit: &'static str) -> Self {
        Self::of(name, value, f64::INFINITY, unit)
    }

    fn write(&self, text: &mut String) {
        let Self {
            name,
            value,
            limit,
            unit,
        } = self;
        let missed = if value > limit { " **missed**" } else { "" };
        let asked = match limit.is_finite() {
            true => format!("{limit}{unit}"),
            false => "–".to_owned(),
        };
        let _ = writeln!(text, "| {name} | {value:.2}{unit}{missed} | {asked} |");
    }
}

const HEAD: &str = "| figure | measured | asked |\n|---|---:|---:|\n";

/// A table of these figures.
pub fn table_of(rows: &[Row]) -> String {
    let mut text = HEAD.to_owned();
    rows.iter().for_each(|row| row.write(&mut text));
    text
}

/// The table of those figures for which everything was measured.
pub fn table(report: &Report) -> String {
    let mut text = HEAD.to_owned();
    of_files(report, &mut text);
    report.images.iter().for_each(|row| row.write(&mut text));
    text
}

fn of_files(report: &Report, text: &mut String) {
    let mut row = |name: &str, value: Option<f64>, limit: f64, unit: &'static str| {
        let Some(value) = value else { return };
        let name = name.to_owned();
        let row = Row {
            name,
            value,
            limit,
            unit,
        };
        row.write(text);
    };
    of_trees(report, &mut row);
    of_large_files(report, &mut row);
}

/// Takes a figure's name, value, limit and unit.
type Put<'a> = dyn FnMut(&str, Option<f64>, f64, &'static str) + 'a;

fn of_trees(report: &Report, row: &mut Put<'_>) {
    for workload in ["W1", "W3"] {
        let of = Of { report, workload };
        let to_copy = of.ratio("first", of.wall("first", "cp"));
        row(&format!("{workload} first, to `cp -a`"), to_copy, 1.3, " ×");
        let to_rivals = of.ratio("first", of.fastest("first", &RIVALS[..2]));
        row(
            &format!("{workload} first, to the faster of restic and borg"),
            to_rivals,
            1.0,
            " ×",
        );
        let to_rivals = of.ratio("nothing changed", of.fastest("nothing changed", &RIVALS));
        row(
            &format!("{workload} unchanged, to the fastest of restic, borg and rsync"),
            to_rivals,
            0.5,
            " ×",
        );
        let to_stat = of.ratio("nothing changed", of.wall("floor", STATTING));
        row(
            &format!("{workload} unchanged, to a bare parallel stat"),
            to_stat,
            3.0,
            " ×",
        );
    }
    let tree = Of {
        report,
        workload: "W1",
    };
    let changed = tree.ratio("a little changed", tree.fastest("a little changed", &RIVALS));
    row(
        "W1 with 1 % changed, to the fastest of restic, borg and rsync",
        changed,
        0.5,
        " ×",
    );
    row(
        "W1 delete one of three",
        tree.wall("delete", PERENNIAL),
        0.2,
        " s",
    );
    let restored = tree.ratio("restore", tree.wall("restore", "cp"));
    row("W1 restore, to `cp -a`", restored, 1.3, " ×");
}

fn of_large_files(report: &Report, row: &mut Put<'_>) {
    let large = Of {
        report,
        workload: "W2",
    };
    let first = large.ratio("first", large.wall("first", "cp"));
    row("W2 first, to `cp -a`", first, 1.5, " ×");
    let changed = large.ratio("a little changed", large.wall("floor", HASHING));
    row(
        "W2 with 4 MiB overwritten, to hashing it on all cores",
        changed,
        1.5,
        " ×",
    );
    let space = large.step("a little changed", PERENNIAL);
    let space = space.map(|step| step.space_bytes as f64 / f64::from(1 << 20));
    row("W2 with 4 MiB overwritten, space", space, 5.0, " MiB");
}

const PERENNIAL: &str = "perennial";

/// The steps of one workload.
struct Of<'a> {
    report: &'a Report,
    workload: &'static str,
}

impl Of<'_> {
    fn step(&self, name: &str, tool: &str) -> Option<&Step> {
        self.report.find(self.workload, name, tool)
    }

    fn wall(&self, name: &str, tool: &str) -> Option<f64> {
        self.step(name, tool).map(|step| step.cost.wall.as_secs_f64())
    }

    fn fastest(&self, name: &str, tools: &[&str]) -> Option<f64> {
        let walls: Option<Vec<f64>> = tools.iter().map(|tool| self.wall(name, tool)).collect();
        walls?.into_iter().reduce(f64::min)
    }

    /// Perennial's time for a step, as a multiple of another.
    fn ratio(&self, name: &str, other: Option<f64>) -> Option<f64> {
        Some(self.wall(name, PERENNIAL)? / other?)
    }
}
