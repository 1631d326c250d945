//! An image that is open for reading: its disks, what its manifest says, and the way to its content.
//!
//! On the server's machine that is its directory in the storage, elsewhere the server.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use client::Cache;
use client::image::ImageReader;
use disk_image::description::{DiskDescription, FILE_NAME, MAX_BYTES, TABLE_FILE_NAME, VolumeDescription};
use disk_image::restore::{Content, Run, read_sparse};
use manifest::{ContentHash, Kind, Reader};
use wire::v1::manifest_request::Which;
use wire::v1::{BackupRef, ManifestRequest};

use crate::channel::Link;
use crate::failure::Failure;

/// An open image.
pub struct Image {
    /// Which it is.
    pub name: String,
    /// Its disks.
    pub disks: Vec<DiskDescription>,
    /// Sizes and hashes of its volumes by path.
    hashes: BTreeMap<Vec<u8>, (u64, ContentHash)>,
    way: Way,
}

enum Way {
    /// Its directory is here.
    #[cfg(feature = "server")]
    Here(PathBuf),
    /// It is read from the server.
    Server(Box<ImageReader>),
}

impl Image {
    /// Opens an image.
    pub async fn open(link: &Link, reference: BackupRef) -> Result<Self> {
        let detail = link.backups().show(reference.clone()).await;
        let detail = detail.context("can't find the image")?.into_inner();
        let info = detail.info.unwrap_or_default();
        let name = format!("{}/{}", info.client, info.name);
        if info.kind != super::super::refer::IMAGE {
            return Err(Failure::Usage(format!("{name} is a {} backup and no image", info.kind)).into());
        }
        let (mut way, hashes, names) = match link.client() {
            Some(connection) => {
                let cache = Cache::open(connection.identity().dir())?;
                let reader = ImageReader::open(connection, &cache, reference).await?;
                let (hashes, names) = contents(reader.manifest())?;
                (Way::Server(Box::new(reader)), hashes, names)
            }
            #[cfg(feature = "server")]
            None if !link.is_users() => {
                let manifest = fetch_manifest(link, reference).await?;
                let (hashes, names) = contents(&manifest)?;
                (Way::Here(PathBuf::from(detail.location)), hashes, names)
            }
            None => return Err(Failure::ImageElsewhere.into()),
        };
        let disks = tokio::task::block_in_place(|| {
            let read = |name: &String| way.description(name);
            names.iter().map(read).collect::<Result<Vec<_>>>()
        })?;
        Ok(Self {
            name,
            disks,
            hashes,
            way,
        })
    }

    /// The disk of this name; without one the only disk.
    pub fn disk(&self, name: Option<&str>) -> Result<&DiskDescription> {
        let names: Vec<&str> = self.disks.iter().map(|disk| disk.name.as_str()).collect();
        match (name, &self.disks[..]) {
            (None, [only]) => Ok(only),
            (None, _) => Err(Failure::Usage(format!(
                "{} has several disks: name one of {}, as {}:DISK",
                self.name,
                names.join(", "),
                self.name
            ))
            .into()),
            (Some(name), disks) => disks.iter().find(|disk| disk.name == name).ok_or_else(|| {
                Failure::Usage(format!(
                    "{} has no disk {name}: it has {}",
                    self.name,
                    names.join(", ")
                ))
                .into()
            }),
        }
    }

    /// What a path inside the image means: a disk, or a volume of one.
    pub fn find(&self, path: &[u8]) -> Result<(&DiskDescription, Option<&VolumeDescription>)> {
        let text = String::from_utf8_lossy(path);
        if text.is_empty() {
            return Ok((self.disk(None)?, None));
        }
        let (disk, volume) = match text.split_once('/') {
            None => return Ok((self.disk(Some(&text))?, None)),
            Some((disk, volume)) => (self.disk(Some(disk))?, volume),
        };
        let found = disk.volumes().map(|(_, found)| found);
        let mut found = found.filter(|found| found.file == volume || stem(&found.file) == volume);
        match found.next() {
            Some(found) => Ok((disk, Some(found))),
            None => {
                let names: Vec<&str> = disk.volumes().map(|(_, volume)| stem(&volume.file)).collect();
                Err(Failure::Usage(format!(
                    "{} has no volume {volume}: it has {}",
                    disk.name,
                    names.join(", ")
                ))
                .into())
            }
        }
    }

    /// Size and hash of a volume, as the manifest has them.
    pub fn expected(&self, disk: &str, file: &str) -> Option<(u64, ContentHash)> {
        self.hashes.get(format!("{disk}/{file}").as_bytes()).copied()
    }

    /// The directory that has the image, if it is on this machine.
    pub fn location(&self) -> Option<&Path> {
        match &self.way {
            #[cfg(feature = "server")]
            Way::Here(location) => Some(location),
            Way::Server(_) => None,
        }
    }

    /// The directory that has a disk's raw images, if it is on this machine and they are such: not where extents can't be shared.
    pub fn raw_location(&self, disk: &DiskDescription) -> Option<PathBuf> {
        let dir = self.location()?.join(&disk.name);
        let table = disk.has_table().then_some(TABLE_FILE_NAME);
        let mut files = disk
            .volumes()
            .map(|(_, volume)| volume.file.as_str())
            .chain(table);
        files.all(|file| dir.join(file).exists()).then_some(dir)
    }

    /// The content of a disk's files.
    pub fn content<'a>(&'a mut self, disk: &'a str) -> DiskContent<'a> {
        DiskContent {
            way: &mut self.way,
            disk,
        }
    }

    /// Lets the image go.
    pub async fn close(self) {
        match self.way {
            #[cfg(feature = "server")]
            Way::Here(_) => {}
            Way::Server(reader) => reader.close().await,
        }
    }
}

/// A volume's name without what its file's name ends with.
pub fn stem(file: &str) -> &str {
    file.strip_suffix(".raw").unwrap_or(file)
}

/// Sizes and hashes of volumes by path, and the disks' names.
type Contents = (BTreeMap<Vec<u8>, (u64, ContentHash)>, Vec<String>);

fn contents(manifest: &Reader) -> Result<Contents> {
    let mut hashes = BTreeMap::new();
    let mut names = Vec::new();
    for record in manifest.records() {
        let record = record?;
        for entry in &record.entries {
            let path = manifest::join_path(&record.path, &entry.name).to_vec();
            match entry.kind {
                Kind::Volume { size, hash } => {
                    hashes.insert(path, (size, hash));
                }
                Kind::File { .. } if *entry.name == *FILE_NAME.as_bytes() => {
                    names.push(String::from_utf8_lossy(&record.path).into_owned());
                }
                _ => {}
            }
        }
    }
    Ok((hashes, names))
}

/// Fetches the manifest over the administrator's way.
#[cfg(feature = "server")]
async fn fetch_manifest(link: &Link, reference: BackupRef) -> Result<Reader> {
    let request = ManifestRequest {
        which: Some(Which::Backup(reference)),
    };
    let mut backups = link.backups();
    let mut chunks = backups.fetch_manifest(request).await?.into_inner();
    let mut file = tempfile::tempfile().context("can't make a temporary file")?;
    while let Some(chunk) = chunks.message().await? {
        std::io::Write::write_all(&mut file, &chunk.data)?;
    }
    Ok(Reader::open(file)?)
}

impl Way {
    fn description(&mut self, disk: &String) -> Result<DiskDescription> {
        let mut text = Vec::new();
        let mut content = DiskContent { way: self, disk };
        content.read(FILE_NAME, &mut |run| {
            match run {
                Run::Data(bytes) if text.len() + bytes.len() <= MAX_BYTES => text.extend_from_slice(bytes),
                Run::Zeros(len) if len <= MAX_BYTES as u64 => {
                    text.extend(std::iter::repeat_n(0, len as usize))
                }
                _ => return Err(too_long()),
            }
            Ok(())
        })?;
        Ok(DiskDescription::parse(&text)?)
    }
}

fn too_long() -> disk_image::Error {
    disk_image::Error::Content {
        file: FILE_NAME.to_owned(),
        source: "it is too long".into(),
    }
}

/// The content of one disk's files.
pub struct DiskContent<'a> {
    way: &'a mut Way,
    disk: &'a str,
}

impl Content for DiskContent<'_> {
    fn read(
        &mut self,
        file: &str,
        each: &mut dyn FnMut(Run<'_>) -> disk_image::Result<()>,
    ) -> disk_image::Result<()> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| disk_image::Error::Content {
            file: format!("{}/{file}", self.disk),
            source,
        };
        match self.way {
            #[cfg(feature = "server")]
            Way::Here(location) => {
                let path = format!("{}/{file}", self.disk);
                let opened = storage::open_volume_at(location, path.as_bytes());
                read_sparse(&opened.map_err(|error| failed(error.into()))?, each)
            }
            Way::Server(reader) => {
                let path = format!("{}/{file}", self.disk);
                match reader.read(path.as_bytes(), each) {
                    Ok(()) => Ok(()),
                    Err(client::Error::Disk(error)) => Err(error),
                    Err(error) => Err(failed(error.into())),
                }
            }
        }
    }
}
