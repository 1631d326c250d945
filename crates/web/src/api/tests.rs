//! The API as programs meet it, with services that answer what a test says.

use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use axum::response::Response;
use prost_reflect::prost::Message;
use prost_reflect::prost::bytes::{Buf as _, BufMut as _, Bytes};
use serde_json::{Value, json};
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tower::{ServiceExt as _, service_fn};
use wire::v1;

use super::operation::OPERATIONS;
use super::{document, is_at};
use crate::{Door, Remote, router};

/// What a service was asked.
#[derive(Debug, Clone, Default)]
struct Seen {
    path: String,
    authorization: Option<String>,
    request: Bytes,
}

/// Services that answer everything with the same.
struct Fake {
    door: Door,
    seen: Arc<Mutex<Vec<Seen>>>,
}

type Said = Vec<Result<Vec<u8>, Status>>;

impl Fake {
    fn new(said: Said) -> Self {
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let all = Arc::clone(&seen);
        let call = move |_, request: tonic::codegen::http::Request<tonic::body::Body>| {
            let authorization = request.headers().get(header::AUTHORIZATION);
            let one = Seen {
                path: request.uri().path().to_owned(),
                authorization: authorization.map(|said| said.to_str().expect("it is text").to_owned()),
                request: Bytes::new(),
            };
            let (said, all) = (said.clone(), Arc::clone(&all));
            let service = service_fn(move |request: tonic::Request<Bytes>| {
                let seen = Seen {
                    request: request.into_inner(),
                    ..one.clone()
                };
                all.lock().expect("nobody panics with it").push(seen);
                let said = tokio_stream::iter(said.clone());
                async move { Ok::<_, Status>(tonic::Response::new(said)) }
            });
            let answer = async move {
                let mut server = tonic::server::Grpc::new(Raw);
                Ok(server.server_streaming(service, request).await)
            };
            Box::pin(answer) as crate::door::Answer
        };
        Self {
            door: Door::new(Arc::new(call)),
            seen,
        }
    }

    fn answering(message: &impl Message) -> Self {
        Self::new(vec![Ok(message.encode_to_vec())])
    }

    /// Sends a request with the token `secret`, unless it says something of its own.
    async fn ask(&self, verb: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Response {
        let mut request = Request::builder()
            .method(verb)
            .uri(path)
            .extension(Remote(([127, 0, 0, 1], 5).into()));
        let says_who = headers
            .iter()
            .any(|(name, _)| matches!(*name, "authorization" | "cookie"));
        let token = (!says_who).then_some(("authorization", "Bearer secret"));
        for (name, value) in headers.iter().copied().chain(token) {
            request = request.header(name, value);
        }
        let request = request.body(body.into()).expect("it is well-formed");
        router(self.door.clone())
            .oneshot(request)
            .await
            .expect("it never fails")
    }

    async fn get(&self, path: &str) -> Response {
        self.ask("GET", path, &[], Body::empty()).await
    }

    async fn send(&self, verb: &str, path: &str, body: &Value) -> Response {
        let kind = [("content-type", "application/json; charset=utf-8")];
        self.ask(verb, path, &kind, body.to_string()).await
    }

    /// What was asked last.
    fn seen(&self) -> Seen {
        let seen = self.seen.lock().expect("nobody panics with it");
        seen.last().cloned().expect("something was asked")
    }

    fn asked<M: Message + Default>(&self) -> M {
        M::decode(self.seen().request).expect("it is one")
    }

    fn was_asked(&self) -> bool {
        !self.seen.lock().expect("nobody panics with it").is_empty()
    }
}

/// Messages as they are on the wire.
#[derive(Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, message: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&message);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}

fn header_of(response: &Response, name: header::HeaderName) -> String {
    let value = response
        .headers()
        .get(name)
        .map(|value| value.to_str().expect("it is text"));
    value.unwrap_or_default().to_owned()
}

async fn bytes(response: Response) -> Bytes {
    axum::body::to_bytes(response.into_body(), usize::MAX)
        .await
        .expect("it arrives")
}

async fn json_of(response: Response) -> Value {
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(header_of(&response, header::CONTENT_TYPE), "application/json");
    serde_json::from_slice(&bytes(response).await).expect("it is JSON")
}

/// A problem's status, word and field.
async fn problem(response: Response) -> (u16, String, String) {
    let status = response.status().as_u16();
    assert_eq!(
        header_of(&response, header::CONTENT_TYPE),
        "application/problem+json"
    );
    assert_eq!(header_of(&response, header::CACHE_CONTROL), "no-store");
    let told: Value = serde_json::from_slice(&bytes(response).await).expect("it is JSON");
    assert_eq!(told["status"], json!(status));
    assert!(!told["title"].as_str().expect("it is there").is_empty());
    let word = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
    (status, word("code"), word("field"))
}

fn told(status: u16, code: &str, field: &str) -> (u16, String, String) {
    (status, code.to_owned(), field.to_owned())
}

#[tokio::test]
async fn a_call_is_made_with_the_token_that_was_brought() {
    let clients = v1::ListClientsReply {
        clients: vec![v1::ClientInfo {
            name: "web".to_owned(),
            connected: true,
            ..v1::ClientInfo::default()
        }],
    };
    let fake = Fake::answering(&clients);
    let listed = json_of(fake.get("/api/v1/clients").await).await;
    assert_eq!(
        (&listed["clients"][0]["name"], &listed["clients"][0]["connected"]),
        (&json!("web"), &json!(true))
    );
    let seen = fake.seen();
    assert_eq!(seen.path, "/perennial.v1.Admin/ListClients");
    assert_eq!(seen.authorization.as_deref(), Some("Bearer secret"));
}

#[tokio::test]
async fn address_parameters_and_body_become_one_message() {
    let fake = Fake::answering(&v1::JobEvent::default());
    let body = json!({"mode": "full", "detach": true, "volumes": ["/dev/sda"]});
    fake.send("POST", "/api/v1/clients/gro%C3%9F%2Fx/backups", &body)
        .await;
    let start: v1::StartRequest = fake.asked();
    assert_eq!(
        (start.client.as_str(), start.mode(), start.detach),
        ("groß/x", v1::BackupMode::Full, true)
    );
    assert_eq!(start.volumes, ["/dev/sda"]);

    fake.get("/api/v1/clients/web/backups/b%201/files?path_hex=66ff&path=f%EF%BF%BD&recursive=true")
        .await;
    let browse: v1::BrowseRequest = fake.asked();
    assert_eq!((browse.path.as_slice(), browse.recursive), (&b"f\xff"[..], true));
    assert_eq!(
        browse.backup.map(|backup| (backup.client, backup.name)),
        Some(("web".into(), "b 1".into()))
    );

    fake.get("/api/v1/clients/web/backups/one/differences/other")
        .await;
    let diff: v1::DiffRequest = fake.asked();
    let reference = |name: &str| {
        Some(v1::BackupRef {
            client: "web".into(),
            name: name.into(),
        })
    };
    assert_eq!((diff.from, diff.to), (reference("one"), reference("other")));

    fake.send(
        "PATCH",
        "/api/v1/settings",
        &json!({"changes": [{"key": "a", "value": ""}]}),
    )
    .await;
    let change: v1::ChangeSettingsRequest = fake.asked();
    let everybody = v1::settings_owner::Owner::Server(v1::Everybody {});
    assert_eq!(change.owner.and_then(|owner| owner.owner), Some(everybody));
    assert_eq!(change.changes[0].value.as_deref(), Some(""));

    fake.ask(
        "DELETE",
        "/api/v1/users/anna/grants/viewer?grant.scope.everything=true",
        &[],
        "",
    )
    .await;
    let grant = fake.asked::<v1::RoleGrantRequest>().grant.expect("it is there");
    let everything = v1::access_scope::Scope::Everything(v1::AllOfIt {});
    assert_eq!(
        (grant.role.as_str(), grant.scope.and_then(|scope| scope.scope)),
        ("viewer", Some(everything))
    );
}

#[tokio::test]
async fn every_call_of_the_table_reaches_its_service() {
    for operation in OPERATIONS.iter() {
        let mut path = operation.address.clone();
        for parameter in &operation.parameters {
            path = path.replace(&format!("{{{}}}", parameter.name), "1");
        }
        let fake = Fake::answering(&v1::ListClientsRequest::default());
        fake.ask(operation.route.verb.word(), &path, &[], "").await;
        assert_eq!(
            fake.seen().path,
            format!("/perennial.v1.{}", operation.route.rpc),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_stream_is_lines_and_tells_what_it_breaks_with() {
    let event = |job_id| v1::JobEvent {
        event: Some(v1::job_event::Event::Queued(v1::JobQueued { job_id })),
    };
    let broken = Status::data_loss("it is gone");
    let fake = Fake::new(vec![
        Ok(event(1).encode_to_vec()),
        Ok(event(2).encode_to_vec()),
        Err(broken.clone()),
    ]);
    let response = fake.get("/api/v1/jobs/7/events").await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(header_of(&response, header::CONTENT_TYPE), "application/jsonl");
    let body = bytes(response).await;
    let lines: Vec<Value> = serde_json::Deserializer::from_slice(&body)
        .into_iter()
        .map(|line| line.expect("it is JSON"))
        .collect();
    assert_eq!(body.iter().filter(|byte| **byte == b'\n').count(), 3);
    assert_eq!(
        lines[..2],
        [json!({"queued": {"job_id": 1}}), json!({"queued": {"job_id": 2}})]
    );
    assert_eq!(
        (&lines[2]["error"]["code"], &lines[2]["error"]["detail"]),
        (&json!("data_loss"), &json!("it is gone"))
    );

    let fake = Fake::new(vec![Err(Status::not_found("no such job"))]);
    assert_eq!(
        problem(fake.get("/api/v1/jobs/7/events").await).await,
        told(404, "not_found", "")
    );
    let fake = Fake::new(Vec::new());
    assert!(bytes(fake.get("/api/v1/jobs/7/events").await).await.is_empty());
}

#[tokio::test]
async fn what_services_refuse_is_told_as_the_web_has_it() {
    for (status, http, code) in [
        (Status::unauthenticated("x"), 401, "unauthenticated"),
        (Status::permission_denied("x"), 403, "permission_denied"),
        (Status::not_found("x"), 404, "not_found"),
        (Status::invalid_argument("x"), 400, "invalid_argument"),
        (Status::failed_precondition("x"), 409, "failed_precondition"),
        (Status::already_exists("x"), 409, "already_exists"),
        (Status::resource_exhausted("x"), 507, "resource_exhausted"),
        (Status::unavailable("x"), 503, "unavailable"),
        (Status::internal("x"), 500, "internal"),
    ] {
        let fake = Fake::new(vec![Err(status)]);
        let response = fake.get("/api/v1/clients").await;
        let scheme = header_of(&response, header::WWW_AUTHENTICATE);
        assert_eq!(scheme, if http == 401 { "Bearer" } else { "" });
        assert_eq!(problem(response).await, told(http, code, ""));
    }
}

#[tokio::test]
async fn a_browser_may_look_and_nothing_else() {
    let fake = Fake::answering(&v1::ListClientsReply::default());
    let cookie = [("cookie", "language=de; __Host-session=theirs")];
    assert_eq!(
        fake.ask("GET", "/api/v1/clients", &cookie, "").await.status(),
        StatusCode::OK
    );
    assert_eq!(fake.seen().authorization.as_deref(), Some("Bearer theirs"));

    let fake = Fake::answering(&v1::ListClientsReply::default());
    for (verb, path) in [
        ("POST", "/api/v1/cleanups"),
        ("DELETE", "/api/v1/roles/x"),
        ("PATCH", "/api/v1/settings"),
    ] {
        let refused = fake.ask(verb, path, &cookie, "").await;
        assert_eq!(problem(refused).await, told(401, "unauthenticated", ""), "{verb}");
    }
    for said in ["Basic YTpi", "Bearer", "secret"] {
        let refused = fake
            .ask("GET", "/api/v1/clients", &[("authorization", said)], "")
            .await;
        assert_eq!(problem(refused).await.0, 401, "{said}");
    }
    let nobody = fake.ask("GET", "/api/v1/clients", &[("cookie", "a=b")], "").await;
    assert_eq!(problem(nobody).await.0, 401);
    assert!(!fake.was_asked());
}

#[tokio::test]
async fn a_token_counts_from_wherever_it_comes() {
    let fake = Fake::answering(&v1::PauseReply::default());
    let headers = [
        ("authorization", "bearer  secret"),
        ("origin", "https://elsewhere.example"),
        ("sec-fetch-site", "cross-site"),
        ("content-type", "application/json"),
    ];
    let paused = fake
        .ask("PUT", "/api/v1/clients/web/pause", &headers, r#"{"until_ms": 5}"#)
        .await;
    assert_eq!(json_of(paused).await, json!({}));
    assert_eq!(fake.seen().authorization.as_deref(), Some("Bearer secret"));
    assert_eq!(fake.asked::<v1::PauseRequest>().until_ms, 5);
    assert!(
        is_at(&"/api/v1/clients".parse().expect("it is one")) && !is_at(&"/apis".parse().expect("it is one"))
    );
}

#[tokio::test]
async fn who_logs_in_brings_no_token() {
    let fake = Fake::answering(&v1::LogInReply::default());
    let body = json!({"user": "anna", "password": "secret"});
    assert_eq!(
        json_of(fake.send("POST", "/api/v1/sessions", &body).await).await,
        json!({})
    );
    assert_eq!(fake.seen().authorization, None);
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_a_problem() {
    let fake = Fake::answering(&v1::ListClientsReply::default());
    for path in [
        "/api/",
        "/api/v1",
        "/api/v1/",
        "/api/v2/clients",
        "/api/v1/clients/",
        "/api/v1/nothing",
    ] {
        assert_eq!(
            problem(fake.get(path).await).await,
            told(404, "not_found", ""),
            "{path}"
        );
    }
    let response = fake.ask("PUT", "/api/v1/clients/web/backups", &[], "").await;
    let allowed = header_of(&response, header::ALLOW);
    assert!(
        ["GET", "POST"].iter().all(|verb| allowed.contains(verb)) && !allowed.contains("PUT"),
        "{allowed}"
    );
    assert_eq!(problem(response).await, told(405, "method_not_allowed", ""));
    assert_eq!(
        problem(fake.ask("OPTIONS", "/api/v1/clients", &[], "").await)
            .await
            .0,
        405
    );

    for (path, field) in [
        ("/api/v1/clients?colour=x", "colour"),
        ("/api/v1/jobs?limit=x", "limit"),
        ("/api/v1/jobs?limit=1&limit=2", "limit"),
        ("/api/v1/jobs?limit=4294967296", "limit"),
        ("/api/v1/jobs/x", "job"),
        ("/api/v1/jobs/-1", "job"),
        ("/api/v1/clients/a/backups/b/files?recursive=1", "recursive"),
        ("/api/v1/clients/a/backups/b/files?path_hex=f", "path_hex"),
    ] {
        assert_eq!(
            problem(fake.get(path).await).await,
            told(400, "invalid_argument", field),
            "{path}"
        );
    }
    assert_eq!(
        problem(fake.get("/api/v1/clients/%ff/outlook").await).await.0,
        400
    );
    for (body, field) in [
        (json!({"modes": "full"}), "modes"),
        (json!({"client": "another"}), "client"),
        (json!({"mode": "some"}), "mode"),
        (json!(["mode"]), ""),
    ] {
        let refused = fake.send("POST", "/api/v1/clients/web/backups", &body).await;
        assert_eq!(
            problem(refused).await,
            told(400, "invalid_argument", field),
            "{body}"
        );
    }
    assert!(!fake.was_asked());
}

#[tokio::test]
async fn a_body_has_to_be_json_and_small() {
    let fake = Fake::answering(&v1::PauseReply::default());
    let send = async |headers: &[(&str, &str)], body: &str| {
        problem(
            fake.ask("PUT", "/api/v1/clients/web/pause", headers, body.to_owned())
                .await,
        )
        .await
    };
    let json = [("content-type", "application/json")];
    assert_eq!(send(&[], "{}").await, told(415, "unsupported_media_type", ""));
    let form = [("content-type", "application/x-www-form-urlencoded")];
    assert_eq!(
        send(&form, "until_ms=1").await,
        told(415, "unsupported_media_type", "")
    );
    assert_eq!(send(&json, "{").await, told(400, "invalid_argument", ""));
    let large = format!("{{\"until_ms\": {}1}}", " ".repeat(super::MOST_BODY_BYTES));
    assert_eq!(send(&json, &large).await, told(413, "content_too_large", ""));
    assert!(!fake.was_asked());
    assert_eq!(
        fake.ask("PUT", "/api/v1/clients/web/pause", &[], "")
            .await
            .status(),
        StatusCode::OK
    );
}

#[tokio::test]
async fn content_is_itself_and_comes_in_parts() {
    let head = v1::ContentHead {
        size_bytes: 10,
        mtime_s: 0,
        hash: vec![0xab; 2],
        is_size_unknown: false,
        ..v1::ContentHead::default()
    };
    let part = |part| Ok(v1::ContentPart { part: Some(part) }.encode_to_vec());
    let fake = Fake::new(vec![
        part(v1::content_part::Part::Head(head)),
        part(v1::content_part::Part::Data(b"0123456789".to_vec())),
    ]);
    let path = "/api/v1/clients/web/backups/b/content?path=data/x";
    let whole = fake.get(path).await;
    assert_eq!(
        (whole.status(), header_of(&whole, header::ETAG).as_str()),
        (StatusCode::OK, "\"abab\"")
    );
    assert_eq!(header_of(&whole, header::CONTENT_LENGTH), "10");
    assert_eq!(&bytes(whole).await[..], b"0123456789");
    let range = fake
        .ask(
            "GET",
            path,
            &[("range", "bytes=2-4"), ("authorization", "Bearer a")],
            "",
        )
        .await;
    assert_eq!(range.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(header_of(&range, header::CONTENT_RANGE), "bytes 2-4/10");
    let request: v1::ReadContentRequest = fake.asked();
    assert_eq!(
        (request.path.as_slice(), request.offset_bytes, request.len_bytes),
        (&b"data/x"[..], 2, 3)
    );
    let behind = fake.ask("GET", path, &[("range", "bytes=10-")], "").await;
    assert_eq!(header_of(&behind, header::CONTENT_RANGE), "bytes */10");
    assert_eq!(problem(behind).await, told(416, "out_of_range", ""));
    let hidden = fake.get(&format!("{path}&offset_bytes=1")).await;
    assert_eq!(
        problem(hidden).await,
        told(400, "invalid_argument", "offset_bytes")
    );
}

/// All references in a part of a document.
fn references<'a>(part: &'a Value, found: &mut Vec<&'a str>) {
    match part {
        Value::Object(object) => {
            found.extend(object.get("$ref").and_then(Value::as_str));
            object.values().for_each(|part| references(part, found));
        }
        Value::Array(all) => all.iter().for_each(|part| references(part, found)),
        _ => {}
    }
}

#[tokio::test]
async fn the_description_has_every_call_and_is_for_everybody() {
    let fake = Fake::new(Vec::new());
    let nobody = [("cookie", "a=b")];
    let told = json_of(fake.ask("GET", "/api/v1/openapi.json", &nobody, "").await).await;
    assert_eq!(
        told,
        serde_json::to_value(document::document()).expect("it is JSON")
    );
    assert_eq!(told["openapi"], "3.1.0");
    for operation in OPERATIONS.iter() {
        let verb = operation.route.verb.word().to_ascii_lowercase();
        let said = &told["paths"][&operation.address][verb];
        assert_eq!(said["operationId"], json!(operation.id()));
        assert_eq!(
            said["requestBody"].is_object(),
            !operation.body.is_empty(),
            "{said}"
        );
    }
    let mut all = Vec::new();
    references(&told, &mut all);
    assert!(all.len() > 100, "{}", all.len());
    for reference in all {
        let pointer = reference.strip_prefix('#').expect("it is in the document");
        assert!(told.pointer(pointer).is_some(), "{reference}");
    }
}

#[tokio::test]
async fn answers_are_as_the_description_says() {
    let told = serde_json::to_value(document::document()).expect("it is JSON");
    let schema = &told["components"]["schemas"]["BackupInfo"];
    let info = v1::ListReply {
        backups: vec![v1::BackupInfo::default()],
    };
    let fake = Fake::answering(&info);
    let listed = json_of(fake.get("/api/v1/backups").await).await;
    let backup = listed["backups"][0].as_object().expect("it is one");
    for name in schema["required"].as_array().expect("there are some") {
        assert!(backup.contains_key(name.as_str().expect("a name")), "{name}");
    }
    for name in backup.keys() {
        assert!(schema["properties"].get(name).is_some(), "{name}");
    }
    assert_eq!(schema["properties"]["digest"]["pattern"], "^([0-9a-f]{2})*$");
    assert_eq!(schema["properties"]["files"]["maximum"], json!(u64::MAX));
    let entry = &told["components"]["schemas"]["EntryView"];
    assert!(entry["properties"].get("path_hex").is_some());
    assert!(
        !entry["required"]
            .as_array()
            .expect("some")
            .contains(&json!("path_hex"))
    );
    let body = &told["components"]["schemas"]["BackupsStartBody"];
    assert_eq!(
        (&body["additionalProperties"], body["properties"].get("client")),
        (&json!(false), None)
    );
}

#[tokio::test]
async fn the_page_shows_every_call_to_who_has_logged_in() {
    let account = v1::WhoAmIReply {
        user: "anna".to_owned(),
        ..v1::WhoAmIReply::default()
    };
    let fake = Fake::answering(&account);
    let response = fake
        .ask("GET", "/api", &[("cookie", "__Host-session=x")], "")
        .await;
    assert_eq!(response.status(), StatusCode::OK);
    let page = String::from_utf8(bytes(response).await.to_vec()).expect("it is text");
    for operation in OPERATIONS.iter() {
        assert!(page.contains(&operation.address), "{}", operation.address);
    }
    for target in page
        .split("href=\"#")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
    {
        assert!(page.contains(&format!("id=\"{target}\"")), "{target}");
    }
    let tried = fake
        .ask("GET", "/api/try/admin_list_jobs?limit=5&client=", &[], "")
        .await;
    assert_eq!(tried.status(), StatusCode::SEE_OTHER);
    assert_eq!(header_of(&tried, header::LOCATION), "/api/v1/jobs?limit=5");
    let wrong = fake.get("/api/try/admin_retry_job").await;
    assert_eq!(wrong.status(), StatusCode::NOT_FOUND);
}
