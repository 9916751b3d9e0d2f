//! Reads the table that shared/blocking/domain-set.ts makes, and that says how it is laid out.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::hash::{Key, suffixes};

const MAGIC: u32 = 0x5344_4c41;
const VERSION: u32 = 1;
const HEADER_WORDS: usize = 16;
const SLOT_WORDS: usize = 4;
const LISTS: usize = 256;
const SELF: u32 = 1 << 12;
const BELOW: u32 = 1 << 13;
const CONDITIONAL: u32 = 1 << 14;
/// The rank of a rule by which the region's policy blocks; RANK in shared/blocking/list-rule.ts.
pub const POLICY_BLOCK: u8 = 7;

pub struct Set {
    words: Vec<u32>,
    capacity: usize,
    key: Key,
    /// The heaviest rank by which a condition that can hold for any name allows.
    allowed_anywhere: u8,
    blocked: Vec<AtomicU64>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// A rule without conditions blocks it, and nothing that could weigh more speaks of it.
    Blocked { list: u8, rank: u8 },
    /// It is allowed, unknown, or a condition decides, which JavaScript knows.
    Open,
}

impl Set {
    /// None when the words are no table.
    pub fn new(words: Vec<u32>) -> Option<Set> {
        let header = words.get(..HEADER_WORDS)?;
        let capacity = usize::try_from(header[2]).ok()?;
        let whole = capacity.checked_mul(SLOT_WORDS)?.checked_add(HEADER_WORDS)?;
        let good = header[0] == MAGIC && header[1] == VERSION && capacity > 0 && whole == words.len();
        let key = Key {
            low: header[4],
            high: header[5],
        };
        let allowed_anywhere = u8::try_from(header[6]).ok()?;
        let blocked = (0..LISTS).map(|_| AtomicU64::new(0)).collect();
        good.then_some(Set {
            words,
            capacity,
            key,
            allowed_anywhere,
            blocked,
        })
    }

    /// `name` is lower case, without the last full stop.
    pub fn verdict(&self, name: &[u8]) -> Verdict {
        let mut best: Option<(u8, u8)> = None;
        let mut conditional = self.allowed_anywhere;
        suffixes(name, self.key, |low, high, start| {
            let wanted = if start == 0 { SELF } else { BELOW };
            self.each_at(low, high, |meta| {
                if meta & wanted == 0 {
                    return;
                }
                let rank = ((meta >> 8) & 0xf) as u8;
                if meta & CONDITIONAL != 0 {
                    conditional = conditional.max(rank);
                } else if best.is_none_or(|(_, known)| rank > known) {
                    best = Some(((meta & 0xff) as u8, rank));
                }
            });
        });
        match best {
            Some((list, rank)) if rank % 2 == 1 && rank >= conditional => Verdict::Blocked { list, rank },
            _ => Verdict::Open,
        }
    }

    fn each_at(&self, low: u32, high: u32, mut each: impl FnMut(u32)) {
        let mut slot = low as usize % self.capacity;
        // A table whose every slot is taken is none of ours, and would make this run for ever.
        for _ in 0..self.capacity {
            let at = HEADER_WORDS + slot * SLOT_WORDS;
            let Some(&[own_low, own_high, _, meta]) = self.words.get(at..at + SLOT_WORDS) else {
                return;
            };
            if meta == 0 {
                return;
            }
            if own_low == low && own_high == high {
                each(meta);
            }
            slot = if slot + 1 == self.capacity { 0 } else { slot + 1 };
        }
    }

    pub fn count(&self, list: u8) {
        if let Some(counter) = self.blocked.get(usize::from(list)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What each list blocked since this was last asked, by the list's place.
    pub fn take_blocked(&self) -> Vec<u64> {
        self.blocked
            .iter()
            .map(|counter| counter.swap(0, Ordering::Relaxed))
            .collect()
    }
}
