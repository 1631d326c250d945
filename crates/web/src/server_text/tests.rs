//! That what the server tells is known in German, and that nothing is mistaken for it.

mod of_policy;
mod of_server;

use std::collections::HashSet;

use super::*;

/// Words that no German text has.
const ENGLISH: [&str; 22] = [
    "the", "is", "are", "of", "and", "its", "it", "that", "no", "not", "there", "backup", "backups", "last",
    "ago", "began", "this", "with", "which", "for", "than", "has",
];

/// A text in German: all of it has to be known, and what comes out has to be no English.
fn german(text: &str) -> String {
    let pieces = pieces(Language::German, text);
    let is_known = pieces.iter().all(|piece| matches!(piece, Piece::Own(_)));
    assert!(is_known, "there is no German for: {text}");
    let german = joined(&pieces);
    let words: HashSet<&str> = german
        .split(|letter: char| !letter.is_alphabetic() && !"_-".contains(letter))
        .collect();
    let left: Vec<_> = ENGLISH.iter().filter(|word| words.contains(**word)).collect();
    assert!(left.is_empty(), "{left:?} is left in: {german}");
    german
}

fn shown(text: &str) -> String {
    show(Language::German, text).into_string()
}

#[test]
fn what_is_in_a_text_stays_in_it() {
    let failed = "the last 3 tries failed, the next one waits 1 h 20 min";
    assert_eq!(
        german(failed),
        "die letzten 3 Versuche sind gescheitert, der nächste wartet 1 h 20 min"
    );
    assert_eq!(
        german("outside of its window Mon-Fri/19-7;Sat,Sun/0-24"),
        "außerhalb ihres Zeitfensters Mon-Fri/19-7;Sat,Sun/0-24"
    );
    assert_eq!(
        german("not wanted anyway: beyond the maximum (5 full)"),
        "ohnehin nicht gewollt: über der Höchstzahl (5 volle)"
    );
    let until = "2027-01-01T00:00:00Z"
        .parse::<jiff::Timestamp>()
        .expect("is a time");
    assert_eq!(
        german("archived until 2027-01-01T00:00:00Z"),
        format!("archiviert bis {}", Language::German.time(until.as_millisecond()))
    );
    assert_eq!(
        german("there is no group \"Büro \\\"1\""),
        "es gibt keine Gruppe „Büro \\\"1“"
    );
}

#[test]
fn on_english_pages_nothing_changes() {
    for text in ["the newest", "some <b>text</b>", "", "one\ntwo"] {
        let escaped = html! { (text) }.into_string();
        assert_eq!(show(Language::English, text).into_string(), escaped);
        assert_eq!(say(Language::English, text), text);
        assert_eq!(subject(Language::English, text), text);
    }
}

#[test]
fn what_is_not_known_is_marked_as_english() {
    assert_eq!(
        shown("something new & odd"),
        "<span lang=\"en\">something new &amp; odd</span>"
    );
    assert_eq!(
        shown("not wanted anyway: a new reason"),
        "ohnehin nicht gewollt: <span lang=\"en\">a new reason</span>"
    );
    assert_eq!(
        shown("the storage failed: a new cause: and its cause"),
        "der Speicher hat versagt: <span lang=\"en\">a new cause: and its cause</span>"
    );
    assert_eq!(
        shown("the newest\na new line"),
        "die neueste\n<span lang=\"en\">a new line</span>"
    );
    assert_eq!(shown(""), "");
    let long = "x".repeat(MOST_BYTES + 1);
    assert_eq!(shown(&long), format!("<span lang=\"en\">{long}</span>"));
}

#[test]
fn failures_come_with_their_causes() {
    assert_eq!(
        german("the storage failed: can't read /srv/store: Input/output error (os error 5)"),
        "der Speicher hat versagt: /srv/store lässt sich nicht lesen: Ein-/Ausgabefehler (os error 5)"
    );
    assert_eq!(
        german("the catalog failed: there is no client \"a: b\""),
        "der Katalog hat versagt: es gibt keinen Client „a: b“"
    );
}

#[test]
fn nothing_that_people_write_is_taken_for_a_text() {
    // Each is content that looks like a text of the server, or like a place in one.
    for content in [
        "the newest",
        "cancelled",
        "{why}",
        "{count:number}",
        "a: the newest",
        "a: cancelled",
        "<b>held</b>",
    ] {
        assert_eq!(
            say(Language::German, &format!("held: {content}")),
            format!("festgehalten: {content}")
        );
        let deletion = format!("backup laptop/1 can't be deleted: it is held: {content}");
        assert!(say(Language::German, &deletion).ends_with(&format!("Sie ist festgehalten: {content}")));
        let read = format!("can't read /home/{content}: Permission denied (os error 13)");
        assert_eq!(
            say(Language::German, &read),
            format!("/home/{content} lässt sich nicht lesen: keine Berechtigung (os error 13)")
        );
        assert_eq!(subject(Language::German, content), content);
    }
    assert_eq!(
        shown("held: <script>alert(1)</script>"),
        "festgehalten: &lt;script&gt;alert(1)&lt;/script&gt;"
    );
    assert_eq!(subject(Language::German, "job 7"), "Auftrag 7");
    assert_eq!(
        subject(Language::German, "laptop/261130-0650"),
        "laptop/261130-0650"
    );
}

#[test]
fn no_text_takes_for_ever_or_panics() {
    let fills = [
        "",
        " ",
        ": ",
        "\"",
        "\"\"",
        "{",
        "}",
        "ä",
        "\u{202e}",
        "0",
        "99999999999999999999999 d",
        "cancelled: ",
        "held: ",
    ];
    let files = [
        include_str!("../../texts/server.de.txt"),
        include_str!("../../texts/errors.de.txt"),
        include_str!("../../texts/subjects.de.txt"),
        include_str!("../../texts/settings.de.txt"),
    ];
    for line in files.iter().flat_map(|file| file.lines()) {
        for fill in fills {
            let text: Vec<&str> = line.split(['{', '}']).collect();
            let text = text.join(fill);
            for text in [text.as_str(), &text.repeat(3), &format!("{text}{fill}")] {
                let said = say(Language::German, text);
                assert_eq!(said.is_empty(), text.is_empty(), "{text}");
            }
        }
    }
    for part in [
        "cancelled: ",
        "can't read a: ",
        "not wanted anyway: ",
        "held: ",
        ": ",
        "\"",
        "every block: ",
    ] {
        let text = part.repeat(MOST_BYTES / part.len());
        let begun = std::time::Instant::now();
        drop(say(Language::German, &text));
        assert!(begun.elapsed().as_secs() < 5, "{part}");
    }
}
