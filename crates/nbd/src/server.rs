//! A listener's connections: one thread each, no more than so many.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::channel::Channel;
use crate::{Error, Exports, Result, handshake, transmission};

/// A client that says nothing for so long during the handshake is none.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);
/// A client that takes nothing of a reply for so long is gone.
const WRITE_TIMEOUT: Duration = Duration::from_secs(300);
/// After an error that is not one connection's, waiting goes on after so long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What is served, and how.
#[derive(Clone)]
pub struct Settings {
    /// The disks.
    pub exports: Arc<dyn Exports>,
    /// With it, clients must use TLS.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// So many connections are served at once; others wait.
    pub max_connections: usize,
    /// Is told why a connection ended, if not by the client's wish.
    pub on_error: Arc<dyn Fn(&Error) + Send + Sync>,
}

impl Settings {
    /// Serves disks in the clear, to 64 connections at once, and says nothing of errors.
    pub fn new(exports: Arc<dyn Exports>) -> Self {
        Self {
            exports,
            tls: None,
            max_connections: 64,
            on_error: Arc::new(|_| {}),
        }
    }
}

/// Where clients come from.
#[derive(Debug)]
pub enum Listener {
    /// A Unix socket.
    Unix(UnixListener),
    /// A TCP port.
    Tcp(TcpListener),
}

/// A client's connection.
#[derive(Debug)]
pub enum Socket {
    /// By a Unix socket.
    Unix(UnixStream),
    /// By TCP.
    Tcp(TcpStream),
}

/// Serves one client until it goes.
///
/// # Errors
/// Whatever ended the connection, if not by the client's wish.
pub fn serve_connection(socket: Socket, settings: &Settings) -> Result<()> {
    socket
        .prepare(Some(HANDSHAKE_TIMEOUT))
        .map_err(Error::Connection)?;
    let mut channel = Channel::new(socket);
    let served = handshake::agree(&mut channel, settings).and_then(|agreed| {
        let Some(agreed) = agreed else { return Ok(()) };
        if let Some(socket) = channel.socket() {
            socket.prepare(None).map_err(Error::Connection)?;
        }
        let served = transmission::serve(&mut channel, &agreed);
        // What was written is not to be lost with the connection; the client gets no answer, and expects none.
        let _ = agreed.export.flush();
        served
    });
    channel.close();
    served
}

/// A listener that is served.
pub struct Server {
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    listener: Listener,
    settings: Settings,
    is_stopping: AtomicBool,
    /// A second handle of each connection, to end it with.
    open: Mutex<Vec<(u64, Socket)>>,
    has_closed: Condvar,
}

impl Server {
    /// Begins to take connections.
    ///
    /// # Errors
    /// [`Error::Accept`] where no thread can be had.
    pub fn start(listener: Listener, settings: Settings) -> Result<Self> {
        let shared = Arc::new(Shared {
            listener,
            settings,
            is_stopping: AtomicBool::new(false),
            open: Mutex::new(Vec::new()),
            has_closed: Condvar::new(),
        });
        let accepting = Arc::clone(&shared);
        let accepting = thread::Builder::new()
            .name("nbd".into())
            .spawn(move || accepting.accept())
            .map_err(Error::Accept)?;
        Ok(Self {
            shared,
            accepting: Some(accepting),
        })
    }

    /// Takes no more connections, ends those that there are, and returns when all have.
    pub fn stop(mut self) {
        self.end();
    }

    /// Returns when the listener ends by itself.
    pub fn wait(mut self) {
        if let Some(accepting) = self.accepting.take() {
            // It can't have panicked: nothing in it does.
            let _ = accepting.join();
        }
    }

    fn end(&mut self) {
        let Some(accepting) = self.accepting.take() else {
            return;
        };
        self.shared.is_stopping.store(true, Ordering::SeqCst);
        // Wakes the thread that waits for a connection.
        let _ = rustix::net::shutdown(self.shared.listener.as_fd(), rustix::net::Shutdown::Both);
        for (_, socket) in self.shared.open.lock().iter() {
            socket.shut_down();
        }
        self.shared.has_closed.notify_all();
        let _ = accepting.join();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

impl Shared {
    fn accept(self: Arc<Self>) {
        let mut number = 0;
        while !self.is_stopping.load(Ordering::SeqCst) {
            self.wait_for_room();
            let accepted = self
                .listener
                .accept()
                .and_then(|socket| Ok((socket.try_clone()?, socket)));
            match accepted {
                Ok((handle, socket)) => {
                    number += 1;
                    self.serve(number, handle, socket);
                }
                Err(_) if self.is_stopping.load(Ordering::SeqCst) => break,
                Err(error) => {
                    (self.settings.on_error)(&Error::Accept(error));
                    thread::sleep(ACCEPT_PAUSE);
                }
            }
        }
        let mut open = self.open.lock();
        while !open.is_empty() {
            // One may have come in while the others were ended.
            open.iter().for_each(|(_, socket)| socket.shut_down());
            self.has_closed.wait(&mut open);
        }
    }

    fn wait_for_room(&self) {
        let mut open = self.open.lock();
        while open.len() >= self.settings.max_connections.max(1) && !self.is_stopping.load(Ordering::SeqCst) {
            self.has_closed.wait(&mut open);
        }
    }

    fn serve(self: &Arc<Self>, number: u64, handle: Socket, socket: Socket) {
        self.open.lock().push((number, handle));
        let shared = Arc::clone(self);
        let spawned = thread::Builder::new()
            .name(format!("nbd-{number}"))
            .spawn(move || {
                let closed = Closed {
                    shared: &shared,
                    number,
                };
                if let Err(error) = serve_connection(socket, &shared.settings)
                    && !shared.is_stopping.load(Ordering::SeqCst)
                {
                    (shared.settings.on_error)(&error);
                }
                drop(closed);
            });
        if let Err(error) = spawned {
            self.forget(number);
            (self.settings.on_error)(&Error::Accept(error));
        }
    }

    fn forget(&self, number: u64) {
        self.open.lock().retain(|(open, _)| *open != number);
        self.has_closed.notify_all();
    }
}

/// Counts a connection as closed, also where an export panics.
struct Closed<'a> {
    shared: &'a Shared,
    number: u64,
}

impl Drop for Closed<'_> {
    fn drop(&mut self) {
        self.shared.forget(self.number);
    }
}

impl Listener {
    fn accept(&self) -> io::Result<Socket> {
        match self {
            Self::Unix(listener) => listener.accept().map(|(socket, _)| Socket::Unix(socket)),
            Self::Tcp(listener) => listener.accept().map(|(socket, _)| Socket::Tcp(socket)),
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Unix(listener) => listener.as_fd(),
            Self::Tcp(listener) => listener.as_fd(),
        }
    }
}

impl Socket {
    fn prepare(&self, read_timeout: Option<Duration>) -> io::Result<()> {
        match self {
            Self::Unix(socket) => {
                socket.set_read_timeout(read_timeout)?;
                socket.set_write_timeout(Some(WRITE_TIMEOUT))
            }
            Self::Tcp(socket) => {
                // A reply is written as a whole; nothing is to be waited for.
                socket.set_nodelay(true)?;
                socket.set_read_timeout(read_timeout)?;
                socket.set_write_timeout(Some(WRITE_TIMEOUT))
            }
        }
    }

    fn try_clone(&self) -> io::Result<Self> {
        match self {
            Self::Unix(socket) => socket.try_clone().map(Self::Unix),
            Self::Tcp(socket) => socket.try_clone().map(Self::Tcp),
        }
    }

    fn shut_down(&self) {
        // It may be closed already.
        let _ = match self {
            Self::Unix(socket) => socket.shutdown(Shutdown::Both),
            Self::Tcp(socket) => socket.shutdown(Shutdown::Both),
        };
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Unix(socket) => socket.read(buffer),
            Self::Tcp(socket) => socket.read(buffer),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Unix(socket) => socket.write(bytes),
            Self::Tcp(socket) => socket.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("listener", &self.shared.listener)
            .finish_non_exhaustive()
    }
}
