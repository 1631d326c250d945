//! What speaks against a backup just now: that the machine runs on its battery, that its connection is metered.
//!
//! Power comes from the kernel (`Documentation/ABI/testing/sysfs-class-power`), metering from NetworkManager over D-Bus, asked by
//! systemd's `busctl`. What can't be found out is unknown, which holds nothing back.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use wire::v1::Condition;
use wire::v1::condition::{Link, Power};

/// Where the kernel tells of batteries and mains.
const POWER_SUPPLIES: &str = "/sys/class/power_supply";

/// Finds out how it is now, blocking for a moment.
pub fn look() -> Condition {
    Condition {
        power: power(Path::new(POWER_SUPPLIES)).into(),
        link: metered().into(),
    }
}

/// What the machine runs on. Batteries of devices, such as of a mouse, don't count.
fn power(supplies: &Path) -> Power {
    let Ok(entries) = fs::read_dir(supplies) else {
        return Power::Unknown;
    };
    let mut found = Power::Unknown;
    for entry in entries.flatten() {
        let read = |name: &str| {
            let text = fs::read_to_string(entry.path().join(name)).unwrap_or_default();
            text.trim().to_owned()
        };
        if read("scope") == "Device" {
            continue;
        }
        match read("type").as_str() {
            "Battery" if found == Power::Unknown && read("status") == "Discharging" => found = Power::Battery,
            "Battery" => {}
            // Mains, USB and whatever else feeds the machine.
            _ if read("online") == "1" => return Power::Mains,
            _ => {}
        }
    }
    found
}

fn metered() -> Link {
    let asked = Command::new("busctl")
        .args(["--system", "--timeout=2", "get-property"])
        .args([
            "org.freedesktop.NetworkManager",
            "/org/freedesktop/NetworkManager",
        ])
        .args(["org.freedesktop.NetworkManager", "Metered"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    match asked {
        Ok(output) if output.status.success() => link(&String::from_utf8_lossy(&output.stdout)),
        _ => Link::Unknown,
    }
}

/// NetworkManager's `NMMetered`: 1 yes, 2 no, 3 and 4 the same by a guess, anything else unknown.
fn link(answer: &str) -> Link {
    match answer.trim() {
        "u 1" | "u 3" => Link::Metered,
        "u 2" | "u 4" => Link::Free,
        _ => Link::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn supply(dir: &Path, name: &str, values: &[(&str, &str)]) {
        let supply = dir.join(name);
        fs::create_dir(&supply).expect("creates");
        for (file, value) in values {
            fs::write(supply.join(file), format!("{value}\n")).expect("writes");
        }
    }

    #[test]
    fn a_battery_that_discharges_without_mains_is_what_the_machine_runs_on() {
        let dir = tempfile::tempdir().expect("temporary directory");
        assert_eq!(power(&dir.path().join("none")), Power::Unknown);
        assert_eq!(power(dir.path()), Power::Unknown);
        let mouse = [
            ("type", "Battery"),
            ("scope", "Device"),
            ("status", "Discharging"),
        ];
        supply(dir.path(), "hidpp_battery_0", &mouse);
        assert_eq!(power(dir.path()), Power::Unknown);
        supply(
            dir.path(),
            "BAT0",
            &[("type", "Battery"), ("status", "Discharging")],
        );
        supply(dir.path(), "AC", &[("type", "Mains"), ("online", "0")]);
        assert_eq!(power(dir.path()), Power::Battery);
        fs::write(dir.path().join("AC/online"), "1\n").expect("writes");
        assert_eq!(power(dir.path()), Power::Mains);
    }

    #[test]
    fn the_answers_of_network_manager_are_understood() {
        let answers = ["u 0\n", "u 1\n", "u 2\n", "u 3\n", "u 4\n", "", "nonsense"];
        let expected = [
            Link::Unknown,
            Link::Metered,
            Link::Free,
            Link::Metered,
            Link::Free,
            Link::Unknown,
            Link::Unknown,
        ];
        assert_eq!(answers.map(link), expected);
    }
}
