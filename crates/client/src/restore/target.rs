//! The directory that a restore goes to, found so that nobody but its owner and root can lead it elsewhere.
//!
//! A restore at the server's command writes, as a rule with root's rights, to where users can write too. A link
//! that one of them has put in the way would lead it to any place of the system. So links count only where they belong to root
//! or to whoever runs the client.

use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use file_tree::Dir;
use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, mkdirat, openat, readlinkat};
use rustix::io::Errno;

use crate::error::{Error, Result};

/// So many links one after the other are a circle, as in the kernel.
const MOST_LINKS: usize = 40;
const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);
const LINK: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Opens the directory at the absolute path `target` and makes what of it is missing. Fails where somebody else's link lies on the way.
pub(super) fn open_trusted(target: &Path) -> Result<Dir> {
    let failed = |source: Errno| Error::io("open", target, source.into());
    let root = || openat(CWD, "/", DIRECTORY, Mode::empty()).map_err(failed);
    let mut links = 0;
    // What is left of the path, its end first.
    let mut rest: Vec<PathBuf> = Vec::new();
    push(&mut rest, target);
    // Directories on the way, so that `..` in a link leads back.
    let mut way: Vec<OwnedFd> = vec![root()?];
    while let Some(step) = rest.pop() {
        if step == Path::new("/") {
            way = vec![root()?];
            continue;
        }
        if step == Path::new("..") {
            if way.len() > 1 {
                way.pop();
            }
            continue;
        }
        let at = way.last().map(OwnedFd::as_fd).expect("the root is never left");
        match enter(at, &step).map_err(failed)? {
            Entered::Directory(next) => way.push(next),
            Entered::Link { to, is_trusted } => {
                links += 1;
                if links > MOST_LINKS {
                    return Err(failed(Errno::LOOP));
                }
                if !is_trusted {
                    let what = "a symbolic link in it belongs neither to root nor to the user whom the client runs as";
                    return Err(Error::io("restore to", target, std::io::Error::other(what)));
                }
                push(&mut rest, &to);
            }
        }
    }
    let dir = way.pop().expect("the root is never left");
    Ok(Dir::from_fd(dir)?)
}

enum Entered {
    Directory(OwnedFd),
    Link { to: PathBuf, is_trusted: bool },
}

/// Opens an entry of a directory, which is made where there is none.
fn enter(at: std::os::fd::BorrowedFd<'_>, name: &Path) -> Result<Entered, Errno> {
    match openat(at, name, DIRECTORY, Mode::empty()) {
        Ok(directory) => return Ok(Entered::Directory(directory)),
        Err(Errno::NOENT) => {
            match mkdirat(at, name, Mode::from_raw_mode(0o755)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error),
            }
            return openat(at, name, DIRECTORY, Mode::empty()).map(Entered::Directory);
        }
        // A link is one or the other, depending on which flag the kernel looks at first.
        Err(Errno::LOOP | Errno::NOTDIR) => {}
        Err(error) => return Err(error),
    }
    // The very link that is looked at is read: nobody can put another in its place in between.
    let link = openat(at, name, LINK, Mode::empty())?;
    let stat = fstat(&link)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
        return Err(Errno::NOTDIR);
    }
    let to = readlinkat(&link, "", Vec::new())?;
    Ok(Entered::Link {
        to: Path::new(std::ffi::OsStr::from_bytes(to.as_bytes())).to_owned(),
        is_trusted: stat.st_uid == 0 || stat.st_uid == rustix::process::geteuid().as_raw(),
    })
}

/// Puts a path before what is left.
fn push(rest: &mut Vec<PathBuf>, path: &Path) {
    let steps: Vec<PathBuf> = path
        .components()
        .filter_map(|component| match component {
            Component::RootDir => Some(PathBuf::from("/")),
            Component::ParentDir => Some(PathBuf::from("..")),
            Component::Normal(name) => Some(PathBuf::from(name)),
            Component::CurDir | Component::Prefix(_) => None,
        })
        .collect();
    rest.extend(steps.into_iter().rev());
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt as _, lchown, symlink};

    use super::*;

    fn opened(target: &Path) -> u64 {
        let dir = open_trusted(target).expect("it can be opened");
        fstat(dir.as_fd()).expect("it can be looked at").st_ino
    }

    #[test]
    fn what_is_missing_is_made() {
        let dir = tempfile::tempdir().expect("a directory");
        let target = dir.path().join("a/b/c");
        let found = opened(&target);
        assert_eq!(found, fs::metadata(&target).expect("it is there").ino());
    }

    #[test]
    fn own_links_are_followed_as_the_kernel_does() {
        let dir = tempfile::tempdir().expect("a directory");
        let real = dir.path().join("real/deep");
        fs::create_dir_all(&real).expect("directories");
        fs::create_dir(dir.path().join("real/other")).expect("a directory");
        symlink(&real, dir.path().join("absolute")).expect("a link");
        symlink("real/deep", dir.path().join("relative")).expect("a link");
        symlink("../other", real.join("up")).expect("a link");
        for path in ["absolute", "relative", "relative/up", "absolute/up/new"] {
            let target = dir.path().join(path);
            let found = opened(&target);
            assert_eq!(found, fs::metadata(&target).expect("it is there").ino(), "{path}");
        }
    }

    #[test]
    fn circles_and_files_are_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        symlink("round", dir.path().join("round")).expect("a link");
        fs::write(dir.path().join("file"), "x").expect("a file");
        assert!(open_trusted(&dir.path().join("round/x")).is_err());
        assert!(open_trusted(&dir.path().join("file/x")).is_err());
    }

    #[test]
    fn links_of_others_lead_nowhere() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let dir = tempfile::tempdir().expect("a directory");
        let secret = dir.path().join("secret");
        fs::create_dir(&secret).expect("a directory");
        let link = dir.path().join("link");
        symlink(&secret, &link).expect("a link");
        lchown(&link, Some(4321), Some(4321)).expect("it is given away");
        let error = open_trusted(&link.join("docs")).expect_err("it is refused");
        assert!(
            crate::explain(&error).contains("belongs neither to root"),
            "{error}"
        );
        assert!(!secret.join("docs").exists(), "nothing was made behind the link");
    }
}
