//! Webhooks, form by form, and what becomes of answers that are none of the expected.

use std::net::TcpListener;
use std::time::Duration;

use notify::{Error, Form, Roots, Secret, Webhook, WebhookSettings};

use crate::authority::Authority;
use crate::http_server::{HttpServer, Request};
use crate::message;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn settings(form: Form, url: String) -> WebhookSettings {
    WebhookSettings {
        url,
        form,
        secret: None,
        authority_pem: None,
    }
}

fn webhook(settings: &WebhookSettings) -> Webhook {
    Webhook::new(settings, &Roots::none()).expect("makes sense")
}

fn delivered(form: Form, path: &str, secret: Option<&str>) -> Request {
    let server = HttpServer::start(&[OK]);
    let mut settings = settings(form, server.url(path));
    settings.secret = secret.map(Secret::new);
    webhook(&settings).send(&message()).expect("delivered");
    server.request()
}

fn failure(answer: &str, path: &str) -> Error {
    let server = HttpServer::start(&[answer]);
    let settings = settings(Form::Json, server.url(path));
    webhook(&settings).send(&message()).expect_err("not delivered")
}

#[test]
fn a_program_gets_signed_json() {
    let request = delivered(Form::Json, "/hook?source=perennial", Some("key"));
    assert_eq!(request.line(), "POST /hook?source=perennial");
    assert_eq!(request.header("Content-Type"), Some("application/json"));
    assert_eq!(request.header("X-Perennial-Event"), Some("client-late"));
    assert!(
        request
            .header("User-Agent")
            .is_some_and(|agent| agent.starts_with("Perennial/"))
    );
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"key");
    let tag = ring::hmac::sign(&key, request.body.as_bytes());
    let digits: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        request.header("X-Perennial-Signature"),
        Some(format!("sha256={digits}").as_str())
    );
    let body: serde_json::Value = serde_json::from_str(&request.body).expect("JSON");
    assert_eq!(body["title"], "laptop has had no backup for 3 days");
    assert_eq!(body["id"], message().id());
}

#[test]
fn without_a_key_there_is_no_signature() {
    assert_eq!(
        delivered(Form::Json, "/hook", None).header("X-Perennial-Signature"),
        None
    );
}

#[test]
fn a_user_and_password_in_the_address_are_used() {
    let server = HttpServer::start(&[OK]);
    let url = server.url("/hook").replace("http://", "http://user:pass@");
    webhook(&settings(Form::Json, url))
        .send(&message())
        .expect("delivered");
    assert_eq!(
        server.request().header("Authorization"),
        Some("Basic dXNlcjpwYXNz")
    );
}

#[test]
fn slack_and_discord_get_theirs() {
    let slack = delivered(Form::Slack, "/services/T0/B0/X", None);
    assert_eq!(slack.line(), "POST /services/T0/B0/X");
    assert!(slack.body.contains(r#""blocks":[{"#), "{}", slack.body);
    let discord = delivered(Form::Discord, "/api/webhooks/1/token", None);
    assert_eq!(discord.line(), "POST /api/webhooks/1/token?wait=true");
    assert!(discord.body.contains(r#""embeds":[{"#), "{}", discord.body);
}

#[test]
fn ntfy_and_gotify_get_theirs_with_a_token() {
    let ntfy = delivered(Form::Ntfy, "/backups", Some("tk_123"));
    assert_eq!(ntfy.line(), "POST /");
    assert_eq!(ntfy.header("Authorization"), Some("Bearer tk_123"));
    assert!(ntfy.body.contains(r#""topic":"backups""#), "{}", ntfy.body);
    assert_eq!(
        delivered(Form::Ntfy, "/backups", None).header("Authorization"),
        None
    );
    let gotify = delivered(Form::Gotify, "/", Some("A.b-c"));
    assert_eq!(gotify.line(), "POST /message");
    assert_eq!(gotify.header("X-Gotify-Key"), Some("A.b-c"));
}

#[test]
fn secrets_are_given_where_they_are_of_use() {
    let refused = |form, secret: Option<&str>| {
        let mut settings = settings(form, "https://push.example/topic".into());
        settings.secret = secret.map(Secret::new);
        Webhook::new(&settings, &Roots::none()).expect_err("makes no sense")
    };
    assert!(matches!(
        refused(Form::Slack, Some("key")),
        Error::IdleSecret { form: Form::Slack }
    ));
    assert!(matches!(
        refused(Form::Discord, Some("key")),
        Error::IdleSecret { form: Form::Discord }
    ));
    assert!(matches!(
        refused(Form::Gotify, None),
        Error::NoToken { form: Form::Gotify }
    ));
    assert!(matches!(refused(Form::Ntfy, Some("a\r\nb")), Error::Token));
}

#[test]
fn an_authority_of_ones_own_is_trusted_and_no_other() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let send = |authority: Option<&Authority>, host: &str| {
        let server = HttpServer::start_tls(&[OK], &ours.certify("localhost"));
        let mut settings = settings(Form::Json, server.tls_url(host, "/hook"));
        settings.authority_pem = authority.map(|authority| authority.pem.clone());
        webhook(&settings).send(&message()).map(|()| server.count())
    };
    assert_eq!(send(Some(&ours), "localhost").expect("delivered"), 1);
    for (authority, host) in [
        (None, "localhost"),
        (Some(&theirs), "localhost"),
        (Some(&ours), "127.0.0.1"),
    ] {
        let error = send(authority, host).expect_err("not trusted");
        assert!(matches!(error, Error::Tls { .. }), "{error:?}");
        assert!(error.is_temporary());
    }
}

#[test]
fn refusals_for_now_are_told_from_those_for_good() {
    for (status, is_temporary) in [
        (400, false),
        (401, false),
        (404, false),
        (410, false),
        (429, true),
        (500, true),
        (503, true),
    ] {
        let error = failure(
            &format!("HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n"),
            "/hook",
        );
        assert!(
            matches!(error, Error::Http { status: found, .. } if found == status),
            "{error:?}"
        );
        assert_eq!(error.is_temporary(), is_temporary, "{status}");
    }
}

#[test]
fn a_busy_server_says_for_how_long() {
    let wait = |header: &str| {
        failure(
            &format!("HTTP/1.1 429 No\r\nRetry-After: {header}\r\nContent-Length: 0\r\n\r\n"),
            "/hook",
        )
        .retry_after_ms()
    };
    assert_eq!(wait("120"), Some(120_000));
    assert_eq!(wait("Wed, 21 Oct 2026 07:28:00 GMT"), None);
    assert_eq!(wait("99999999999999999999"), None);
}

#[test]
fn an_error_holds_no_key_though_the_server_repeats_it() {
    let path = "/services/T00000000/B00000000/XXXXXXXXXXXXXXXX?token=hunter2222";
    let body = "no hook /services/T00000000/B00000000/XXXXXXXXXXXXXXXX,\n nor B00000000 or hunter2222";
    let length = body.len();
    let error = failure(
        &format!("HTTP/1.1 404 No\r\nContent-Length: {length}\r\n\r\n{body}"),
        path,
    );
    let shown = format!("{error} {error:?}");
    assert!(
        shown.contains("no hook [hidden], nor [hidden] or [hidden]"),
        "{shown}"
    );
    assert!(
        !shown.contains("B00000000") && !shown.contains("hunter2222"),
        "{shown}"
    );
}

#[test]
fn a_long_answer_is_not_read_to_its_end() {
    let answer = format!(
        "HTTP/1.1 500 No\r\nContent-Length: 99999999999\r\n\r\n{}",
        "x".repeat(100_000)
    );
    let Error::Http { reply, .. } = failure(&answer, "/hook") else {
        panic!("another error");
    };
    assert_eq!(reply.chars().count(), 300);
}

#[test]
fn redirects_are_told_and_not_followed() {
    let elsewhere = HttpServer::start(&[]);
    for target in [
        elsewhere.url("/secret"),
        "file:///etc/passwd".into(),
        "https://hooks.example/T0/secret".into(),
    ] {
        let error = failure(
            &format!("HTTP/1.1 307 No\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n"),
            "/hook",
        );
        assert!(
            matches!(error, Error::Redirected { status: 307, .. }),
            "{error:?}"
        );
        assert!(!error.is_temporary());
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }
    assert_eq!(elsewhere.count(), 0);
}

#[test]
fn what_is_no_http_may_pass() {
    for answer in ["", "SSH-2.0-OpenSSH_9.2\r\n\r\n", "HTTP/1.1 200"] {
        let error = failure(answer, "/hook");
        assert!(error.is_temporary(), "{answer:?}: {error:?}");
    }
}

#[test]
fn a_server_that_is_away_or_silent_may_come_back() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let settings = settings(
        Form::Json,
        format!("http://{}/hook", listener.local_addr().expect("an address")),
    );
    let webhook = webhook(&settings).with_timeout(Duration::from_millis(200));
    let silent = webhook.send(&message()).expect_err("no answer");
    assert!(
        matches!(silent, Error::TimedOut { .. }) && silent.is_temporary(),
        "{silent:?}"
    );
    drop(listener);
    let away = webhook.send(&message()).expect_err("nobody");
    assert!(
        matches!(away, Error::Unreachable { .. }) && away.is_temporary(),
        "{away:?}"
    );
}
