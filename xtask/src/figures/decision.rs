//! The scheduler's decision for all clients: `policy`'s own example, in the profile that is measured.

use std::process::Command;

use super::Result;
use super::arguments::Profile;
use crate::bench::figures::Row;
use crate::bench::measure::quiet;

/// Decides once for a thousand clients, files and images.
pub fn rows(profile: Profile) -> Result<Vec<Row>> {
    let mut example = Command::new("cargo");
    example
        .args(["run", "--quiet", "-p", "policy", "--example", "thousand_clients"])
        .args(profile.flags());
    let printed = quiet(&mut example)?;
    let milliseconds = |line: &str| -> Option<f64> {
        let (_, figure) = line.rsplit_once(": ")?;
        figure.strip_suffix(" ms")?.parse().ok()
    };
    let took: Option<Vec<f64>> = printed.lines().map(milliseconds).collect();
    match took.as_deref() {
        Some(&[decisions, outlooks, admission]) => Ok(vec![
            Row::of(
                "the scheduler's decision for 1000 clients",
                decisions + admission,
                50.0,
                " ms",
            ),
            Row::told("what `schedule explain` tells of all of them", outlooks, " ms"),
        ]),
        _ => Err(format!("the example printed {printed:?}").into()),
    }
}
