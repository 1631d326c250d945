//! The description of the API for programs: OpenAPI 3.1, made once from those of the services. It holds nothing that is secret.

use std::sync::LazyLock;

use axum::http::header;
use axum::response::{IntoResponse as _, Response as Answered};
use prost_reflect::MessageDescriptor;
use utoipa::openapi::path::{
    HttpMethod, OperationBuilder, Parameter, ParameterBuilder, ParameterIn, PathItem, PathsBuilder,
};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::schema::{ComponentsBuilder, ObjectBuilder, Ref, Schema, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::tag::{Tag, TagBuilder};
use utoipa::openapi::{
    ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, RefOr, Required, Response, ResponseBuilder,
    ResponsesBuilder,
};

use super::answer::LINES;
use super::comments::about;
use super::json::Form;
use super::operation::{Answer, OPERATIONS, Operation};
use super::problem::MEDIA_TYPE;
use super::routes::Verb;
use super::schemas::{self, Way};

const JSON: &str = "application/json";
/// The name of the scheme by which a call says who calls.
const BEARER: &str = "bearer";
const ABOUT: &str = "The calls of a Perennial server as JSON. Integers may exceed 2^53; times are milliseconds since 1970; what is not \
     set is left out. A path that is no UTF-8 is in full in a second field, whose name ends with `_hex`.";

/// The name of the schema of problems. There is a message `Problem` too.
const PROBLEM: &str = "ProblemDetails";
/// Problems that a call may answer with, and when.
const PROBLEMS: [(&str, &str); 9] = [
    (
        "400",
        "Something in the request is wrong; `field` names it where it is one.",
    ),
    ("401", "Nobody known has called."),
    ("403", "The caller may not."),
    ("404", "What it is about is not there, or not for the caller."),
    ("409", "It can't be done as things are."),
    ("429", "An address makes more requests than it may."),
    ("500", "The server failed."),
    (
        "503",
        "Something that it takes is not there now, such as the client's connection.",
    ),
    ("507", "The storage is full."),
];
/// Problems of calls with a body.
const BODY_PROBLEMS: [(&str, &str); 2] = [
    ("413", "The body is larger than 1 MiB."),
    ("415", "The body is no JSON."),
];

/// The problem of a call for content.
const NOT_WITHIN: (&str, &str) = ("416", "The part lies behind the end.");

static TEXT: LazyLock<String> = LazyLock::new(|| document().to_json().expect("it is made of text"));

/// Answers with the description.
pub async fn show() -> Answered {
    ([(header::CONTENT_TYPE, JSON)], TEXT.as_str()).into_response()
}

/// The description.
pub fn document() -> OpenApi {
    let paths = OPERATIONS.iter().fold(PathsBuilder::new(), |paths, operation| {
        paths.path(
            &operation.address,
            PathItem::new(verb(operation.route.verb), call(operation)),
        )
    });
    let components = ComponentsBuilder::new()
        .schemas_from_iter(all_schemas())
        .responses_from_iter(problem_responses())
        .security_scheme(
            BEARER,
            SecurityScheme::Http(
                HttpBuilder::new()
                    .scheme(HttpAuthScheme::Bearer)
                    .description(Some("An API token, or the token of a session."))
                    .build(),
            ),
        );
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("Perennial")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some(ABOUT)),
        )
        .paths(paths)
        .components(Some(components.build()))
        .security(Some([SecurityRequirement::new(BEARER, Vec::<String>::new())]))
        .tags(Some(tags()))
        .build()
}

fn verb(verb: Verb) -> HttpMethod {
    match verb {
        Verb::Get => HttpMethod::Get,
        Verb::Post => HttpMethod::Post,
        Verb::Put => HttpMethod::Put,
        Verb::Patch => HttpMethod::Patch,
        Verb::Delete => HttpMethod::Delete,
    }
}

/// The services, each once, in the order in which they come.
fn tags() -> Vec<Tag> {
    let mut tags: Vec<Tag> = Vec::new();
    for operation in OPERATIONS.iter() {
        if tags.iter().all(|tag| tag.name != operation.service()) {
            let service = operation.method.parent_service();
            let about = about(&service.parent_file(), service.path());
            tags.push(
                TagBuilder::new()
                    .name(service.name())
                    .description(Some(about))
                    .build(),
            );
        }
    }
    tags
}

/// Messages of answers and within bodies, the bodies themselves, and problems.
fn all_schemas() -> Vec<(String, Schema)> {
    let mut all = vec![(PROBLEM.to_owned(), problem())];
    let mut put = |messages: Vec<MessageDescriptor>, way| {
        let named = messages
            .iter()
            .map(|message| (schemas::name(message, way), schemas::of_message(message, way)));
        all.extend(named);
    };
    let outputs = OPERATIONS
        .iter()
        .filter(|operation| operation.answer != Answer::Content)
        .map(|operation| operation.method.output());
    let mut answers = Vec::new();
    for output in outputs {
        if !answers.contains(&output) {
            answers.push(output.clone());
        }
        schemas::within(output.fields(), &mut answers);
    }
    put(answers, Way::Out);
    let mut parts = Vec::new();
    schemas::within(
        OPERATIONS.iter().flat_map(|operation| operation.body.clone()),
        &mut parts,
    );
    put(parts, Way::In);
    for operation in OPERATIONS.iter().filter(|operation| !operation.body.is_empty()) {
        let fields = operation.body.iter().cloned();
        all.push((body_name(operation), schemas::of_fields(fields, "", Way::In)));
    }
    all
}

/// The name of the schema of a call's body.
fn body_name(operation: &Operation) -> String {
    let words = operation.id();
    let words = words.split('_').map(|word| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_ascii_uppercase() + rest
    });
    words.collect::<String>() + "Body"
}

fn problem() -> Schema {
    let text = |about| {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(about))
    };
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .description(Some("What went wrong (RFC 9457)."))
        .property("type", text("`about:blank`: the status says what kind it is."))
        .property("title", text("The status in words."))
        .property("status", ObjectBuilder::new().schema_type(Type::Integer))
        .property("detail", text("What went wrong, for people."))
        .property("code", text("What went wrong in a word, for programs."))
        .property(
            "field",
            text("The parameter or field that is wrong, if it is one."),
        )
        .required("type")
        .required("title")
        .required("status")
        .required("detail")
        .required("code")
        .into()
}

fn call(operation: &Operation) -> OperationBuilder {
    let comment = operation.comment();
    let description = (!comment.is_empty() && comment != operation.summary()).then_some(comment);
    let path = operation.parameters.iter().map(|parameter| {
        let schema = schemas::of_kind(parameter.field(), Form::Plain, Way::In, "");
        parameter_of(&parameter.name, ParameterIn::Path, schema, "")
    });
    let query = operation.query.iter().map(|parameter| {
        let field = parameter.field();
        let schema = match field.kind().as_message() {
            Some(_) => ObjectBuilder::new().schema_type(Type::Boolean).into(),
            None if field.is_list() => schemas::of_field(field, parameter.form, Way::In),
            None => schemas::of_kind(field, parameter.form, Way::In, ""),
        };
        parameter_of(
            &parameter.name,
            ParameterIn::Query,
            schema,
            &schemas::told(field, parameter.form),
        )
    });
    let mut call = OperationBuilder::new()
        .operation_id(Some(operation.id()))
        .tag(operation.service())
        .summary(Some(operation.summary()))
        .description(description)
        .parameters(Some(path.chain(query)))
        .request_body(body(operation))
        .responses(responses(operation));
    if operation.route.is_for_all {
        call = call.securities(Some([]));
    }
    call
}

fn parameter_of(name: &str, place: ParameterIn, schema: RefOr<Schema>, about: &str) -> Parameter {
    let required = match place {
        ParameterIn::Path => Required::True,
        _ => Required::False,
    };
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(required)
        .description((!about.is_empty()).then_some(about))
        .schema(Some(schema))
        .build()
}

fn body(operation: &Operation) -> Option<RequestBody> {
    let schema = Ref::from_schema_name(body_name(operation));
    let content = ContentBuilder::new().schema(Some(schema)).build();
    (!operation.body.is_empty()).then(|| RequestBodyBuilder::new().content(JSON, content).build())
}

fn responses(operation: &Operation) -> ResponsesBuilder {
    let answer = ResponseBuilder::new();
    let output = Ref::from_schema_name(schemas::name(&operation.method.output(), Way::Out));
    let mut responses = ResponsesBuilder::new();
    let answer = match operation.answer {
        Answer::Message => answer
            .description("The answer.")
            .content(JSON, ContentBuilder::new().schema(Some(output)).build()),
        Answer::Lines => answer
            .description("Answers as they come, one a line; each is as the schema says. One that is an object with `error` alone is the last.")
            .content(LINES, ContentBuilder::new().schema(Some(output)).build()),
        Answer::Content => {
            responses = responses
                .response("206", content("The part that `Range` asks for."))
                .response(NOT_WITHIN.0, refer(NOT_WITHIN.0));
            content("The content.").into()
        }
    };
    let body_problems = BODY_PROBLEMS.iter().filter(|_| operation.route.verb.has_body());
    let problems = PROBLEMS.iter().chain(body_problems);
    problems.fold(responses.response("200", answer), |responses, (status, _)| {
        responses.response(*status, refer(status))
    })
}

fn refer(status: &str) -> RefOr<Response> {
    RefOr::Ref(Ref::from_response_name(problem_name(status)))
}

fn content(about: &str) -> Response {
    let bytes = ContentBuilder::new().schema(None::<Schema>).build();
    ResponseBuilder::new()
        .description(about)
        .content("application/octet-stream", bytes)
        .build()
}

/// Answers with a problem, by their status.
fn problem_responses() -> impl Iterator<Item = (String, Response)> {
    let all = PROBLEMS.iter().chain(&BODY_PROBLEMS).chain([&NOT_WITHIN]);
    all.map(|(status, about)| {
        let schema = Ref::from_schema_name(PROBLEM);
        let content = ContentBuilder::new().schema(Some(schema)).build();
        let response = ResponseBuilder::new()
            .description(*about)
            .content(MEDIA_TYPE, content);
        (problem_name(status), response.build())
    })
}

fn problem_name(status: &str) -> String {
    format!("Problem{status}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_schemas_have_one_name() {
        let all = all_schemas();
        let names: BTreeSet<&String> = all.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), all.len());
    }
}
