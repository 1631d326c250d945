//! The web interface as somebody meets it who has no browser at hand: what is answered, to whom, and what is not.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::lab::{Lab, text};
use crate::users::PASSWORD;

/// Every page that can be asked for, with something in the place of names.
const PAGES: &[&str] = &[
    "/",
    "/account",
    "/activity",
    "/activity/1",
    "/activity/live",
    "/changes",
    "/clients",
    "/clients/new",
    "/clients/laptop",
    "/storage",
];
/// Everything that does something.
const DEEDS: &[&str] = &[
    "/activity/1/cancel",
    "/activity/1/retry",
    "/clients/new",
    "/clients/laptop/start",
    "/clients/laptop/pause",
];

/// Somebody who visits, with the cookies that he was given.
struct Visitor<'a> {
    lab: &'a Lab,
    cookies: PathBuf,
}

/// What was answered.
struct Answer {
    status: u16,
    /// Where one is sent.
    location: String,
    headers: String,
    body: String,
}

impl<'a> Visitor<'a> {
    fn new(lab: &'a Lab, name: &str) -> Self {
        let cookies = lab.root().join(format!("cookies-{name}"));
        fs::write(&cookies, "").unwrap();
        Self { lab, cookies }
    }

    fn ask(&self, path: &str, arguments: &[&str]) -> Answer {
        let output = Command::new("curl")
            .args(["--silent", "--insecure", "--include", "--max-time", "20"])
            .arg("--cookie")
            .arg(&self.cookies)
            .arg("--cookie-jar")
            .arg(&self.cookies)
            .args(arguments)
            .arg(format!("https://{}{path}", self.lab.address()))
            .output()
            .unwrap();
        let printed = text(&output.stdout);
        let (headers, body) = printed.split_once("\r\n\r\n").unwrap_or((&printed, ""));
        let status = headers.split(' ').nth(1).and_then(|status| status.parse().ok());
        let location = headers.lines().find_map(|line| line.strip_prefix("location: "));
        Answer {
            status: status.unwrap_or_else(|| panic!("{path}: {printed}{}", text(&output.stderr))),
            location: location.unwrap_or_default().to_owned(),
            headers: headers.to_owned(),
            body: body.to_owned(),
        }
    }

    fn get(&self, path: &str) -> Answer {
        self.ask(path, &[])
    }

    /// Sends the form of a page.
    fn send(&self, page: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
        let key = self.get(page).form_key();
        let fields = fields.iter().copied().chain([("key", key.as_str())]);
        let fields: Vec<String> = fields.map(|(name, value)| format!("{name}={value}")).collect();
        let mut arguments = vec!["--header", "Sec-Fetch-Site: same-origin"];
        for field in &fields {
            arguments.extend(["--data-urlencode", field]);
        }
        self.ask(path, &arguments)
    }

    fn log_in(&self, user: &str) -> Answer {
        self.send(
            "/login",
            "/login",
            &[("user", user), ("password", PASSWORD), ("next", "/clients")],
        )
    }
}

impl Answer {
    /// What the forms of the page bring with them.
    fn form_key(&self) -> String {
        let (_, rest) = self
            .body
            .split_once(r#"name="key" value=""#)
            .unwrap_or_else(|| panic!("there is no form in it: {} {}", self.status, self.body));
        rest.split('"').next().unwrap().to_owned()
    }

    fn sends_to(&self, location: &str) {
        assert_eq!(
            (self.status, self.location.as_str()),
            (303, location),
            "{}",
            self.body
        );
    }
}

fn set_up_code(lab: &Lab) -> String {
    let status = text(&lab.admin(["status"]).stderr);
    let (_, code) = status
        .split_once("enter the code ")
        .unwrap_or_else(|| panic!("{status}"));
    code.trim().to_owned()
}

/// A server with a client and the user `anna`, who may do everything.
fn set_up() -> Lab {
    let mut lab = Lab::plain();
    lab.start();
    lab.enroll("laptop");
    lab.enroll("web");
    lab.add_user("anna", &[&["administrator", "--everything"]]);
    lab
}

#[test]
fn the_first_visit_makes_an_administrator_once() {
    let mut lab = Lab::plain();
    lab.start();
    let visitor = Visitor::new(&lab, "first");
    visitor.get("/").sends_to("/login?next=%2F");
    visitor.get("/login").sends_to("/welcome");
    let code = set_up_code(&lab);
    assert!(lab.log().contains(&code), "{}", lab.log());
    let typed = |code: &str, password: &str, again: &str| {
        let fields = [
            ("code", code),
            ("user", "anna"),
            ("password", password),
            ("again", again),
        ];
        visitor.send("/welcome", "/welcome", &fields)
    };
    let wrong = typed("AAAA-BBBB-CCCC-DDDD", PASSWORD, PASSWORD);
    assert!(
        wrong.status == 200 && wrong.body.contains("not the one that the server has told"),
        "{}",
        wrong.body
    );
    assert!(typed(&code, PASSWORD, "another").body.contains("differ"));
    assert!(typed(&code, "short", "short").body.contains("role=\"alert\""));
    typed(&code.to_lowercase(), PASSWORD, PASSWORD).sends_to("/clients/new");
    assert_eq!(visitor.get("/").status, 200);
    visitor.get("/welcome").sends_to("/login");
    let second = Visitor::new(&lab, "second");
    second.get("/login").form_key();
    let late = second.send(
        "/login",
        "/welcome",
        &[
            ("code", &code),
            ("user", "evil"),
            ("password", PASSWORD),
            ("again", PASSWORD),
        ],
    );
    assert!(late.body.contains("is set up"), "{}", late.body);
    assert_eq!(lab.json(["users", "list", "--json"]).as_array().unwrap().len(), 1);
    assert!(!text(&lab.admin(["status"]).stderr).contains("code"));
}

#[test]
fn who_has_not_logged_in_gets_nothing() {
    let lab = set_up();
    let visitor = Visitor::new(&lab, "nobody");
    for page in PAGES {
        let answer = visitor.get(page);
        assert!(
            answer.status == 303 && answer.location.starts_with("/login?next="),
            "{page}: {}",
            answer.status
        );
    }
    for deed in DEEDS {
        let answer = visitor.send(
            "/login",
            deed,
            &[("name", "x"), ("what", "files"), ("hours", "1")],
        );
        assert!(
            answer.status == 303 && answer.location.starts_with("/login?next="),
            "{deed}: {}",
            answer.status
        );
    }
    assert_eq!(visitor.get("/nothing/here").status, 404);
    let wrong = visitor.send("/login", "/login", &[("user", "anna"), ("password", "guess")]);
    assert!(
        wrong.status == 200 && wrong.body.contains("role=\"alert\""),
        "{}",
        wrong.body
    );
}

#[test]
fn who_has_logged_in_sees_every_page_with_its_guards() {
    let lab = set_up();
    let visitor = Visitor::new(&lab, "anna");
    visitor.log_in("anna").sends_to("/clients");
    let source = crate::lab::source(&lab, 1);
    lab.back_up("laptop", &source);
    for page in PAGES.iter().filter(|page| **page != "/activity/live") {
        let answer = visitor.get(page);
        assert_eq!(answer.status, 200, "{page}: {}", answer.body);
        for header in [
            "content-security-policy: default-src 'none'; script-src 'self'",
            "x-content-type-options: nosniff",
            "cache-control: no-store",
        ] {
            assert!(answer.headers.contains(header), "{page}: {}", answer.headers);
        }
        assert!(
            answer.body.len() < 100_000 && !answer.body.contains("style="),
            "{page}"
        );
        let elsewhere = answer.body.replace("http://www.w3.org/", "");
        assert!(
            !elsewhere.contains("http://") && !elsewhere.contains("src=\"https://"),
            "{page}"
        );
    }
    let live = visitor.ask("/activity/live", &["--max-time", "2"]);
    assert!(
        live.headers.contains("text/event-stream") && live.body.contains("event: jobs"),
        "{}",
        live.body
    );
    let german = visitor.ask("/clients", &["--header", "Accept-Language: de-AT,de;q=0.9"]);
    assert!(german.body.contains("lang=\"de\"") && german.body.contains("Client hinzufügen"));
    let page = visitor.get("/");
    let (_, asset) = page.body.split_once("<link rel=\"stylesheet\" href=\"").unwrap();
    let style = visitor.get(asset.split('"').next().unwrap());
    assert!(
        style.status == 200 && style.headers.contains("immutable"),
        "{}",
        style.headers
    );
    visitor.send("/account", "/logout", &[]).sends_to("/login");
    assert_eq!(visitor.get("/").status, 303);
}

#[test]
fn forms_count_only_if_they_come_from_our_pages() {
    let lab = set_up();
    let visitor = Visitor::new(&lab, "anna");
    visitor.log_in("anna").sends_to("/clients");
    let key = visitor.get("/clients/laptop").form_key();
    let data = format!("hours=24&key={key}");
    let paused = || lab.json(["clients", "list", "--json"])[0]["paused_until"].is_string();
    for origin in [
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-site",
        "Origin: https://evil.example",
        "Origin: null",
    ] {
        let answer = visitor.ask("/clients/laptop/pause", &["--header", origin, "--data", &data]);
        assert_eq!(answer.status, 403, "{origin}");
    }
    for data in ["hours=24", "hours=24&key=", "hours=24&key=AAAA"] {
        assert_eq!(
            visitor.ask("/clients/laptop/pause", &["--data", data]).status,
            409,
            "{data}"
        );
    }
    assert!(!paused());
    visitor
        .ask("/clients/laptop/pause", &["--data", &data])
        .sends_to("/clients/laptop");
    assert!(paused());
    let large = format!("key={key}&hours={}", "1".repeat(300_000));
    let body = lab.root().join("large");
    fs::write(&body, large).unwrap();
    let large = visitor.ask(
        "/clients/laptop/pause",
        &["--data-binary", &format!("@{}", body.display())],
    );
    assert_eq!(large.status, 400);
}

#[test]
fn a_user_sees_and_does_what_was_granted() {
    let lab = set_up();
    lab.add_user("bert", &[&["viewer", "--client", "laptop"]]);
    lab.add_user("carl", &[]);
    let bert = Visitor::new(&lab, "bert");
    bert.log_in("bert").sends_to("/clients");
    let clients = bert.get("/clients").body;
    assert!(
        clients.contains("/clients/laptop") && !clients.contains("/clients/web"),
        "{clients}"
    );
    assert_eq!(bert.get("/clients/laptop").status, 200);
    assert_eq!(bert.get("/clients/web").status, 404);
    assert_eq!(bert.get("/").status, 200);
    let started = bert.send("/account", "/clients/laptop/start", &[("what", "files")]);
    assert_eq!(started.status, 403, "{}", started.body);
    let token = bert.send("/account", "/clients/new", &[("name", "mine")]);
    assert!(
        token.status == 403 && !token.body.contains("perennial1"),
        "{}",
        token.body
    );
    let carl = Visitor::new(&lab, "carl");
    carl.log_in("carl").sends_to("/clients");
    for page in PAGES
        .iter()
        .filter(|page| !matches!(**page, "/account" | "/clients/new"))
    {
        let answer = carl.get(page);
        assert!(
            matches!(answer.status, 403 | 404),
            "{page}: {} {}",
            answer.status,
            answer.body
        );
    }
}
