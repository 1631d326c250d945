//! The web interface in a real browser: Chromium without a window, driven by the scripts in `tests/browser`. Each test sets a scene and
//! has one suite of them played on it. What the pages look like is kept in `target/screenshots`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use serde_json::{Value, json};

use crate::disk::SourceDisk;
use crate::image::image;
use crate::interruption::noise;
use crate::lab::{Lab, source, text};
use crate::users::PASSWORD;
use crate::web::{addresses, is_page, set_up, set_up_code};

/// The scripts.
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/browser");
/// What a file can be called.
const EVIL_NAMES: [&str; 7] = [
    "<img src=x onerror=\"ran=1\">.txt",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "<script>alert(1)<script>",
    "javascript:alert(1)",
    "{{constructor.constructor('alert(1)')()}}",
    "&lt;img src=x&gt; %3Cscript%3E",
];
/// Files that run something where they are shown.
const EVIL_FILES: [(&str, &str); 3] = [
    ("page.html", "<!doctype html><script>ran = 1; alert(1)</script>"),
    (
        "picture.svg",
        "<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
    ),
    (
        "frame.xhtml",
        "<html xmlns='http://www.w3.org/1999/xhtml'><script src='/x'/></html>",
    ),
];

/// What it takes to play a suite.
struct Stage {
    target: PathBuf,
    browser: PathBuf,
}

impl Stage {
    /// Finds it; `None`, with the reason printed, where something is lacking. CI must lack nothing.
    fn find() -> Option<Self> {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
        let modules = target.join("browser/node_modules/playwright-core");
        let lacking = match (program("node"), program("chromium"), modules.exists()) {
            (None, ..) => "node is not installed",
            (_, None, _) => "chromium is not installed",
            (.., false) => "what drives the browser is not installed, which ./x test does",
            (_, Some(browser), true) => {
                return Some(Self {
                    target: target.to_owned(),
                    browser,
                });
            }
        };
        assert!(
            std::env::var_os("CI").is_none(),
            "CI must run every test: {lacking}"
        );
        eprintln!("skipped: {lacking}");
        None
    }

    /// Plays a suite on a scene, and fails with what it says.
    fn play(&self, lab: &Lab, suite: &str, scene: Value) {
        let mut all = json!({
            "address": lab.address(),
            "user": "anna",
            "password": PASSWORD,
            "browser": self.browser,
            "pictures": self.target.join("screenshots"),
        });
        let parts = scene.as_object().unwrap().clone();
        all.as_object_mut().unwrap().extend(parts);
        let file = lab.root().join(format!("{suite}.json"));
        fs::write(&file, all.to_string()).unwrap();
        let output = Command::new("node")
            .arg(Path::new(SCRIPTS).join("run.js"))
            .arg(suite)
            .arg(&file)
            .env("NODE_PATH", self.target.join("browser/node_modules"))
            .env("HOME", lab.root())
            .output()
            .unwrap();
        let told = text(&output.stdout) + &text(&output.stderr);
        assert!(output.status.success(), "{told}");
        eprintln!("{told}");
    }
}

/// Where a program is.
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places = std::env::split_paths(&path).map(|dir| dir.join(name));
    places.find(|place| place.is_file())
}

/// A client that stays, ended at the end of the test.
struct Agent(Child);

impl Drop for Agent {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The addresses of all pages.
fn pages() -> Vec<String> {
    let (pages, _) = addresses();
    pages.into_iter().filter(|page| is_page(page)).collect()
}

/// The pages of a file that has changed, of which the addresses tell only with the file and a backup that has it otherwise.
fn pages_of_a_file(path: &str, before: &str) -> [String; 4] {
    let latest = "/clients/laptop/backups/latest";
    [
        format!("{latest}/file?path={path}"),
        format!("{latest}/file/changes?path={path}&from={before}"),
        format!("{latest}/restore?path={path}"),
        "/clients/laptop/search?text=notes".to_owned(),
    ]
}

/// A server with everything that pages tell of: two backups, one of them with a problem, jobs, users, a client that is connected.
struct Furnished {
    lab: Lab,
    /// The backup before the last.
    backup: String,
    file: PathBuf,
    _agent: Agent,
}

impl Furnished {
    fn new() -> Self {
        Self::after(|_| {})
    }

    /// The same after something else has been done on the server, while no client is connected.
    fn after(before: impl FnOnce(&Lab)) -> Self {
        let lab = set_up();
        before(&lab);
        lab.ok(["groups", "add", "office", "laptop"]);
        lab.add_user("bella", &[&["operator", "--group", "office"]]);
        let source = source(&lab, 1);
        let file = source.join("letter to the office.txt");
        fs::write(&file, noise(1, 300_000)).unwrap();
        fs::write(source.join("notes.txt"), "one\ntwo\n").unwrap();
        let backup = lab.back_up("laptop", &source);
        fs::write(source.join("notes.txt"), "one\n2\n").unwrap();
        fs::write(source.join("more"), noise(2, 50_000)).unwrap();
        lab.back_up("laptop", &source);
        // What the next backup takes some seconds for.
        fs::write(source.join("large"), noise(3, 24 << 20)).unwrap();
        lab.ok(["settings", "set", "--client", "laptop", "speed_limit=4MiB"]);
        let agent = Agent(lab.start_agent("laptop", &source));
        lab.wait_until_connected();
        Self {
            lab,
            backup,
            file,
            _agent: agent,
        }
    }

    fn scene(&self) -> Value {
        let mut pages = pages();
        pages.extend(pages_of_a_file("data/notes.txt", &self.backup));
        json!({
            "client": "laptop",
            "client_state": self.lab.client_state("laptop"),
            "program": env!("CARGO_BIN_EXE_perennial"),
            "other": "web",
            "backup": self.backup,
            "file": named(&self.file),
            "pages": pages,
        })
    }
}

/// A file as scripts are told of it.
fn named(path: &Path) -> Value {
    json!({ "name": path.file_name().unwrap().to_str(), "path": path })
}

#[test]
fn the_first_visit_leads_to_a_log_in_with_two_factors() {
    let Some(stage) = Stage::find() else { return };
    let mut lab = Lab::plain();
    lab.start();
    let code = set_up_code(&lab);
    stage.play(&lab, "first-visit", json!({ "code": code }));
}

#[test]
fn every_page_is_sound_wide_and_narrow_light_and_dark() {
    let Some(stage) = Stage::find() else { return };
    let furnished = Furnished::after(|lab| {
        let disk = SourceDisk::create(lab.root().join("disk.img"));
        image(lab, &disk.path);
    });
    let mut scene = furnished.scene();
    let latest = "/clients/laptop/backups/latest_image";
    let pages = scene["pages"].as_array_mut().unwrap();
    pages.push(latest.into());
    pages.push(format!("{latest}/volume?volume=disk.img/disk.img1.raw").into());
    stage.play(&furnished.lab, "pages", scene);
}

#[test]
fn people_do_what_they_came_for() {
    let Some(stage) = Stage::find() else { return };
    let furnished = Furnished::new();
    furnished.lab.keep_small_program();
    stage.play(&furnished.lab, "actions", furnished.scene());
}

#[test]
fn pages_work_without_scripts() {
    let Some(stage) = Stage::find() else { return };
    let furnished = Furnished::new();
    stage.play(&furnished.lab, "without-scripts", furnished.scene());
}

#[test]
fn nothing_of_a_backup_runs() {
    let Some(stage) = Stage::find() else { return };
    let lab = set_up();
    let source = lab.root().join("hostile");
    let within = source.join("<b onclick=alert(1)>");
    fs::create_dir_all(&within).unwrap();
    for name in EVIL_NAMES {
        fs::write(source.join(name), name).unwrap();
        fs::write(within.join(name), name).unwrap();
    }
    for (name, content) in EVIL_FILES {
        fs::write(source.join(name), content).unwrap();
    }
    let before = lab.back_up("laptop", &source);
    // For the page that tells what has changed.
    for name in EVIL_NAMES {
        fs::write(source.join(name), format!("another {name}")).unwrap();
    }
    let backup = lab.back_up("laptop", &source);
    let reason = "<img src=x onerror=alert(1)>";
    lab.ok(["backup", "hold", "laptop/latest", "--reason", reason]);
    let base = format!("/clients/laptop/backups/{backup}");
    let files = EVIL_NAMES.iter().chain(EVIL_FILES.iter().map(|(name, _)| name));
    let files: Vec<Value> = files.map(|name| named(&source.join(name))).collect();
    let scene = json!({
        "folders": [
            { "address": format!("{base}/files?path=data"), "names": EVIL_NAMES },
            { "address": format!("{base}/files?path=data/%3Cb+onclick%3Dalert(1)%3E"), "names": EVIL_NAMES },
        ],
        "files": files,
        "evil": reason,
        "pages": [base, format!("{base}/changes?from={before}"), "/clients/laptop", "/activity", "/changes", "/account", "/users/anna"],
    });
    stage.play(&lab, "hostile", scene);
}
