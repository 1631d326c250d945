//! How long the web interface's pages take, as a browser that has been there asks for them: by curl, over one connection.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::Result;
use super::scene::Scene;
use super::server::administer;
use crate::bench::figures::Row;
use crate::bench::measure::quiet;

const USER: &str = "figures";
const PASSWORD: &str = "correct horse battery";
/// How often each page is asked for; the first times are not counted.
const TIMES: usize = 12;
const UNCOUNTED: usize = 2;
/// What a page may take until it can be painted.
const MOST_MS: f64 = 100.0;

/// Measures the pages that have the most to show.
pub fn rows(scene: &Scene, binary: &Path, client: &str) -> Result<Vec<Row>> {
    let browser = Browser::log_in(scene, binary)?;
    let of_client = format!("/clients/{client}");
    let pages = [
        ("the overview".to_owned(), "/".to_owned()),
        ("the list of clients".to_owned(), "/clients".to_owned()),
        ("the activity".to_owned(), "/activity".to_owned()),
        ("the storages".to_owned(), "/storage".to_owned()),
        ("one client".to_owned(), of_client.clone()),
        ("its backups".to_owned(), format!("{of_client}/backups")),
        ("one backup".to_owned(), format!("{of_client}/backups/latest")),
        (
            "its files".to_owned(),
            format!("{of_client}/backups/latest/files"),
        ),
        (
            "one entry with its versions".to_owned(),
            format!("{of_client}/backups/latest/file?path=data/link"),
        ),
    ];
    let measured = pages.into_iter().map(|(name, address)| {
        let median_ms = browser.median_ms(&address)?;
        Ok(Row::of(&format!("page: {name}"), median_ms, MOST_MS, " ms"))
    });
    measured.collect()
}

/// Somebody who has logged in.
struct Browser {
    address: String,
    cookies: std::path::PathBuf,
}

impl Browser {
    /// Makes a user who may do everything, and logs him in.
    fn log_in(scene: &Scene, binary: &Path) -> Result<Self> {
        let administer = |arguments: &[&str]| administer(scene, binary, arguments);
        let password = scene.state().join("figures-password");
        fs::write(&password, PASSWORD)?;
        let password = password.display().to_string();
        administer(&["users", "add", USER, "--password-file", &password])?;
        administer(&["users", "grant", USER, "administrator", "--everything"])?;
        let status: serde_json::Value = serde_json::from_str(&administer(&["status", "--json"])?)?;
        let browser = Self {
            address: status["listen"]
                .as_str()
                .ok_or("the server tells no address")?
                .to_owned(),
            cookies: scene.state().join("figures-cookies"),
        };
        let form = quiet(&mut browser.curl(&["/login"]))?;
        let key = form
            .split_once("name=\"key\" value=\"")
            .and_then(|(_, rest)| rest.split_once('"'))
            .ok_or("the log-in has no form")?
            .0;
        let mut send = browser.curl(&["/login"]);
        for (name, value) in [
            ("key", key),
            ("user", USER),
            ("password", PASSWORD),
            ("next", "/"),
        ] {
            send.arg("--data-urlencode").arg(format!("{name}={value}"));
        }
        quiet(&mut send)?;
        Ok(browser)
    }

    /// A call for pages, with what is remembered.
    fn curl(&self, paths: &[&str]) -> Command {
        let mut command = Command::new("curl");
        command.args(["--silent", "--insecure", "--fail", "--max-time", "60", "--cookie"]);
        command.arg(&self.cookies).arg("--cookie-jar").arg(&self.cookies);
        command.args(paths.iter().map(|path| format!("https://{}{path}", self.address)));
        command
    }

    /// How long it takes until all of a page is there.
    fn median_ms(&self, path: &str) -> Result<f64> {
        let mut command = self.curl(&[path; TIMES]);
        for _ in 0..TIMES {
            command.args(["--output", "/dev/null"]);
        }
        command.args(["--write-out", "%{http_code} %{time_total}\n"]);
        let printed = quiet(&mut command)?;
        let mut times_ms = Vec::new();
        for line in printed.lines().skip(UNCOUNTED) {
            match line.split_once(' ') {
                Some(("200", seconds)) => times_ms.push(seconds.parse::<f64>()? * 1000.0),
                _ => return Err(format!("{path}: {line}").into()),
            }
        }
        times_ms.sort_by(f64::total_cmp);
        Ok(times_ms[times_ms.len() / 2])
    }
}
