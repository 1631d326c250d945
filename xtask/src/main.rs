//! The house's own tools: `cargo xtask COMMAND`.

mod bench;
mod figures;
mod tidy;

use std::process::ExitCode;

/// A command's name, what it does, and what runs it with the arguments that follow its name.
type Command = (&'static str, &'static str, fn(&[String]) -> ExitCode);

const COMMANDS: &[Command] = &[
    (
        "tidy",
        "checks the house rules that no other tool knows",
        tidy::run,
    ),
    (
        "bench",
        "measures Perennial beside other programs on one file system",
        bench::run,
    ),
    (
        "figures",
        "measures what a server with many clients and backups costs",
        figures::run,
    ),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let named = arguments
        .first()
        .and_then(|name| COMMANDS.iter().find(|(known, ..)| known == name));
    match named {
        Some((_, _, run)) => run(&arguments[1..]),
        None => {
            eprintln!("usage: cargo xtask COMMAND");
            for (name, purpose, _) in COMMANDS {
                eprintln!("  {name:<8} {purpose}");
            }
            ExitCode::from(2)
        }
    }
}
