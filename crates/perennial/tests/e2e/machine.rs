//! Whole machines, in software: for what this machine's own kernel can't do, or should not.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::disk::run;
use crate::lab::text;

/// A kernel of Debian's.
pub struct Kernel {
    pub image: PathBuf,
    modules: PathBuf,
    version: String,
}

impl Kernel {
    /// Takes it out of its package.
    pub fn fetch(dir: &Path) -> Self {
        fs::create_dir_all(dir).unwrap();
        let package = run(Command::new("apt-cache").args(["depends", "linux-image-cloud-amd64"]));
        let package = package
            .lines()
            .find_map(|line| line.trim().strip_prefix("Depends: "))
            .expect("the package that has the kernel")
            .to_owned();
        run(Command::new("apt-get")
            .args(["download", "-q", &package])
            .current_dir(dir));
        let archive = fs::read_dir(dir)
            .unwrap()
            .flatten()
            .find(|entry| entry.file_name().to_string_lossy().ends_with(".deb"));
        let root = dir.join("root");
        run(Command::new("dpkg")
            .arg("-x")
            .arg(archive.unwrap().path())
            .arg(&root));
        let version = package.trim_start_matches("linux-image-").to_owned();
        let version = version.trim_end_matches("-unsigned").to_owned();
        let modules = ["lib/modules", "usr/lib/modules"].map(|place| root.join(place).join(&version));
        let modules = modules
            .into_iter()
            .find(|place| place.exists())
            .expect("its modules");
        Self {
            image: root.join(format!("boot/vmlinuz-{version}")),
            modules,
            version,
        }
    }

    /// Makes what it starts with: its modules, busybox, and a script as the first process.
    pub fn initial_ram_disk(&self, dir: &Path, init: &str) -> PathBuf {
        let root = dir.join("initrd");
        let modules_to = root.join("lib/modules").join(&self.version);
        fs::create_dir_all(root.join("bin")).unwrap();
        fs::create_dir_all(&modules_to).unwrap();
        fs::copy("/bin/busybox", root.join("bin/busybox")).unwrap();
        for part in [
            "kernel/drivers/virtio",
            "kernel/drivers/block",
            "kernel/drivers/md",
            "kernel/fs",
            "kernel/lib",
            "kernel/crypto",
            "kernel/arch",
        ] {
            let (from, to) = (self.modules.join(part), modules_to.join(part));
            if from.exists() {
                fs::create_dir_all(to.parent().unwrap()).unwrap();
                run(Command::new("cp").arg("-r").arg(from).arg(to));
            }
        }
        for list in ["modules.order", "modules.builtin"] {
            fs::copy(self.modules.join(list), modules_to.join(list)).unwrap();
        }
        run(Command::new("depmod").arg("-b").arg(&root).arg(&self.version));
        let script = root.join("init");
        fs::write(&script, init).unwrap();
        run(Command::new("chmod").arg("755").arg(&script));
        let archive = dir.join("initrd.img");
        run(Command::new("sh")
            .arg("-c")
            .arg(format!(
                "find . | cpio --quiet -o -H newc | gzip -1 > {}",
                archive.display()
            ))
            .current_dir(&root));
        archive
    }
}

/// Starts a machine and returns what it said on its console until it was switched off.
pub fn boot(arguments: &[&str]) -> String {
    let output = Command::new("timeout")
        .args(["480", "qemu-system-x86_64", "-accel", "tcg", "-m", "512"])
        .args(["-nographic", "-no-reboot"])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    text(&output.stdout) + &text(&output.stderr)
}

/// Copies programs, and the libraries that they need, to their places below a directory.
pub fn copy_programs(programs: &[&Path], root: &Path) {
    for program in programs {
        let libraries = Command::new("ldd").arg(program).output().unwrap();
        let libraries = text(&libraries.stdout);
        let paths = libraries.split_whitespace().filter(|word| word.starts_with('/'));
        for path in paths.map(Path::new).chain([*program]) {
            let to = root.join(path.strip_prefix("/").unwrap());
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(path, to).unwrap();
        }
    }
}
