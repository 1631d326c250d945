//! When hooks run, what they are told, and what their end means for the backup.

use std::path::{Path, PathBuf};
use std::time::Duration;

use parking_lot::Mutex;
use shell::CommandEnd;

use super::*;

#[derive(Default)]
struct Log(Mutex<Vec<(Level, String)>>);

impl Log {
    fn lines(&self) -> Vec<String> {
        self.0.lock().iter().map(|(_, text)| text.clone()).collect()
    }

    fn warnings(&self) -> Vec<String> {
        let lines = self.0.lock();
        let warnings = lines.iter().filter(|(level, _)| *level == Level::Warning);
        warnings.map(|(_, text)| text.clone()).collect()
    }
}

impl Monitor for Log {
    fn log(&self, level: Level, text: &str) {
        self.0.lock().push((level, text.to_owned()));
    }
}

struct Lab {
    dir: tempfile::TempDir,
    log: Arc<Log>,
    cancel: Cancel,
}

impl Lab {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            log: Arc::default(),
            cancel: Cancel::new(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A command that writes the names and values of its variables to a file.
    fn noting(&self, name: &str) -> Option<String> {
        Some(format!(
            "env | grep ^PERENNIAL_ | sort > '{}'",
            self.path(name).display()
        ))
    }

    fn attempt(&self, settings: &HookSettings, job_id: u64) -> Attempt {
        let monitor: Arc<dyn Monitor> = self.log.clone();
        let around = Surroundings {
            settings,
            client: "web",
            monitor: &monitor,
            cancel: &self.cancel,
        };
        let job = Job {
            id: job_id,
            mode: Mode::Full,
        };
        Attempt::new(&around, HookKind::File, job)
    }
}

fn before(command: &str) -> HookSettings {
    HookSettings {
        file: HookCommands {
            before: Some(command.to_owned()),
            ..HookCommands::default()
        },
        ..HookSettings::default()
    }
}

fn committed() -> Committed {
    Committed {
        name: "261130-0356".to_owned(),
        ..Committed::default()
    }
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[tokio::test]
async fn every_hook_is_told_what_it_is_for() {
    let lab = Lab::new();
    let settings = HookSettings {
        file: HookCommands {
            before: lab.noting("before"),
            after: lab.noting("after"),
            failed: lab.noting("failed"),
        },
        after_snapshot: lab.noting("held"),
        ..HookSettings::default()
    };
    let mut attempt = lab.attempt(&settings, 7);
    attempt.begin().await.unwrap();
    attempt.held(Hold::Snapshot).await.unwrap();
    attempt.conclude(Ok(committed())).await.unwrap();
    let common = |event: &str, backup: &str, outcome: &str, snapshot: &str| {
        format!(
            "{backup}PERENNIAL_CLIENT=web\nPERENNIAL_EVENT={event}\nPERENNIAL_JOB=7\nPERENNIAL_KIND=file\n\
             PERENNIAL_MODE=full\n{outcome}{snapshot}"
        )
    };
    let snapshot = "PERENNIAL_SNAPSHOT=1\n";
    assert_eq!(
        text(&lab.path("before")),
        common("before_file_backup", "", "", "")
    );
    assert_eq!(
        text(&lab.path("held")),
        common("after_snapshot", "", "", snapshot)
    );
    assert_eq!(
        text(&lab.path("after")),
        common(
            "after_file_backup",
            "PERENNIAL_BACKUP=261130-0356\n",
            "PERENNIAL_OUTCOME=finished\n",
            snapshot
        )
    );
    assert!(!lab.path("failed").exists());
}

#[tokio::test]
async fn a_failure_is_told_with_its_reason_and_nothing_else_follows() {
    let lab = Lab::new();
    let settings = HookSettings {
        file: HookCommands {
            after: lab.noting("after"),
            failed: lab.noting("failed"),
            ..HookCommands::default()
        },
        ..HookSettings::default()
    };
    let mut attempt = lab.attempt(&settings, 0);
    attempt.begin().await.unwrap();
    attempt.held(Hold::Partial).await.unwrap();
    let error = Error::Refused {
        message: "\"it's\0\nfull\"".to_owned(),
    };
    attempt.conclude(Err(error)).await.unwrap_err();
    assert_eq!(
        text(&lab.path("failed")),
        "PERENNIAL_CLIENT=web\nPERENNIAL_ERROR=the server refuses: \"it's \nPERENNIAL_EVENT=failed_file_backup\n\
         PERENNIAL_KIND=file\nPERENNIAL_MODE=full\nPERENNIAL_OUTCOME=failed\n"
    );
    assert!(!lab.path("after").exists());
}

#[tokio::test]
async fn a_failing_hook_stops_the_backup_with_its_status_and_last_words() {
    let lab = Lab::new();
    let settings = before("echo freezing; echo \"can't freeze\" >&2; exit 3");
    let error = lab.attempt(&settings, 0).begin().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the hook before_file_backup exited with status 3; it said: freezing / can't freeze"
    );
    assert_eq!(
        lab.log.lines(),
        [
            "before_file_backup begins",
            "before_file_backup: freezing",
            "before_file_backup: can't freeze"
        ]
    );
}

#[tokio::test]
async fn a_hook_that_fails_after_the_commit_is_a_warning() {
    let lab = Lab::new();
    let mut settings = before("true");
    settings.file.after = Some("exit 1".to_owned());
    let attempt = lab.attempt(&settings, 0);
    let kept = attempt.conclude(Ok(committed())).await.unwrap();
    assert!(kept.with_problems);
    assert_eq!(
        lab.log.warnings(),
        ["the hook after_file_backup exited with status 1"]
    );
}

#[tokio::test]
async fn a_hook_that_takes_too_long_is_ended() {
    let lab = Lab::new();
    let settings = HookSettings {
        timeout: Some(Duration::from_millis(200)),
        ..before("echo waiting; sleep 600")
    };
    let error = lab.attempt(&settings, 0).begin().await.unwrap_err();
    let Error::HookFailed { end, output, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(end, CommandEnd::TimedOut(Duration::from_millis(200)));
    assert_eq!(output, ["waiting"]);
}

#[tokio::test]
async fn cancelling_ends_the_hook_before_a_backup_but_not_the_one_after_it() {
    let lab = Lab::new();
    let mut settings = before("echo waiting; sleep 600");
    settings.file.failed = lab.noting("failed");
    lab.cancel.cancel();
    let attempt = lab.attempt(&settings, 0);
    let error = attempt.begin().await.unwrap_err();
    assert!(matches!(error, Error::Cancelled), "{error}");
    attempt.conclude(Err(error)).await.unwrap_err();
    assert!(text(&lab.path("failed")).contains("PERENNIAL_OUTCOME=cancelled\n"));
}

#[tokio::test]
async fn endless_output_is_cut_and_a_service_that_goes_on_printing_does_not_hold_the_backup() {
    let lab = Lab::new();
    let pid = lab.path("pid");
    let command = format!(
        "head -c 10000000 /dev/zero | tr '\\0' '\\n'; seq 100000; yes & echo $! > '{}'",
        pid.display()
    );
    lab.attempt(&before(&command), 0).begin().await.unwrap();
    let lines = lab.log.lines();
    assert_eq!(lines.len(), 42);
    assert_eq!(lines[40], "before_file_backup: 40");
    assert!(lines[41].ends_with(" more lines"), "{}", lines[41]);
    let pid = text(&pid).trim().parse().unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    // It may have been ended by the pipe that nobody reads.
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
}

#[tokio::test]
async fn frozen_sources_have_no_hook_of_their_own() {
    let lab = Lab::new();
    let settings = HookSettings {
        after_snapshot: Some("exit 1".to_owned()),
        ..HookSettings::default()
    };
    lab.attempt(&settings, 0).held(Hold::Frozen).await.unwrap();
    assert_eq!(
        lab.log.lines(),
        ["after_snapshot is not run: file systems are frozen"]
    );
    let error = lab.attempt(&settings, 0).held(Hold::Snapshot).await.unwrap_err();
    assert!(
        error.to_string().starts_with("the hook after_snapshot"),
        "{error}"
    );
}
