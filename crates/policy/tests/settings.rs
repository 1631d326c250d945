//! Settings: every default is of its kind, layers win in their order, and nothing that was said gets lost.

use policy::settings::{
    Action, ClientRules, Layer, LayerOfSettings, Layers, Said, ServerRules, SetError, TABLE, UserRight,
    check, setting,
};
use policy::{Span, Target};
use proptest::prelude::*;

fn layer(settings: &[(&str, &str)]) -> LayerOfSettings {
    let said = |(key, text): &(&str, &str)| {
        let (key, action) = match key.strip_suffix('+') {
            Some(key) => (key, Action::Add),
            None => (*key, Action::Set),
        };
        let said = Said {
            action,
            text: (*text).to_owned(),
            origin: "a test".to_owned(),
        };
        (key.to_owned(), said)
    };
    settings.iter().map(said).collect()
}

fn value(layers: &Layers, key: &str) -> (String, Layer, Option<String>) {
    let explained = layers.explain();
    let explained = explained
        .iter()
        .find(|explained| explained.setting.key == key)
        .expect("is in the table");
    (
        explained.value.to_string(),
        explained.decided_by,
        explained.otherwise.as_ref().map(ToString::to_string),
    )
}

#[test]
fn every_default_is_of_its_kind_and_every_key_is_there_once() {
    for (number, line) in TABLE.iter().enumerate() {
        let read = line.kind.read(line.fallback);
        assert!(read.is_ok(), "{}: {read:?}", line.key);
        assert!(!line.about.ends_with('.'), "{}", line.key);
        let first = TABLE.iter().position(|other| other.key == line.key);
        assert_eq!(first, Some(number), "{}", line.key);
    }
}

#[test]
fn rules_follow_from_defaults_and_from_what_is_set() {
    // Both ask for every setting by its kind, so that none can have another.
    let defaults = Layers::default().resolve();
    let rules = ClientRules::of(&defaults);
    assert_eq!(rules.keep_files, policy::retention::Rules::default());
    assert!(rules.schedule(Target::Image).are_off());
    assert!(rules.may(UserRight::Restore));
    assert_eq!(ServerRules::of(&defaults).max_backups, 10);

    let layers = Layers::default()
        .with(
            Layer::Server,
            layer(&[("keep_daily", "off"), ("max_backups", "3")]),
        )
        .with(
            Layer::Client,
            layer(&[
                ("image_keep_full_min", "2"),
                ("start_delay", "90s"),
                ("user_may", "verify"),
            ]),
        );
    let rules = ClientRules::of(&layers.resolve());
    assert_eq!(rules.keep_files.daily, 0);
    assert_eq!(rules.keep_images.full.at_least, 2);
    assert_eq!(rules.files.start_delay, Span { len_ms: 90_000 });
    assert!(!rules.may(UserRight::Restore) && rules.may(UserRight::Verify));
    assert_eq!(ServerRules::of(&layers.resolve()).max_backups, 3);
}

#[test]
fn a_later_layer_wins_and_what_would_be_without_it_is_told() {
    let mut layers = Layers::default();
    assert_eq!(value(&layers, "keep_daily"), ("30".into(), Layer::Default, None));
    let order = [
        (Layer::Start, "1"),
        (Layer::Server, "2"),
        (Layer::Group, "3"),
        (Layer::Client, "4"),
    ];
    let mut before = "30";
    for (which, text) in order {
        layers = layers.with(which, layer(&[("keep_daily", text)]));
        assert_eq!(
            value(&layers, "keep_daily"),
            (text.into(), which, Some(before.into()))
        );
        before = text;
    }
}

#[test]
fn lists_are_replaced_or_added_to() {
    let layers = Layers::default()
        .with(
            Layer::Server,
            layer(&[("archive", "file every 30d keep 1y"), ("synthetic_disks", "vhd")]),
        )
        .with(
            Layer::Client,
            layer(&[
                ("archive+", "full file every 90d keep forever"),
                ("synthetic_disks+", "raw,vhd"),
            ]),
        );
    assert_eq!(value(&layers, "synthetic_disks").0, "vhd,raw");
    assert_eq!(
        value(&layers, "archive").0,
        "file every 30d keep 365d; full file every 90d keep forever"
    );
    assert_eq!(value(&layers, "synthetic_disks").2.as_deref(), Some("vhd"));
    let replaced = layers.with(Layer::Client, layer(&[("archive", "none")]));
    assert_eq!(value(&replaced, "archive").0, "none");
}

#[test]
fn what_is_not_understood_does_not_count_and_is_told() {
    let layers = Layers::default()
        .with(Layer::Server, layer(&[("keep_daily", "7"), ("of_tomorrow", "x")]))
        .with(
            Layer::Client,
            layer(&[("keep_daily", "many"), ("total_quota", "10%"), ("keep_max+", "3")]),
        )
        .with(Layer::User, layer(&[("keep_daily", "0")]));
    assert_eq!(value(&layers, "keep_daily").0, "7");
    assert_eq!(value(&layers, "total_quota").0, "95%");
    assert_eq!(value(&layers, "keep_max").0, "off");
    let explained = layers.explain();
    let ignored = |key: &str| {
        let explained = explained.iter().find(|explained| explained.setting.key == key);
        let steps = explained.expect("is there").steps.iter();
        steps.filter(|step| step.ignored.is_some()).count()
    };
    assert_eq!(
        (ignored("keep_daily"), ignored("total_quota"), ignored("keep_max")),
        (2, 1, 1)
    );
}

#[test]
fn mistakes_are_told_in_words() {
    let wrong = |layer, key, action, text| {
        let error: SetError = check(layer, key, action, text).expect_err("is wrong");
        let cause = std::error::Error::source(&error);
        assert!(cause.is_none(), "what is wrong would be told twice: {error}");
        let mut told = error.to_string();
        told.truncate(110);
        told
    };
    assert_eq!(
        wrong(Layer::Client, "keep_dayly", Action::Set, "3"),
        "there is no setting \"keep_dayly\""
    );
    assert_eq!(
        wrong(Layer::Client, "max_backups", Action::Set, "3"),
        "max_backups can't be set for client: it can be set for server at most"
    );
    assert_eq!(
        wrong(Layer::Client, "keep_daily", Action::Add, "3"),
        "keep_daily is no list that could be added to"
    );
    assert_eq!(
        wrong(Layer::Client, "keep_daily", Action::Set, "-3"),
        "keep_daily can't be \"-3\": it takes a whole number, or \"off\""
    );
    assert!(
        wrong(Layer::User, "speed_limit", Action::Set, "fast").starts_with("speed_limit can't be \"fast\"")
    );
    assert!(wrong(Layer::User, "full_window", Action::Set, "Mon/25-26").contains("25"));
}

#[test]
fn speeds_are_read_in_bits_and_bytes() {
    let read = |text: &str| {
        let layers = Layers::default().with(Layer::Client, layer(&[("speed_limit", text)]));
        value(&layers, "speed_limit").0
    };
    for (text, shown) in [
        ("10M", "10MiB/s"),
        ("10 MiB/s", "10MiB/s"),
        ("80Mbit", "10000000B/s"),
        ("512k;off@Sat,Sun/0-24", "512KiB/s;off@Sat,Sun/0-24"),
        ("1g", "1GiB/s"),
        ("off", "off"),
    ] {
        assert_eq!(read(text), shown, "{text}");
        assert_eq!(read(shown), shown);
    }
    for wrong in ["0M", "10", "M", "-1M", "99999999999999g", "1.5M"] {
        assert!(
            check(Layer::Client, "speed_limit", Action::Set, wrong).is_err(),
            "{wrong}"
        );
    }
}

proptest! {
    /// Whatever somebody types: it is understood or refused, and what is understood is shown so that it is read again.
    #[test]
    fn values_are_read_as_they_are_shown(key in prop::sample::select(TABLE.iter().map(|line| line.key).collect::<Vec<_>>()),
        text in "([0-9]{1,3}(ms|s|min|m|h|d|w|y)?|off|none|always|[a-z,]{1,12}|[0-9]{1,2}%|[0-9]{1,3}[GMT]|Mon-Fri/[0-9]{1,2}-[0-9]{1,2}|(file|image) every 3d keep 1y)(;[0-9]h@Mon/1-2)?") {
        let kind = setting(key).expect("is there").kind;
        if let Ok(value) = kind.read(&text) {
            let shown = value.to_string();
            prop_assert_eq!(kind.read(&shown).expect("what is shown is read"), value, "{} {}", text, shown);
        }
    }
}

#[test]
fn the_manual_lists_every_setting_as_it_is() {
    let manual = include_str!("../../../docs/manual/settings.md");
    for line in TABLE {
        let row = format!(
            "| `{}` | `{}` | {} | {} |\n",
            line.key, line.fallback, line.reach, line.about
        );
        assert!(
            manual.contains(&row),
            "docs/manual/settings.md should hold:\n{row}"
        );
    }
}
