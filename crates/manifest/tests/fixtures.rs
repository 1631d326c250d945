//! Frozen manifests: what a version of the format has written is read for ever.
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod generate;

use generate::{conclusion, header, sampler, sampler_2, write};
use manifest::{Reader, Result, read_partial};

const VERSION_1: &[u8] = include_bytes!("fixtures/version-1.manifest");
const VERSION_2: &[u8] = include_bytes!("fixtures/version-2.manifest");
/// The digest of the sampler's records.
const DIGEST: &str = "fe3592671f61625cd5f033507362650f9dcd05f1cacac531a8ceddf667760183";
const DIGEST_2: &str = "e7127709e1779021f9514de1c5e0badc6b4841b33467a7d086a4f4d1aad46c5f";

#[test]
fn version_1_is_read() {
    let reader = Reader::open(VERSION_1).unwrap();
    assert_eq!(reader.header(), &header());
    assert_eq!(reader.conclusion(), &conclusion());
    assert_eq!(reader.digest().to_string(), DIGEST);
    assert!(reader.records().map(Result::unwrap).eq(sampler()));
    assert_eq!(read_partial(VERSION_1).unwrap().count(), sampler().len());
    assert_eq!(
        (
            reader.totals().files,
            reader.totals().special,
            reader.totals().bytes
        ),
        (3, 3, (1 << 40) + (1 << 20) + 6)
    );
}

#[test]
fn version_2_is_read() {
    let reader = Reader::open(VERSION_2).unwrap();
    assert_eq!(reader.header(), &header());
    assert_eq!(reader.digest().to_string(), DIGEST_2);
    assert!(reader.records().map(Result::unwrap).eq(sampler_2()));
    assert_eq!(reader.totals().files, 4);
}

#[test]
fn the_encoding_of_records_is_frozen() {
    let (_, summary) = write(&sampler(), 2);
    assert_eq!(summary.digest.to_string(), DIGEST);
    let (_, summary) = write(&sampler_2(), 2);
    assert_eq!(summary.digest.to_string(), DIGEST_2);
}

/// Writes the fixture of the current version; for a new version only.
#[test]
#[ignore = "writes a fixture"]
fn write_fixture() {
    let (bytes, summary) = write(&sampler_2(), 2);
    println!("{}", summary.digest);
    std::fs::write(
        concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/new.manifest"),
        bytes,
    )
    .unwrap();
}
