//! How fast flows may move bytes: a token bucket, shared by all flows of a credential in both languages.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// A burst of this many seconds may pass at once.
const BURST_SECONDS: f64 = 0.1;
/// Fewer are not worth a wake-up.
const LEAST_BYTES: f64 = 2_048.0;

struct Bucket {
    /// None: no limit.
    bytes_per_second: Option<f64>,
    tokens: f64,
    filled_at: f64,
}

impl Bucket {
    fn fill(&mut self, now: f64) {
        let Some(speed) = self.bytes_per_second else {
            return;
        };
        let most = speed * BURST_SECONDS;
        self.tokens = (self.tokens + (now - self.filled_at) * speed).min(most);
        self.filled_at = now;
    }
}

pub struct Rate {
    pub handle: u32,
    began: Instant,
    bucket: Mutex<Bucket>,
}

/// What came of asking for bytes.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Permit {
    /// At least 1, at most what was asked for.
    Bytes(usize),
    /// Ask again in so many milliseconds.
    Wait(u64),
}

impl Rate {
    pub fn new(handle: u32, bytes_per_second: Option<f64>) -> Self {
        Rate {
            handle,
            began: Instant::now(),
            bucket: Mutex::new(Bucket {
                bytes_per_second,
                tokens: 0.0,
                filled_at: 0.0,
            }),
        }
    }

    fn with<Result>(&self, work: impl FnOnce(&mut Bucket) -> Result) -> Result {
        let now = self.began.elapsed().as_secs_f64();
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.fill(now);
        work(&mut bucket)
    }

    pub fn take_up_to(&self, wanted: usize) -> Permit {
        self.with(|bucket| {
            let Some(speed) = bucket.bytes_per_second else {
                return Permit::Bytes(wanted);
            };
            let enough = LEAST_BYTES
                .min(speed * BURST_SECONDS / 2.0)
                .min(wanted as f64)
                .max(1.0);
            if bucket.tokens < enough {
                let seconds = (enough - bucket.tokens) / speed.max(1.0);
                return Permit::Wait((seconds * 1e3).ceil().clamp(1.0, 1_000.0) as u64);
            }
            let granted = (wanted as f64).min(bucket.tokens.floor());
            bucket.tokens -= granted;
            Permit::Bytes(granted as usize)
        })
    }

    pub fn give_back(&self, bytes: usize) {
        self.with(|bucket| bucket.tokens += bytes as f64);
    }

    /// Takes all of `bytes` when there is anything; what is missing is a debt that delays whoever comes next.
    pub fn take_whole(&self, bytes: f64) -> bool {
        self.with(|bucket| {
            let allowed = bucket.bytes_per_second.is_none() || bucket.tokens > 0.0;
            if allowed && bucket.bytes_per_second.is_some() {
                bucket.tokens -= bytes;
            }
            allowed
        })
    }

    pub fn set(&self, bytes_per_second: Option<f64>) {
        let now = self.began.elapsed().as_secs_f64();
        self.with(|bucket| {
            bucket.bytes_per_second = bytes_per_second;
            // A debt made at the old speed must not hold the new one back.
            bucket.tokens = bucket.tokens.max(0.0);
            bucket.filled_at = now;
        });
    }
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn without_a_limit_everything_passes() {
        let rate = Rate::new(1, None);
        assert_eq!(rate.take_up_to(usize::MAX), Permit::Bytes(usize::MAX));
        assert!(rate.take_whole(1e12) && rate.take_whole(1e12));
    }

    #[test]
    fn a_bucket_gives_what_it_holds_and_then_says_how_long_to_wait() {
        let rate = Rate::new(1, Some(1_000_000.0));
        rate.with(|bucket| bucket.tokens = 50_000.0);
        assert!(
            matches!(rate.take_up_to(1 << 20), Permit::Bytes(count) if (50_000..101_000).contains(&count))
        );
        assert!(matches!(rate.take_up_to(1 << 20), Permit::Wait(1..=1_000)));
    }

    #[test]
    fn a_debt_is_forgotten_when_the_speed_changes() {
        let rate = Rate::new(1, Some(1_000.0));
        rate.with(|bucket| bucket.tokens = 1.0);
        assert!(rate.take_whole(1e9));
        assert!(!rate.take_whole(1.0));
        rate.set(None);
        assert!(rate.take_whole(1.0));
    }
}
