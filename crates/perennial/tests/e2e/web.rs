//! The web interface as somebody meets it who has no browser at hand: what is answered, to whom, and what is not.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::lab::{Lab, text};
use crate::users::PASSWORD;

/// Where the pages are said.
const ROUTES: &str = include_str!("../../../web/src/pages/mod.rs");
/// What is for everybody.
const FOR_ALL: &[&str] = &[
    "/login",
    "/welcome",
    "/logout",
    "/account/look",
    // For whoever brings a token.
    "/install/{secret}",
    "/install/{secret}/{form}",
];

/// The addresses of all pages, and of all that does something, about things that there are.
pub fn addresses() -> (Vec<String>, Vec<String>) {
    let (mut pages, mut deeds) = (Vec::new(), Vec::new());
    for route in ROUTES.split(".route(").skip(1) {
        let (_, rest) = route.split_once('"').unwrap();
        let (address, handlers) = rest.split_once('"').unwrap();
        if FOR_ALL.contains(&address) {
            continue;
        }
        let address = address
            .replace("{client}", "laptop")
            .replace("{backup}", "latest")
            .replace("{job}", "1")
            .replace("{user}", "dora")
            .replace("{group}", "office")
            .replace("{channel}", "ops")
            .replace("{role}", "custom")
            .replace("{disk}", "0123456789ab");
        assert!(!address.contains('{'), "what is to stand in {address}?");
        if handlers.contains("get(") {
            pages.push(address.clone());
        }
        if handlers.contains("post(") {
            deeds.push(address);
        }
    }
    assert!(pages.len() > 10 && deeds.len() > 5, "{pages:?} {deeds:?}");
    (pages, deeds)
}

/// Whether an address is that of a page: not of what does not end, nor of what is no page.
pub fn is_page(address: &str) -> bool {
    let no_pages = ["/live", "/download", "/archive", "/picture", "/volume-file"];
    // What lies in a backup is asked for by its path.
    let by_path = ["/file", "/file/changes"];
    // Of what is published nobody knows the identity before.
    let is_published = address.contains("/published/");
    !is_published && !no_pages.iter().chain(&by_path).any(|end| address.ends_with(end))
}

/// Somebody who visits, with the cookies that he was given.
pub struct Visitor<'a> {
    pub lab: &'a Lab,
    pub cookies: PathBuf,
}

/// What was answered.
pub struct Answer {
    pub status: u16,
    /// Where one is sent.
    pub location: String,
    headers: String,
    pub body: String,
}

impl<'a> Visitor<'a> {
    pub fn new(lab: &'a Lab, name: &str) -> Self {
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

    pub fn get(&self, path: &str) -> Answer {
        self.ask(path, &[])
    }

    /// Sends the form of a page.
    pub fn send(&self, page: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
        let key = self.get(page).form_key();
        let fields = fields.iter().copied().chain([("key", key.as_str())]);
        let fields: Vec<String> = fields.map(|(name, value)| format!("{name}={value}")).collect();
        let mut arguments = vec!["--header", "Sec-Fetch-Site: same-origin"];
        for field in &fields {
            arguments.extend(["--data-urlencode", field]);
        }
        self.ask(path, &arguments)
    }

    pub fn log_in(&self, user: &str) -> Answer {
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

    pub fn sends_to(&self, location: &str) {
        assert_eq!(
            (self.status, self.location.as_str()),
            (303, location),
            "{}",
            self.body
        );
    }
}

pub fn set_up_code(lab: &Lab) -> String {
    let status = text(&lab.admin(["status"]).stderr);
    let (_, code) = status
        .split_once("enter the code ")
        .unwrap_or_else(|| panic!("{status}"));
    code.trim().to_owned()
}

/// A server with a client and the user `anna`, who may do everything.
pub fn set_up() -> Lab {
    let mut lab = Lab::plain();
    lab.start();
    lab.enroll("laptop");
    lab.enroll("web");
    lab.add_user("anna", &[&["administrator", "--everything"]]);
    lab.ok(["users", "add", "dora", "--no-password"]);
    lab.ok(["groups", "create", "office"]);
    lab.ok(["roles", "create", "custom", "--right", "see"]);
    lab.ok(["notify", "add", "ops", "--ping", "http://127.0.0.1:9/x"]);
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
    typed(&code.to_lowercase(), PASSWORD, PASSWORD).sends_to("/new-client");
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
    let (pages, deeds) = addresses();
    for page in pages {
        let answer = visitor.get(&page);
        assert!(
            answer.status == 303 && answer.location.starts_with("/login?next="),
            "{page}: {}",
            answer.status
        );
    }
    for deed in deeds {
        let answer = visitor.send(
            "/login",
            &deed,
            &[("name", "x"), ("what", "files"), ("hours", "1")],
        );
        // A form that lacks something is told so before anybody asks who sends it.
        let is_refused = answer.status == 303 && answer.location.starts_with("/login?next=");
        assert!(
            is_refused || answer.status == 400,
            "{deed}: {} {}",
            answer.status,
            answer.location
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
    let (pages, _) = addresses();
    for page in pages.iter().filter(|page| is_page(page)) {
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
        for attribute in ["src=\"http", "href=\"http", "action=\"http"] {
            assert!(!answer.body.contains(attribute), "{page} leads elsewhere");
        }
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

/// The link of a page to older rows.
fn older(page: &Answer) -> Option<String> {
    let (_, rest) = page.body.split_once(r#"<a rel="next" href=""#)?;
    Some(rest.split('"').next()?.replace("&amp;", "&"))
}

#[test]
fn what_was_done_is_listed_back_to_its_begin() {
    const GROUPS: usize = 60;
    let lab = set_up();
    for number in 0..GROUPS {
        lab.ok(["groups", "create", &format!("group{number:02}")]);
    }
    let source = crate::lab::source(&lab, 1);
    lab.back_up("laptop", &source);
    let visitor = Visitor::new(&lab, "anna");
    visitor.log_in("anna").sends_to("/clients");

    let newest = visitor.get("/changes");
    assert!(newest.body.contains("group59") && !newest.body.contains("group00"));
    let link = older(&newest).expect("there are older ones");
    let oldest = visitor.get(&format!("/changes{link}"));
    assert!(oldest.body.contains("group00") && !oldest.body.contains("group59"));
    assert!(oldest.body.contains(r#"rel="first" href="?""#), "{}", oldest.body);
    assert_eq!(older(&oldest), None);
    let found = visitor.get("/changes?q=GROUP0");
    assert!(found.body.contains("group00") && !found.body.contains("group10"));

    let job = "href=\"/activity/1\"";
    let told = |query: &str| visitor.get(&format!("/activity{query}")).body.contains(job);
    assert!(told("") && told("?only=done") && told("?q=LAPT") && told("?only=no+such+state"));
    assert!(!told("?only=failed") && !told("?q=nothing") && !told("?before=1"));
    let jobs = lab.json([
        "jobs",
        "list",
        "--text",
        "lapt",
        "--kind",
        "file backup",
        "--json",
    ]);
    assert_eq!(jobs.as_array().unwrap().len(), 1);
    let jobs = lab.json(["jobs", "list", "--before", "1", "--json"]);
    assert_eq!(jobs.as_array().unwrap().len(), 0);
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
    let token = bert.send("/account", "/new-client", &[("name", "mine")]);
    assert!(
        token.status == 403 && !token.body.contains("perennial1"),
        "{}",
        token.body
    );
    let carl = Visitor::new(&lab, "carl");
    carl.log_in("carl").sends_to("/clients");
    let (pages, _) = addresses();
    // About himself he may look, and at the roles there are and forms with nothing in them.
    let is_his = |page: &str| {
        let own = ["/account", "/new-", "/roles", "/notifications/new"];
        let forms = ["/password", "/second-factor"];
        own.iter().any(|own| page.starts_with(own)) || forms.iter().any(|form| page.ends_with(form))
    };
    for page in pages.iter().filter(|page| !is_his(page)) {
        let answer = carl.get(page);
        assert!(
            matches!(answer.status, 403 | 404),
            "{page}: {} {}",
            answer.status,
            answer.body
        );
    }
}

#[test]
fn files_are_downloaded_as_they_were_and_can_run_nothing() {
    let lab = set_up();
    let visitor = Visitor::new(&lab, "anna");
    visitor.log_in("anna").sends_to("/clients");
    let source = lab.root().join("hostile");
    fs::create_dir(&source).unwrap();
    let content = crate::interruption::noise(1, 3_000_000);
    fs::write(source.join("large"), &content).unwrap();
    fs::write(source.join("page.html"), "<script>alert(1)</script>").unwrap();
    let evil = "<img src=x onerror=alert(1)>\"'&\r\nX-Evil: 1";
    fs::write(source.join(evil), "evil").unwrap();
    fs::write(source.join(OsStr::from_bytes(b"not \xff text %41")), "bytes").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", source.join("link")).unwrap();
    let name = lab.back_up("laptop", &source);
    let base = format!("/clients/laptop/backups/{name}");
    let kept = lab.root().join("kept");
    let fetch = |path: &str, arguments: &[&str]| {
        let address = format!("{base}/download?{}", path);
        let mut all = vec!["--output", kept.to_str().unwrap(), "--dump-header", "-"];
        all.extend(arguments);
        visitor.ask(&address, &all)
    };
    let whole = fetch("path=data/large", &[]);
    assert_eq!(whole.status, 200);
    for header in [
        "content-disposition: attachment; filename*=UTF-8''large",
        "content-length: 3000000",
        "sandbox",
        "octet-stream",
    ] {
        assert!(whole.headers.contains(header), "{}", whole.headers);
    }
    let body = |kept: &Path| {
        let bytes = fs::read(kept).unwrap();
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        // The headers are printed before it too.
        bytes[end.map_or(0, |end| end + 4)..].to_vec()
    };
    assert!(body(&kept) == content);
    let part = fetch("path=data/large", &["--range", "1000000-1999999"]);
    assert!(
        part.status == 206
            && part
                .headers
                .contains("content-range: bytes 1000000-1999999/3000000"),
        "{}",
        part.headers
    );
    assert!(body(&kept) == content[1_000_000..2_000_000]);
    assert_eq!(fetch("path=data/large", &["--range", "3000000-"]).status, 416);
    let page = visitor.get(&format!("{base}/files?path=data")).body;
    assert!(
        !page.contains("<img src=x") && page.contains("&lt;img src=x"),
        "{page}"
    );
    for (name, content) in [("page.html", "<script>alert(1)</script>"), (evil, "evil")] {
        let address = page_link(&page, name);
        let answer = fetch(&address, &[]);
        assert!(
            answer.status == 200 && !answer.headers.contains("x-evil"),
            "{name}: {}",
            answer.headers
        );
        assert_eq!(body(&kept), content.as_bytes(), "{name}");
    }
    let address = page_link(&page, "not ");
    assert_eq!(fetch(&address, &[]).status, 200, "{address}");
    assert_eq!(body(&kept), b"bytes");
    for nothing in [
        "path=data/link",
        "path=data",
        "path=../../../../etc/passwd",
        "path=/etc/passwd",
        "path=data/link/x",
        "path=",
    ] {
        let answer = fetch(nothing, &[]);
        assert!(matches!(answer.status, 400 | 404), "{nothing}: {}", answer.status);
    }
    lab.add_user("bert", &[&["viewer", "--everything"]]);
    let bert = Visitor::new(&lab, "bert");
    bert.log_in("bert").sends_to("/clients");
    assert_eq!(bert.get(&format!("{base}/download?path=data/large")).status, 403);
    damaged_content_does_not_arrive_whole(&lab, &name, &visitor);
}

/// What the page's link to the download of a file says of it.
fn page_link(page: &str, name: &str) -> String {
    let mut links = page.split("href=\"download?").skip(1);
    let link = links.find(|link| {
        let link = link.split('"').next().unwrap();
        link.contains(&name[..4].replace('<', "%3C").replace(' ', "+"))
    });
    let link = link.unwrap_or_else(|| panic!("no link to {name} in {page}"));
    link.split('"').next().unwrap().replace("&amp;", "&")
}

fn damaged_content_does_not_arrive_whole(lab: &Lab, name: &str, visitor: &Visitor<'_>) {
    let file = lab.storage().join("laptop").join(name).join("data/large");
    let mut damaged = fs::read(&file).unwrap();
    damaged[2_900_000] ^= 1;
    fs::write(&file, damaged).unwrap();
    let output = Command::new("curl")
        .args(["--silent", "--insecure", "--output", "/dev/null", "--cookie"])
        .arg(&visitor.cookies)
        .arg(format!(
            "https://{}/clients/laptop/backups/{name}/download?path=data/large",
            lab.address()
        ))
        .output()
        .unwrap();
    assert!(
        !output.status.success(),
        "what is damaged is not to be taken for right"
    );
}
