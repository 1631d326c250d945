//! An enrolled client that breaks the rules of images: each breach gets an error, and what was committed stays whole.

use std::sync::Arc;

use client::{Connection, Identity};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tonic::{Code, Status};
use wire::frame::FrameWriter;
use wire::v1::{
    BlockHashesRequest, DiskInfo, FileEnd, ImageBegin, ImageFinish, ImageReply, ImageRequest, Piece,
    PieceStart, VolumeHash, VolumeInfo, image_reply::Reply, image_request::Request,
};

use crate::lab::Lab;

const BLOCK_BYTES: u64 = 128 << 10;
const VOLUME_BYTES: u64 = 4 << 20;

/// A disk without a table whose only volume is all of it.
fn disk(name: &str, change: &dyn Fn(&mut serde_json::Value)) -> DiskInfo {
    let mut description = serde_json::json!({
        "format": 1,
        "name": name,
        "path": "/dev/x",
        "len_bytes": VOLUME_BYTES,
        "sector_bytes": 512,
        "table": { "kind": "none" },
        "partitions": [{
            "number": 0,
            "start_bytes": 0,
            "len_bytes": VOLUME_BYTES,
            "volume": {
                "file": "x.raw",
                "file_system": "unknown",
                "used_bytes": 0,
                "map": "exact",
                "consistency": "not mounted",
            },
        }],
    });
    change(&mut description);
    DiskInfo {
        name: name.to_owned(),
        description: serde_json::to_vec(&description).unwrap(),
        volumes: vec![volume(1, "x", VOLUME_BYTES)],
        ..DiskInfo::default()
    }
}

fn volume(volume_id: u64, name: &str, size_bytes: u64) -> VolumeInfo {
    VolumeInfo {
        volume_id,
        name: name.to_owned(),
        size_bytes,
    }
}

/// What a client does with its session.
struct Breach<'a> {
    disks: Vec<DiskInfo>,
    pieces: Vec<(Piece, &'a [u8])>,
    hashes: Vec<VolumeHash>,
}

/// Begins an image, sends pieces, and finishes; returns how the server refuses.
fn refusal(lab: &Lab, breach: Breach<'_>) -> Status {
    let runtime = Runtime::new().unwrap();
    let identity = Arc::new(Identity::open(&lab.client_state("evil")).unwrap());
    let connection = runtime.block_on(Connection::open(identity)).unwrap();
    let (requests, stream) = mpsc::channel(8);
    let send = |request| {
        // The server may have hung up already; then its error is what counts.
        let _ = runtime.block_on(requests.send(ImageRequest {
            request: Some(request),
        }));
    };
    send(Request::Begin(ImageBegin {
        protocol: 1,
        disks: breach.disks,
        ..ImageBegin::default()
    }));
    let stream = tokio_stream::wrappers::ReceiverStream::new(stream);
    let mut replies = runtime
        .block_on(async { connection.images().image_backup(stream).await })
        .unwrap()
        .into_inner();
    let mut next = || runtime.block_on(replies.message());
    let session = match next() {
        Err(status) => return status,
        Ok(Some(ImageReply {
            reply: Some(Reply::Session(session)),
        })) => session,
        other => panic!("no session: {other:?}"),
    };
    if !breach.pieces.is_empty() {
        let line = connection.dialler().open().unwrap();
        let mut writer = FrameWriter::create(line, &session.session).unwrap();
        for (piece, bytes) in breach.pieces {
            // As above.
            let _ = writer.piece(piece, bytes);
        }
        let _ = writer.finish();
    }
    send(Request::Finish(ImageFinish {
        data_connections: 1,
        volumes: breach.hashes,
    }));
    loop {
        match next() {
            Err(status) => return status,
            Ok(Some(ImageReply {
                reply: Some(Reply::Committed(_)),
            })) => panic!("it was committed"),
            Ok(Some(_)) => {}
            Ok(None) => panic!("the session ended without a word"),
        }
    }
}

fn lab() -> Lab {
    let mut lab = Lab::plain();
    lab.start();
    lab.enroll("evil");
    lab
}

#[test]
fn descriptions_and_names_that_lie_are_refused_before_anything_is_written() {
    let lab = lab();
    let plain = |_: &mut serde_json::Value| {};
    let with = |change: &dyn Fn(&mut serde_json::Value)| vec![disk("d", change)];
    let named = |name: &str| vec![disk(name, &plain)];
    let with_volumes = |volumes: Vec<VolumeInfo>| {
        vec![DiskInfo {
            volumes,
            ..disk("d", &plain)
        }]
    };
    let cases: Vec<(&str, Vec<DiskInfo>)> = vec![
        ("no disks", vec![]),
        (
            "no JSON",
            vec![DiskInfo {
                description: b"{".to_vec(),
                ..disk("d", &plain)
            }],
        ),
        ("another name", with(&|disk| disk["name"] = "e".into())),
        (
            "a partition beyond the end",
            with(&|disk| disk["partitions"][0]["len_bytes"] = u64::MAX.into()),
        ),
        (
            "a name that leads out",
            with(&|disk| disk["partitions"][0]["volume"]["file"] = "../x.raw".into()),
        ),
        (
            "a volume that is not sent",
            with(&|disk| disk["partitions"][0]["volume"]["file"] = "y.raw".into()),
        ),
        ("a disk above", named("..")),
        ("a disk with a slash", named("a/b")),
        ("a disk like a state directory", named("")),
        ("the same disk twice", vec![disk("d", &plain), disk("d", &plain)]),
        (
            "volumes with one number",
            with_volumes(vec![volume(1, "x", 512), volume(1, "y", 512)]),
        ),
        (
            "the same volume twice",
            with_volumes(vec![volume(1, "x", 512), volume(2, "x", 512)]),
        ),
        (
            "a volume above",
            with_volumes(vec![volume(1, "../x", 512), volume(2, "x", 512)]),
        ),
        ("half a sector", with_volumes(vec![volume(1, "x", 700)])),
        (
            "more than can be",
            with_volumes(vec![volume(1, "x", u64::MAX / 512 * 512)]),
        ),
    ];
    for (what, disks) in cases {
        let breach = Breach {
            disks,
            pieces: Vec::new(),
            hashes: Vec::new(),
        };
        let status = refusal(&lab, breach);
        assert_ne!(status.code(), Code::Unknown, "{what}: {status:?}");
        assert!(!status.message().is_empty(), "{what}");
    }
    assert_eq!(lab.backups("evil"), Vec::<String>::new());
    let outside = lab.storage().join("evil").join("x.raw");
    assert!(!outside.exists());
}

#[test]
fn content_that_does_not_fit_its_volume_ends_the_session() {
    let lab = lab();
    let block = vec![7; BLOCK_BYTES as usize];
    let piece = |file_id, offset_bytes| Piece {
        file_id,
        offset_bytes,
        ..Piece::default()
    };
    let cases: Vec<(&str, Piece, &[u8])> = vec![
        ("another volume", piece(9, 0), &block),
        ("half a block", piece(1, 0), &block[..1000]),
        ("between blocks", piece(1, 4096), &block),
        ("beyond the end", piece(1, VOLUME_BYTES), &block),
        ("beyond all", piece(1, u64::MAX - 100), &block),
        (
            "a hole beyond the end",
            Piece {
                hole_len_bytes: u64::MAX,
                ..piece(1, BLOCK_BYTES)
            },
            &[],
        ),
        (
            "a file's start",
            Piece {
                start: PieceStart::New.into(),
                ..piece(1, 0)
            },
            &block,
        ),
        (
            "a file's end",
            Piece {
                end: Some(FileEnd::default()),
                ..piece(1, 0)
            },
            &block,
        ),
    ];
    for (what, piece, bytes) in cases {
        let breach = Breach {
            disks: vec![disk("d", &|_| {})],
            pieces: vec![(piece, bytes)],
            hashes: Vec::new(),
        };
        let status = refusal(&lab, breach);
        assert_eq!(status.code(), Code::InvalidArgument, "{what}: {status:?}");
    }
    let wrong = Breach {
        disks: vec![disk("d", &|_| {})],
        pieces: vec![(piece(1, 0), &block)],
        hashes: vec![VolumeHash {
            volume_id: 1,
            hash: vec![1; 32],
        }],
    };
    let status = refusal(&lab, wrong);
    assert!(status.message().contains("does not match its hash"), "{status:?}");
    assert_eq!(lab.backups("evil"), Vec::<String>::new());
}

#[test]
fn hashes_are_told_to_nobody_else() {
    let lab = lab();
    let runtime = Runtime::new().unwrap();
    let identity = Arc::new(Identity::open(&lab.client_state("evil")).unwrap());
    let status = runtime.block_on(async {
        let connection = Connection::open(identity).await.unwrap();
        let request = BlockHashesRequest {
            session: vec![0; 32],
            volume_id: 1,
        };
        connection.images().fetch_block_hashes(request).await.unwrap_err()
    });
    assert_eq!(status.code(), Code::NotFound);
}
