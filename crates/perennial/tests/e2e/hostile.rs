//! An enrolled client that breaks the rules: each breach gets an error, nothing outside its tree is touched, and what
//! was committed stays whole.

use std::sync::Arc;

use client::{Connection, DataConnection, Identity};
use manifest::delta::{Basis, DirDelta, FileId, Op, Upsert, encode_op};
use manifest::{Entry, Kind, Metadata};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tonic::{Status, Streaming};
use wire::frame::FrameWriter;
use wire::v1::{
    FileEnd, IngestBegin, IngestFinish, IngestReply, IngestRequest, IngestSession, Piece, PieceStart,
    SourceInfo, ingest_reply::Reply, ingest_request::Request,
};

use crate::lab::{Lab, assert_same, source};

/// An ingest session in the hands of somebody who means harm.
struct Attacker {
    runtime: Runtime,
    connection: Connection,
    requests: mpsc::Sender<IngestRequest>,
    replies: Streaming<IngestReply>,
    session: IngestSession,
}

impl Attacker {
    fn begin(lab: &Lab) -> Self {
        let runtime = Runtime::new().unwrap();
        let identity = Arc::new(Identity::open(&lab.client_state("evil")).unwrap());
        let connection = runtime.block_on(Connection::open(identity)).unwrap();
        let (requests, stream) = mpsc::channel(64);
        let begin = IngestBegin {
            protocol: 1,
            sources: vec![SourceInfo {
                name: b"data".to_vec(),
                path: b"/data".to_vec(),
                ..SourceInfo::default()
            }],
            ..IngestBegin::default()
        };
        requests.try_send(request(Request::Begin(begin))).unwrap();
        let stream = tokio_stream::wrappers::ReceiverStream::new(stream);
        let (replies, session) = runtime.block_on(async {
            let mut replies = connection
                .backups()
                .file_backup(stream)
                .await
                .unwrap()
                .into_inner();
            let first = replies.message().await.unwrap().unwrap();
            let Some(Reply::Session(session)) = first.reply else {
                panic!("no session: {first:?}")
            };
            (replies, session)
        });
        Self {
            runtime,
            connection,
            requests,
            replies,
            session,
        }
    }

    fn send(&self, request_of: Request) {
        // The server may have hung up already; then its error is what counts.
        let _ = self.runtime.block_on(self.requests.send(request(request_of)));
    }

    fn operations(&self, ops: &[Op]) {
        self.send(Request::Operations(encoded(ops).into()));
    }

    fn frames(&self) -> FrameWriter<DataConnection> {
        let stream = self.connection.dialler().open().unwrap();
        FrameWriter::create(stream, &self.session.session).unwrap()
    }

    /// Reads replies until the server ends the session; panics where it commits.
    fn refusal(mut self) -> Status {
        self.runtime.block_on(async {
            loop {
                match self.replies.message().await {
                    Err(status) => return status,
                    Ok(Some(IngestReply {
                        reply: Some(Reply::Committed(_)),
                    })) => panic!("it was committed"),
                    Ok(Some(_)) => {}
                    Ok(None) => panic!("the session ended without a word"),
                }
            }
        })
    }
}

fn request(request: Request) -> IngestRequest {
    IngestRequest {
        request: Some(request),
    }
}

fn encoded(ops: &[Op]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for op in ops {
        encode_op(op, &mut bytes).unwrap();
    }
    bytes
}

/// Exchanges bytes of the encoded form, to say what the encoder would not.
fn forged(ops: &[Op], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut bytes = encoded(ops);
    let at = bytes
        .windows(from.len())
        .rposition(|window| window == from)
        .expect("the bytes to forge");
    bytes[at..at + from.len()].copy_from_slice(to);
    bytes
}

fn metadata() -> Metadata {
    Metadata {
        mode: 0o755,
        ..Metadata::default()
    }
}

fn directory(path: &str, upserts: Vec<Upsert>) -> Op {
    let metadata = (!path.is_empty()).then(metadata);
    Op::Dir(Box::new(DirDelta {
        path: path.as_bytes().into(),
        metadata,
        basis: Basis::Complete,
        removed: Vec::new(),
        upserts,
    }))
}

fn entry(name: &str, kind: Kind) -> Upsert {
    Upsert {
        entry: Entry {
            name: name.as_bytes().into(),
            metadata: metadata(),
            kind,
        },
        pending: None,
    }
}

fn file(name: &str, size: u64, id: u64) -> Upsert {
    Upsert {
        pending: Some(FileId(id)),
        ..entry(name, Kind::pending_file(size))
    }
}

fn piece(id: u64) -> Piece {
    Piece {
        file_id: id,
        start: PieceStart::New.into(),
        ..Piece::default()
    }
}

/// Runs an attack on a server with a good backup; returns the refusal's text.
fn attack(work: impl FnOnce(&Attacker)) -> String {
    let mut lab = Lab::plain();
    lab.start();
    lab.enroll("good");
    lab.enroll("evil");
    let good = source(&lab, 11);
    let name = lab.back_up("good", &good);
    let outside = lab.root().join("outside");
    std::fs::create_dir(&outside).unwrap();
    let attacker = Attacker::begin(&lab);
    work(&attacker);
    let status = attacker.refusal();
    assert!(!status.message().is_empty());
    assert!(
        std::fs::read_dir(&outside).unwrap().next().is_none(),
        "something was written outside"
    );
    lab.verify("good", &name);
    assert_same(&good, &lab.restored("good", &name));
    assert!(lab.backups("evil").is_empty());
    assert!(lab.log().contains("a backup ended early"), "{}", lab.log());
    // The next backup of the same client works.
    lab.back_up("evil", &good);
    status.message().to_owned()
}

fn root_with(entries: Vec<Upsert>) -> Op {
    directory("", entries)
}

#[test]
fn a_path_that_leads_upwards() {
    let ops = [
        root_with(vec![entry("qq", Kind::Directory)]),
        directory("qq", vec![]),
    ];
    attack(|attacker| attacker.send(Request::Operations(forged(&ops, b"qq", b"..").into())));
}

#[test]
fn a_name_that_leads_upwards() {
    let ops = [root_with(vec![entry("qq", Kind::Directory)])];
    attack(|attacker| attacker.send(Request::Operations(forged(&ops, b"qq", b"..").into())));
}

#[test]
fn an_absolute_path() {
    let ops = [
        root_with(vec![entry("qqqq", Kind::Directory)]),
        directory("qqqq", vec![]),
    ];
    attack(|attacker| attacker.send(Request::Operations(forged(&ops, b"qqqq", b"/tmp").into())));
}

#[test]
fn a_name_with_a_slash_in_it() {
    let ops = [root_with(vec![entry("qqq", Kind::Directory)])];
    attack(|attacker| attacker.send(Request::Operations(forged(&ops, b"qqq", b"q/q").into())));
}

#[test]
fn a_path_through_a_symbolic_link() {
    attack(|attacker| {
        let target: Box<[u8]> = b"../../../../outside".as_slice().into();
        attacker.operations(&[
            root_with(vec![entry("data", Kind::Symlink { target })]),
            directory("data", vec![file("loot", 1, 1)]),
        ]);
    });
}

#[test]
fn a_duplicate_entry() {
    let ops = [root_with(vec![
        entry("q1", Kind::Directory),
        entry("q2", Kind::Directory),
    ])];
    attack(|attacker| attacker.send(Request::Operations(forged(&ops, b"q2", b"q1").into())));
}

#[test]
fn entries_out_of_order() {
    attack(|attacker| {
        attacker.operations(&[
            root_with(vec![entry("a", Kind::Directory), entry("b", Kind::Directory)]),
            directory("b", vec![]),
            directory("a", vec![]),
        ]);
    });
}

#[test]
fn operations_that_speak_of_more_than_the_base_has() {
    attack(|attacker| attacker.operations(&[Op::Same { dirs: 1 << 62 }]));
}

#[test]
fn operations_that_are_noise() {
    attack(|attacker| attacker.send(Request::Operations(vec![0xff; 10_000].into())));
}

#[test]
fn a_file_of_nine_exabytes() {
    attack(|attacker| {
        attacker.operations(&[root_with(vec![file("huge", i64::MAX as u64, 1)])]);
        let mut frames = attacker.frames();
        let end = piece(1);
        let _ = frames
            .piece(
                Piece {
                    offset_bytes: 1 << 63,
                    ..end
                },
                b"x",
            )
            .and_then(|()| frames.flush());
    });
}

#[test]
fn content_with_another_hash() {
    let message = attack(|attacker| {
        attacker.operations(&[root_with(vec![file("forged", 5, 1)])]);
        let mut frames = attacker.frames();
        let end = FileEnd {
            hash: vec![9; 32],
            ..FileEnd::default()
        };
        frames
            .piece(
                Piece {
                    end: Some(end),
                    ..piece(1)
                },
                b"hello",
            )
            .unwrap();
        frames.flush().unwrap();
    });
    assert!(message.contains("does not match its hash"), "{message}");
}

#[test]
fn content_that_never_ends() {
    let message = attack(|attacker| {
        attacker.operations(&[root_with(vec![file("endless", 5, 1)])]);
        let mut frames = attacker.frames();
        // A hole of 3 GiB where 5 bytes were announced.
        let _ = frames
            .piece(
                Piece {
                    hole_len_bytes: 3 << 30,
                    ..piece(1)
                },
                b"",
            )
            .and_then(|()| frames.flush());
    });
    assert!(message.contains("beyond its announced size"), "{message}");
}

#[test]
fn content_for_a_file_that_nobody_announced() {
    attack(|attacker| {
        attacker.operations(&[root_with(vec![file("one", 5, 1)])]);
        let mut frames = attacker.frames();
        frames.piece(piece(7), b"hello").unwrap();
        frames.flush().unwrap();
        attacker.send(Request::Finish(IngestFinish::default()));
    });
}

#[test]
fn a_finish_without_the_content() {
    attack(|attacker| {
        attacker.operations(&[root_with(vec![file("one", 5, 1)])]);
        attacker.send(Request::Finish(IngestFinish::default()));
    });
}

#[test]
fn a_data_connection_of_another_client_is_refused() {
    let mut lab = Lab::plain();
    lab.start();
    lab.enroll("good");
    lab.enroll("evil");
    let attacker = Attacker::begin(&lab);
    let good = Arc::new(Identity::open(&lab.client_state("good")).unwrap());
    let connection = attacker.runtime.block_on(Connection::open(good)).unwrap();
    let mut frames =
        FrameWriter::create(connection.dialler().open().unwrap(), &attacker.session.session).unwrap();
    // Written into the void: the server hangs up.
    let _ = frames.piece(piece(1), b"hello").and_then(|()| frames.flush());
    let begun = std::time::Instant::now();
    while !lab.log().contains("for another client's session was refused") {
        assert!(
            begun.elapsed() < std::time::Duration::from_secs(20),
            "{}",
            lab.log()
        );
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    drop(attacker);
}

#[test]
fn a_protocol_version_that_nobody_speaks_is_refused() {
    let mut lab = Lab::plain();
    lab.start();
    lab.enroll("evil");
    let runtime = Runtime::new().unwrap();
    let identity = Arc::new(Identity::open(&lab.client_state("evil")).unwrap());
    let status = runtime.block_on(async {
        let connection = Connection::open(identity).await.unwrap();
        let begin = IngestBegin {
            protocol: 99,
            ..IngestBegin::default()
        };
        let stream = tokio_stream::iter([request(Request::Begin(begin))]);
        let mut replies = connection
            .backups()
            .file_backup(stream)
            .await
            .unwrap()
            .into_inner();
        replies.message().await.unwrap_err()
    });
    assert_eq!(status.code(), tonic::Code::FailedPrecondition);
    assert!(status.message().contains("99"), "{}", status.message());
}

#[test]
fn noise_on_the_port_is_no_harm() {
    use std::io::{Read as _, Write as _};
    let mut lab = Lab::plain();
    lab.start();
    for noise in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0; 4096], &[0xff; 70_000]] {
        let mut stream = std::net::TcpStream::connect(lab.address()).unwrap();
        let _ = stream.write_all(noise);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
    }
    lab.ok(["status"]);
}
