//! `cargo xtask bench`: the workloads, the tools side by side on one file system, and the table.
//!
//! Everything happens in one directory, which is removed at the end: a loop-mounted btrfs for whatever the tools
//! write, and the sources beside it. Each step is timed as a whole process; the CPU time of Perennial is that of client
//! and server together.

mod arguments;
pub mod figures;
mod images;
pub mod measure;
pub mod perennial;
mod report;
mod rivals;
mod scene;
mod workloads;

use std::process::ExitCode;

use arguments::Arguments;
use report::Report;
use scene::Scene;

/// What can go wrong, told as it is.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Runs the benchmark.
pub fn run(arguments: &[String]) -> ExitCode {
    let parsed = Arguments::parse(arguments);
    match parsed.and_then(|parsed| scene::with_own_mounts(arguments).and_then(|()| bench(&parsed))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn bench(arguments: &Arguments) -> Result<()> {
    let scene = Scene::create(arguments)?;
    let mut report = Report::default();
    for workload in workloads::all(arguments) {
        eprintln!("{}: making the source", workload.name());
        let source = scene.source(&workload)?;
        for (round, tool) in (1..).zip(rivals::all().into_iter().chain([perennial::tool()])) {
            if !arguments.wants(tool.name()) {
                continue;
            }
            eprintln!("{}: {}", workload.name(), tool.name());
            let place = scene.fresh_place(tool.name())?;
            let steps = workloads::run(&workload, &source, (round, tool), &place, &scene)?;
            report.add(workload.name(), steps);
            scene.remove_place(&place)?;
        }
        report.add(workload.name(), workloads::floors(&workload, &source)?);
        scene.remove_source(&source)?;
    }
    if arguments.wants_images() {
        report.images = images::measure(&scene)?;
    }
    report.print(&mut std::io::stdout())?;
    if let Some(path) = &arguments.write {
        report.write(path, &scene)?;
        eprintln!("written to {}", path.display());
    }
    Ok(())
}
