//! The table: what each step has cost each tool.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use super::Result;
use super::arguments::Size;
use super::figures;
use super::measure::{Cost, quiet};
use super::scene::Scene;

/// One measured step.
#[derive(Debug)]
pub struct Step {
    /// Which tool.
    pub tool: String,
    /// Which step.
    pub name: &'static str,
    /// What it has cost.
    pub cost: Cost,
    /// By how much the file system grew.
    pub space_bytes: i64,
}

/// All steps of a run.
#[derive(Debug, Default)]
pub struct Report {
    steps: Vec<(&'static str, Step)>,
    /// The figures of images.
    pub images: Vec<figures::Row>,
}

const ORDER: [&str; 6] = [
    "first",
    "nothing changed",
    "a little changed",
    "restore",
    "delete",
    "floor",
];

impl Report {
    /// Adds the steps of a workload.
    pub fn add(&mut self, workload: &'static str, steps: Vec<Step>) {
        self.steps.extend(steps.into_iter().map(|step| (workload, step)));
    }

    /// What a step of a workload has cost a tool.
    pub fn find(&self, workload: &str, name: &str, tool: &str) -> Option<&Step> {
        let mut steps = self.steps.iter();
        let found = steps.find(|(of, step)| *of == workload && step.name == name && step.tool == tool);
        found.map(|(_, step)| step)
    }

    /// Prints the tables.
    pub fn print(&self, out: &mut impl std::io::Write) -> Result<()> {
        out.write_all(self.table().as_bytes())?;
        writeln!(out)?;
        out.write_all(figures::table(self).as_bytes())?;
        Ok(())
    }

    /// Writes the table with what it was measured on.
    pub fn write(&self, path: &Path, scene: &Scene) -> Result<()> {
        let scale = match scene.size {
            Size::Full => "full size",
            Size::Short => "a tenth of the full size",
            Size::Million => "a million small files",
        };
        let mut text = String::from("# Benchmarks\n\n");
        writeln!(
            text,
            "Made by `cargo xtask bench`, {scale}, on {}.",
            scene.machine()?
        )?;
        for (program, argument) in [
            ("cp", "--version"),
            ("rsync", "--version"),
            ("restic", "version"),
            ("borg", "--version"),
        ] {
            if let Ok(version) = quiet(Command::new(program).arg(argument)) {
                writeln!(text, "* {}", version.lines().next().unwrap_or_default())?;
            }
        }
        text.push_str(
            "\nAll tools write to the same loop-mounted btrfs, one after the other, with nothing but the source in the page cache. \
             CPU is user and system time of all processes that take part; for Perennial client and server, and peak memory \
             of each.\n\n",
        );
        text.push_str(&figures::table(self));
        text.push('\n');
        text.push_str(&self.table());
        std::fs::write(path, text)?;
        Ok(())
    }

    fn table(&self) -> String {
        let mut text = String::from(
            "| workload | step | tool | wall s | CPU s | peak MiB | space MiB |\n|---|---|---|---:|---:|---:|---:|\n",
        );
        let mut workloads: Vec<&str> = self.steps.iter().map(|(workload, _)| *workload).collect();
        workloads.dedup();
        for workload in workloads {
            for name in ORDER {
                for (_, step) in self
                    .steps
                    .iter()
                    .filter(|(of, step)| *of == workload && step.name == name)
                {
                    let peak: Vec<String> = step
                        .cost
                        .peak_bytes
                        .iter()
                        .map(|bytes| (bytes >> 20).to_string())
                        .collect();
                    let _ = writeln!(
                        text,
                        "| {workload} | {name} | {} | {:.2} | {:.2} | {} | {} |",
                        step.tool,
                        step.cost.wall.as_secs_f64(),
                        step.cost.cpu.as_secs_f64(),
                        peak.join(" + "),
                        step.space_bytes >> 20,
                    );
                }
            }
        }
        text
    }
}
