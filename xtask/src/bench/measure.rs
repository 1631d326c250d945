//! Times processes: wall, CPU and peak memory, of a command and of a server that works for it.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::Result;

/// What a step has cost.
#[derive(Debug, Clone, Default)]
pub struct Cost {
    /// From start to end.
    pub wall: Duration,
    /// User and system time of all processes that took part.
    pub cpu: Duration,
    /// Peak resident memory of the command, and of the server where there is one.
    pub peak_bytes: Vec<u64>,
}

/// Runs a command to its end. Its exit code must be one of `accepted`.
pub fn timed(command: &mut Command, accepted: &[i32], server: Option<u32>) -> Result<Cost> {
    let usage = tempfile_path()?;
    let mut wrapped = Command::new("/usr/bin/time");
    wrapped
        .args(["-f", "%U %S %M", "-o"])
        .arg(&usage)
        .arg(command.get_program())
        .args(command.get_args());
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(key, value),
            None => wrapped.env_remove(key),
        };
    }
    if let Some(dir) = command.get_current_dir() {
        wrapped.current_dir(dir);
    }
    let server_before = server.map(begin_server).transpose()?;
    let begun = Instant::now();
    let output = wrapped
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .map_err(|error| format!("{:?} can't be started: {error}", command.get_program()))?;
    let wall = begun.elapsed();
    if !output.status.code().is_some_and(|code| accepted.contains(&code)) {
        let shown = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!(
            "{:?} ended with {}: {shown}",
            command.get_program(),
            output.status
        )
        .into());
    }
    let text = fs::read_to_string(&usage)?;
    fs::remove_file(&usage)?;
    let line = text.lines().last().unwrap_or_default();
    let figures: Vec<f64> = line
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    let [user, system, peak_kib] = figures[..] else {
        return Err(format!("time printed {text:?}").into());
    };
    let mut cost = Cost {
        wall,
        cpu: Duration::from_secs_f64(user + system),
        peak_bytes: vec![peak_kib as u64 * 1024],
    };
    if let (Some(pid), Some(before)) = (server, server_before) {
        cost.cpu += cpu_of(pid)?.saturating_sub(before);
        cost.peak_bytes.push(peak_of(pid)?);
    }
    Ok(cost)
}

/// Runs a command that is not measured.
pub fn quiet(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{:?} can't be started: {error}", command.get_program()))?;
    if !output.status.success() {
        let shown = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!(
            "{:?} ended with {}: {shown}",
            command.get_program(),
            output.status
        )
        .into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn tempfile_path() -> Result<std::path::PathBuf> {
    Ok(std::env::temp_dir().join(format!("perennial-bench-time-{}", std::process::id())))
}

/// Forgets the peak of memory so far and returns the CPU time so far.
fn begin_server(pid: u32) -> Result<Duration> {
    fs::write(format!("/proc/{pid}/clear_refs"), "5")?;
    cpu_of(pid)
}

/// The CPU time of a process so far.
pub fn cpu_of(pid: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let ticks = |index: usize| {
        fields
            .get(index)
            .and_then(|field| field.parse::<u64>().ok())
            .unwrap_or(0)
    };
    // utime and stime are fields 14 and 15 of the line, 12 and 13 behind the name; a tick is 10 ms.
    Ok(Duration::from_millis((ticks(11) + ticks(12)) * 10))
}

fn peak_of(pid: u32) -> Result<u64> {
    memory_of(pid, "VmHWM:")
}

/// What the kernel says of a process's memory under this word.
pub fn memory_of(pid: u32, word: &str) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status
        .lines()
        .find(|line| line.starts_with(word))
        .unwrap_or_default();
    let kib = line
        .split_whitespace()
        .nth(1)
        .and_then(|word| word.parse::<u64>().ok())
        .unwrap_or(0);
    Ok(kib * 1024)
}
