//! Sizes and shares as text, without rounding.

use std::fmt;

const UNITS: [(u64, &str); 7] = [
    (1 << 60, "EiB"),
    (1 << 50, "PiB"),
    (1 << 40, "TiB"),
    (1 << 30, "GiB"),
    (1 << 20, "MiB"),
    (1 << 10, "KiB"),
    (1, "B"),
];

/// More digits behind the point than anyone needs, and few enough to count with.
const MAX_FRACTION_DIGITS: usize = 9;
const FRACTION_SCALE: u128 = 10_u128.pow(9);

/// Digits behind the point of a size that is shown.
const SHOWN_SCALE: u64 = 1_000;

const WHOLE_HUNDREDTHS: u16 = 10_000;

/// A share of a whole, in hundredths of a percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share {
    hundredths: u16,
}

impl Share {
    /// So many percent; `None` if that is more than the whole.
    pub const fn percent(percent: u8) -> Option<Self> {
        match percent {
            0..=100 => Some(Self {
                hundredths: percent as u16 * 100,
            }),
            _ => None,
        }
    }

    /// This share of a size, rounded down.
    pub fn of_bytes(self, whole_bytes: u64) -> u64 {
        let bytes = u128::from(whole_bytes) * u128::from(self.hundredths) / u128::from(WHOLE_HUNDREDTHS);
        // Not more than the whole: a share is at most 1.
        u64::try_from(bytes).unwrap_or(whole_bytes)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_fraction(f, u64::from(self.hundredths), 100)?;
        f.write_str("%")
    }
}

/// A text that is not a quota.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseQuotaError {
    /// There is no number where one must be.
    #[error("\"{text}\" is not a quota: a size such as 20G, a share such as 10%, or off")]
    NoNumber {
        /// What stands there.
        text: String,
    },
    /// No unit has this name.
    #[error("\"{name}\" is no unit of size: B, K, M, G, T, P and E are, also as KiB and so on")]
    UnknownUnit {
        /// The name.
        name: String,
    },
    /// A number that is not 0 has no unit.
    #[error("a unit is missing after {number}: such as {number}G, or {number}%")]
    NoUnit {
        /// The number.
        number: String,
    },
    /// It has more digits than can be counted.
    #[error("\"{number}\" has too many digits")]
    TooManyDigits {
        /// The number.
        number: String,
    },
    /// It is more than can be counted in bytes.
    #[error("\"{text}\" is too large a size")]
    TooLarge {
        /// The size.
        text: String,
    },
    /// It is more than all.
    #[error("{percent}% is more than the whole")]
    MoreThanWhole {
        /// So many percent.
        percent: String,
    },
}

/// Reads how many percent; digits beyond the hundredths are cut off.
pub(super) fn parse_share(percent: &str) -> Result<Share, ParseQuotaError> {
    let parts = parse_decimal(percent)?;
    let hundredths = parts * 100 / FRACTION_SCALE;
    match u16::try_from(hundredths) {
        Ok(hundredths) if parts * 100 <= u128::from(WHOLE_HUNDREDTHS) * FRACTION_SCALE => {
            Ok(Share { hundredths })
        }
        _ => Err(ParseQuotaError::MoreThanWhole {
            percent: percent.into(),
        }),
    }
}

/// Reads a size; a fraction of a byte is cut off.
pub(super) fn parse_bytes(text: &str) -> Result<u64, ParseQuotaError> {
    let is_number = |letter: char| letter.is_ascii_digit() || letter == '.';
    let (number, name) = text.split_at(text.find(|letter| !is_number(letter)).unwrap_or(text.len()));
    if number.is_empty() {
        return Err(ParseQuotaError::NoNumber { text: text.into() });
    }
    let parts = parse_decimal(number)?;
    let unit_bytes = match name.trim_start() {
        "" if parts == 0 => 1,
        "" => {
            return Err(ParseQuotaError::NoUnit {
                number: number.into(),
            });
        }
        name => unit_bytes(name).ok_or_else(|| ParseQuotaError::UnknownUnit { name: name.into() })?,
    };
    parts
        .checked_mul(u128::from(unit_bytes))
        .and_then(|scaled| u64::try_from(scaled / FRACTION_SCALE).ok())
        .ok_or_else(|| ParseQuotaError::TooLarge { text: text.into() })
}

/// Reads a number in parts of [`FRACTION_SCALE`]. No more than 20 digits stand before the point.
fn parse_decimal(number: &str) -> Result<u128, ParseQuotaError> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(whole) || !is_digits(fraction) {
        return Err(ParseQuotaError::NoNumber { text: number.into() });
    }
    let too_many = || ParseQuotaError::TooManyDigits {
        number: number.into(),
    };
    if fraction.len() > MAX_FRACTION_DIGITS {
        return Err(too_many());
    }
    let whole: u64 = whole.parse().map_err(|_| too_many())?;
    let fraction = format!("{fraction:0<MAX_FRACTION_DIGITS$}");
    let fraction: u64 = fraction.parse().map_err(|_| too_many())?;
    Ok(u128::from(whole) * FRACTION_SCALE + u128::from(fraction))
}

fn unit_bytes(name: &str) -> Option<u64> {
    UNITS
        .iter()
        .find(|(_, full)| *full == name || full.strip_suffix("iB") == Some(name))
        .map(|(unit_bytes, _)| *unit_bytes)
}

/// Writes a size in the largest unit in which it has few digits and none are lost.
pub(super) fn write_bytes(f: &mut fmt::Formatter<'_>, bytes: u64) -> fmt::Result {
    let is_exact = |unit_bytes: u64| {
        let scaled = u128::from(bytes) * u128::from(SHOWN_SCALE);
        bytes >= unit_bytes && scaled.is_multiple_of(u128::from(unit_bytes))
    };
    let (unit_bytes, name) = UNITS
        .into_iter()
        .find(|(unit_bytes, _)| is_exact(*unit_bytes))
        .unwrap_or((1, "B"));
    let rest = u128::from(bytes % unit_bytes) * u128::from(SHOWN_SCALE) / u128::from(unit_bytes);
    let thousandths = u64::try_from(rest).unwrap_or(0);
    write!(f, "{}", bytes / unit_bytes)?;
    write_digits(f, thousandths, SHOWN_SCALE)?;
    write!(f, " {name}")
}

/// Writes `parts / scale` in decimal.
fn write_fraction(f: &mut fmt::Formatter<'_>, parts: u64, scale: u64) -> fmt::Result {
    write!(f, "{}", parts / scale)?;
    write_digits(f, parts % scale, scale)
}

/// Writes what stands behind the point, and the point, unless that is nothing. The scale is a power of ten.
fn write_digits(f: &mut fmt::Formatter<'_>, parts: u64, scale: u64) -> fmt::Result {
    if parts == 0 {
        return Ok(());
    }
    let width = scale.ilog10() as usize;
    let digits = format!("{parts:0width$}");
    write!(f, ".{}", digits.trim_end_matches('0'))
}
