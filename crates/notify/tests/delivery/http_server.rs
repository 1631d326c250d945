//! A web server that gives the answers it was told to, one per connection, and keeps what it was asked.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::authority::Identity;

/// The server. Its thread ends with its last answer.
pub struct HttpServer {
    address: SocketAddr,
    requests: Receiver<Request>,
}

/// What was asked.
#[derive(Debug)]
pub struct Request {
    head: String,
    pub body: String,
}

impl HttpServer {
    /// Serves over HTTP.
    pub fn start(answers: &[&str]) -> Self {
        Self::serve(answers, |socket| Box::new(socket))
    }

    /// Serves over HTTPS.
    pub fn start_tls(answers: &[&str], identity: &Identity) -> Self {
        let chain = CertificateDer::pem_slice_iter(identity.certificate.as_bytes());
        let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(chain.map(|der| der.expect("PEM")).collect(), key)
            .expect("a key that fits");
        let config = Arc::new(config);
        Self::serve(answers, move |socket| {
            let connection = ServerConnection::new(config.clone()).expect("a connection");
            Box::new(StreamOwned::new(connection, socket))
        })
    }

    fn serve(
        answers: &[&str],
        wrap: impl Fn(std::net::TcpStream) -> Box<dyn Stream> + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (sender, requests) = channel();
        let answers: Vec<String> = answers.iter().map(|&answer| answer.to_owned()).collect();
        thread::spawn(move || {
            for answer in answers {
                let (socket, _) = listener.accept().expect("a connection");
                let mut stream = wrap(socket);
                // A handshake that fails is what some tests are about.
                let Some(request) = Request::read(&mut *stream) else {
                    continue;
                };
                let _ = stream.write_all(answer.as_bytes()).and_then(|()| stream.flush());
                let _ = sender.send(request);
            }
        });
        Self { address, requests }
    }

    /// Returns an address of this server.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Returns an address of this server, by the name `host`.
    pub fn tls_url(&self, host: &str, path: &str) -> String {
        format!("https://{host}:{}{path}", self.address.port())
    }

    /// Returns the next request, which has been made.
    pub fn request(&self) -> Request {
        self.requests.recv().expect("a request")
    }

    /// Waits for the last answer and returns how many requests there were.
    pub fn count(self) -> usize {
        self.requests.into_iter().count()
    }
}

impl Request {
    /// The method and the path.
    pub fn line(&self) -> &str {
        self.head
            .lines()
            .next()
            .and_then(|line| line.strip_suffix(" HTTP/1.1"))
            .expect("HTTP/1.1")
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.head.lines().filter_map(|line| line.split_once(": "));
        headers
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    fn read(stream: &mut dyn Stream) -> Option<Self> {
        let mut bytes = Vec::new();
        let mut byte = [0];
        while !bytes.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).ok()?;
            bytes.push(byte[0]);
        }
        let mut request = Self {
            head: String::from_utf8(bytes).expect("ASCII"),
            body: String::new(),
        };
        let length = request
            .header("Content-Length")
            .map_or(0, |length| length.parse().expect("a number"));
        let mut body = vec![0; length];
        stream.read_exact(&mut body).ok()?;
        request.body = String::from_utf8(body).expect("UTF-8");
        Some(request)
    }
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}
