//! Which members an archive has, in which order.

use archive::{Error, Format, Selection};
use manifest::Kind;

use super::rig::*;

fn names(backup: &Backup, selection: &Selection, format: Format) -> Vec<String> {
    let members = backup.members(selection, format).into_iter();
    members
        .map(|member| String::from_utf8(member.name.into()).unwrap())
        .collect()
}

fn tree() -> Backup {
    let mut backup = Backup::default();
    backup
        .file("a/x", b"1")
        .file("a/y/1", b"2")
        .file("a/y-z", b"3")
        .add("b", metadata(0o755), Kind::Directory)
        .file("c", b"4")
        .hard_link("d/c-too", "c")
        .hard_link("d/x-too", "a/x")
        .symlink("d/out", b"/etc")
        .add("d/pipe", metadata(0o600), Kind::Fifo);
    backup
}

#[test]
fn a_directory_comes_right_before_what_is_in_it() {
    let whole = Selection::new([""]).unwrap();
    let all = [
        "c", "a", "a/x", "a/y-z", "a/y", "a/y/1", "b", "d", "d/c-too", "d/out", "d/pipe", "d/x-too",
    ];
    assert_eq!(names(&tree(), &whole, Format::Tar), all);
    let all: Vec<&str> = all.into_iter().filter(|name| *name != "d/pipe").collect();
    assert_eq!(names(&tree(), &whole, Format::Zip), all);
}

#[test]
fn what_is_selected_from_several_places_keeps_its_order() {
    let selection = Selection::new(["d/x-too", "d/c-too", "a/y", "c", "a/x"]).unwrap();
    let expected = ["c", "a/x", "a/y", "a/y/1", "d/c-too", "d/x-too"];
    assert_eq!(names(&tree(), &selection, Format::Tar), expected);
    let links: Vec<bool> = (backup_links(&selection, Format::Tar)).collect();
    assert_eq!(links, [false, false, false, false, true, true]);
    assert!(backup_links(&selection, Format::Zip).all(|is_link| !is_link));
}

fn backup_links(selection: &Selection, format: Format) -> impl Iterator<Item = bool> {
    let members = tree().members(selection, format).into_iter();
    members.map(|member| member.link.is_some())
}

#[test]
fn a_single_file_is_an_archive_too() {
    let selection = Selection::new(["a/y/1"]).unwrap();
    assert_eq!(names(&tree(), &selection, Format::Zip), ["1"]);
    let selection = selection.relative_to(b"").unwrap().in_folder(b"laptop").unwrap();
    assert_eq!(names(&tree(), &selection, Format::Zip), ["laptop/a/y/1"]);
}

#[test]
fn a_symbolic_link_leads_nowhere() {
    let selection = Selection::new(["d/out"]).unwrap();
    let members = tree().members(&selection, Format::Zip);
    assert!(matches!(members[0].entry.kind, Kind::Symlink { .. }));
    let beneath = Selection::new(["d/out/passwd"]).unwrap();
    let error = beneath.members(&tree().reader(), Format::Zip).unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error}");
}

#[test]
fn links_and_pipes_may_have_several_names() {
    let mut backup = tree();
    backup
        .hard_link("d/out-too", "d/out")
        .hard_link("d/pipe-too", "d/pipe");
    let selection = Selection::new(["d/out-too", "d/pipe-too"]).unwrap();
    assert_eq!(names(&backup, &selection, Format::Tar), ["out-too", "pipe-too"]);
    assert_eq!(names(&backup, &selection, Format::Zip), ["out-too"]);
    let members = backup.members(&selection, Format::Zip);
    assert!(matches!(members[0].entry.kind, Kind::Symlink { .. }));
    let all = Selection::new(["d"]).unwrap();
    let links = backup.members(&all, Format::Tar).into_iter();
    assert_eq!(links.filter(|member| member.link.is_some()).count(), 2);
}

#[test]
fn what_is_not_there_is_told_before_anything_is_sent() {
    for path in ["e", "a/y/2", "c/x"] {
        let selection = Selection::new(["a", path]).unwrap_or_else(|error| panic!("{error}"));
        match selection.members(&tree().reader(), Format::Tar) {
            Ok(mut members) => {
                // It is beneath what is selected as a whole.
                assert!(path.starts_with("a/") && members.all(|member| member.is_ok()));
            }
            Err(Error::NotFound { path: found }) => assert_eq!(&*found, path.as_bytes()),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_manifest_that_lacks_a_directory_ends_in_an_error() {
    let mut records = tree().records();
    records.retain(|record| *record.path != *b"b");
    let members = Selection::new([""])
        .unwrap()
        .members(&written(&records), Format::Tar)
        .unwrap();
    let last = members.last().unwrap();
    assert!(matches!(last, Err(Error::Unlisted { path }) if *path == *b"b"));
}

#[test]
fn a_link_to_nothing_is_an_error() {
    let mut backup = tree();
    let target = b"a/gone"[..].into();
    backup.add("d/lost", metadata(0o644), Kind::HardLink { target });
    let selection = Selection::new(["d"]).unwrap();
    let members = selection.members(&backup.reader(), Format::Tar).unwrap();
    let last = members.last().unwrap();
    assert!(matches!(last, Err(Error::NotFound { path }) if *path == *b"a/gone"));
}
