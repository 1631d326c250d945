//! Compiles the protobuf files with a pure-Rust compiler, so that building needs no `protoc`.

const FILES: [&str; 10] = [
    "enrolment",
    "control",
    "backups",
    "images",
    "data",
    "admin",
    "settings",
    "planning",
    "notify",
    "storages",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let paths: Vec<String> = FILES
        .iter()
        .map(|name| format!("proto/perennial/v1/{name}.proto"))
        .collect();
    for path in &paths {
        println!("cargo:rerun-if-changed={path}");
    }
    let descriptors = protox::compile(&paths, ["proto"])?;
    tonic_prost_build::configure()
        .bytes(".perennial.v1.IngestRequest")
        .build_transport(true)
        .compile_fds(descriptors)?;
    Ok(())
}
