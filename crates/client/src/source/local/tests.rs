//! Tests of the module above.

use std::fs;
use std::path::Path;

use super::*;
use crate::monitor::Unmonitored;

fn settings(sources: Vec<SourceSettings>) -> Settings {
    Settings {
        sources,
        ..Settings::default()
    }
}

fn source(name: &str, path: &Path) -> SourceSettings {
    SourceSettings {
        snapshot: SnapshotSetting::Off,
        ..SourceSettings::new(name, path)
    }
}

fn walked(settings: &Settings) -> Vec<String> {
    let held = LocalSource::new(settings).unwrap().begin(&Unmonitored).unwrap();
    let mut paths = Vec::new();
    for dir in held.walk().unwrap() {
        for entry in &dir.entries {
            paths.push(String::from_utf8(manifest::join_path(&dir.path, &entry.name).into()).unwrap());
        }
    }
    paths.sort();
    paths
}

fn tree() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for path in ["a/x.o", "a/x.c", "b/c/deep.c", "cache/data", "keep"] {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "content").unwrap();
    }
    fs::write(
        dir.path().join("cache/CACHEDIR.TAG"),
        "Signature: 8a477f597d28d172789f06886806bc55",
    )
    .unwrap();
    dir
}

#[test]
fn the_sources_are_the_roots_directories() {
    let dir = tree();
    let both = settings(vec![
        source("z", &dir.path().join("b")),
        source("a", &dir.path().join("a")),
    ]);
    assert_eq!(walked(&both), ["a", "a/x.c", "a/x.o", "z", "z/c", "z/c/deep.c"]);
}

#[test]
fn excludes_includes_and_cache_tags_hold() {
    let dir = tree();
    let mut one = source("s", dir.path());
    one.exclude = vec!["*.o".into()];
    let expected = [
        "s",
        "s/a",
        "s/a/x.c",
        "s/b",
        "s/b/c",
        "s/b/c/deep.c",
        "s/cache",
        "s/cache/CACHEDIR.TAG",
        "s/keep",
    ];
    assert_eq!(walked(&settings(vec![one.clone()])), expected);
    one.include = vec!["/b".into(), "/keep".into()];
    assert_eq!(
        walked(&settings(vec![one])),
        ["s", "s/b", "s/b/c", "s/b/c/deep.c", "s/keep"]
    );
}

#[test]
fn patterns_of_all_sources_hold_and_a_source_may_take_one_back() {
    let dir = tree();
    let mut one = source("s", &dir.path().join("a"));
    let mut all = settings(vec![one.clone()]);
    all.exclude = vec!["*.c".into()];
    assert_eq!(walked(&all), ["s", "s/x.o"]);
    one.exclude = vec!["!x.c".into()];
    all.sources = vec![one];
    assert_eq!(walked(&all), ["s", "s/x.c", "s/x.o"]);
}

#[test]
fn a_missing_source_fails_unless_it_is_optional() {
    let dir = tree();
    let mut missing = source("gone", &dir.path().join("gone"));
    let there = source("there", &dir.path().join("a"));
    let begin =
        |sources: Vec<SourceSettings>| LocalSource::new(&settings(sources)).unwrap().begin(&Unmonitored);
    assert!(matches!(
        begin(vec![missing.clone(), there.clone()]),
        Err(Error::SourceMissing { .. })
    ));
    missing.optional = true;
    assert_eq!(begin(vec![missing.clone(), there]).unwrap().sources().len(), 1);
    assert!(matches!(begin(vec![missing]), Err(Error::NoSources)));
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let bad = |sources| LocalSource::new(&settings(sources)).unwrap_err();
    let path = Path::new("/tmp");
    assert!(matches!(bad(vec![source("a/b", path)]), Error::BadSource { .. }));
    assert!(matches!(bad(vec![source("..", path)]), Error::BadSource { .. }));
    assert!(matches!(
        bad(vec![source("a", Path::new("tmp"))]),
        Error::BadSource { .. }
    ));
    assert!(matches!(
        bad(vec![source("a", path), source("a", path)]),
        Error::BadSource { .. }
    ));
    let mut pattern = source("a", path);
    pattern.exclude = vec!["a{b".into()];
    assert!(matches!(bad(vec![pattern]), Error::BadSource { .. }));
}

#[test]
fn a_required_snapshot_that_is_not_possible_fails() {
    let mut required = source("proc", Path::new("/proc/self"));
    required.snapshot = SnapshotSetting::Required;
    let begun = LocalSource::new(&settings(vec![required]))
        .unwrap()
        .begin(&Unmonitored);
    assert!(matches!(begun, Err(Error::SnapshotRequired { .. })));
}

#[test]
fn a_source_that_went_away_is_noticed() {
    let dir = tree();
    let path = dir.path().join("a");
    let held = LocalSource::new(&settings(vec![source("a", &path)]))
        .unwrap()
        .begin(&Unmonitored)
        .unwrap();
    held.check_presence().unwrap();
    fs::rename(&path, dir.path().join("away")).unwrap();
    assert!(matches!(held.check_presence(), Err(Error::SourceVanished { .. })));
    fs::create_dir(&path).unwrap();
    assert!(matches!(held.check_presence(), Err(Error::SourceVanished { .. })));
}
