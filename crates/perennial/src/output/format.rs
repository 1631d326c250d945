//! How sizes, times, spans, modes and paths are written.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/// A size in binary units with three significant digits or so: `17 B`, `1.5 MiB`, `234 GiB`.
pub fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    // 1023.7 KiB would be written as 1024 KiB.
    if value >= 1023.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    match unit {
        0 => format!("{bytes} B"),
        _ if value < 9.95 => format!("{value:.1} {}", UNITS[unit]),
        _ => format!("{value:.0} {}", UNITS[unit]),
    }
}

/// A number with its thousands set apart: `78,123`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of things, with the noun in the right form: `1 file`, `3 files`.
pub fn things(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// How often something may be done.
pub fn times(number: u32) -> String {
    match number {
        1 => "once".to_owned(),
        number => format!("{number} times"),
    }
}

/// A text, or a dash where there is none.
pub fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

/// A span of time in its two largest units: `43ms`, `0.4s`, `17s`, `3m 05s`, `5h`, `30d`.
pub fn duration(span: Duration) -> String {
    let seconds = span.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    let two = |large: u64, large_unit: char, small: u64, small_unit: char, width: usize| match small {
        0 => format!("{large}{large_unit}"),
        _ => format!("{large}{large_unit} {small:0width$}{small_unit}"),
    };
    match seconds {
        0 if span.subsec_millis() < 100 => format!("{}ms", span.subsec_millis()),
        0..10 if span.subsec_millis() >= 50 => format!("{:.1}s", span.as_secs_f64()),
        0..60 => format!("{seconds}s"),
        60..3600 => two(minutes, 'm', seconds % 60, 's', 2),
        3600..86_400 => two(hours, 'h', minutes, 'm', 2),
        _ => two(days, 'd', hours, 'h', 1),
    }
}

/// A time for people, in their zone: `2026-11-29 06:50`. A dash where there is none (0).
pub fn time(unix_ms: i64, zone: &TimeZone) -> String {
    match stamp(unix_ms) {
        Some(stamp) => stamp
            .to_zoned(zone.clone())
            .strftime("%Y-%m-%d %H:%M")
            .to_string(),
        None => "-".into(),
    }
}

/// A time to the second, as [`time`] writes it.
pub fn time_exact(unix_s: i64, zone: &TimeZone) -> String {
    match Timestamp::from_second(unix_s) {
        Ok(stamp) => stamp
            .to_zoned(zone.clone())
            .strftime("%Y-%m-%d %H:%M:%S")
            .to_string(),
        Err(_) => "-".into(),
    }
}

/// A time for programs: RFC 3339 in the user's zone, with its offset; `None` where there is none (0).
pub fn rfc3339(unix_ms: i64, zone: &TimeZone) -> Option<String> {
    let stamp = stamp(unix_ms)?;
    let zoned = stamp.to_zoned(zone.clone());
    Some(stamp.display_with_offset(zoned.offset()).to_string())
}

/// File type and permissions as `ls -l` writes them.
pub fn mode(kind: &str, mode: u32) -> String {
    let first = match kind {
        "directory" => 'd',
        "symlink" => 'l',
        "fifo" => 'p',
        "character device" => 'c',
        "block device" => 'b',
        "hard link" => 'h',
        _ => '-',
    };
    let mut text = String::with_capacity(10);
    text.push(first);
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = mode >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (bits & 1 != 0, mode & special != 0) {
            (true, true) => letter,
            (false, true) => letter.to_ascii_uppercase(),
            (true, false) => 'x',
            (false, false) => '-',
        });
    }
    text
}

/// A path or name that came from elsewhere, fit for a terminal: what is not UTF-8 and control characters, which could
/// move the cursor or end the line, are written as escapes.
pub fn path(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\\' => text.push_str("\\\\"),
                control if control.is_control() => text.extend(control.escape_default()),
                plain => text.push(plain),
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

/// Text that came from elsewhere, fit for one line of a terminal.
pub fn line(text: &str) -> String {
    text.chars()
        .map(|character| if character.is_control() { ' ' } else { character })
        .collect()
}

/// Bytes in hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn stamp(unix_ms: i64) -> Option<Timestamp> {
    if unix_ms == 0 {
        None
    } else {
        Timestamp::from_millisecond(unix_ms).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_in_binary_units() {
        let written: Vec<_> = [
            0,
            1023,
            1024,
            1536,
            10_190,
            10_240,
            1_048_575,
            1_048_576,
            5 << 40,
            u64::MAX,
        ]
        .map(size)
        .into();
        assert_eq!(
            written,
            [
                "0 B", "1023 B", "1.0 KiB", "1.5 KiB", "10 KiB", "10 KiB", "1.0 MiB", "1.0 MiB", "5.0 TiB",
                "16 EiB"
            ]
        );
    }

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(
            [0, 999, 1000, 1_234_567].map(count),
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!(things(1, "file", "files"), "1 file");
        assert_eq!(things(2000, "file", "files"), "2,000 files");
    }

    #[test]
    fn spans_show_two_units() {
        let written = [
            0.0,
            0.043,
            0.42,
            17.6,
            60.0,
            185.0,
            18_000.0,
            5400.0,
            2_592_000.0,
            90_000.0,
        ]
        .map(|seconds| duration(Duration::from_secs_f64(seconds)));
        assert_eq!(
            written,
            [
                "0ms", "43ms", "0.4s", "17s", "1m", "3m 05s", "5h", "1h 30m", "30d", "1d 1h"
            ]
        );
    }

    #[test]
    fn times_are_in_the_users_zone_and_carry_their_offset_for_programs() {
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        assert_eq!(time(1_795_934_400_123, &zone), "2026-11-29 08:40");
        assert_eq!(
            rfc3339(1_795_934_400_123, &zone).as_deref(),
            Some("2026-11-29T08:40:00.123+02:00")
        );
        assert_eq!(time_exact(1_795_934_400, &zone), "2026-11-29 08:40:00");
        assert_eq!(time(0, &zone), "-");
        assert_eq!(rfc3339(0, &zone), None);
        assert_eq!(time(i64::MAX, &zone), "-");
    }

    #[test]
    fn modes_look_like_those_of_ls() {
        assert_eq!(mode("file", 0o644), "-rw-r--r--");
        assert_eq!(mode("directory", 0o1777), "drwxrwxrwt");
        assert_eq!(mode("file", 0o4711), "-rws--x--x");
        assert_eq!(mode("file", 0o2640), "-rw-r-S---");
        assert_eq!(mode("symlink", 0o777), "lrwxrwxrwx");
    }

    #[test]
    fn paths_cannot_play_with_the_terminal() {
        assert_eq!(path(b"a\x1b[2J\n\xff\\\xc3\xa9"), "a\\u{1b}[2J\\n\\xff\\\\é");
        assert_eq!(line("one\ntwo\x07"), "one two ");
    }
}
