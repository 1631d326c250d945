//! `image serve`

use std::fs;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use disk_image::DiskView;
use disk_image::description::{DiskDescription, DiskFiles};
use disk_image::synthetic::{Format, assemble_watched};
use nbd::{Export, Listener, OneExport, ReadOnly, Server, Settings, WritableFile};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use storage::VolumeReader;

use super::export::new_disk;
use super::work::Work;
use super::{Image, open_part, stem, throw_away, watched};
use crate::channel::Link;
use crate::cli::ServeArgs;
use crate::commands::{Context, refer};
use crate::failure::{Failure, Outcome};
use crate::interrupt::Interrupt;

pub async fn run(context: &Context, link: &Link, args: &ServeArgs) -> Result<Outcome> {
    let tls = tls(args)?;
    let reference = refer::resolve_image(link, &args.place.backup).await?;
    let image = Image::open(link, reference).await?;
    let (disk, volume) = image.find(&args.place.path)?;
    let Some(location) = image.location() else {
        let text = "images are served on the server's machine; elsewhere export or restore them";
        return Err(Failure::Usage(text.into()).into());
    };
    let file = volume.map(|volume| volume.file.as_str());
    let name = file.map_or(disk.name.as_str(), stem).to_owned();
    let interrupt = Interrupt::listen()?;
    let export = if args.writable {
        let console = context.console();
        watched(console, &interrupt, |work| writable(location, disk, file, work))?
    } else {
        let view = view(location, disk, file)?;
        Arc::new(ReadOnly::new(view)?)
    };
    let (listener, place) = listen(args)?;
    let mut settings = Settings::new(Arc::new(OneExport {
        name: name.clone(),
        export,
    }));
    settings.tls = tls;
    settings.on_error = Arc::new(|error| tracing::warn!(%error, "a client's connection ended"));
    let server = Server::start(listener, settings).context("can't serve")?;
    context.console().note(&format!(
        "{name} of {} is served at {place} until Ctrl-C.",
        image.name
    ));
    interrupt.asked().await;
    tokio::task::block_in_place(|| server.stop());
    if let Some(socket) = &args.socket {
        // Nobody else can have made it meanwhile: the name was taken.
        let _ = fs::remove_file(socket);
    }
    image.close().await;
    Ok(Outcome::Done)
}

fn view(
    location: &Path,
    disk: &DiskDescription,
    volume: Option<&str>,
) -> Result<DiskView<Arc<VolumeReader>>> {
    let open = |file: &str| open_part(location, disk, file).map(Arc::new);
    Ok(match volume {
        Some(file) => DiskView::of_volume(open(file)?)?,
        None => DiskView::new(disk, &DiskFiles::open(disk, |file| open(file).map(Some))?),
    })
}

/// A clone of the disk that clients may write to; a copy of it where not all is raw.
fn writable(
    location: &Path,
    disk: &DiskDescription,
    volume: Option<&str>,
    work: &Work,
) -> Result<Arc<dyn Export>> {
    let file = match volume {
        Some(file) => throw_away::clone_of(&open_part(location, disk, file)?, location, work)?,
        None => match raw_files(location, disk)? {
            Some(files) => {
                let plan = Format::Raw.plan(&new_disk(disk.len_bytes, Vec::new()))?;
                let clone = throw_away::file(location)?;
                work.begin("copying", disk.len_bytes);
                assemble_watched(&plan, &files.parts(disk), &clone, work)?;
                clone
            }
            None => throw_away::copy_of(&view(location, disk, None)?, location, work)?,
        },
    };
    Ok(Arc::new(WritableFile::new(file)?))
}

/// The files of a disk, if all of them are raw.
fn raw_files(location: &Path, disk: &DiskDescription) -> Result<Option<DiskFiles>> {
    let mut are_raw = true;
    let files = DiskFiles::open(disk, |file| match open_part(location, disk, file)? {
        VolumeReader::Raw(raw) => Ok(Some(raw)),
        VolumeReader::Virtual(_) => {
            are_raw = false;
            Ok::<_, anyhow::Error>(None)
        }
    })?;
    Ok(are_raw.then_some(files))
}

fn listen(args: &ServeArgs) -> Result<(Listener, String)> {
    if let Some(address) = args.listen {
        if !address.ip().is_loopback() && args.tls_cert.is_none() {
            let text = format!("{address} can be reached from elsewhere: give --tls-cert and --tls-key");
            return Err(Failure::Usage(text).into());
        }
        let listener = TcpListener::bind(address).with_context(|| format!("can't listen on {address}"))?;
        let place = listener.local_addr()?.to_string();
        return Ok((Listener::Tcp(listener), place));
    }
    let socket = args.socket.as_deref().unwrap_or(Path::new(""));
    let listener =
        UnixListener::bind(socket).with_context(|| format!("can't create {}", socket.display()))?;
    Ok((Listener::Unix(listener), socket.display().to_string()))
}

fn tls(args: &ServeArgs) -> Result<Option<Arc<rustls::ServerConfig>>> {
    let (Some(certificate), Some(key)) = (&args.tls_cert, &args.tls_key) else {
        return Ok(None);
    };
    let read = |path: &Path| format!("can't use {}", path.display());
    let chain: Vec<CertificateDer<'_>> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .with_context(|| read(certificate))?;
    let key = PrivateKeyDer::from_pem_file(key).with_context(|| read(key))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .with_context(|| read(certificate))?;
    Ok(Some(Arc::new(config)))
}
