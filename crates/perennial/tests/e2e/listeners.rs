//! Who is told: a web server that keeps what it is asked, and a mail server that keeps what it is sent.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

/// A web server. It ends with the test.
pub struct WebServer {
    address: SocketAddr,
    requests: Receiver<Asked>,
    answers: Arc<AtomicBool>,
}

/// What a web server was asked.
#[derive(Debug)]
pub struct Asked {
    /// Method and path.
    pub line: String,
    /// What was posted.
    pub body: String,
}

impl Asked {
    /// The body, which is JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

impl WebServer {
    /// Starts one.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, requests) = channel();
        let answers = Arc::new(AtomicBool::new(true));
        let answering = answers.clone();
        std::thread::spawn(move || {
            // Connections that get no answer stay open.
            let mut held = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let asked = read_request(&stream);
                match answering.load(Ordering::SeqCst) {
                    true => drop(
                        stream
                            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
                    ),
                    false => held.push(stream),
                }
                if sender.send(asked).is_err() {
                    return;
                }
            }
        });
        Self {
            address,
            requests,
            answers,
        }
    }

    /// An address of it.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// From now on it takes requests and says nothing.
    pub fn fall_silent(&self) {
        self.answers.store(false, Ordering::SeqCst);
    }

    /// From now on it answers.
    pub fn answer(&self) {
        self.answers.store(true, Ordering::SeqCst);
    }

    /// The next thing that it was asked; waits for that.
    pub fn next(&self) -> Asked {
        self.requests
            .recv_timeout(PATIENCE)
            .expect("nobody asks the web server")
    }
}

fn read_request(stream: &TcpStream) -> Asked {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let mut body_len = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).unwrap();
        match header.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                body_len = value.parse().unwrap();
            }
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; body_len];
    reader.read_exact(&mut body).unwrap();
    Asked {
        line: line.trim_end().trim_end_matches(" HTTP/1.1").to_owned(),
        body: String::from_utf8(body).unwrap(),
    }
}

/// A mail server that wants a login. It ends with the test.
pub struct MailServer {
    /// Where it listens.
    pub port: u16,
    mails: Receiver<String>,
}

impl MailServer {
    /// Starts one that takes this password, as base64 of what AUTH PLAIN sends.
    pub fn start(login: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, mails) = channel();
        let login = login.to_owned();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                // A client that hangs up is none of its business.
                let _ = converse(&stream.unwrap(), &login, &sender);
            }
        });
        Self { port, mails }
    }

    /// The next mail that it was sent; waits for that.
    pub fn next(&self) -> String {
        self.mails
            .recv_timeout(PATIENCE)
            .expect("nobody sends the mail server anything")
    }
}

fn converse(mut stream: &TcpStream, login: &str, mails: &Sender<String>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    stream.write_all(b"220 mail.test\r\n")?;
    while let Some(line) = lines.next().transpose()? {
        let word = line.split(' ').next().unwrap_or_default().to_ascii_uppercase();
        let answer = match word.as_str() {
            "EHLO" => "250-mail.test\r\n250 AUTH PLAIN\r\n".to_owned(),
            "AUTH" if line.ends_with(login) => "235 welcome\r\n".to_owned(),
            // Rude, and it happens.
            "AUTH" => format!("535 not with {line}\r\n"),
            "DATA" => {
                stream.write_all(b"354 go on\r\n")?;
                let mut mail = String::new();
                while let Some(line) = lines.next().transpose()?.filter(|line| line != ".") {
                    mail.push_str(&line);
                    mail.push('\n');
                }
                let _ = mails.send(mail);
                "250 taken\r\n".to_owned()
            }
            "QUIT" => "221 bye\r\n".to_owned(),
            _ => "250 OK\r\n".to_owned(),
        };
        stream.write_all(answer.as_bytes())?;
    }
    Ok(())
}
