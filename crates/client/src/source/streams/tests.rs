//! Sources of streams: checked, put into the walk, and run.

use super::*;
use crate::Unmonitored;
use crate::error::Error;
use crate::settings::{Settings, SourceSettings};
use crate::source::{BackupSource as _, HeldSource, LocalSource};

fn stream(name: &str, command: &str, alignment: Alignment) -> StreamSettings {
    StreamSettings {
        name: name.into(),
        command: command.into(),
        alignment,
    }
}

fn source(name: &str, streams: Vec<StreamSettings>) -> StreamSourceSettings {
    StreamSourceSettings {
        name: name.into(),
        streams,
    }
}

fn held(settings: &Settings) -> Box<dyn HeldSource> {
    LocalSource::new(settings).unwrap().begin(&Unmonitored).unwrap()
}

/// The only stream of a source that runs this command.
fn running(command: &str, timeout: Option<Duration>) -> Box<dyn StreamReader> {
    let settings = Settings {
        streams: vec![source("db", vec![stream("all", command, Alignment::Off)])],
        hooks: crate::HookSettings {
            timeout,
            ..crate::HookSettings::default()
        },
        ..Settings::default()
    };
    let dir = held(&settings).walk().unwrap().last().unwrap();
    dir.reader.stream(b"all").unwrap().unwrap()
}

/// Reads a stream to its end; gives the number of bytes.
fn read(stream: &mut dyn StreamReader) -> Result<usize, StreamError> {
    let mut buffer = vec![0; 64 << 10];
    let mut total = 0;
    loop {
        match stream.read(&mut buffer, &|| true)? {
            0 => return Ok(total),
            more => total += more,
        }
    }
}

#[test]
fn streams_lie_between_directories_where_they_belong() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("sub")).unwrap();
    let settings = Settings {
        sources: vec![
            SourceSettings::new("b", dir.path()),
            SourceSettings::new("d", dir.path()),
        ],
        streams: ["e", "a", "c"]
            .map(|name| {
                source(
                    name,
                    vec![
                        stream("z", "true", Alignment::Off),
                        stream("y", "true", Alignment::Blocks),
                    ],
                )
            })
            .into(),
        ..Settings::default()
    };
    let held = held(&settings);
    let dirs: Vec<SourceDir> = held.walk().unwrap().collect();
    let paths: Vec<String> = dirs
        .iter()
        .map(|dir| String::from_utf8_lossy(&dir.path).into_owned())
        .collect();
    assert_eq!(paths, ["", "a", "b", "b/sub", "c", "d", "d/sub", "e"]);
    let roots: Vec<&[u8]> = dirs[0].entries.iter().map(|entry| &*entry.name).collect();
    assert_eq!(roots, [b"a", b"b", b"c", b"d", b"e"]);
    let files: Vec<&[u8]> = dirs[1].entries.iter().map(|entry| &*entry.name).collect();
    assert_eq!(files, [&b"y.aligned"[..], b"z"]);
    assert!(dirs[0].reader.metadata(b"a", &dirs[0].entries[0].stat).is_ok());
    assert!(
        held.sources()
            .iter()
            .filter(|source| source.is_streamed())
            .count()
            == 3
    );
}

#[test]
fn settings_that_make_no_files_are_refused() {
    let plain = |name| stream(name, "true", Alignment::Off);
    let refused = [
        source("db", vec![]),
        source("db", vec![plain("a/b")]),
        source("db", vec![plain("..")]),
        source("db", vec![plain("")]),
        source("a/b", vec![plain("a")]),
        source("db", vec![plain("a.aligned")]),
        source("db", vec![plain("a"), plain("a")]),
        source("db", vec![stream("a", " ", Alignment::Off)]),
        source("db", vec![stream("a", "true\0", Alignment::Off)]),
        source("db", vec![stream(&"x".repeat(250), "true", Alignment::Blocks)]),
    ];
    for source in refused {
        let settings = Settings {
            streams: vec![source.clone()],
            ..Settings::default()
        };
        let error = LocalSource::new(&settings).map(|_| ());
        assert!(matches!(error, Err(Error::BadSource { .. })), "{source:?}");
    }
    let settings = Settings {
        sources: vec![SourceSettings::new("db", "/")],
        streams: vec![source("db", vec![plain("a")])],
        ..Settings::default()
    };
    assert!(matches!(
        LocalSource::new(&settings),
        Err(Error::BadSource { .. })
    ));
}

#[test]
fn the_output_is_the_file_and_errors_are_not_in_it() {
    let mut stream = running("echo some; echo noise >&2; printf more", None);
    assert_eq!(read(&mut *stream).unwrap(), 9);
    let metadata = stream.metadata();
    assert_eq!(metadata.mode, 0o600);
    assert_eq!(metadata.uid, rustix::process::geteuid().as_raw());
    assert_eq!(read(&mut *running("true", None)).unwrap(), 0);
}

#[test]
fn a_command_that_fails_after_much_output_is_no_file() {
    let mut stream = running(
        "head -c 300000000 /dev/zero; echo 'out of luck' >&2; exit 4",
        None,
    );
    let error = read(&mut *stream).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the command exited with status 4; it said: out of luck"
    );
}

#[test]
fn a_command_that_prints_nothing_for_too_long_is_ended() {
    let mut stream = running("echo begun; exec sleep 600", Some(Duration::from_millis(200)));
    let error = read(&mut *stream).unwrap_err();
    assert!(
        error.to_string().starts_with("the command was ended after 0.2 s"),
        "{error}"
    );
}

#[test]
fn a_stream_that_nobody_wants_ends_its_command() {
    let mut stream = running("sleep 600", None);
    let error = stream.read(&mut [0; 100], &|| false).unwrap_err();
    assert!(matches!(error, StreamError::Cancelled));
}

#[test]
fn output_that_may_go_on_after_the_command_is_no_file() {
    let mut stream = running("echo some; sleep 30 &", None);
    let error = read(&mut *stream).unwrap_err();
    assert!(matches!(error, StreamError::HeldOpen), "{error}");
}
