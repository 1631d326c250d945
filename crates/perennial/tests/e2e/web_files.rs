//! What the web interface does with the files of backups: selections as archives, previews, versions, search. Whatever a client has
//! named or put into a file, it stays a file.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::interruption::noise;
use crate::lab::{Lab, text};
use crate::web::{Visitor, set_up};

/// The smallest picture there is, as PNG.
const PICTURE: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\0\0\0\rIDATx\x9cc\xf8\xff\xff\xff\x7f\0\t\xfb\x03\xfd\x05CE\xca\0\0\0\0IEND\xaeB`\x82";
const SCRIPT: &str = "<script>alert(1)</script>";

/// What was answered to who keeps it.
pub struct Kept {
    pub status: u16,
    pub headers: String,
    pub body: Vec<u8>,
    /// Whether it came to its end.
    is_whole: bool,
}

impl Kept {
    fn has(&self, header: &str) -> bool {
        self.headers.lines().any(|line| line == header)
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.headers.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

pub fn keep(visitor: &Visitor<'_>, path: &str, arguments: &[&str]) -> Kept {
    let file = visitor.lab.root().join("kept");
    // What is left of another answer is not this one's.
    let _ = fs::remove_file(&file);
    let output = Command::new("curl")
        .args(["--silent", "--insecure", "--max-time", "60", "--dump-header", "-"])
        .arg("--cookie")
        .arg(&visitor.cookies)
        .arg("--output")
        .arg(&file)
        .args(arguments)
        .arg(format!("https://{}{path}", visitor.lab.address()))
        .output()
        .unwrap();
    let headers = text(&output.stdout).replace('\r', "");
    let status = headers.split(' ').nth(1).and_then(|status| status.parse().ok());
    Kept {
        status: status.unwrap_or_else(|| panic!("{path}: {headers} {}", text(&output.stderr))),
        headers,
        body: fs::read(&file).unwrap_or_default(),
        is_whole: output.status.success(),
    }
}

/// A client's files: folders, odd names, a program, a link that leads out.
fn make_source(lab: &Lab) -> PathBuf {
    let source = lab.root().join("files");
    let docs = source.join("docs");
    fs::create_dir_all(docs.join("sub/empty")).unwrap();
    fs::write(docs.join("notes.txt"), "one\ntwo\nthree\n").unwrap();
    fs::write(docs.join("sub/Übung & mehr.txt"), "grün").unwrap();
    fs::write(docs.join("sub/large"), noise(1, 3_000_000)).unwrap();
    fs::write(docs.join("run"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(docs.join("run"), fs::Permissions::from_mode(0o750)).unwrap();
    symlink("/etc/passwd", docs.join("link")).unwrap();
    fs::write(source.join("beside"), "not selected").unwrap();
    source
}

/// Unpacks an archive into an empty directory, with this program.
fn unpack(lab: &Lab, archive: &[u8], name: &str, program: &[&str]) -> PathBuf {
    let to = lab.root().join(format!("unpacked-{name}"));
    fs::create_dir(&to).unwrap();
    let file = lab.root().join(name);
    fs::write(&file, archive).unwrap();
    let output = Command::new(program[0])
        .args(&program[1..])
        .arg(&file)
        .current_dir(&to)
        .output()
        .unwrap();
    assert!(output.status.success(), "{name}: {}", text(&output.stderr));
    to
}

/// Whether two trees have the same files, links and modes.
fn assert_alike(one: &Path, other: &Path) {
    let output = Command::new("diff")
        .args(["--recursive", "--no-dereference"])
        .args([one, other])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stdout));
    let mode = |tree: &Path| fs::metadata(tree.join("run")).unwrap().permissions().mode();
    assert_eq!(mode(one), mode(other));
}

#[test]
fn a_selection_comes_as_an_archive() {
    let lab = set_up();
    let source = make_source(&lab);
    let name = lab.back_up("laptop", &source);
    let visitor = Visitor::new(&lab, "anna");
    visitor.log_in("anna").sends_to("/clients");
    let address =
        |format: &str, what: &str| format!("/clients/laptop/backups/{name}/archive?format={format}&{what}");
    let programs: [(&str, &[&str], &str); 3] = [
        ("zip", &["unzip", "-q"], "application/zip"),
        ("tar", &["tar", "-xf"], "application/x-tar"),
        ("tar.zst", &["tar", "--zstd", "-xf"], "application/zstd"),
    ];
    for (format, program, kind) in programs {
        let archive = keep(&visitor, &address(format, "folder=data&name=docs"), &[]);
        assert!(archive.status == 200 && archive.is_whole, "{}", archive.headers);
        assert!(
            archive.has(&format!("content-type: {kind}")),
            "{}",
            archive.headers
        );
        let called = format!("content-disposition: attachment; filename*=UTF-8''laptop-{name}-docs.{format}");
        assert!(archive.has(&called), "{}", archive.headers);
        assert!(
            archive
                .header("content-security-policy")
                .unwrap()
                .contains("sandbox")
        );
        let is_long = archive.header("content-length").is_some();
        assert_eq!(is_long, format != "tar.zst", "{}", archive.headers);
        assert!(archive.header("etag").is_some(), "{}", archive.headers);
        let unpacked = unpack(&lab, &archive.body, &format!("a.{format}"), program);
        assert_alike(&source.join("docs"), &unpacked.join("docs"));
        assert!(!unpacked.join("beside").exists());
        // The link is in there, what it leads to is not.
        let link = fs::read_link(unpacked.join("docs/link")).unwrap();
        assert_eq!(link, Path::new("/etc/passwd"));
    }
    let two = keep(
        &visitor,
        &address("tar", "path=data/docs/notes.txt&path=data/beside"),
        &[],
    );
    let unpacked = unpack(&lab, &two.body, "two.tar", &["tar", "-xf"]);
    assert_eq!(
        fs::read_to_string(unpacked.join("docs/notes.txt")).unwrap(),
        "one\ntwo\nthree\n"
    );
    assert!(unpacked.join("beside").exists() && !unpacked.join("docs/sub").exists());
    let folder = keep(&visitor, &address("tar", "folder=data/docs/sub"), &[]);
    let unpacked = unpack(&lab, &folder.body, "folder.tar", &["tar", "-xf"]);
    assert!(unpacked.join("sub/large").exists());
    parts_are_those_of_the_whole(&visitor, &address);
    what_is_not_in_the_backup_does_not_come(&visitor, &name);
    damage_breaks_it_off(&lab, &visitor, &name, &address);
}

fn parts_are_those_of_the_whole(visitor: &Visitor<'_>, address: &dyn Fn(&str, &str) -> String) {
    let what = "folder=data&name=docs";
    for format in ["zip", "tar", "tar.zst"] {
        let address = address(format, what);
        let whole = keep(visitor, &address, &[]);
        let (size, tag) = (whole.body.len(), whole.header("etag").unwrap());
        assert!(whole.has("accept-ranges: bytes"), "{}", whole.headers);
        let is_planned = whole.has(&format!("content-length: {size}"));
        assert_eq!(is_planned, format != "tar.zst", "{}", whole.headers);
        let part = keep(visitor, &address, &["--range", "1000-2000999"]);
        assert!(
            part.status == 206 && part.has(&format!("content-range: bytes 1000-2000999/{size}")),
            "{}",
            part.headers
        );
        assert!(part.body == whole.body[1000..2_001_000]);
        let if_range = format!("If-Range: {tag}");
        let rest = keep(visitor, &address, &["--range", "2500000-", "--header", &if_range]);
        assert!(
            rest.status == 206 && rest.body == whole.body[2_500_000..],
            "{}",
            rest.headers
        );
        let another = keep(
            visitor,
            &address,
            &["--range", "2500000-", "--header", "If-Range: \"another\""],
        );
        assert!(another.status == 200 && another.body == whole.body);
        assert_eq!(
            keep(visitor, &address, &["--range", &format!("{size}-")]).status,
            416
        );
    }
}

fn what_is_not_in_the_backup_does_not_come(visitor: &Visitor<'_>, name: &str) {
    for what in [
        "archive?format=zip&",
        "archive?format=tar.zst&",
        "download?",
        "picture?",
        "file?",
    ] {
        for nothing in [
            "path=../../etc/passwd",
            "path=/etc/passwd",
            "path=data/../../../../etc/passwd",
            "path=data/docs/link/x",
            "path=data/nothing",
            "path=data//docs",
            "path=data/%2500",
        ] {
            let address = format!("/clients/laptop/backups/{name}/{what}{nothing}");
            let answer = keep(visitor, &address, &[]);
            assert!(matches!(answer.status, 400 | 404), "{address}: {}", answer.status);
        }
    }
    let wrong = format!("/clients/laptop/backups/{name}/archive?format=html&path=data");
    assert_eq!(keep(visitor, &wrong, &[]).status, 400);
}

fn damage_breaks_it_off(
    lab: &Lab,
    visitor: &Visitor<'_>,
    name: &str,
    address: &dyn Fn(&str, &str) -> String,
) {
    let file = lab
        .storage()
        .join("laptop")
        .join(name)
        .join("data/docs/sub/large");
    let mut damaged = fs::read(&file).unwrap();
    damaged[2_900_000] ^= 1;
    fs::write(&file, damaged).unwrap();
    for format in ["zip", "tar", "tar.zst"] {
        for version in ["--http2", "--http1.1"] {
            let broken = keep(visitor, &address(format, "path=data/docs"), &[version]);
            assert!(!broken.is_whole, "{format} {version}: {}", broken.headers);
        }
    }
    let download = format!("/clients/laptop/backups/{name}/download?path=data/docs/sub/large");
    assert!(!keep(visitor, &download, &["--http1.1"]).is_whole);
}

#[test]
fn files_are_shown_and_nothing_of_them_runs() {
    let lab = set_up();
    let source = lab.root().join("hostile");
    fs::create_dir(&source).unwrap();
    let evil = "<img src=x onerror=alert(1)>\"'&.txt";
    let svg = format!("<svg xmlns='http://www.w3.org/2000/svg'>{SCRIPT}</svg>");
    for (name, content) in [
        ("page.html", SCRIPT.as_bytes()),
        ("drawing.svg", svg.as_bytes()),
        ("feigned.png", SCRIPT.as_bytes()),
        ("picture.txt", PICTURE),
        ("old.txt", b"gr\xfcn"),
        (evil, b"\n<b>evil</b>"),
        ("empty", b""),
    ] {
        fs::write(source.join(name), content).unwrap();
    }
    fs::write(source.join("long.txt"), "line\n".repeat(20_000)).unwrap();
    fs::write(source.join("noise"), noise(2, 100_000)).unwrap();
    symlink("/etc/passwd", source.join("link")).unwrap();
    let name = lab.back_up("laptop", &source);
    let visitor = Visitor::new(&lab, "anna");
    visitor.log_in("anna").sends_to("/clients");
    let base = format!("/clients/laptop/backups/{name}");
    let page = |visitor: &Visitor<'_>, file: &str| {
        let answer = visitor.get(&format!("{base}/file?path=data/{file}"));
        assert_eq!(answer.status, 200, "{file}: {}", answer.body);
        assert!(
            !answer.body.contains(SCRIPT) && !answer.body.contains("<img src=x"),
            "{file}"
        );
        answer.body
    };
    for text in ["page.html", "drawing.svg", "feigned.png"] {
        let shown = page(&visitor, text);
        assert!(
            shown.contains("&lt;script&gt;alert(1)") && !shown.contains("/picture?"),
            "{shown}"
        );
        assert_eq!(
            visitor.get(&format!("{base}/picture?path=data/{text}")).status,
            404
        );
        let kept = keep(&visitor, &format!("{base}/download?path=data/{text}"), &[]);
        assert!(
            kept.has("content-type: application/octet-stream"),
            "{}",
            kept.headers
        );
    }
    assert!(page(&visitor, "old.txt").contains("<code>grün</code>"));
    let encoded: String = evil.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let shown = page(&visitor, &encoded);
    assert!(shown.contains("<code>\n&lt;b&gt;evil"), "{shown}");
    assert!(page(&visitor, "empty").contains("The file is empty."));
    assert!(page(&visitor, "long.txt").contains("Only the first 64 KiB are shown"));
    assert!(page(&visitor, "noise").contains("neither text nor a picture"));
    assert!(page(&visitor, "link").contains("/etc/passwd"));
    let folder = visitor.get(&format!("{base}/file?path=data"));
    folder.sends_to(&format!("{base}/files?path=data"));
    pictures_are_served_as_pictures(&visitor, &base, &page(&visitor, "picture.txt"));
    who_may_not_restore_sees_no_content(&lab, &base, &page);
}

fn pictures_are_served_as_pictures(visitor: &Visitor<'_>, base: &str, page: &str) {
    let address = format!("{base}/picture?path=data%2Fpicture.txt");
    assert!(
        page.contains(&format!("<img class=\"preview\" src=\"{address}\"")),
        "{page}"
    );
    let picture = keep(visitor, &address, &[]);
    assert!(picture.status == 200 && picture.body == PICTURE);
    for header in [
        "content-type: image/png",
        "content-disposition: inline",
        "x-content-type-options: nosniff",
        "content-security-policy: default-src 'none'; sandbox",
    ] {
        assert!(picture.has(header), "{}", picture.headers);
    }
}

fn who_may_not_restore_sees_no_content(lab: &Lab, base: &str, page: &dyn Fn(&Visitor<'_>, &str) -> String) {
    lab.ok(["roles", "create", "looker", "--right", "see", "--right", "browse"]);
    lab.add_user("bert", &[&["looker", "--everything"]]);
    let bert = Visitor::new(lab, "bert");
    bert.log_in("bert").sends_to("/clients");
    for what in [
        "archive?format=zip&path=data",
        "archive?",
        "download?path=data/old.txt",
        "picture?path=data/picture.txt",
    ] {
        assert_eq!(bert.get(&format!("{base}/{what}")).status, 403, "{what}");
    }
    let shown = page(&bert, "old.txt");
    assert!(
        shown.contains("You may not read") && !shown.contains("grün"),
        "{shown}"
    );
    assert!(!shown.contains("/download?"), "{shown}");
    lab.add_user("carla", &[&["viewer", "--everything"]]);
    let carla = Visitor::new(lab, "carla");
    carla.log_in("carla").sends_to("/clients");
    for what in ["archive?format=tar&path=data", "file?path=data/old.txt", "files"] {
        assert_eq!(carla.get(&format!("{base}/{what}")).status, 403, "{what}");
    }
    assert_eq!(carla.get("/clients/laptop/search?text=old").status, 403);
}

#[test]
fn a_file_is_followed_and_found_over_all_backups() {
    let lab = set_up();
    let source = lab.root().join("files");
    fs::create_dir_all(source.join("docs")).unwrap();
    let report = source.join("docs/Report.txt");
    fs::write(&report, "one\ntwo\nthree\n").unwrap();
    fs::write(source.join("docs/gone <b>.odt"), "gone").unwrap();
    let first = lab.back_up("laptop", &source);
    fs::write(&report, "one\n2\nthree\n").unwrap();
    fs::remove_file(source.join("docs/gone <b>.odt")).unwrap();
    let second = lab.back_up("laptop", &source);
    let third = lab.back_up("laptop", &source);
    let visitor = Visitor::new(&lab, "anna");
    visitor.log_in("anna").sends_to("/clients");
    let page = visitor.get(&format!(
        "/clients/laptop/backups/{second}/file?path=data/docs/Report.txt"
    ));
    let file = |name: &str| format!("/clients/laptop/backups/{name}/file?path=data%2Fdocs%2FReport.txt");
    assert!(
        page.body.contains(&file(&first)) && page.body.contains("this one"),
        "{}",
        page.body
    );
    let changes =
        format!("/clients/laptop/backups/{third}/file/changes?path=data%2Fdocs%2FReport.txt&from={first}");
    assert!(
        page.body.contains(&changes.replace('&', "&amp;")),
        "{}",
        page.body
    );
    let changes = visitor.get(&changes);
    assert!(
        changes.body.contains("<del>− two</del>") && changes.body.contains("<ins>+ 2</ins>"),
        "{}",
        changes.body
    );
    let found = |query: &str| {
        let answer = visitor.get(&format!("/clients/laptop/search?{query}"));
        assert_eq!(answer.status, 200, "{query}: {}", answer.body);
        answer.body
    };
    let report = found("text=REPORT");
    assert!(
        report.contains(&file(&third)) && report.contains("3 of 3 backups"),
        "{report}"
    );
    let gone = found("text=*.odt");
    let there = format!("/clients/laptop/backups/{first}/file?path=data%2Fdocs%2Fgone+%3Cb%3E.odt");
    assert!(gone.contains(&there) && !gone.contains("gone <b>"), "{gone}");
    let folder = found("text=docs&beneath=data");
    assert!(
        folder.contains(&format!("/clients/laptop/backups/{third}/files?path=data%2Fdocs")),
        "{folder}"
    );
    assert!(found("text=docs&beneath=data/docs").contains("Nothing has such a name."));
    assert!(!found("").contains("backups were looked through"));
    let long = visitor.get(&format!("/clients/laptop/search?text={}", "x".repeat(2000)));
    assert_eq!(long.status, 400);
    assert_eq!(visitor.get("/clients/nobody/search?text=x").status, 404);
}
