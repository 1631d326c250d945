//! Messages as JSON, both ways.
//!
//! * Names are those of the messages. Numbers are numbers, whatever their size; times are milliseconds since 1970, as their names say.
//! * Enumerations are lower-case words, without the name of the enumeration that may stand before them.
//! * What is not set of what can be left out – messages, choices, `optional` fields – is left out. All else is there, empty or 0.
//! * Hashes are hexadecimal digits. Other bytes are paths and names: text, and where they are no UTF-8, shown with replacement
//!   characters and in full as hexadecimal digits in a second field, whose name ends with `_hex`. That one counts where both are given.
//! * What is read has to be right: no unknown field, no other type, nothing out of range.

use prost_reflect::{
    DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor, ReflectMessage as _,
    Value as Held,
};
use serde_json::{Map, Number, Value};

/// Behind the name of a field that has bytes in full.
const HEX: &str = "_hex";
/// From here on not every whole number is one of a double's.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As its type has it.
    Plain,
    /// Bytes as hexadecimal digits.
    Hex,
}

/// What is wrong, and with which field.
#[derive(Debug, PartialEq, Eq)]
pub struct Wrong {
    pub field: String,
    pub why: String,
}

fn wrong<T>(field: &str, why: impl Into<String>) -> Result<T, Wrong> {
    Err(Wrong {
        field: field.to_owned(),
        why: why.into(),
    })
}

/// The names under which a field is written.
pub fn names(field: &FieldDescriptor) -> Vec<(String, Form)> {
    let name = field.name().to_owned();
    match field.kind() {
        Kind::Bytes if is_hash(field) => vec![(name, Form::Hex)],
        Kind::Bytes => vec![(name.clone(), Form::Plain), (name + HEX, Form::Hex)],
        _ => vec![(name, Form::Plain)],
    }
}

/// Whether bytes are a hash, and no text.
fn is_hash(field: &FieldDescriptor) -> bool {
    ["hash", "digest"].iter().any(|word| field.name().contains(word))
}

/// The word for a value of an enumeration.
pub fn word(enumeration: &EnumDescriptor, value: &str) -> String {
    let mut prefix = String::new();
    for (at, character) in enumeration.name().char_indices() {
        if at > 0 && character.is_ascii_uppercase() {
            prefix.push('_');
        }
        prefix.push(character.to_ascii_uppercase());
    }
    prefix.push('_');
    value.strip_prefix(&prefix).unwrap_or(value).to_ascii_lowercase()
}

// ---- writing ----

/// A message as JSON.
pub fn write(message: &DynamicMessage) -> Value {
    let mut object = Map::new();
    for field in message.descriptor().fields() {
        if field.supports_presence() && !message.has_field(&field) {
            continue;
        }
        let held = message.get_field(&field);
        object.insert(field.name().to_owned(), written(&field, &held));
        let is_text = field.kind() == Kind::Bytes && !is_hash(&field);
        if is_text && !is_utf8(&held) {
            object.insert(field.name().to_owned() + HEX, in_hex(&held));
        }
    }
    Value::Object(object)
}

fn is_utf8(held: &Held) -> bool {
    match held {
        Held::Bytes(bytes) => std::str::from_utf8(bytes).is_ok(),
        Held::List(all) => all.iter().all(is_utf8),
        _ => true,
    }
}

fn in_hex(held: &Held) -> Value {
    match held {
        Held::Bytes(bytes) => Value::String(data_encoding::HEXLOWER.encode(bytes)),
        Held::List(all) => all.iter().map(in_hex).collect(),
        _ => Value::Null,
    }
}

fn written(field: &FieldDescriptor, held: &Held) -> Value {
    match held {
        Held::Bool(is_so) => Value::Bool(*is_so),
        Held::I32(number) => Value::from(*number),
        Held::I64(number) => Value::from(*number),
        Held::U32(number) => Value::from(*number),
        Held::U64(number) => Value::from(*number),
        Held::F32(number) => Value::from(*number),
        Held::F64(number) => Value::from(*number),
        Held::String(text) => Value::String(text.clone()),
        Held::Bytes(_) if is_hash(field) => in_hex(held),
        Held::Bytes(bytes) => Value::String(String::from_utf8_lossy(bytes).into_owned()),
        Held::EnumNumber(number) => enum_word(field, *number),
        Held::Message(message) => write(message),
        Held::List(all) => all.iter().map(|one| written(field, one)).collect(),
        // No message has one.
        Held::Map(_) => Value::Null,
    }
}

fn enum_word(field: &FieldDescriptor, number: i32) -> Value {
    let kind = field.kind();
    let known = kind
        .as_enum()
        .and_then(|enumeration| Some((enumeration, enumeration.get_value(number)?)));
    match known {
        Some((enumeration, value)) => Value::String(word(enumeration, value.name())),
        None => Value::from(number),
    }
}

// ---- reading ----

/// Puts what an object says into the fields of a message that may be said.
pub fn read_into(
    message: &mut DynamicMessage,
    object: &Map<String, Value>,
    fields: &[FieldDescriptor],
    within: &str,
) -> Result<(), Wrong> {
    for (name, value) in object {
        let place = place(within, name);
        let known = fields.iter().find_map(|field| {
            let names = names(field).into_iter();
            Some((field, names.into_iter().find(|(other, _)| other == name)?.1))
        });
        let Some((field, form)) = known else {
            return wrong(&place, "there is no such field");
        };
        let held = read(field, form, value, &place)?;
        if form == Form::Plain && object.contains_key(&format!("{name}{HEX}")) && field.kind() == Kind::Bytes
        {
            // It has to be right all the same.
            continue;
        }
        set(message, field, held, &place)?;
    }
    Ok(())
}

/// Sets a field, unless another of the same choice is set already.
pub fn set(
    message: &mut DynamicMessage,
    field: &FieldDescriptor,
    held: Held,
    place: &str,
) -> Result<(), Wrong> {
    if let Some(choice) = field.containing_oneof()
        && let Some(other) = choice
            .fields()
            .find(|other| other != field && message.has_field(other))
    {
        return wrong(
            place,
            format!("only one of this and `{}` can be given", other.name()),
        );
    }
    message.set_field(field, held);
    Ok(())
}

fn place(within: &str, name: &str) -> String {
    match within {
        "" => name.to_owned(),
        within => format!("{within}.{name}"),
    }
}

/// What a field holds if it is this in JSON.
pub fn read(field: &FieldDescriptor, form: Form, value: &Value, place: &str) -> Result<Held, Wrong> {
    if !field.is_list() {
        return read_one(&field.kind(), form, value, place);
    }
    let Value::Array(all) = value else {
        return wrong(place, "has to be a list");
    };
    let read = all
        .iter()
        .enumerate()
        .map(|(at, one)| read_one(&field.kind(), form, one, &format!("{place}[{at}]")));
    Ok(Held::List(read.collect::<Result<_, _>>()?))
}

fn read_one(kind: &Kind, form: Form, value: &Value, place: &str) -> Result<Held, Wrong> {
    match (kind, value) {
        (Kind::Bool, Value::Bool(is_so)) => Ok(Held::Bool(*is_so)),
        (Kind::Bool, _) => wrong(place, "has to be true or false"),
        (Kind::Double | Kind::Float, Value::Number(number)) => read_float(kind, number, place),
        (Kind::Double | Kind::Float, _) => wrong(place, "has to be a number"),
        (Kind::String, Value::String(text)) => Ok(Held::String(text.clone())),
        (Kind::Bytes, Value::String(text)) => read_bytes(form, text, place),
        (Kind::String | Kind::Bytes, _) => wrong(place, "has to be a string"),
        (Kind::Enum(enumeration), Value::String(text)) => read_word(enumeration, text, place),
        (Kind::Enum(enumeration), _) => read_word(enumeration, "", place),
        (Kind::Message(within), Value::Object(object)) => read_message(within, object, place),
        (Kind::Message(_), _) => wrong(place, "has to be an object"),
        (_, Value::Number(number)) => read_integer(kind, number, place),
        _ => wrong(place, "has to be a whole number"),
    }
}

fn read_message(kind: &MessageDescriptor, object: &Map<String, Value>, place: &str) -> Result<Held, Wrong> {
    let mut message = DynamicMessage::new(kind.clone());
    let fields: Vec<FieldDescriptor> = kind.fields().collect();
    read_into(&mut message, object, &fields, place)?;
    Ok(Held::Message(message))
}

fn read_bytes(form: Form, text: &str, place: &str) -> Result<Held, Wrong> {
    if form == Form::Plain {
        return Ok(Held::Bytes(text.as_bytes().to_vec().into()));
    }
    match data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()) {
        Ok(bytes) => Ok(Held::Bytes(bytes.into())),
        Err(_) => wrong(place, "has to be hexadecimal digits, two for each byte"),
    }
}

fn read_word(enumeration: &EnumDescriptor, text: &str, place: &str) -> Result<Held, Wrong> {
    let found = enumeration
        .values()
        .find(|value| word(enumeration, value.name()) == text);
    match found {
        Some(value) => Ok(Held::EnumNumber(value.number())),
        None => wrong(
            place,
            format!("has to be one of {}", words(enumeration).join(", ")),
        ),
    }
}

/// All words of an enumeration.
pub fn words(enumeration: &EnumDescriptor) -> Vec<String> {
    let words = enumeration.values().map(|value| word(enumeration, value.name()));
    words.collect()
}

fn read_float(kind: &Kind, number: &Number, place: &str) -> Result<Held, Wrong> {
    match (number.as_f64().filter(|number| number.is_finite()), kind) {
        (Some(number), Kind::Float) => Ok(Held::F32(number as f32)),
        (Some(number), _) => Ok(Held::F64(number)),
        (None, _) => wrong(place, "is out of range"),
    }
}

fn read_integer(kind: &Kind, number: &Number, place: &str) -> Result<Held, Wrong> {
    let Some(whole) = whole(number) else {
        return wrong(place, "has to be a whole number");
    };
    let held = match kind {
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => i32::try_from(whole).map(Held::I32),
        Kind::Uint32 | Kind::Fixed32 => u32::try_from(whole).map(Held::U32),
        Kind::Uint64 | Kind::Fixed64 => u64::try_from(whole).map(Held::U64),
        _ => i64::try_from(whole).map(Held::I64),
    };
    held.or_else(|_| wrong(place, "is out of range"))
}

/// A number without fraction, also where it is written as `1.0`.
fn whole(number: &Number) -> Option<i128> {
    let whole = number
        .as_u64()
        .map(i128::from)
        .or(number.as_i64().map(i128::from));
    whole.or_else(|| {
        let number = number.as_f64()?;
        (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i128)
    })
}

/// What a parameter of an address is in JSON, where everything is text.
pub fn of_text(field: &FieldDescriptor, text: &str) -> Value {
    let is_text = matches!(field.kind(), Kind::String | Kind::Bytes | Kind::Enum(_));
    let parsed = (!is_text).then(|| serde_json::from_str(text).ok()).flatten();
    match parsed {
        Some(value @ (Value::Number(_) | Value::Bool(_))) => value,
        _ => Value::String(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use prost_reflect::prost::Message as _;
    use serde_json::json;
    use wire::v1;

    use super::super::comments::POOL;
    use super::*;

    fn kind(name: &str) -> MessageDescriptor {
        POOL.get_message_by_name(&format!("perennial.v1.{name}"))
            .expect("it is there")
    }

    fn told(name: &str, message: &impl prost::Message) -> Value {
        let bytes = message.encode_to_vec();
        write(&DynamicMessage::decode(kind(name), bytes.as_slice()).expect("it is one"))
    }

    fn understood(name: &str, value: &Value) -> Result<DynamicMessage, Wrong> {
        let kind = kind(name);
        let mut message = DynamicMessage::new(kind.clone());
        let fields: Vec<_> = kind.fields().collect();
        read_into(&mut message, value.as_object().expect("an object"), &fields, "")?;
        Ok(message)
    }

    fn why(name: &str, value: Value) -> String {
        let wrong = understood(name, &value).expect_err("it is wrong");
        format!("{}: {}", wrong.field, wrong.why)
    }

    #[test]
    fn messages_are_told_as_they_are_named() {
        let entry = v1::EntryView {
            path: b"caf\xe9".to_vec(),
            size: u64::MAX,
            mtime_s: -5,
            hash: vec![0xab, 1],
            ..v1::EntryView::default()
        };
        let told = told("EntryView", &entry);
        assert_eq!(told["path"], "caf\u{fffd}");
        assert_eq!(told["path_hex"], "636166e9");
        assert_eq!(told["size"], json!(u64::MAX));
        assert_eq!(told["mtime_s"], -5);
        assert_eq!(told["hash"], "ab01");
        assert_eq!((&told["target"], told.get("target_hex")), (&json!(""), None));
        assert_eq!(told["user"], "");
    }

    #[test]
    fn what_is_not_set_is_left_out() {
        let outlook = v1::KindOutlook {
            mode: v1::BackupMode::Full.into(),
            begins_ms: Some(0),
            ..v1::KindOutlook::default()
        };
        let outlook = told("KindOutlook", &outlook);
        assert_eq!((outlook.get("due_ms"), &outlook["begins_ms"]), (None, &json!(0)));
        assert_eq!(
            (outlook.get("last_wait"), &outlook["hindrances"]),
            (None, &json!([]))
        );
        assert_eq!(outlook["mode"], "full");
        let scope = v1::access_scope::Scope::Group("office".to_owned());
        let scope = told("AccessScope", &v1::AccessScope { scope: Some(scope) });
        assert_eq!(scope, json!({"group": "office"}));
        let done = v1::JobDone {
            outcome: 1,
            ..v1::JobDone::default()
        };
        assert_eq!(told("JobDone", &done)["outcome"], "with_problems");
    }

    #[test]
    fn what_is_told_is_understood() {
        let channel = json!({
            "name": "ops", "mail": {"host": "mail", "port": 25, "recipients": ["a", "b"]},
            "audience": {"tell": "warnings", "report": {"on": "daily", "hour": 6.0, "only_failures": true}},
        });
        let message = understood("NewChannel", &channel).expect("it is right");
        let channel: v1::NewChannel = message.transcode_to().expect("it is one");
        let audience = channel.audience.expect("it is there");
        assert_eq!(audience.tell(), v1::audience::Tell::Warnings);
        assert_eq!(audience.report.map(|report| report.hour), Some(6));
        let Some(v1::new_channel::Carrier::Mail(mail)) = channel.carrier else {
            panic!("{:?}", channel.carrier)
        };
        assert_eq!(
            (mail.port, mail.recipients),
            (Some(25), vec!["a".to_owned(), "b".to_owned()])
        );
    }

    #[test]
    fn bytes_come_back_as_they_were() {
        for path in [&b"home/M\xc3\xbcller"[..], b"caf\xe9", b""] {
            let entry = v1::EntryView {
                path: path.to_vec(),
                ..v1::EntryView::default()
            };
            let back = understood("EntryView", &told("EntryView", &entry)).expect("it was written so");
            assert_eq!(
                v1::EntryView::decode(back.encode_to_vec().as_slice()).expect("it is one"),
                entry
            );
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(
            why("PauseRequest", json!({"until": 1})),
            "until: there is no such field"
        );
        assert_eq!(
            why("PauseRequest", json!({"until_ms": "1"})),
            "until_ms: has to be a whole number"
        );
        assert_eq!(
            why("PauseRequest", json!({"until_ms": 1.5})),
            "until_ms: has to be a whole number"
        );
        assert_eq!(
            why("PauseRequest", json!({"until_ms": u64::MAX})),
            "until_ms: is out of range"
        );
        assert_eq!(
            why("PauseRequest", json!({"client": null})),
            "client: has to be a string"
        );
        assert_eq!(
            why("ListJobsRequest", json!({"limit": -1})),
            "limit: is out of range"
        );
        assert_eq!(
            why("DeleteRequest", json!({"now": 1})),
            "now: has to be true or false"
        );
        assert_eq!(
            why("StartRequest", json!({"mode": "FULL"})),
            "mode: has to be one of unspecified, incremental, full"
        );
        assert_eq!(
            why("StartRequest", json!({"volumes": "all"})),
            "volumes: has to be a list"
        );
        assert_eq!(
            why("StartRequest", json!({"volumes": ["a", 1]})),
            "volumes[1]: has to be a string"
        );
        assert_eq!(
            why("NewChannel", json!({"audience": {"report": {"at": 1}}})),
            "audience.report.at: there is no such field"
        );
        assert_eq!(
            why("AccessScope", json!({"client": "a", "group": "b"})),
            "group: only one of this and `client` can be given"
        );
        assert_eq!(
            why("RestoreToClientRequest", json!({"paths": [{}], "paths_hex": []})),
            "paths[0]: has to be a string"
        );
        let odd = why("BrowseRequest", json!({"path_hex": "abc"}));
        assert_eq!(odd, "path_hex: has to be hexadecimal digits, two for each byte");
    }

    #[test]
    fn text_of_addresses_is_read_by_its_type() {
        let field = |message: &str, name: &str| kind(message).get_field_by_name(name).expect("it is there");
        assert_eq!(of_text(&field("ListJobsRequest", "client"), "12"), json!("12"));
        assert_eq!(of_text(&field("ListJobsRequest", "limit"), "12"), json!(12));
        assert_eq!(of_text(&field("ListJobsRequest", "limit"), "[1]"), json!("[1]"));
        assert_eq!(of_text(&field("DeleteRequest", "now"), "true"), json!(true));
    }

    #[test]
    fn messages_are_such_as_the_rules_are_for() {
        for message in POOL.all_messages() {
            for field in message.fields() {
                assert!(
                    !field.is_map(),
                    "{} is a map: say here how it is written",
                    field.full_name()
                );
                let hex = format!("{}{HEX}", field.name());
                assert!(message.get_field_by_name(&hex).is_none(), "{hex} is taken");
            }
        }
    }
}
