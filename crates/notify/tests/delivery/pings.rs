//! Pings, with and without a log.

use notify::{Error, Ping, PingSettings, Roots, Signal};

use crate::authority::Authority;
use crate::http_server::HttpServer;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK";

fn ping(url: String) -> Ping {
    let settings = PingSettings {
        url,
        authority_pem: None,
    };
    Ping::new(&settings, &Roots::none()).expect("makes sense")
}

#[test]
fn signals_without_a_log_are_gets() {
    let server = HttpServer::start(&[OK; 4]);
    let ping = ping(server.url("/5bf66975"));
    for (signal, line) in [
        (Signal::Start, "GET /5bf66975/start"),
        (Signal::Success, "GET /5bf66975"),
        (Signal::Failure, "GET /5bf66975/fail"),
        (Signal::Log, "GET /5bf66975/log"),
    ] {
        ping.send(signal, "").expect("delivered");
        assert_eq!(server.request().line(), line);
    }
}

#[test]
fn the_end_of_a_long_log_is_posted() {
    let server = HttpServer::start(&[OK]);
    let log = format!("{}\nfailed: Gerät voll", "line\n".repeat(10_000));
    ping(server.url("/5bf66975"))
        .send(Signal::Failure, &log)
        .expect("delivered");
    let request = server.request();
    assert_eq!(request.line(), "POST /5bf66975/fail");
    assert_eq!(request.header("Content-Type"), Some("text/plain; charset=utf-8"));
    assert!(
        request.body.starts_with('…') && request.body.ends_with("failed: Gerät voll"),
        "{}",
        request.body
    );
    assert!(
        (9_990..=10_000).contains(&request.body.len()),
        "{}",
        request.body.len()
    );
}

#[test]
fn pings_go_over_tls_too() {
    let authority = Authority::new();
    let server = HttpServer::start_tls(&[OK], &authority.certify("localhost"));
    let settings = PingSettings {
        url: server.tls_url("localhost", "/5bf66975"),
        authority_pem: Some(authority.pem),
    };
    let ping = Ping::new(&settings, &Roots::none()).expect("makes sense");
    ping.send(Signal::Success, "").expect("delivered");
    assert_eq!(server.request().line(), "GET /5bf66975");
}

#[test]
fn a_check_that_is_unknown_is_an_error_for_good() {
    let server = HttpServer::start(&["HTTP/1.1 404 No\r\nContent-Length: 9\r\n\r\nnot found"]);
    let error = ping(server.url("/5bf66975"))
        .send(Signal::Success, "")
        .expect_err("unknown");
    assert!(
        matches!(error, Error::Http { status: 404, .. }) && !error.is_temporary(),
        "{error:?}"
    );
}
