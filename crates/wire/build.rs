//! Compiles the protobuf files with a pure-Rust compiler, so that building needs no `protoc`.

use std::fmt::Write as _;
use std::path::Path;

/// The services of the server.
const FILES: [&str; 13] = [
    "accounts",
    "enrolment",
    "control",
    "clients",
    "backups",
    "contents",
    "images",
    "data",
    "admin",
    "settings",
    "planning",
    "notify",
    "storages",
];

/// What a client answers on its own socket.
const LOCAL: &str = "proto/perennial/client/v1/local.proto";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let paths: Vec<String> = FILES
        .iter()
        .map(|name| format!("proto/perennial/v1/{name}.proto"))
        .collect();
    for path in &paths {
        println!("cargo:rerun-if-changed={path}");
    }
    println!("cargo:rerun-if-changed={LOCAL}");
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler
        .include_source_info(true)
        .include_imports(true)
        .open_files(&paths)?;
    let dir = std::env::var("OUT_DIR")?;
    std::fs::write(
        Path::new(&dir).join("descriptors.bin"),
        compiler.encode_file_descriptor_set(),
    )?;
    let descriptors = compiler.file_descriptor_set();
    let methods: Vec<String> = descriptors
        .file
        .iter()
        .flat_map(|file| file.service.iter().map(|service| (file.package(), service)))
        .flat_map(|(package, service)| {
            let path = move |name: &str| format!("/{package}.{}/{name}", service.name());
            service.method.iter().map(move |method| path(method.name()))
        })
        .collect();
    write_methods(&methods)?;
    tonic_prost_build::configure()
        .bytes(".perennial.v1.IngestRequest")
        .build_transport(true)
        .compile_fds(descriptors)?;
    let local = protox::Compiler::new(["proto"])?
        .open_file(LOCAL)?
        .file_descriptor_set();
    tonic_prost_build::configure()
        .build_transport(true)
        .compile_fds(local)?;
    Ok(())
}

/// Writes the list of all methods, so that whoever decides about calls can be held to it.
fn write_methods(methods: &[String]) -> Result<(), Box<dyn std::error::Error>> {
    let mut source =
        String::from("/// The path of every method of every service.\npub const METHODS: &[&str] = &[\n");
    for method in methods {
        writeln!(source, "    {method:?},")?;
    }
    source.push_str("];\n");
    let dir = std::env::var("OUT_DIR")?;
    std::fs::write(Path::new(&dir).join("methods.rs"), source)?;
    Ok(())
}
