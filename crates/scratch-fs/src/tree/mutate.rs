//! Random changes to a tree, as a day of work would make them.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::generate::Generator;

/// Makes `changes` random changes beneath the directory and returns what they were, for the message of a failed test.
///
/// Writes, appends, truncates, creates, deletes, renames, links, replaces files by directories and the other way round,
/// changes modes and times. Depends on the seed and the tree alone.
pub fn mutate_tree(seed: u64, dir: &Path, changes: usize) -> io::Result<Vec<String>> {
    // Another stream of names than the one that made the tree.
    let mut generator = Generator::new(seed ^ 0x5bd1_e995_0000_0000);
    let salt = format!("m{seed}-");
    let mut log = Vec::with_capacity(changes);
    for _ in 0..changes {
        log.push(change(&mut generator, dir, &salt)?);
    }
    Ok(log)
}

fn change(generator: &mut Generator, top: &Path, salt: &str) -> io::Result<String> {
    generator.forget_vanished();
    let mut found = Found {
        directories: vec![top.to_owned()],
        ..Found::default()
    };
    found.search(top)?;
    let parent = generator.dice.pick(&found.directories).clone();
    let new = {
        let mut name = std::ffi::OsString::from(salt);
        name.push(generator.name());
        parent.join(name)
    };
    let victim = match found.files.is_empty() {
        true => None,
        false => Some(generator.dice.pick(&found.files).clone()),
    };
    let (what, path) = match (generator.dice.below(12), victim) {
        (0, Some(file)) => ("overwrite", overwrite(generator, &file)?),
        (1, Some(file)) => ("append", append(generator, &file)?),
        (2, Some(file)) => ("truncate", truncate(generator, &file)?),
        (3, Some(file)) => {
            fs::remove_file(&file)?;
            ("delete", file)
        }
        (4, Some(file)) => {
            fs::rename(&file, &new)?;
            ("rename", new)
        }
        (5, Some(file)) => match fs::hard_link(&file, &new) {
            Ok(()) => ("link", new),
            Err(_) => ("could not link", file),
        },
        (6, Some(file)) => {
            fs::remove_file(&file)?;
            generator.directory(&file, 4)?;
            ("file to directory", file)
        }
        (7, Some(file)) => {
            let mode = *generator.dice.pick(&[0o600, 0o640, 0o755]);
            fs::set_permissions(&file, Permissions::from_mode(mode))?;
            ("chmod", file)
        }
        (8, _) if found.directories.len() > 1 => {
            let index = 1 + generator.dice.below(found.directories.len() as u64 - 1) as usize;
            let directory = found.directories.swap_remove(index);
            fs::remove_dir_all(&directory)?;
            let size = generator.size();
            generator.file(&directory, size)?;
            ("directory to file", directory)
        }
        (9, _) => {
            generator.directory(&new, 3)?;
            ("new directory", new)
        }
        _ => {
            let size = generator.size();
            generator.file(&new, size)?;
            ("new file", new)
        }
    };
    Ok(format!("{what} {:?}", path.strip_prefix(top).unwrap_or(&path)))
}

fn overwrite(generator: &mut Generator, file: &Path) -> io::Result<PathBuf> {
    let handle = File::options().write(true).open(file)?;
    let size_bytes = handle.metadata()?.len().max(1);
    let len = 1 + generator.dice.below(size_bytes.min(10_000)) as usize;
    let offset_bytes = generator.dice.below(size_bytes);
    handle.write_all_at(&generator.dice.bytes(len), offset_bytes)?;
    Ok(file.to_owned())
}

fn append(generator: &mut Generator, file: &Path) -> io::Result<PathBuf> {
    let handle = File::options().write(true).open(file)?;
    let len = generator.size();
    handle.write_all_at(&generator.dice.bytes(len), handle.metadata()?.len())?;
    Ok(file.to_owned())
}

fn truncate(generator: &mut Generator, file: &Path) -> io::Result<PathBuf> {
    let handle = File::options().write(true).open(file)?;
    let size_bytes = handle.metadata()?.len();
    handle.set_len(generator.dice.below(size_bytes + 1))?;
    Ok(file.to_owned())
}

/// What there is, in an order that does not depend on the file system.
#[derive(Default)]
struct Found {
    directories: Vec<PathBuf>,
    files: Vec<PathBuf>,
}

impl Found {
    fn search(&mut self, dir: &Path) -> io::Result<()> {
        let mut entries = fs::read_dir(dir)?.collect::<io::Result<Vec<_>>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let kind = entry.file_type()?;
            if kind.is_dir() {
                self.directories.push(entry.path());
                self.search(&entry.path())?;
            } else if kind.is_file() {
                self.files.push(entry.path());
            }
        }
        Ok(())
    }
}
