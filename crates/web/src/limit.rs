//! How many requests one address may make: enough for people and scripts, not enough to keep the server from its work.
//!
//! Each address has a bucket of tokens that fills steadily; a request takes one. An address is an IPv4 address or an IPv6 network of 64
//! bits, as one machine may have all of it.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::Remote;
use crate::api::{self, problem::Problem};

/// What a bucket holds.
const BURST: f64 = 1000.0;
/// What flows into it.
const PER_SECOND: f64 = 200.0;
/// After so long a full bucket is forgotten.
const FILLED_AFTER: Duration = Duration::from_secs(5);
/// Buckets that are kept before the full ones are looked for.
const MOST_BUCKETS: usize = 10_000;

/// The buckets of all addresses.
#[derive(Default)]
pub struct Limits(Mutex<HashMap<IpAddr, Bucket>>);

struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Limits {
    /// Takes a token for a request that comes now, or tells after how long there is one.
    pub fn take(&self, address: IpAddr, now: Instant) -> Result<(), Duration> {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MOST_BUCKETS {
            buckets.retain(|_, bucket| now.duration_since(bucket.at) < FILLED_AFTER);
        }
        let bucket = buckets.entry(network_of(address)).or_insert(Bucket {
            tokens: BURST,
            at: now,
        });
        let inflow = now.saturating_duration_since(bucket.at).as_secs_f64() * PER_SECOND;
        bucket.tokens = (bucket.tokens + inflow).min(BURST);
        bucket.at = now;
        if bucket.tokens < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - bucket.tokens) / PER_SECOND));
        }
        bucket.tokens -= 1.0;
        Ok(())
    }
}

/// Answers a request, or says when to come again.
pub async fn limit(State(limits): State<Arc<Limits>>, request: Request, next: Next) -> Response {
    let remote = request.extensions().get::<Remote>();
    let taken = remote.map_or(Ok(()), |Remote(address)| {
        limits.take(address.ip(), Instant::now())
    });
    match taken {
        Ok(()) => next.run(request).await,
        Err(wait) => {
            let seconds = wait.as_secs_f64().ceil().max(1.0);
            let again = [(header::RETRY_AFTER, seconds.to_string())];
            match api::is_at(request.uri()) {
                true => (again, Problem::too_many()).into_response(),
                false => (StatusCode::TOO_MANY_REQUESTS, again, "too many requests\n").into_response(),
            }
        }
    }
}

fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let bits = address.to_bits() & (u128::from(u64::MAX) << 64);
            IpAddr::V6(Ipv6Addr::from_bits(bits))
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_flood_is_stopped_and_others_go_on() {
        let (limits, now) = (Limits::default(), Instant::now());
        let flooding = address("2001:db8::1");
        for _ in 0..BURST as usize {
            assert!(limits.take(flooding, now).is_ok());
        }
        let wait = limits.take(flooding, now).expect_err("is too much");
        assert!(wait <= Duration::from_millis(5), "{wait:?}");
        assert!(
            limits.take(address("2001:db8::2"), now).is_err(),
            "of the same network"
        );
        assert!(limits.take(address("2001:db8:0:1::1"), now).is_ok());
        assert!(limits.take(address("192.0.2.1"), now).is_ok());
        let later = now + Duration::from_secs(1);
        for _ in 0..PER_SECOND as usize {
            assert!(limits.take(flooding, later).is_ok());
        }
        assert!(limits.take(flooding, later).is_err());
    }

    #[test]
    fn memory_does_not_grow_with_addresses_that_are_gone() {
        let (limits, now) = (Limits::default(), Instant::now());
        for number in 0..MOST_BUCKETS as u32 {
            let _ = limits.take(IpAddr::V4(number.into()), now);
        }
        let _ = limits.take(address("192.0.2.1"), now + FILLED_AFTER);
        assert_eq!(limits.0.lock().expect("is whole").len(), 1);
    }
}
