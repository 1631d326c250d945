//! Versions of the program, in their order.

/// A version: three numbers, and what comes before the release of them, if it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    numbers: [u32; 3],
    before_release: Option<String>,
}

impl Version {
    /// Reads a version such as `1.4.0` or `1.4.0-rc.1`.
    pub fn parse(text: &str) -> Option<Self> {
        let (numbers, before_release) = match text.split_once('-') {
            Some((numbers, before)) => (numbers, Some(before)),
            None => (text, None),
        };
        let is_plain = |text: &str| {
            let mut bytes = text.bytes();
            !text.is_empty() && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'.')
        };
        let mut parts = numbers.split('.').map(|part| {
            let is_number = part.bytes().all(|byte| byte.is_ascii_digit());
            is_number.then(|| part.parse().ok()).flatten()
        });
        let version = Self {
            numbers: [parts.next()??, parts.next()??, parts.next()??],
            before_release: before_release.map(str::to_owned),
        };
        (parts.next().is_none() && before_release.is_none_or(is_plain)).then_some(version)
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let by_release = match (&self.before_release, &other.before_release) {
            (Some(one), Some(another)) => one.cmp(another),
            (one, another) => one.is_none().cmp(&another.is_none()),
        };
        self.numbers.cmp(&other.numbers).then(by_release)
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [major, minor, patch] = self.numbers;
        write!(f, "{major}.{minor}.{patch}")?;
        match &self.before_release {
            Some(before) => write!(f, "-{before}"),
            None => Ok(()),
        }
    }
}
