//! How clients reach their server: by one of several addresses, and through a proxy.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::lab::{Lab, assert_same, source, text};

/// A name that nobody resolves (RFC 6761).
const ELSEWHERE: &str = "backup.invalid:55414";

/// A proxy that lets through to the server, whatever it is called, who says the password.
struct Proxy {
    address: String,
    led: Arc<AtomicUsize>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    fn before(server: &str, credentials: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Self {
            address: listener.local_addr().unwrap().to_string(),
            led: Arc::default(),
            asked: Arc::default(),
        };
        let (server, led, asked) = (server.to_owned(), proxy.led.clone(), proxy.asked.clone());
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (server, led, asked) = (server.clone(), led.clone(), asked.clone());
                std::thread::spawn(move || lead(client, &server, credentials, &led, &asked));
            }
        });
        proxy
    }
}

fn lead(
    client: TcpStream,
    server: &str,
    credentials: &str,
    led: &AtomicUsize,
    asked: &Mutex<Vec<String>>,
) -> Option<()> {
    let mut reader = BufReader::new(client.try_clone().ok()?);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    asked.lock().unwrap().push(head.lines().next()?.to_owned());
    let mut to_client = client;
    if !head.contains(&format!("Proxy-Authorization: Basic {credentials}\r\n")) {
        let _ = to_client.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
        return None;
    }
    let mut to_server = TcpStream::connect(server).ok()?;
    to_client
        .write_all(b"HTTP/1.1 200 Connection established\r\nProxy-Agent: test\r\n\r\n")
        .ok()?;
    led.fetch_add(1, Ordering::Relaxed);
    let (mut from_server, mut back) = (to_server.try_clone().ok()?, to_client.try_clone().ok()?);
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from_server, &mut back);
        let _ = back.shutdown(Shutdown::Both);
    });
    let _ = std::io::copy(&mut reader, &mut to_server);
    let _ = to_server.shutdown(Shutdown::Write);
    Some(())
}

/// A command of the client with a variable set.
fn set(mut command: Command, name: &str, value: &str) -> String {
    let output = command.env(name, value).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stderr)
}

#[test]
fn a_proxy_leads_to_a_server_that_only_it_can_find() {
    let mut lab = Lab::plain();
    lab.start();
    // anna:secret
    let proxy = Proxy::before(lab.address(), "YW5uYTpzZWNyZXQ=");
    let url = format!("http://anna:secret@{}", proxy.address);
    let token = lab.token(&["--client", "laptop", "--address", ELSEWHERE]);
    let state = lab.client_state("laptop");
    let state = state.to_str().unwrap();
    let enroll = || lab.command(["enroll", &token, "--client-state", state]);

    let alone = enroll().output().unwrap();
    assert!(text(&alone.stderr).contains(ELSEWHERE), "{}", text(&alone.stderr));
    let wrong = format!("http://anna:guess@{}", proxy.address);
    let refused = enroll().env("PERENNIAL_CLIENT_PROXY", &wrong).output().unwrap();
    let refused = text(&refused.stderr);
    assert!(
        refused.contains("refuses: 407 Proxy Authentication Required"),
        "{refused}"
    );
    assert!(!refused.contains("guess"), "{refused}");
    let odd = enroll()
        .env("PERENNIAL_CLIENT_PROXY", "socks5://x:secret@y:1")
        .output()
        .unwrap();
    let odd = text(&odd.stderr);
    assert!(
        odd.contains("http://proxy.example:3128") && !odd.contains("secret"),
        "{odd}"
    );

    let shown = lab
        .command(["config", "show", "client"])
        .env("PERENNIAL_CLIENT_PROXY", &url)
        .output()
        .unwrap();
    let shown = text(&shown.stdout);
    assert!(
        shown.contains(&format!("http://…@{}", proxy.address)) && !shown.contains("secret"),
        "{shown}"
    );

    set(enroll(), "PERENNIAL_CLIENT_PROXY", &url);
    let tree = source(&lab, 3);
    set(
        lab.once_command("laptop", &tree, &[]),
        "PERENNIAL_CLIENT_PROXY",
        &url,
    );
    let to = lab.root().join("restored");
    let mut restore = lab.command(["restore", "latest", "--client-state", state, "--to"]);
    restore.arg(&to);
    set(restore, "PERENNIAL_CLIENT_PROXY", &url);
    assert_same(&tree, &to.join("data"));
    // Control and data: everything has gone through it.
    assert!(proxy.led.load(Ordering::Relaxed) > 4);
    let asked = proxy.asked.lock().unwrap();
    assert!(
        asked
            .iter()
            .all(|line| *line == format!("CONNECT {ELSEWHERE} HTTP/1.1")),
        "{asked:?}"
    );
}

/// Enrols a client whose server has another address since.
fn enroll_astray(lab: &Lab, client: &str) {
    lab.enroll(client);
    let record = lab.client_state(client).join("client.toml");
    let known = std::fs::read_to_string(&record).unwrap();
    std::fs::write(&record, known.replace(lab.address(), "127.0.0.1:1")).unwrap();
}

#[test]
fn addresses_are_tried_in_their_order_until_the_server_answers() {
    let mut lab = Lab::plain();
    lab.start();
    let mut stranger = Lab::plain();
    stranger.start();
    lab.enroll("laptop");
    let tree = source(&lab, 3);
    // One that takes connections and says nothing, as networks away from home do.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().unwrap().to_string();
    let dial = format!("[\"127.0.0.1:1\", \"{}\", \"{silent}\"]", stranger.address());
    let begun = Instant::now();
    set(
        lab.once_command("laptop", &tree, &[]),
        "PERENNIAL_CLIENT_DIAL",
        &dial,
    );
    let took = begun.elapsed().as_secs_f64();
    assert!((5.0..60.0).contains(&took), "{took}");

    // By one that was not known at the enrolment.
    enroll_astray(&lab, "desk");
    let gone = asked_as(&lab, "desk", "[]");
    assert!(
        text(&gone.stderr).contains("127.0.0.1:1"),
        "{}",
        text(&gone.stderr)
    );
    let found = asked_as(&lab, "desk", lab.address());
    assert!(found.status.success(), "{}", text(&found.stderr));

    // Only others: that somebody else answers is told.
    let others = asked_as(&lab, "desk", stranger.address());
    let others = text(&others.stderr);
    assert!(
        others.contains(stranger.address()) && others.contains("certificate"),
        "{others}"
    );
    let odd = asked_as(&lab, "desk", "nas.lan");
    assert!(
        text(&odd.stderr).contains("addresses such as"),
        "{}",
        text(&odd.stderr)
    );
}

/// Asks the server as a client that dials these addresses first.
fn asked_as(lab: &Lab, client: &str, dial: &str) -> Output {
    let mut command = lab.command(["backup", "list", "--client-state"]);
    command
        .arg(lab.client_state(client))
        .env("PERENNIAL_CLIENT_DIAL", dial);
    command.output().unwrap()
}

#[test]
fn a_client_learns_the_further_addresses_of_its_server() {
    let mut lab = Lab::plain();
    let address = lab.address().to_owned();
    lab.start_with(&["--advertise", "127.0.0.1:1", "--advertise", &address], &[]);
    // The token has the address by which its maker was sure to reach the server.
    let token = lab.token(&["--client", "laptop", "--address", &address]);
    assert!(lab.enroll_with("laptop", &token).status.success());
    let record = lab.client_state("laptop").join("client.toml");
    let known = std::fs::read_to_string(&record).unwrap();
    assert!(
        known.contains(&format!("further_servers = [\"127.0.0.1:1\", \"{address}\"]")),
        "{known}"
    );
    // It is reached by them once the first leads nowhere.
    let moved = known.replace(&format!("server = \"{address}\""), "server = \"127.0.0.1:2\"");
    assert_ne!(moved, known);
    std::fs::write(&record, moved).unwrap();
    let tree = source(&lab, 3);
    lab.back_up("laptop", &tree);
}
