//! Whether the catalog lies in a good place.

use super::finding::{Finding, Level};
use super::place::{Place, Spin};
use super::words::{joined, size};

const CHECK: &str = "catalog-place";
const SPACE: &str = "catalog-space";
/// File systems that write each change to another place: a database on a disk that spins is soon all over it.
const COPY_ON_WRITE: [&str; 3] = ["btrfs", "zfs", "bcachefs"];
/// File systems beyond a network, or a process: each transaction waits for the other side, and locks may not hold.
const REMOTE: [&str; 10] = [
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "9p",
    "ceph",
    "afs",
    "glusterfs",
    "virtiofs",
    "davfs",
];
/// Room for the log and the space that is kept for a full disk, besides copies of the catalog.
const RESERVE_BYTES: u64 = 64 << 20;
/// With less than this no change is sure to get through.
const LEAST_BYTES: u64 = 8 << 20;

/// Judges where the catalog lies; its database has so many bytes.
pub fn judge(catalog: &Place, storage: &Place, len_bytes: u64) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(judge_remoteness(catalog));
    findings.extend(judge_spin(catalog));
    findings.extend(judge_neighbourhood(catalog, storage));
    if findings.is_empty() {
        let what = format!(
            "the catalog lies on {} of its own, apart from the storage",
            named(catalog)
        );
        findings.push(Finding::ok(CHECK, what));
    }
    findings.push(judge_space(catalog, len_bytes));
    findings
}

fn judge_remoteness(catalog: &Place) -> Option<Finding> {
    let name = catalog.file_system.as_str();
    if !REMOTE.contains(&name) && !name.starts_with("fuse") {
        return None;
    }
    Some(Finding::of(
        Level::Warning,
        CHECK,
        format!("the catalog lies on {name}, which is slow for a database and may not keep its locks"),
        "move the state directory to a local disk and start the server with --state",
    ))
}

fn judge_spin(catalog: &Place) -> Option<Finding> {
    let spins = catalog.disks.values().any(|spin| *spin == Spin::Spins);
    if !spins || !COPY_ON_WRITE.contains(&catalog.file_system.as_str()) {
        return None;
    }
    let advice = match catalog.file_system.as_str() {
        "btrfs" => {
            "move the state directory to a solid-state disk, or to ext4 or XFS; else, with the server stopped, make a new \
             directory for it, \"chattr +C\" that, and copy the files into it"
        }
        _ => "move the state directory to a solid-state disk, or to ext4 or XFS",
    };
    Some(Finding::of(
        Level::Warning,
        CHECK,
        format!(
            "the catalog lies on {}, where a database is soon in pieces",
            named(catalog)
        ),
        advice,
    ))
}

/// The same disk slows both down only where it spins; but wherever it fails, it takes both.
fn judge_neighbourhood(catalog: &Place, storage: &Place) -> Option<Finding> {
    let shared: Vec<&str> = catalog
        .disks
        .keys()
        .filter(|disk| storage.disks.contains_key(*disk))
        .map(String::as_str)
        .collect();
    if shared.is_empty() && catalog.device != storage.device {
        return None;
    }
    let on = if shared.is_empty() {
        "file system".to_owned()
    } else {
        format!("disk ({})", joined(shared.iter().copied()))
    };
    let is_still = !shared.is_empty() && shared.iter().all(|disk| catalog.disks[*disk] == Spin::Still);
    let (level, harm) = if is_still {
        (Level::Advice, "if it fails, both are gone")
    } else {
        (
            Level::Warning,
            "they slow each other down, and if it fails, both are gone",
        )
    };
    Some(Finding::of(
        level,
        CHECK,
        format!("catalog and storage lie on the same {on}: {harm}"),
        "put the state directory on another disk, best a solid-state one, and start the server with --state",
    ))
}

fn judge_space(catalog: &Place, len_bytes: u64) -> Finding {
    let wanted_bytes = len_bytes.saturating_mul(3).saturating_add(RESERVE_BYTES);
    let what = format!(
        "{} are free for the catalog, which has {}",
        size(catalog.free_bytes),
        size(len_bytes)
    );
    let level = match catalog.free_bytes {
        free if free < LEAST_BYTES => Level::Error,
        free if free < wanted_bytes => Level::Warning,
        _ => return Finding::ok(SPACE, what),
    };
    let advice = format!(
        "make room in {}: there should be {}, for its log and a copy before an upgrade",
        catalog.path.display(),
        size(wanted_bytes)
    );
    Finding::of(level, SPACE, what, advice)
}

fn named(place: &Place) -> String {
    let spins = place.disks.values().any(|spin| *spin == Spin::Spins);
    let name = if place.file_system.is_empty() {
        "a file system"
    } else {
        &place.file_system
    };
    if spins {
        format!("{name} on a disk that spins")
    } else {
        name.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(device: u64, file_system: &str, disks: &[(&str, Spin)]) -> Place {
        Place {
            path: format!("/on-{device}").into(),
            device,
            file_system: file_system.into(),
            disks: disks
                .iter()
                .map(|(name, spin)| ((*name).to_owned(), *spin))
                .collect(),
            total_bytes: 1 << 40,
            free_bytes: 1 << 39,
        }
    }

    fn levels(catalog: &Place, storage: &Place) -> Vec<Level> {
        judge(catalog, storage, 1 << 20)
            .iter()
            .map(|finding| finding.level)
            .collect()
    }

    #[test]
    fn a_place_of_its_own_is_fine() {
        let storage = place(2, "btrfs", &[("sdb", Spin::Spins)]);
        let catalog = place(1, "ext4", &[("sda", Spin::Spins)]);
        assert_eq!(levels(&catalog, &storage), [Level::Ok, Level::Ok]);
        let catalog = place(1, "btrfs", &[("nvme0n1", Spin::Still)]);
        assert_eq!(levels(&catalog, &storage), [Level::Ok, Level::Ok]);
    }

    #[test]
    fn the_disk_of_the_storage_is_no_good_place() {
        let storage = place(2, "xfs", &[("sda", Spin::Spins), ("sdb", Spin::Spins)]);
        let catalog = place(1, "ext4", &[("sda", Spin::Spins)]);
        assert_eq!(levels(&catalog, &storage), [Level::Warning, Level::Ok]);
        let still = [("nvme0n1", Spin::Still)];
        assert_eq!(
            levels(&place(1, "ext4", &still), &place(2, "xfs", &still)),
            [Level::Advice, Level::Ok]
        );
        // One file system of which the disks are not known.
        assert_eq!(
            levels(&place(1, "zfs", &[]), &place(1, "zfs", &[])),
            [Level::Warning, Level::Ok]
        );
    }

    #[test]
    fn copy_on_write_on_a_disk_that_spins_and_networks_are_no_good_places() {
        let storage = place(2, "xfs", &[("sdb", Spin::Spins)]);
        let spinning = judge(&place(1, "btrfs", &[("sda", Spin::Spins)]), &storage, 0);
        assert_eq!(spinning[0].level, Level::Warning);
        assert!(
            spinning[0]
                .advice
                .as_deref()
                .is_some_and(|advice| advice.contains("chattr +C"))
        );
        for remote in ["nfs4", "cifs", "9p", "fuse.sshfs", "fuseblk"] {
            assert_eq!(
                levels(&place(1, remote, &[]), &storage),
                [Level::Warning, Level::Ok],
                "{remote}"
            );
        }
    }

    #[test]
    fn little_room_is_told_before_there_is_none() {
        let storage = place(2, "xfs", &[]);
        let mut catalog = place(1, "ext4", &[]);
        for (free_bytes, level) in [
            (400 << 20, Level::Ok),
            (300 << 20, Level::Warning),
            (1 << 20, Level::Error),
        ] {
            catalog.free_bytes = free_bytes;
            assert_eq!(judge(&catalog, &storage, 100 << 20)[1].level, level);
        }
    }
}
