//! Commands that fail, fork, flood and do not listen.

use std::path::Path;

use super::*;

const NONE: [(&str, &str); 0] = [];

/// Reads a command to its end.
fn run(command: &str, outputs: Outputs) -> (ExitStatus, [Vec<u8>; 2]) {
    let mut shell = Shell::start(command, &NONE, outputs).unwrap();
    let mut out = [Vec::new(), Vec::new()];
    let mut buffer = [0; 4096];
    loop {
        match shell.step(&mut buffer).unwrap() {
            Step::Bytes(number, len_bytes) => out[number].extend_from_slice(&buffer[..len_bytes]),
            Step::Idle => {}
            Step::Exited => return (shell.finish().unwrap(), out),
        }
    }
}

/// Whether a process that has written its number to a file ends within this time.
fn ends_within(file: &Path, patience: Duration) -> bool {
    let pid = std::fs::read_to_string(file).unwrap().trim().parse().unwrap();
    let Ok(process) = pidfd_open(Pid::from_raw(pid).unwrap(), PidfdFlags::empty()) else {
        return true;
    };
    let patience = Timespec {
        tv_sec: patience.as_secs() as i64,
        tv_nsec: 0,
    };
    poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&patience)).unwrap() > 0
}

const SOON: Duration = Duration::from_secs(10);

/// Waits for a line of output.
fn read_some(shell: &mut Shell) {
    let mut buffer = [0; 64];
    while !matches!(shell.step(&mut buffer).unwrap(), Step::Bytes(..)) {}
}

#[test]
fn the_outputs_come_apart_or_together() {
    let (status, out) = run("echo out; echo error >&2; exit 3", Outputs::Apart);
    assert_eq!(CommandEnd::of(status), Some(CommandEnd::Status(3)));
    assert_eq!(out, [b"out\n".to_vec(), b"error\n".to_vec()]);
    let (status, out) = run("echo out; echo error >&2", Outputs::Merged);
    assert_eq!(CommandEnd::of(status), None);
    assert_eq!(out, [b"out\nerror\n".to_vec(), Vec::new()]);
}

#[test]
fn a_command_has_nothing_to_read_and_a_group_of_its_own() {
    let (status, out) = run("cat; ps -o pgid= -p $$ | tr -d ' '; echo $$", Outputs::Merged);
    assert!(status.success());
    let text = String::from_utf8(out[0].clone()).unwrap();
    let numbers: Vec<&str> = text.lines().collect();
    assert_eq!(numbers.len(), 2);
    assert_eq!(numbers[0], numbers[1]);
}

#[test]
fn a_signal_is_told_from_a_status() {
    let (status, _) = run("kill -9 $$", Outputs::Merged);
    assert_eq!(CommandEnd::of(status), Some(CommandEnd::Signal(9)));
}

#[test]
fn a_service_that_holds_the_output_open_does_not_hold_up_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let pid = dir.path().join("pid");
    let command = format!("sleep 600 & echo $! > '{}'; echo done", pid.display());
    let (status, out) = run(&command, Outputs::Merged);
    assert!(status.success());
    assert_eq!(out[0], b"done\n");
    assert!(
        !ends_within(&pid, Duration::ZERO),
        "what a command leaves behind is not ended"
    );
    let pid = std::fs::read_to_string(&pid).unwrap().trim().parse().unwrap();
    rustix::process::kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
}

#[test]
fn a_stopped_command_may_clean_up_and_ends_with_its_children() {
    let dir = tempfile::tempdir().unwrap();
    let pid = dir.path().join("pid");
    let command = format!(
        "trap 'echo cleaned; exit 1' TERM; sleep 600 & echo $! > '{}'; echo ready; wait",
        pid.display()
    );
    let mut shell = Shell::start(&command, &NONE, Outputs::Merged).unwrap();
    read_some(&mut shell);
    let mut said = Vec::new();
    shell.stop(&mut |bytes| said.extend_from_slice(bytes));
    assert_eq!(said, b"cleaned\n");
    assert!(ends_within(&pid, SOON));
}

#[test]
fn a_command_that_is_dropped_is_killed_even_if_it_does_not_listen() {
    let dir = tempfile::tempdir().unwrap();
    let pid = dir.path().join("pid");
    let command = format!(
        "trap '' TERM; echo $$ > '{}'; echo ready; sleep 600",
        pid.display()
    );
    let mut shell = Shell::start(&command, &NONE, Outputs::Merged).unwrap();
    read_some(&mut shell);
    drop(shell);
    assert!(ends_within(&pid, SOON));
}

#[test]
fn variables_are_added_to_the_environment() {
    let variables = [("PERENNIAL_ERROR", "it's \"quoted\" $HOME")];
    let mut shell = Shell::start("printf %s \"$PERENNIAL_ERROR\"", &variables, Outputs::Merged).unwrap();
    let mut buffer = [0; 64];
    let Step::Bytes(0, len_bytes) = shell.step(&mut buffer).unwrap() else {
        panic!("nothing was printed");
    };
    assert_eq!(&buffer[..len_bytes], variables[0].1.as_bytes());
}
