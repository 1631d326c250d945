//! Figures as findings tell them.

use jiff::tz::TimeZone;

/// A size in binary units.
pub fn size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 4] = [
        ("TiB", 1 << 40),
        ("GiB", 1 << 30),
        ("MiB", 1 << 20),
        ("KiB", 1 << 10),
    ];
    match UNITS.iter().find(|(_, unit_bytes)| bytes >= *unit_bytes) {
        Some((name, unit_bytes)) => {
            let tenths = u128::from(bytes) * 10 / u128::from(*unit_bytes);
            format!("{}.{} {name}", tenths / 10, tenths % 10)
        }
        None => format!("{bytes} B"),
    }
}

/// A day, in a zone.
pub fn day(at_ms: i64, zone: &TimeZone) -> String {
    match jiff::Timestamp::from_millisecond(at_ms) {
        Ok(at) => at.to_zoned(zone.clone()).strftime("%Y-%m-%d").to_string(),
        Err(_) => "a time out of range".into(),
    }
}

/// A span in the unit that fits.
pub fn span(len_ms: u64) -> String {
    const UNITS: [(&str, u64); 4] = [
        ("days", 86_400_000),
        ("h", 3_600_000),
        ("min", 60_000),
        ("s", 1000),
    ];
    match UNITS.iter().find(|(_, unit_ms)| len_ms >= 2 * *unit_ms) {
        Some((name, unit_ms)) => format!("{} {name}", len_ms / unit_ms),
        None => format!("{len_ms} ms"),
    }
}

/// Words with commas between them.
pub fn joined<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.collect::<Vec<_>>().join(", ")
}

/// An error with its causes, in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_told_in_the_unit_that_fits() {
        assert_eq!(
            [size(17), size(1536), size(3 << 30), size(u64::MAX)],
            ["17 B", "1.5 KiB", "3.0 GiB", "16777215.9 TiB"]
        );
        assert_eq!(
            [span(999), span(2000), span(7_200_000), span(400_000_000)],
            ["999 ms", "2 s", "2 h", "4 days"]
        );
        assert_eq!(day(0, &TimeZone::UTC), "1970-01-01");
    }
}
