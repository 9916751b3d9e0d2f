//! Coarse timers: a wheel of slots, each for one tick. An entry only says when to look again.

use crate::id::Id;

const TICK_MS: u64 = 16;
const SLOTS: usize = 1024;
/// How far ahead an entry can be; whoever waits longer is asked once in between and entered again.
const HORIZON_MS: u64 = TICK_MS * (SLOTS as u64 - 2);

/// Where an entry belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    pub id: Id,
    /// The moment it was entered for: an older entry of the same connection is recognised by it.
    pub at: u64,
}

/// Milliseconds throughout, of the engine's clock.
pub struct Wheel {
    slots: Vec<Vec<Entry>>,
    /// One bit for each slot that has entries.
    occupied: [u64; SLOTS / 64],
    /// The tick up to which everything has been taken out.
    done: u64,
}

impl Wheel {
    pub fn new(now: u64) -> Self {
        Wheel {
            slots: (0..SLOTS).map(|_| Vec::new()).collect(),
            occupied: [0; SLOTS / 64],
            done: now / TICK_MS,
        }
    }

    /// Never fires before `at`, and within a tick after it. Returns the moment that the entry is for, which is earlier
    /// than `at` when that is beyond the wheel's horizon.
    pub fn enter(&mut self, id: Id, at: u64) -> u64 {
        let latest = self.done * TICK_MS + HORIZON_MS;
        let at = at.min(latest);
        let tick = (at / TICK_MS + 1).max(self.done + 1);
        let slot = tick as usize % SLOTS;
        if let Some(entries) = self.slots.get_mut(slot) {
            entries.push(Entry { id, at });
        }
        if let Some(word) = self.occupied.get_mut(slot / 64) {
            *word |= 1 << (slot % 64);
        }
        at
    }

    /// Moves what is due by `now` to `due`.
    pub fn take_due(&mut self, now: u64, due: &mut Vec<Entry>) {
        let tick = now / TICK_MS;
        while self.done < tick {
            let Some(ahead) = self.next_occupied() else {
                self.done = tick;
                return;
            };
            if self.done + ahead > tick {
                self.done = tick;
                return;
            }
            self.done += ahead;
            let slot = self.done as usize % SLOTS;
            if let Some(entries) = self.slots.get_mut(slot) {
                due.append(entries);
            }
            if let Some(word) = self.occupied.get_mut(slot / 64) {
                *word &= !(1 << (slot % 64));
            }
        }
    }

    /// How long until something is due; None when nothing waits.
    pub fn wait_ms(&self, now: u64) -> Option<u64> {
        let tick = self.done + self.next_occupied()?;
        Some((tick * TICK_MS).saturating_sub(now))
    }

    /// Ticks from `done` to the next slot with entries, 1 at least.
    fn next_occupied(&self) -> Option<u64> {
        let first = (self.done as usize + 1) % SLOTS;
        let words = self.occupied.len();
        for step in 0..=words {
            let at = (first / 64 + step) % words;
            let mut word = *self.occupied.get(at)?;
            if step == 0 {
                word &= u64::MAX << (first % 64);
            } else if step == words {
                word &= !(u64::MAX << (first % 64));
            }
            if word != 0 {
                let slot = at * 64 + word.trailing_zeros() as usize;
                return Some(((slot + SLOTS - first) % SLOTS) as u64 + 1);
            }
        }
        None
    }
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;

    fn id(index: u32) -> Id {
        Id { index, generation: 0 }
    }

    #[test]
    fn nothing_is_due_early_nor_more_than_two_ticks_late() {
        for start in [0, 5, 1_000_003] {
            for delay in [0, 1, 15, 16, 17, 999, 16_000] {
                let mut wheel = Wheel::new(start);
                let at = wheel.enter(id(1), start + delay);
                let mut due = Vec::new();
                let mut now = start;
                while due.is_empty() {
                    now += 1;
                    wheel.take_due(now, &mut due);
                }
                assert!(now > at && now <= at + 2 * TICK_MS, "{start} {delay} {now}");
            }
        }
    }

    #[test]
    fn it_says_how_long_to_sleep() {
        let mut wheel = Wheel::new(0);
        assert_eq!(wheel.wait_ms(0), None);
        wheel.enter(id(1), 500);
        let wait = wheel.wait_ms(0).expect("an entry");
        assert!((500..540).contains(&wait));
        let mut due = Vec::new();
        wheel.take_due(wait, &mut due);
        assert_eq!(due.len(), 1);
        assert_eq!(wheel.wait_ms(wait), None);
    }

    #[test]
    fn what_is_far_away_is_asked_about_in_between() {
        let mut wheel = Wheel::new(0);
        assert!(wheel.enter(id(1), 300_000) < 300_000);
    }

    #[test]
    fn a_long_sleep_loses_nothing() {
        let mut wheel = Wheel::new(0);
        for index in 0..2_000 {
            wheel.enter(id(index), u64::from(index) * 7);
        }
        let mut due = Vec::new();
        wheel.take_due(1_000_000, &mut due);
        assert_eq!(due.len(), 2_000);
    }
}
