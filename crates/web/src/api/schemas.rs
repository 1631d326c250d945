//! What messages look like as JSON, for programs that read descriptions (JSON Schema 2020-12).

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde_json::Value;
use utoipa::Number;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{
    AdditionalProperties, ArrayBuilder, KnownFormat, ObjectBuilder, Ref, Schema, SchemaFormat, Type,
};

use super::comments::about;
use super::json::{Form, names, words};

/// Which way a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// To the server, where what is left out is empty, and nothing else may be there.
    In,
    /// To the program, with everything that can't be left out.
    Out,
}

/// The name of a message's schema.
pub fn name(message: &MessageDescriptor, way: Way) -> String {
    match way {
        Way::In => format!("{}Input", message.name()),
        Way::Out => message.name().to_owned(),
    }
}

/// All messages within one, and itself if it is among them, each once.
pub fn within(fields: impl Iterator<Item = FieldDescriptor>, found: &mut Vec<MessageDescriptor>) {
    for field in fields {
        if let Kind::Message(message) = field.kind()
            && !found.contains(&message)
        {
            found.push(message.clone());
            within(message.fields(), found);
        }
    }
}

/// The schema of a message.
pub fn of_message(message: &MessageDescriptor, way: Way) -> Schema {
    let about = about(&message.parent_file(), message.path());
    of_fields(message.fields(), about, way)
}

/// The schema of an object with these fields.
pub fn of_fields(fields: impl Iterator<Item = FieldDescriptor>, about: &str, way: Way) -> Schema {
    let mut choices = Vec::new();
    let mut object = ObjectBuilder::new().schema_type(Type::Object);
    for field in fields {
        if let Some(choice) = field.containing_oneof().filter(|choice| !choice.is_synthetic())
            && !choices.contains(&choice)
        {
            choices.push(choice);
        }
        for (name, form) in names(&field) {
            let is_extra = name != field.name();
            if way == Way::Out && !is_extra && !field.supports_presence() {
                object = object.required(&name);
            }
            object = object.property(name, of_field(&field, form, way));
        }
    }
    if way == Way::In {
        object = object.additional_properties(Some(AdditionalProperties::FreeForm(false)));
    }
    let told = choices.iter().map(|choice| {
        let names: Vec<String> = choice
            .fields()
            .map(|field| format!("`{}`", field.name()))
            .collect();
        format!("At most one of {} is there.", names.join(", "))
    });
    let about: Vec<String> = std::iter::once(about.to_owned())
        .filter(|about| !about.is_empty())
        .chain(told)
        .collect();
    object
        .description((!about.is_empty()).then(|| about.join(" ")))
        .build()
        .into()
}

/// The schema of a field, with what its comment says.
pub fn of_field(field: &FieldDescriptor, form: Form, way: Way) -> RefOr<Schema> {
    let about = told(field, form);
    if field.is_list() {
        let list = ArrayBuilder::new().items(of_kind(field, form, way, ""));
        return list.description((!about.is_empty()).then_some(about)).into();
    }
    of_kind(field, form, way, &about)
}

/// What a comment says of a field, or of one that stands beside it.
pub fn told(field: &FieldDescriptor, form: Form) -> String {
    let is_extra = names(field).len() > 1 && form == Form::Hex;
    match is_extra {
        true => format!(
            "`{}` in full, where it is no UTF-8: hexadecimal digits.",
            field.name()
        ),
        false => about(&field.parent_file(), field.path()).to_owned(),
    }
}

/// The schema of one value of a field.
pub fn of_kind(field: &FieldDescriptor, form: Form, way: Way, about: &str) -> RefOr<Schema> {
    let object = ObjectBuilder::new().description((!about.is_empty()).then_some(about));
    match field.kind() {
        Kind::Message(message) => {
            let mut reference = Ref::from_schema_name(name(&message, way));
            reference.description = about.to_owned();
            reference.into()
        }
        Kind::Bool => object.schema_type(Type::Boolean).into(),
        Kind::Double | Kind::Float => {
            let double = SchemaFormat::KnownFormat(KnownFormat::Double);
            object.schema_type(Type::Number).format(Some(double)).into()
        }
        Kind::String => object.schema_type(Type::String).into(),
        Kind::Bytes if form == Form::Hex => object
            .schema_type(Type::String)
            .pattern(Some("^([0-9a-f]{2})*$"))
            .into(),
        Kind::Bytes => object.schema_type(Type::String).into(),
        Kind::Enum(enumeration) => {
            let words = words(&enumeration).into_iter().map(Value::String);
            object.schema_type(Type::String).enum_values(Some(words)).into()
        }
        kind => {
            let (format, least, most) = bounds(&kind);
            object
                .schema_type(Type::Integer)
                .format(Some(SchemaFormat::Custom(format.to_owned())))
                .minimum(Some(least))
                .maximum(Some(most))
                .into()
        }
    }
}

/// What a whole number is called, and how large it can be.
fn bounds(kind: &Kind) -> (&'static str, Number, Number) {
    match kind {
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => (
            "int32",
            Number::Int(i32::MIN as isize),
            Number::Int(i32::MAX as isize),
        ),
        Kind::Uint32 | Kind::Fixed32 => ("uint32", Number::UInt(0), Number::UInt(u32::MAX as usize)),
        Kind::Uint64 | Kind::Fixed64 => ("uint64", Number::UInt(0), Number::UInt(u64::MAX as usize)),
        _ => (
            "int64",
            Number::Int(i64::MIN as isize),
            Number::Int(i64::MAX as isize),
        ),
    }
}
