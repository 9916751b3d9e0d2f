//! Ids of requests that JavaScript has not seen yet: version 7 of RFC 9562, as its own are.

use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::rand::{GetRandomFlags, getrandom};

const RANDOM_BYTES: usize = 10;
/// How many are asked of the system at once: up to so many are never cut short.
const POOL_BYTES: usize = 250;

#[derive(Default)]
pub struct RequestIds {
    /// Random bytes that no id has had.
    pool: Vec<u8>,
}

impl RequestIds {
    /// None where the system has no randomness to give.
    pub fn next(&mut self) -> Option<String> {
        if self.pool.len() < RANDOM_BYTES {
            self.fill()?;
        }
        let random = self.pool.split_off(self.pool.len().checked_sub(RANDOM_BYTES)?);
        let ms = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_millis() as u64;
        Some(written(ms, &random))
    }

    fn fill(&mut self) -> Option<()> {
        self.pool.resize(POOL_BYTES, 0);
        let filled = getrandom(&mut self.pool[..], GetRandomFlags::empty()).unwrap_or(0);
        self.pool.truncate(filled);
        (filled == POOL_BYTES).then_some(())
    }
}

/// RFC 9562 section 5.7: milliseconds, the version, random bits, the variant, random bits.
fn written(ms: u64, random: &[u8]) -> String {
    let mut text = String::with_capacity(36);
    let bytes = ms.to_be_bytes().into_iter().skip(2).chain(random.iter().copied());
    for (at, byte) in bytes.enumerate() {
        let byte = match at {
            6 => 0x70 | byte & 0x0f,
            8 => 0x80 | byte & 0x3f,
            _ => byte,
        };
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn an_id_is_written_as_the_rfc_has_it() {
        // RFC 9562 appendix A.6.
        let random = [0xcc, 0xc3, 0x18, 0xc4, 0xdc, 0x0c, 0x0c, 0x07, 0x39, 0x8f];
        assert_eq!(
            written(0x017f_22e2_79b0, &random),
            "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"
        );
    }

    #[test]
    fn no_two_are_the_same() {
        let mut ids = RequestIds::default();
        let made: HashSet<String> = (0..1_000).map(|_| ids.next().expect("an id")).collect();
        assert_eq!(made.len(), 1_000);
    }
}
