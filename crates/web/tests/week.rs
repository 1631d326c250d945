//! The script that reads and writes texts of windows, run on its own by Node.js (`week.mjs`).

use std::path::Path;
use std::process::Command;

#[test]
fn what_is_painted_is_written_as_it_is_read() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    if Command::new("node").arg("--version").output().is_err() {
        println!("skipped: there is no node to run the script with");
        return;
    }
    let run = Command::new("node")
        .arg(here.join("tests/week.mjs"))
        .arg(here.join("assets/week.js"))
        .output()
        .expect("node was there a moment ago");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
}
