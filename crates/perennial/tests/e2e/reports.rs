//! Reports by mail, over days that pass when the test says so: a server within the test, with a clock of its own.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use server::{Clock, Running, Server, Settings};
use tokio::runtime::Runtime;

use crate::lab::{Lab, text};
use crate::listeners::MailServer;

/// A server whose time stands still until it is moved.
struct Timed {
    lab: Lab,
    now_ms: Arc<AtomicI64>,
    server: Option<Running>,
    runtime: Runtime,
}

impl Timed {
    fn start(now: &str) -> Self {
        let lab = Lab::plain();
        let now_ms = Arc::new(AtomicI64::new(milliseconds(now)));
        let told = now_ms.clone();
        let clock = Clock::of(TimeZone::UTC, move || {
            Timestamp::from_millisecond(told.load(Ordering::SeqCst)).unwrap()
        });
        let address = lab.address().parse().unwrap();
        let settings = Settings::new(lab.server_state(), lab.storage().to_owned(), address);
        let runtime = Runtime::new().unwrap();
        let server = runtime.block_on(Server::start(settings, clock)).unwrap();
        Self {
            lab,
            now_ms,
            server: Some(server),
            runtime,
        }
    }

    fn move_to(&self, now: &str) {
        self.now_ms.store(milliseconds(now), Ordering::SeqCst);
    }

    fn add_report(&self, mails: &MailServer, name: &str, arguments: &[&str]) {
        let url = format!("smtp+plain://127.0.0.1:{}", mails.port);
        let to = format!("{name}@example.org");
        let mut all = vec!["notify", "add", name, "--mail", &url, "--to", &to];
        all.extend(["--from", "backup@example.org", "--tell", "nothing"]);
        all.extend(arguments);
        self.lab.ok(all);
    }

    /// Makes a backup of a directory, which fails if that is not there.
    fn back_up(&self, is_made: bool) {
        let source = self.lab.root().join("source");
        match is_made {
            true => fs::create_dir_all(&source).unwrap(),
            false => fs::remove_dir_all(&source).unwrap(),
        }
        if is_made {
            fs::write(source.join("file"), "content").unwrap();
        }
        let output = self.lab.once_command("laptop", &source, &[]).output().unwrap();
        assert_eq!(output.status.success(), is_made, "{}", text(&output.stderr));
    }
}

impl Drop for Timed {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            self.runtime.block_on(server.shut_down());
        }
    }
}

fn milliseconds(time: &str) -> i64 {
    time.parse::<Timestamp>().unwrap().as_millisecond()
}

/// The mails that come next, by whom they are to, with lines as they were before they were sent.
fn next_mails(mails: &MailServer, count: usize) -> Vec<(String, String)> {
    let read = |mail: String| {
        let mail = mail.replace("=\n", "").replace("\n ", " ");
        let to = mail.lines().find_map(|line| line.strip_prefix("To: ")).unwrap();
        let name = to.trim_matches(['<', '>']).split('@').next().unwrap().to_owned();
        (name, mail)
    };
    let mut next: Vec<_> = (0..count).map(|_| read(mails.next())).collect();
    next.sort();
    next
}

fn names(mails: &[(String, String)]) -> Vec<&str> {
    mails.iter().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn reports_come_daily_weekly_and_only_for_failures() {
    // A Sunday.
    let timed = Timed::start("2027-03-07T12:00:00Z");
    let lab = &timed.lab;
    lab.ok(["settings", "set", "incremental_interval=off", "full_interval=off"]);
    lab.enroll("laptop");
    let mails = MailServer::start("");
    timed.add_report(&mails, "daily", &["--report", "daily"]);
    timed.add_report(
        &mails,
        "failures",
        &["--report", "daily", "--report-only-failures"],
    );
    timed.add_report(&mails, "weekly", &["--report", "weekly", "--report-hour", "6"]);
    timed.back_up(true);
    timed.back_up(false);

    timed.move_to("2027-03-08T07:30:00Z");
    let monday = next_mails(&mails, 3);
    assert_eq!(names(&monday), ["daily", "failures", "weekly"]);
    for (name, mail) in &monday {
        let title = match name.as_str() {
            "weekly" => "Weekly report: 1 backup made, 1 job failed",
            _ => "Daily report: 1 backup made, 1 job failed",
        };
        for part in [
            title,
            "From 2027-03-07T12:00:00+00:00 to 2027-03-08T07:30:00+00:00.",
            "laptop, file backup, 2027-03-07T12:00:00+00:00:",
            "Backups: 1, and 0 in the trash",
        ] {
            assert!(mail.contains(part), "{part}: {mail}");
        }
    }

    timed.back_up(true);
    timed.move_to("2027-03-09T07:30:00Z");
    let tuesday = next_mails(&mails, 1);
    assert_eq!(names(&tuesday), ["daily"]);
    let mail = &tuesday[0].1;
    assert!(
        mail.contains("Daily report: 1 backup made, 0 jobs failed"),
        "{mail}"
    );

    timed.back_up(false);
    timed.move_to("2027-03-10T07:30:00Z");
    let wednesday = next_mails(&mails, 2);
    assert_eq!(names(&wednesday), ["daily", "failures"]);
    for (_, mail) in &wednesday {
        let since = "From 2027-03-09T07:30:00+00:00 to 2027-03-10T07:30:00+00:00.";
        assert!(mail.contains(since) && mail.contains("1 job failed"), "{mail}");
    }
}
