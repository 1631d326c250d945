//! Two network namespaces with a link between them that is as slow as a test wants it.

use std::fs;
use std::process::Command;

use crate::lab::{Lab, assert_same, text};

const SERVER_ADDRESS: &str = "10.213.7.1:55414";

/// A server's and a client's network namespace, and a link between them; removed at the end.
pub struct Network {
    server: String,
    client: String,
}

impl Network {
    /// Links the two by so many Mbit/s. `None`, with the reason printed, where that can't be had.
    pub fn create(mbit_per_s: u32) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: only root can make network namespaces");
            return None;
        }
        let name = |end: &str| format!("perennial-{}-{end}", std::process::id());
        let network = Self {
            server: name("server"),
            client: name("client"),
        };
        let Self { server, client } = &network;
        let rate = format!("{mbit_per_s}mbit");
        let mut script = format!(
            "netns add {server}
             netns add {client}
             link add s netns {server} type veth peer name c netns {client}
             -n {server} address add 10.213.7.1/30 dev s
             -n {client} address add 10.213.7.2/30 dev c"
        );
        for (namespace, device) in [(server, "s"), (client, "c")] {
            script += &format!(
                "\n-n {namespace} link set lo up
                 -n {namespace} link set {device} up"
            );
        }
        for line in script.lines() {
            network.run("ip", &line.split_whitespace().collect::<Vec<_>>());
        }
        for (namespace, device) in [(server, "s"), (client, "c")] {
            let shape = ["-n", namespace, "qdisc", "add", "dev", device, "root", "tbf"];
            let how = ["rate", &rate, "burst", "64kb", "latency", "200ms"];
            network.run("tc", &[&shape[..], &how].concat());
        }
        Some(network)
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let output = Command::new(program).args(arguments).output().unwrap();
        assert!(
            output.status.success(),
            "{program} {arguments:?}: {}",
            text(&output.stderr)
        );
    }

    /// Cuts the link, or joins it again.
    pub fn set_up(&self, is_up: bool) {
        let state = if is_up { "up" } else { "down" };
        self.run("ip", &["-n", &self.client, "link", "set", "c", state]);
    }

    /// What runs a command at the server's end.
    pub fn server_wrapper(&self) -> Vec<String> {
        ["ip", "netns", "exec", &self.server].map(str::to_owned).to_vec()
    }

    /// What runs a command at the client's end.
    pub fn client_wrapper(&self) -> Vec<String> {
        ["ip", "netns", "exec", &self.client].map(str::to_owned).to_vec()
    }

    /// The client's network namespace.
    pub fn client_namespace(&self) -> &str {
        &self.client
    }

    /// Where the server is.
    pub fn server_address(&self) -> &'static str {
        SERVER_ADDRESS
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for namespace in [&self.server, &self.client] {
            // One that was not made, since making it failed, can't be removed either.
            let _ = Command::new("ip").args(["netns", "delete", namespace]).status();
        }
    }
}

/// A lab whose server runs at the other end of the network.
fn lab_on(network: &Network) -> Lab {
    let mut lab = Lab::plain();
    lab.move_to(network);
    lab.start();
    lab.enroll("laptop");
    lab
}

#[test]
fn over_a_slow_link_content_is_compressed_where_that_helps() {
    let Some(network) = Network::create(50) else {
        return;
    };
    let lab = lab_on(&network);
    let source = lab.root().join("source");
    fs::create_dir(&source).unwrap();
    let lines: String = (0..300_000)
        .map(|line| format!("{line} lines of a log\n"))
        .collect();
    fs::write(source.join("log"), &lines).unwrap();
    let name = lab.back_up("laptop", &source);
    let sent = lab.sent_bytes("laptop", &name);
    assert!(
        sent < lines.len() as u64 / 2,
        "{sent} of {} bytes were sent",
        lines.len()
    );
    assert_same(&source, &lab.restored("laptop", &name));

    let noise = crate::interruption::noise(3, 6_000_000);
    fs::write(source.join("noise"), &noise).unwrap();
    let name = lab.back_up("laptop", &source);
    let sent = lab.sent_bytes("laptop", &name);
    assert!(sent < noise.len() as u64 * 101 / 100, "{sent} bytes were sent");
    assert_same(&source, &lab.restored("laptop", &name));
}

#[test]
fn a_link_that_is_gone_for_some_seconds_costs_nothing_but_them() {
    let Some(network) = Network::create(100) else {
        return;
    };
    let lab = lab_on(&network);
    let source = lab.root().join("source");
    fs::create_dir(&source).unwrap();
    let noise = crate::interruption::noise(4, 24_000_000);
    fs::write(source.join("noise"), &noise).unwrap();
    let client = lab
        .once_command("laptop", &source, &[])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_millis(700));
    network.set_up(false);
    std::thread::sleep(std::time::Duration::from_secs(4));
    network.set_up(true);
    let output = client.wait_with_output().unwrap();
    assert!(output.status.success(), "{}\n{}", text(&output.stderr), lab.log());
    let name = &lab.backups("laptop")[0];
    assert_same(&source, &lab.restored("laptop", name));
    let sent = lab.sent_bytes("laptop", name);
    assert!(sent < noise.len() as u64 * 101 / 100, "{sent} bytes were sent");
}
