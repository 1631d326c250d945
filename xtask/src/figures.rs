//! `cargo xtask figures`: what a server costs that has many clients and backups, beside what it may cost.
//!
//! The storage is made as a server would find it: a tree and a manifest for every backup, made by the crate that makes them. The server takes
//! them into its catalog itself, in its first start, which is not measured. Then it is started again and asked, as by its administrator.
//! No client is connected, so nothing begins; every look of the schedule has them all before it.

mod arguments;
mod decision;
mod pages;
mod scene;
mod server;

use std::process::ExitCode;
use std::time::Duration;

use crate::bench::figures::{Row, table_of};

use arguments::Arguments;
use scene::Scene;
use server::Server;

/// What can go wrong, told as it is.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// After the start the server may look at everything once before it counts as idle.
const SETTLING: Duration = Duration::from_secs(20);
/// For how long it is watched while it is idle.
const IDLE: Duration = Duration::from_secs(30);

/// Runs the measurements.
pub fn run(arguments: &[String]) -> ExitCode {
    match Arguments::parse(arguments).and_then(|parsed| measure(&parsed)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &Arguments) -> Result<()> {
    let binary = match &arguments.binary {
        Some(binary) => std::path::absolute(binary)?,
        None => server::build(arguments.profile)?,
    };
    let scene = Scene::create(arguments, &binary)?;
    eprintln!("measuring");
    let mut rows = of_server(&scene, arguments, &binary)?;
    rows.extend(decision::rows(arguments.profile)?);
    println!(
        "{} clients with {} backups each, {} build\n",
        arguments.clients,
        arguments.backups,
        arguments.profile.name()
    );
    println!("{}", table_of(&rows));
    Ok(())
}

fn of_server(scene: &Scene, arguments: &Arguments, binary: &std::path::Path) -> Result<Vec<Row>> {
    let server = Server::start(scene, binary)?;
    let started = server.took();
    let at_start = server.resident_bytes()?;
    std::thread::sleep(SETTLING);
    let idle_cpu = server.cpu_within(IDLE)?;
    let idle = server.resident_bytes()?;
    let plan = server.ask(scene, binary, &["retention", "plan", "--json"])?;
    let list = server.ask(scene, binary, &["clients", "list", "--json"])?;
    let pages = pages::rows(scene, binary, "client-0001")?;
    let peak = server.peak_bytes()?;
    server.end()?;
    let backups = arguments.clients * arguments.backups;
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let mut rows = vec![
        Row::seconds("start until it answers", started, 2.0),
        Row::of("resident memory after the start", mib(at_start), 150.0, " MiB"),
        Row::of("resident memory, idle", mib(idle), 150.0, " MiB"),
        Row::of(
            "CPU while idle",
            idle_cpu.as_secs_f64() / IDLE.as_secs_f64() * 100.0,
            1.0,
            " %",
        ),
        Row::seconds(&format!("`retention plan` over {backups} backups"), plan, 1.0),
        Row::told("`clients list`", list.as_secs_f64(), " s"),
        Row::told("peak of resident memory", mib(peak), " MiB"),
    ];
    rows.extend(pages);
    Ok(rows)
}
