//! Packages of RPM.

use std::fs::File;
use std::io::{Read as _, Write as _};

use rpm::{BuildConfig, CompressionWithLevel, Dependency, FileOptions, PackageBuilder, Scriptlet};

use crate::package::{
    self, ABOUT, AFTER_INSTALL, AFTER_REMOVAL, BEFORE_REMOVAL, DIRECTORIES, HOME, LICENCE, NAME, PROGRAM,
    Role, SUMMARY,
};
use crate::{Build, Error, Glibc, Order};

/// As gzip packs where nobody says how well.
const LEVEL: u32 = 6;

/// Writes a package.
pub fn write(order: &Order, build: &Build, out: &mut File) -> Result<(), Error> {
    let info = &build.info;
    // A tilde sorts before everything else.
    let version = info.version.to_string().replace('-', "~");
    let mut package = PackageBuilder::new(NAME, &version, LICENCE, info.architecture.word(), SUMMARY);
    package
        .using_config(BuildConfig::v4().compression(CompressionWithLevel::Gzip(LEVEL)))
        .description(ABOUT)
        .url(HOME)
        // $1 is how many versions of the package will be there afterwards.
        .post_install_script(Scriptlet::new(format!(
            "first=no\n[ \"$1\" != 1 ] || first=yes\n{AFTER_INSTALL}"
        )))
        .pre_uninstall_script(Scriptlet::new(format!(
            "[ \"$1\" = 0 ] || exit 0\n{BEFORE_REMOVAL}"
        )));
    package.post_uninstall_script(Scriptlet::new(AFTER_REMOVAL));
    if let Some(glibc) = info.glibc {
        package.requires(Dependency::any(c_library(glibc)));
    }
    for path in DIRECTORIES {
        package.with_dir_entry(FileOptions::dir(path).permissions(0o755))?;
    }
    let mut program = Vec::new();
    package::reading(build)?.read_to_end(&mut program)?;
    package.with_file_contents(program, FileOptions::new(PROGRAM).permissions(0o755))?;
    for text in package::texts(order) {
        let options = FileOptions::new(text.path).permissions(text.mode);
        let options = match text.role {
            Role::Stays => options,
            Role::IsTaken => options.missingok(),
            Role::Documents => options.doc(),
        };
        package.with_file_contents(text.content, options)?;
    }
    package.build()?.write(out)?;
    out.flush()?;
    Ok(())
}

/// The C library as RPM knows it.
fn c_library(glibc: Glibc) -> String {
    format!("libc.so.6(GLIBC_{glibc})(64bit)")
}
