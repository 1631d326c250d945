//! A call as it can be made through the API: a line of the table, with what the services' descriptions say of it.

use std::sync::LazyLock;

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor};

use super::comments::{POOL, about, first_sentence};
use super::json::{self, Form};
use super::routes::{ROUTES, Route};

/// All calls, in the order of the table.
pub static OPERATIONS: LazyLock<Vec<Operation>> =
    LazyLock::new(|| ROUTES.iter().map(Operation::of).collect());

/// Fields that lead to one: the first is of the request, each further one of the message before.
pub type FieldPath = Vec<FieldDescriptor>;

/// How a call answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// With one JSON message.
    Message,
    /// With JSON messages, one a line, as they come.
    Lines,
    /// With the content of a file, as it is.
    Content,
}

/// A part of the address's path that is a parameter.
pub struct PathParameter {
    pub name: String,
    pub fields: Vec<FieldPath>,
}

impl PathParameter {
    /// The field that says what it looks like.
    pub fn field(&self) -> &FieldDescriptor {
        last(&self.fields[0])
    }
}

/// A parameter behind the address's `?`.
pub struct QueryParameter {
    pub name: String,
    pub path: FieldPath,
    pub form: Form,
}

impl QueryParameter {
    /// The field that it is.
    pub fn field(&self) -> &FieldDescriptor {
        last(&self.path)
    }
}

fn last(path: &FieldPath) -> &FieldDescriptor {
    path.last().expect("a path leads somewhere")
}

/// A call that can be made.
pub struct Operation {
    pub route: &'static Route,
    pub method: MethodDescriptor,
    /// The address's path, with the names of its parameters in braces.
    pub address: String,
    pub parameters: Vec<PathParameter>,
    pub query: Vec<QueryParameter>,
    /// The fields of the request that a body may have.
    pub body: Vec<FieldDescriptor>,
    /// What is there without being asked for.
    pub preset: Option<FieldPath>,
    pub answer: Answer,
}

impl Operation {
    fn of(route: &'static Route) -> Self {
        let (service, method) = route
            .rpc
            .split_once('/')
            .expect("the table names service and method");
        let method = POOL
            .get_service_by_name(&format!("perennial.v1.{service}"))
            .and_then(|service| service.methods().find(|other| other.name() == method))
            .unwrap_or_else(|| panic!("the table names a call that is not there: {}", route.rpc));
        let input = method.input();
        let (address, parameters) = split(route.path, &input);
        let preset = route.sets.map(|path| resolve(&input, path));
        let bound = parameters.iter().flat_map(|parameter| &parameter.fields);
        let taken: Vec<FieldPath> = bound.chain(&preset).cloned().collect();
        let is_hidden = |field: &FieldDescriptor| route.hides.contains(&field.name());
        let mut query = Vec::new();
        let mut body = Vec::new();
        if route.verb.has_body() {
            let is_taken = |field: &FieldDescriptor| taken.iter().any(|path| path[0] == *field);
            body.extend(
                input
                    .fields()
                    .filter(|field| !is_taken(field) && !is_hidden(field)),
            );
        } else {
            leaves(&input, &mut Vec::new(), &taken, &mut query);
            query.retain(|parameter| !is_hidden(parameter.field()));
        }
        Self {
            route,
            address: format!("/api/v1{address}"),
            parameters,
            query,
            body,
            preset,
            answer: answer_of(&method),
            method,
        }
    }

    /// The service, by which calls are sorted.
    pub fn service(&self) -> &str {
        self.method.parent_service().name()
    }

    /// What programs call it.
    pub fn id(&self) -> String {
        let id = format!("{}_{}", snake(self.service()), snake(self.method.name()));
        match self.route.beside {
            "" => id,
            beside => format!("{id}_{beside}"),
        }
    }

    /// What it does, in a sentence.
    pub fn summary(&self) -> &'static str {
        match self.route.summary {
            "" => first_sentence(self.comment()),
            summary => summary,
        }
    }

    /// All that the service says of it.
    pub fn comment(&self) -> &'static str {
        about(&self.method.parent_file(), self.method.path())
    }
}

fn answer_of(method: &MethodDescriptor) -> Answer {
    match (method.output().name(), method.is_server_streaming()) {
        ("ContentPart", _) => Answer::Content,
        (_, true) => Answer::Lines,
        (_, false) => Answer::Message,
    }
}

/// The address without the fields, and the parameters with them.
fn split(path: &str, input: &MessageDescriptor) -> (String, Vec<PathParameter>) {
    let mut address = String::new();
    let mut parameters = Vec::new();
    for segment in path.split('/').skip(1) {
        address.push('/');
        let Some(said) = segment.strip_prefix('{').and_then(|said| said.strip_suffix('}')) else {
            address.push_str(segment);
            continue;
        };
        let (name, fields) = said.split_once(':').unwrap_or((said, said));
        address.push_str(&format!("{{{name}}}"));
        parameters.push(PathParameter {
            name: name.to_owned(),
            fields: fields.split(',').map(|path| resolve(input, path)).collect(),
        });
    }
    (address, parameters)
}

/// The fields of a path with dots.
fn resolve(input: &MessageDescriptor, path: &str) -> FieldPath {
    let mut within = Some(input.clone());
    let mut fields = Vec::new();
    for name in path.split('.') {
        let field = within
            .as_ref()
            .and_then(|message| message.get_field_by_name(name))
            .unwrap_or_else(|| panic!("{} has no field {path}", input.name()));
        within = field.kind().as_message().cloned();
        fields.push(field);
    }
    fields
}

/// What can be said behind a `?`: all fields that are not taken, those within others too.
fn leaves(
    message: &MessageDescriptor,
    above: &mut FieldPath,
    taken: &[FieldPath],
    found: &mut Vec<QueryParameter>,
) {
    for field in message.fields() {
        above.push(field.clone());
        match field.kind() {
            _ if taken.contains(above) => {}
            Kind::Message(within) if within.fields().len() > 0 => {
                assert!(
                    !field.is_list(),
                    "{} can't be said in an address",
                    field.full_name()
                );
                leaves(&within, above, taken, found);
            }
            _ => found.extend(json::names(&field).into_iter().map(|(name, form)| {
                let above = &above[..above.len() - 1];
                let mut names: Vec<&str> = above.iter().map(FieldDescriptor::name).collect();
                names.push(&name);
                QueryParameter {
                    name: names.join("."),
                    path: [above, std::slice::from_ref(&field)].concat(),
                    form,
                }
            })),
        }
        above.pop();
    }
}

/// A name as programs write it: `WhoAmI` as `who_am_i`.
fn snake(name: &str) -> String {
    let mut snake = String::new();
    for character in name.chars() {
        if character.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(character.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_and_addresses_are_there_once() {
        let ids: BTreeSet<String> = OPERATIONS.iter().map(Operation::id).collect();
        assert_eq!(ids.len(), OPERATIONS.len());
        let addresses: BTreeSet<_> = OPERATIONS
            .iter()
            .map(|operation| (operation.route.verb.word(), &operation.address))
            .collect();
        assert_eq!(addresses.len(), OPERATIONS.len());
        for operation in OPERATIONS.iter() {
            let names: Vec<&String> = operation.parameters.iter().map(|one| &one.name).collect();
            assert_eq!(
                names.iter().collect::<BTreeSet<_>>().len(),
                names.len(),
                "{}",
                operation.address
            );
            assert!(!operation.method.is_client_streaming(), "{}", operation.id());
        }
    }

    #[test]
    fn every_call_says_what_it_does() {
        for operation in OPERATIONS.iter() {
            assert!(
                operation.summary().ends_with('.'),
                "{} needs a `says`",
                operation.id()
            );
        }
    }

    #[test]
    fn nothing_of_a_request_is_lost() {
        for operation in OPERATIONS
            .iter()
            .filter(|operation| operation.route.verb.has_body())
        {
            let taken: Vec<&FieldPath> = operation.parameters.iter().flat_map(|one| &one.fields).collect();
            for path in taken.iter().filter(|path| path.len() > 1) {
                let within = path[0]
                    .kind()
                    .as_message()
                    .cloned()
                    .expect("there is something in it");
                let bound = taken.iter().filter(|other| other[0] == path[0]).count();
                let is_choice = path[1].containing_oneof().is_some();
                assert!(is_choice || bound == within.fields().len(), "{}", operation.id());
            }
        }
    }

    #[test]
    fn no_secret_is_said_in_an_address() {
        for operation in OPERATIONS.iter() {
            for parameter in &operation.query {
                let is_secret = ["password", "secret", "code"].contains(&parameter.field().name());
                assert!(!is_secret, "{}: {}", operation.id(), parameter.name);
            }
        }
    }

    #[test]
    fn only_the_content_of_files_is_no_json() {
        let raw: Vec<&str> = OPERATIONS
            .iter()
            .filter(|operation| operation.answer == Answer::Content)
            .map(|operation| operation.route.rpc)
            .collect();
        let known = [
            "Backups/ReadContent",
            "Contents/ReadArchive",
            "Contents/ReadVolumeFile",
            "Contents/ReadPublished",
        ];
        assert_eq!(raw, known, "each takes a line in `answer`");
    }
}
