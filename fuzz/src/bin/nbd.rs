//! A client of the block device server that sends anything.
#![no_main]

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use nbd::{Access, Export, OneExport, Settings, Socket, serve_connection};

/// A disk that takes everything and keeps nothing.
struct Nothing;

impl Export for Nothing {
    fn len_bytes(&self) -> u64 {
        1 << 20
    }

    fn access(&self) -> Access {
        Access::Writable
    }

    fn read_at(&self, buffer: &mut [u8], offset_bytes: u64) -> std::io::Result<()> {
        assert!(offset_bytes + buffer.len() as u64 <= self.len_bytes());
        buffer.fill(0);
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], offset_bytes: u64) -> std::io::Result<()> {
        assert!(offset_bytes + bytes.len() as u64 <= self.len_bytes());
        Ok(())
    }

    fn discard(&self, range: std::ops::Range<u64>) -> std::io::Result<()> {
        assert!(range.start < range.end && range.end <= self.len_bytes());
        Ok(())
    }
}

static SETTINGS: LazyLock<Settings> = LazyLock::new(|| {
    Settings::new(Arc::new(OneExport {
        name: "disk".into(),
        export: Arc::new(Nothing),
    }))
});

fuzz_target!(|input: &[u8]| {
    let (mut client, server) = UnixStream::pair().expect("two sockets");
    // Less than a socket holds.
    client.write_all(input).expect("it is taken");
    client.shutdown(Shutdown::Write).expect("it is open");
    let client = std::thread::spawn(move || {
        let mut buffer = vec![0; 64 << 10];
        while client.read(&mut buffer).is_ok_and(|len| len > 0) {}
    });
    let _ = serve_connection(Socket::Unix(server), &SETTINGS);
    client.join().expect("the reader only reads");
});
