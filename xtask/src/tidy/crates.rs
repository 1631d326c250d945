//! The crates, what each may depend on, and that the workspace agrees.
//!
//! The order is the architecture: a crate depends only on crates that stand before it. What ARCHITECTURE.md says in
//! words is checked here against `cargo metadata`.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;

use super::{Finding, names};

/// A crate of the workspace and what it must not depend on, beyond what the order forbids.
struct Member {
    name: &'static str,
    never: &'static [&'static str],
}

/// What speaks to the network.
const NETWORK: &[&str] = &[
    "wire",
    "notify",
    "tokio",
    "tonic",
    "hyper",
    "rustls",
    "tokio-rustls",
    "lettre",
    "ureq",
];
/// What belongs to the terminal, and untyped errors, which belong there too.
const TERMINAL: &[&str] = &["clap", "indicatif", "anyhow", "tracing-subscriber"];

/// In the order in which they may depend on each other.
const MEMBERS: &[Member] = &[
    Member {
        name: "cow-fs",
        never: &[],
    },
    Member {
        name: "disk-image",
        never: &[],
    },
    Member {
        name: "nbd",
        never: &[],
    },
    Member {
        name: "manifest",
        never: &[],
    },
    Member {
        name: "file-tree",
        never: &[],
    },
    Member {
        name: "volume-files",
        never: &[],
    },
    Member {
        name: "archive",
        never: &["cow-fs", "disk-image", "nbd", "file-tree", "volume-files"],
    },
    Member {
        name: "wire",
        never: &["cow-fs", "disk-image", "nbd", "file-tree"],
    },
    Member {
        name: "policy",
        never: &["cow-fs", "disk-image", "nbd", "manifest", "file-tree"],
    },
    Member {
        name: "notify",
        never: &[
            "cow-fs",
            "disk-image",
            "nbd",
            "manifest",
            "file-tree",
            "volume-files",
            "wire",
            "policy",
        ],
    },
    Member {
        name: "shell",
        never: &[
            "cow-fs",
            "disk-image",
            "nbd",
            "manifest",
            "file-tree",
            "volume-files",
            "wire",
            "policy",
            "notify",
        ],
    },
    Member {
        name: "installer",
        never: &[
            "cow-fs",
            "disk-image",
            "nbd",
            "manifest",
            "file-tree",
            "volume-files",
            "archive",
            "wire",
            "policy",
            "notify",
            "shell",
        ],
    },
    Member {
        name: "catalog",
        never: &["cow-fs", "disk-image", "nbd", "file-tree"],
    },
    Member {
        name: "storage",
        never: &["catalog", "policy", "nbd"],
    },
    Member {
        name: "web",
        never: &[
            "cow-fs",
            "disk-image",
            "nbd",
            "manifest",
            "file-tree",
            "policy",
            "notify",
            "shell",
            "catalog",
            "storage",
        ],
    },
    Member {
        name: "server",
        never: &[],
    },
    Member {
        name: "client",
        never: &["catalog", "storage", "server", "policy", "notify"],
    },
    Member {
        name: "perennial",
        never: &[],
    },
];

/// Crates that nothing but tests and the house itself may depend on.
const FOR_DEVELOPMENT: [&str; 2] = ["scratch-fs", "xtask"];

/// The only crates that may speak to the network.
const NETWORKED: [&str; 7] = ["nbd", "wire", "notify", "server", "web", "client", "perennial"];
/// The only crate that may speak to people.
const AT_THE_EDGE: &str = "perennial";

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: String,
    license: Option<String>,
    publish: Option<Vec<String>>,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    /// `None` for a normal dependency, else "dev" or "build".
    kind: Option<String>,
    path: Option<String>,
}

/// Checks the workspace's crates.
pub fn check(root: &Path) -> Result<Vec<Finding>, String> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["metadata", "--format-version=1", "--no-deps"])
        .current_dir(root)
        .output()
        .map_err(|error| format!("cargo metadata: {error}"))?;
    if !output.status.success() {
        return Err(format!(
            "cargo metadata: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        ));
    }
    let metadata: Metadata =
        serde_json::from_slice(&output.stdout).map_err(|error| format!("cargo metadata: {error}"))?;
    let mut findings = Vec::new();
    for package in &metadata.packages {
        let manifest = Manifest::read(root, package)?;
        findings.extend(
            check_package(package)
                .into_iter()
                .map(|what| manifest.finding(package, what)),
        );
        findings.extend(manifest.check_lints());
    }
    findings.extend(check_architecture(root, &metadata));
    Ok(findings)
}

/// Something wrong with a package, and the dependency that it is about.
#[derive(Debug, PartialEq)]
struct Breach {
    about: Option<String>,
    what: String,
}

fn check_package(package: &Package) -> Vec<Breach> {
    let breach = |about: Option<&str>, what: String| Breach {
        about: about.map(Into::into),
        what,
    };
    let mut breaches = Vec::new();
    let name = package.name.as_str();
    if names::is_empty_name(name) {
        breaches.push(breach(None, names::complaint(name)));
    }
    if package.license.as_deref() != Some("MIT OR Apache-2.0") {
        breaches.push(breach(
            None,
            "the licence is `MIT OR Apache-2.0`, of the workspace".into(),
        ));
    }
    if package.publish.as_deref() != Some(&[]) {
        breaches.push(breach(
            None,
            "`publish` is that of the workspace: no registry".into(),
        ));
    }
    if FOR_DEVELOPMENT.contains(&name) {
        return breaches;
    }
    let Some(position) = MEMBERS.iter().position(|member| member.name == name) else {
        let what = format!("crate `{name}` has no place in the order: add it to xtask/src/tidy/crates.rs");
        breaches.push(breach(None, what));
        return breaches;
    };
    for dependency in &package.dependencies {
        let wrong = check_dependency(position, dependency);
        breaches.extend(wrong.map(|what| breach(Some(&dependency.name), what)));
    }
    breaches
}

fn check_dependency(position: usize, dependency: &Dependency) -> Option<String> {
    let member = &MEMBERS[position];
    let (from, to) = (member.name, dependency.name.as_str());
    let is_for_tests = dependency.kind.as_deref() == Some("dev");
    if FOR_DEVELOPMENT.contains(&to) && !is_for_tests {
        return Some(format!(
            "`{to}` is for tests: make it a dev-dependency of `{from}`"
        ));
    }
    // A crate's tests may ask for the crate itself with other features.
    if is_for_tests && to == from {
        return None;
    }
    let is_ours = dependency.path.is_some() && !FOR_DEVELOPMENT.contains(&to);
    if is_ours && !MEMBERS[..position].iter().any(|before| before.name == to) {
        return Some(format!("`{from}` stands before `{to}` and can't depend on it"));
    }
    if is_for_tests {
        return None;
    }
    let never = |group: &[&str]| group.contains(&to);
    if never(member.never) {
        return Some(format!("`{from}` never depends on `{to}`"));
    }
    if never(NETWORK) && !NETWORKED.contains(&from) {
        return Some(format!("`{from}` has no business with the network: no `{to}`"));
    }
    if never(TERMINAL) && from != AT_THE_EDGE {
        return Some(format!(
            "`{from}` is a library: `{to}` belongs to `{AT_THE_EDGE}`"
        ));
    }
    None
}

/// ARCHITECTURE.md names every crate that there is.
fn check_architecture(root: &Path, metadata: &Metadata) -> Vec<Finding> {
    let file = Path::new("ARCHITECTURE.md");
    let finding = |what: String| Finding {
        file: file.into(),
        line: 1,
        what,
    };
    let Ok(text) = fs::read_to_string(root.join(file)) else {
        return vec![finding("can't be read".into())];
    };
    let silent = metadata
        .packages
        .iter()
        .filter(|package| !text.contains(&format!("`{}`", package.name)));
    silent
        .map(|package| finding(format!("says nothing of crate `{}`", package.name)))
        .collect()
}

struct Manifest {
    path: std::path::PathBuf,
    text: String,
}

impl Manifest {
    fn read(root: &Path, package: &Package) -> Result<Self, String> {
        let path = Path::new(&package.manifest_path);
        let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self {
            path: path.strip_prefix(root).unwrap_or(path).to_owned(),
            text,
        })
    }

    fn line_of(&self, wanted: impl Fn(&str) -> bool) -> usize {
        self.text.lines().position(wanted).map_or(1, |index| index + 1)
    }

    fn finding(&self, package: &Package, breach: Breach) -> Finding {
        let about = breach.about.unwrap_or_else(|| "name".into());
        let declares = |line: &str| {
            line.strip_prefix(about.as_str())
                .is_some_and(|rest| rest.starts_with(['.', ' ', '=']))
        };
        let line = self.line_of(declares);
        Finding {
            file: self.path.clone(),
            line,
            what: format!("{} ({})", breach.what, package.name),
        }
    }

    fn check_lints(&self) -> Option<Finding> {
        let inherits = self.text.split_once("[lints]").is_some_and(|(_, rest)| {
            rest.lines()
                .nth(1)
                .is_some_and(|line| line.replace(' ', "") == "workspace=true")
        });
        let what = "has no `[lints]` with `workspace = true`".to_owned();
        (!inherits).then(|| Finding {
            file: self.path.clone(),
            line: 1,
            what,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaches(name: &str, dependencies: &[(&str, Option<&str>)]) -> Vec<String> {
        let ours =
            |name: &str| FOR_DEVELOPMENT.contains(&name) || MEMBERS.iter().any(|member| member.name == name);
        let package = Package {
            name: name.into(),
            manifest_path: String::new(),
            license: Some("MIT OR Apache-2.0".into()),
            publish: Some(Vec::new()),
            dependencies: dependencies
                .iter()
                .map(|(name, kind)| Dependency {
                    name: (*name).into(),
                    kind: kind.map(Into::into),
                    path: ours(name).then(String::new),
                })
                .collect(),
        };
        check_package(&package)
            .into_iter()
            .map(|breach| breach.what)
            .collect()
    }

    #[test]
    fn dependencies_go_one_way() {
        assert!(breaches("server", &[("storage", None), ("catalog", None), ("wire", None)]).is_empty());
        assert_eq!(breaches("manifest", &[("wire", None)]).len(), 1);
        assert_eq!(breaches("manifest", &[("wire", Some("dev"))]).len(), 1);
        assert_eq!(breaches("manifest", &[("manifest", None)]).len(), 1);
        assert!(breaches("manifest", &[("manifest", Some("dev"))]).is_empty());
    }

    #[test]
    fn seams_hold_where_the_order_would_allow_it() {
        assert_eq!(
            breaches("storage", &[("catalog", None)]),
            ["`storage` never depends on `catalog`"]
        );
        assert_eq!(breaches("client", &[("server", None)]).len(), 1);
        assert!(breaches("client", &[("server", Some("dev"))]).is_empty());
        assert_eq!(breaches("catalog", &[("tokio", None)]).len(), 1);
        assert_eq!(breaches("server", &[("clap", None)]).len(), 1);
        assert!(breaches("perennial", &[("clap", None)]).is_empty());
    }

    #[test]
    fn scratch_file_systems_are_for_tests() {
        assert!(breaches("storage", &[("scratch-fs", Some("dev"))]).is_empty());
        assert_eq!(breaches("storage", &[("scratch-fs", None)]).len(), 1);
    }

    #[test]
    fn a_new_crate_needs_a_place() {
        assert_eq!(breaches("gateway", &[]).len(), 1);
    }
}
