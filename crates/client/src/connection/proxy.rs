//! HTTP proxies that lead anywhere they are asked to by CONNECT (RFC 9110, section 9.3.6). The server's TLS goes through as it is.

use std::fmt;
use std::io::{self, Read, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Longest head of an answer.
const MAX_HEAD_BYTES: usize = 16 << 10;

/// A proxy.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    address: String,
    /// User and password, as the header has them.
    credentials: Option<String>,
}

impl Proxy {
    /// Reads `http://[USER:PASSWORD@]HOST:PORT`; `None` where it is something else.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("http://")?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (credentials, address) = match rest.rsplit_once('@') {
            Some((credentials, address)) => (Some(credentials), address),
            None => (None, rest),
        };
        let (host, port) = address.rsplit_once(':')?;
        let is_host = !host.is_empty() && !host.contains(|character: char| "/ ".contains(character));
        if !is_host || port.parse::<u16>().is_err() || credentials.is_some_and(|text| !text.contains(':')) {
            return None;
        }
        Some(Self {
            address: address.to_owned(),
            credentials: credentials.map(|text| STANDARD.encode(text)),
        })
    }

    /// Where it is.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Has a connection to the proxy lead to an address from now on.
    pub(super) async fn lead(
        &self,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
        to: &str,
    ) -> io::Result<()> {
        stream.write_all(&self.request(to)).await?;
        let mut head = Head::default();
        while !head.is_whole()? {
            // Byte by byte, as what follows is not ours to read.
            head.0.push(stream.read_u8().await?);
        }
        head.is_granted(&self.address)
    }

    /// The same, blocking.
    pub(super) fn lead_blocking(&self, stream: &mut (impl Read + Write), to: &str) -> io::Result<()> {
        stream.write_all(&self.request(to))?;
        let mut head = Head::default();
        while !head.is_whole()? {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            head.0.push(byte[0]);
        }
        head.is_granted(&self.address)
    }

    fn request(&self, to: &str) -> Vec<u8> {
        let mut request = format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n");
        if let Some(credentials) = &self.credentials {
            request += &format!("Proxy-Authorization: Basic {credentials}\r\n");
        }
        (request + "\r\n").into_bytes()
    }
}

/// Without the password.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let credentials = if self.credentials.is_some() { "…@" } else { "" };
        write!(f, "http://{credentials}{}", self.address)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// What a proxy answers before it lets through.
#[derive(Default)]
struct Head(Vec<u8>);

impl Head {
    fn is_whole(&self) -> io::Result<bool> {
        if self.0.len() >= MAX_HEAD_BYTES {
            return Err(io::Error::other("the proxy's answer is too long"));
        }
        Ok(self.0.ends_with(b"\r\n\r\n"))
    }

    fn is_granted(&self, proxy: &str) -> io::Result<()> {
        let line = self.0.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let line = String::from_utf8_lossy(line);
        let mut words = line.splitn(3, ' ');
        let is_http = words.next().is_some_and(|version| version.starts_with("HTTP/1."));
        match words.next() {
            Some(status) if is_http && status.len() == 3 && status.starts_with('2') => Ok(()),
            Some(status) if is_http => {
                let why = words.next().unwrap_or_default();
                let why = why.chars().filter(|character| !character.is_control());
                let why: String = why.take(100).collect();
                Err(io::Error::other(format!(
                    "the proxy {proxy} refuses: {status} {why}"
                )))
            }
            _ => Err(io::Error::other(format!("{proxy} is no HTTP proxy"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A proxy that answers this, and what it was asked.
    struct Answering<'a> {
        answer: &'a [u8],
        asked: Vec<u8>,
    }

    impl Read for Answering<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            Read::read(&mut self.answer, buffer)
        }
    }

    impl Write for Answering<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Write::write(&mut self.asked, bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn ask(proxy: &str, answer: &[u8]) -> (io::Result<()>, String, usize) {
        let mut stream = Answering {
            answer,
            asked: Vec::new(),
        };
        let led = Proxy::parse(proxy)
            .expect("a proxy")
            .lead_blocking(&mut stream, "backup.example:55414");
        (
            led,
            String::from_utf8(stream.asked).expect("text"),
            stream.answer.len(),
        )
    }

    #[test]
    fn a_proxy_is_asked_to_lead_to_the_server() {
        let (led, asked, left) = ask(
            "http://anna:a:b@c@proxy.example:3128",
            b"HTTP/1.1 200 Connection established\r\nVia: 1.1 x\r\n\r\nnot ours",
        );
        led.expect("is led");
        assert!(asked.starts_with("CONNECT backup.example:55414 HTTP/1.1\r\nHost: backup.example:55414\r\n"));
        assert!(
            asked.ends_with("Proxy-Authorization: Basic YW5uYTphOmJAYw==\r\n\r\n"),
            "{asked}"
        );
        assert_eq!(left, "not ours".len());
    }

    #[test]
    fn what_a_proxy_refuses_is_told() {
        let refused = |answer: &[u8]| ask("http://proxy:3128", answer).0.unwrap_err().to_string();
        assert_eq!(
            refused(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"),
            "the proxy proxy:3128 refuses: 407 Proxy Authentication Required"
        );
        assert_eq!(
            refused(b"SSH-2.0-OpenSSH_9\r\n\r\n"),
            "proxy:3128 is no HTTP proxy"
        );
        assert_eq!(
            refused(b"HTTP/1.1 2000 \x1b[2J\r\n\r\n"),
            "the proxy proxy:3128 refuses: 2000 [2J"
        );
        assert!(refused(&[b'x'; 20_000]).contains("too long"));
        assert!(ask("http://proxy:3128", b"HTTP/1.1 200").0.is_err());
    }

    #[test]
    fn a_proxy_is_written_as_an_address() {
        let known = |text: &str| Proxy::parse(text).map(|proxy| proxy.address);
        assert_eq!(known("http://proxy:3128").as_deref(), Some("proxy:3128"));
        assert_eq!(
            known("http://a:b@[fd00::1]:3128/").as_deref(),
            Some("[fd00::1]:3128")
        );
        for text in [
            "proxy:3128",
            "https://proxy:3128",
            "http://proxy",
            "http://:3128",
            "http://a@proxy:1",
            "http://a/b:1",
        ] {
            assert_eq!(known(text), None, "{text}");
        }
        let proxy = Proxy::parse("http://anna:secret@proxy:3128").expect("a proxy");
        assert!(!format!("{proxy:?}").contains("YW5u"));
        assert_eq!(proxy.to_string(), "http://…@proxy:3128");
    }
}
