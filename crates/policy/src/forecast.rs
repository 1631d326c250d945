//! When a storage is full, if it goes on as it did.

/// So long a time at least has to be known.
const LEAST_MS: i64 = 3 * DAY_MS;
const LEAST_SAMPLES: usize = 4;
const DAY_MS: i64 = 86_400_000;
/// What is farther away than this is said by nobody.
const FARTHEST_DAYS: f64 = 3650.0;

/// How a storage fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forecast {
    /// How much more is in use each day.
    pub growth_bytes_per_day: i64,
    /// When it is full; `None` where it does not grow, or in ten years at the earliest.
    pub full_ms: Option<i64>,
}

/// Draws the straight line that fits what was in use best (least squares), and follows it from the last sample on. Samples are times and
/// bytes, oldest first; fewer than four, or of less than three days, are no ground for a forecast.
pub fn of(used: impl IntoIterator<Item = (i64, u64)>, total_bytes: u64) -> Option<Forecast> {
    let used: Vec<(i64, u64)> = used.into_iter().collect();
    let (first, last) = (used.first()?, used.last()?);
    if used.len() < LEAST_SAMPLES || last.0.saturating_sub(first.0) < LEAST_MS {
        return None;
    }
    let points: Vec<(f64, f64)> = used
        .iter()
        .map(|(at_ms, bytes)| ((at_ms - last.0) as f64 / DAY_MS as f64, *bytes as f64))
        .collect();
    let slope = slope_of(&points)?;
    let left_bytes = total_bytes.saturating_sub(last.1) as f64;
    let days = (slope >= 1.0).then(|| left_bytes / slope);
    Some(Forecast {
        growth_bytes_per_day: slope.round() as i64,
        full_ms: days
            .filter(|days| *days <= FARTHEST_DAYS)
            .map(|days| last.0.saturating_add((days * DAY_MS as f64) as i64)),
    })
}

/// The slope of the line; `None` where all points are at one time.
fn slope_of(points: &[(f64, f64)]) -> Option<f64> {
    let count = points.len() as f64;
    let mean = |part: fn(&(f64, f64)) -> f64| points.iter().map(part).sum::<f64>() / count;
    let (mean_x, mean_y) = (mean(|point| point.0), mean(|point| point.1));
    let covariance: f64 = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let variance: f64 = points.iter().map(|(x, _)| (x - mean_x) * (x - mean_x)).sum();
    (variance > 0.0).then(|| covariance / variance)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GB: u64 = 1_000_000_000;

    fn days(used: &[(i64, u64)]) -> Vec<(i64, u64)> {
        used.iter().map(|(day, gb)| (day * DAY_MS, gb * GB)).collect()
    }

    #[test]
    fn steady_growth_fills_what_is_left() {
        let used = days(&[(0, 100), (1, 110), (2, 120), (3, 130), (4, 140)]);
        let forecast = of(used, 200 * GB);
        assert_eq!(
            forecast,
            Some(Forecast {
                growth_bytes_per_day: 10 * GB as i64,
                full_ms: Some(10 * DAY_MS)
            })
        );
    }

    #[test]
    fn what_shrinks_or_stays_is_never_full() {
        for used in [
            days(&[(0, 100), (1, 90), (2, 80), (5, 70)]),
            days(&[(0, 100), (1, 100), (2, 100), (5, 100)]),
        ] {
            let forecast = of(used, 200 * GB).expect("is known");
            assert!(forecast.growth_bytes_per_day <= 0);
            assert_eq!(forecast.full_ms, None);
        }
    }

    #[test]
    fn too_little_is_no_ground() {
        assert_eq!(of([], GB), None);
        assert_eq!(of(days(&[(0, 1), (1, 2), (2, 3)]), 9 * GB), None);
        assert_eq!(of(days(&[(0, 1), (0, 2), (1, 3), (1, 4), (2, 5)]), 9 * GB), None);
    }

    #[test]
    fn slow_growth_is_told_without_an_end() {
        let used = [(0, 0), (DAY_MS, 2), (2 * DAY_MS, 4), (4 * DAY_MS, 8)];
        let forecast = of(used, 1000 * GB).expect("is known");
        assert_eq!((forecast.growth_bytes_per_day, forecast.full_ms), (2, None));
    }

    #[test]
    fn a_storage_that_is_full_is_full_now() {
        let used = days(&[(0, 100), (1, 110), (2, 120), (4, 140)]);
        let forecast = of(used, 130 * GB).expect("is known");
        assert_eq!(forecast.full_ms, Some(4 * DAY_MS));
    }
}
