//! Packages of Debian: an `ar` archive of a version, a tar of what is said of the package, and a tar of its files (deb(5)).

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Seek as _, SeekFrom, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, EntryType, Header};

use crate::package::{
    self, ABOUT, AFTER_INSTALL, AFTER_REMOVAL, BEFORE_REMOVAL, DIRECTORIES, HOME, NAME, PROGRAM, PURGE,
    SUMMARY,
};
use crate::{Build, Error, Order};

const SHELL: &str = "#!/bin/sh\nset -e\n";
/// Where the size stands in the header of a member of an `ar` archive, and how wide it is.
const SIZE_AT: u64 = 48;
const SIZE_WIDTH: usize = 10;

/// Writes a package.
pub fn write(order: &Order, build: &Build, out: &mut File) -> Result<(), Error> {
    out.write_all(b"!<arch>\n")?;
    member(out, "debian-binary", |out| Ok(out.write_all(b"2.0\n")?))?;
    member(out, "control.tar.gz", |out| {
        let mut tar = Builder::new(GzEncoder::new(BufWriter::new(out), Compression::default()));
        add(&mut tar, "control", 0o644, control(order, build).as_bytes())?;
        for (name, script) in scripts() {
            add(&mut tar, name, 0o755, script.as_bytes())?;
        }
        finish(tar)
    })?;
    member(out, "data.tar.gz", |out| {
        let mut tar = Builder::new(GzEncoder::new(BufWriter::new(out), Compression::default()));
        for path in directories() {
            let mut header = header(EntryType::Directory, 0o755, 0);
            tar.append_data(&mut header, format!("{path}/"), std::io::empty())?;
        }
        let mut program = header(EntryType::Regular, 0o755, build.info.size_bytes);
        tar.append_data(&mut program, relative(PROGRAM), package::reading(build)?)?;
        for text in package::texts(order) {
            add(
                &mut tar,
                relative(text.path),
                u32::from(text.mode),
                text.content.as_bytes(),
            )?;
        }
        finish(tar)
    })?;
    out.flush()?;
    Ok(())
}

/// Writes a member of an `ar` archive; its size is known and noted at its end.
fn member(
    out: &mut File,
    name: &str,
    content: impl FnOnce(&mut File) -> Result<(), Error>,
) -> Result<(), Error> {
    let begin = out.stream_position()?;
    writeln!(
        out,
        "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<SIZE_WIDTH$}`",
        0, 0, 0, "100644", 0
    )?;
    let first = out.stream_position()?;
    content(out)?;
    let end = out.stream_position()?;
    out.seek(SeekFrom::Start(begin + SIZE_AT))?;
    write!(out, "{:<SIZE_WIDTH$}", end - first)?;
    out.seek(SeekFrom::Start(end))?;
    if (end - first) % 2 == 1 {
        out.write_all(b"\n")?;
    }
    Ok(())
}

fn header(kind: EntryType, mode: u32, len: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(len);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    // Names of fifteen bytes and more are not among them.
    let _ = header.set_username("root").and(header.set_groupname("root"));
    header
}

fn add(tar: &mut Builder<impl Write>, path: &str, mode: u32, content: &[u8]) -> Result<(), Error> {
    let mut header = header(EntryType::Regular, mode, content.len() as u64);
    tar.append_data(&mut header, path, content)?;
    Ok(())
}

fn finish<W: Write>(tar: Builder<GzEncoder<BufWriter<W>>>) -> Result<(), Error> {
    let buffered = tar.into_inner()?.finish()?;
    buffered
        .into_inner()
        .map_err(std::io::IntoInnerError::into_error)?
        .flush()?;
    Ok(())
}

fn control(order: &Order, build: &Build) -> String {
    let info = &build.info;
    let mut unpacked = info.size_bytes;
    for text in package::texts(order) {
        unpacked += text.content.len() as u64;
    }
    let mut lines = vec![
        format!("Package: {NAME}"),
        // A tilde sorts before everything else.
        format!("Version: {}", info.version.to_string().replace('-', "~")),
        format!("Architecture: {}", info.architecture.of_debian()),
        format!("Maintainer: Perennial <{HOME}>"),
        format!("Installed-Size: {}", unpacked.div_ceil(1024)),
        "Section: admin".to_owned(),
        "Priority: optional".to_owned(),
        format!("Homepage: {HOME}"),
        format!("Description: {SUMMARY}"),
        format!(" {ABOUT}"),
    ];
    if let Some(glibc) = info.glibc {
        lines.insert(4, format!("Depends: libc6 (>= {glibc})"));
    }
    lines.join("\n") + "\n"
}

fn scripts() -> [(&'static str, String); 3] {
    [
        (
            "postinst",
            format!(
                "{SHELL}[ \"$1\" = configure ] || exit 0\nfirst=no\n[ -n \"$2\" ] || first=yes\n{AFTER_INSTALL}"
            ),
        ),
        (
            "prerm",
            format!("{SHELL}[ \"$1\" = remove ] || exit 0\n{BEFORE_REMOVAL}"),
        ),
        (
            "postrm",
            format!("{SHELL}{AFTER_REMOVAL}[ \"$1\" = purge ] || exit 0\n{PURGE}"),
        ),
    ]
}

/// All directories that the package's files are in: dpkg makes no others.
fn directories() -> BTreeSet<&'static str> {
    let files = [PROGRAM, package::UNIT_PATH].map(relative);
    let parents = files
        .into_iter()
        .filter_map(|file| file.rsplit_once('/'))
        .map(|(dir, _)| dir);
    let mut all = BTreeSet::new();
    for dir in parents.chain(DIRECTORIES.map(relative)) {
        for (at, _) in dir.match_indices('/') {
            all.insert(&dir[..at]);
        }
        all.insert(dir);
    }
    all
}

/// A path as a tar has it.
fn relative(path: &str) -> &str {
    path.trim_start_matches('/')
}
