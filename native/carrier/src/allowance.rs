//! Bytes that may still be moved, shared by all flows of an account in both languages.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::id::Id;

/// What came of asking for bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Grant {
    /// At least 1, at most what was asked for.
    Bytes(usize),
    /// Nothing now: ask again when there is more.
    Dry,
    /// Nothing any more.
    Closed,
}

pub struct Allowance {
    pub handle: u32,
    remaining: AtomicI64,
    low_below: AtomicI64,
    closed: AtomicBool,
    said_low: AtomicBool,
    said_dry: AtomicBool,
    /// Somebody in JavaScript waits for more than there is: what comes is theirs first.
    claimed: AtomicBool,
    waiting: Mutex<Vec<Id>>,
}

impl Allowance {
    pub fn new(handle: u32, low_below: i64) -> Self {
        Allowance {
            handle,
            remaining: AtomicI64::new(0),
            low_below: AtomicI64::new(low_below),
            closed: AtomicBool::new(false),
            said_low: AtomicBool::new(false),
            said_dry: AtomicBool::new(false),
            claimed: AtomicBool::new(false),
            waiting: Mutex::new(Vec::new()),
        }
    }

    /// Takes up to `wanted` bytes. What is not used goes back with `give_back`.
    pub fn take_up_to(&self, wanted: usize) -> Grant {
        if self.closed.load(Ordering::Acquire) {
            return Grant::Closed;
        }
        if self.claimed.load(Ordering::Acquire) {
            return Grant::Dry;
        }
        let mut granted = 0;
        let taken = self
            .remaining
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| {
                granted = (wanted as i64).min(left);
                (granted > 0).then(|| left - granted)
            });
        match taken {
            Ok(_) => Grant::Bytes(granted as usize),
            Err(_) => Grant::Dry,
        }
    }

    /// Takes exactly so many, or nothing.
    pub fn take_exactly(&self, bytes: i64) -> bool {
        !self.closed.load(Ordering::Acquire)
            && self
                .remaining
                .fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| {
                    (left >= bytes).then(|| left - bytes)
                })
                .is_ok()
    }

    pub fn give_back(&self, bytes: usize) {
        self.remaining.fetch_add(bytes as i64, Ordering::AcqRel);
    }

    pub fn add(&self, bytes: i64) {
        self.remaining.fetch_add(bytes, Ordering::AcqRel);
        self.said_low.store(false, Ordering::Release);
        self.said_dry.store(false, Ordering::Release);
    }

    /// Whether somebody who asks now would get something.
    pub fn has_some(&self) -> bool {
        !self.closed.load(Ordering::Acquire) && !self.is_claimed() && self.remaining() > 0
    }

    pub fn reclaim(&self) -> i64 {
        self.remaining.swap(0, Ordering::AcqRel).max(0)
    }

    pub fn remaining(&self) -> i64 {
        self.remaining.load(Ordering::Acquire)
    }

    pub fn set_low_below(&self, bytes: i64) {
        self.low_below.store(bytes, Ordering::Relaxed);
    }

    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    pub fn claim(&self, claimed: bool) {
        self.claimed.store(claimed, Ordering::Release);
    }

    pub fn is_claimed(&self) -> bool {
        self.claimed.load(Ordering::Acquire)
    }

    /// Whether it is low and nobody has been told yet; then they are told now.
    pub fn is_newly_low(&self) -> bool {
        self.remaining() < self.low_below.load(Ordering::Relaxed)
            && !self.said_low.swap(true, Ordering::AcqRel)
    }

    /// Whether nobody has been told yet that somebody waits; then they are told now.
    pub fn is_newly_dry(&self) -> bool {
        !self.said_dry.swap(true, Ordering::AcqRel)
    }

    /// The engine asks this connection again once there is more, or none any more.
    pub fn wait(&self, id: Id) {
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(id);
    }

    /// Whether flows of the engine are to be asked again. Who waits a moment later says that it is dry.
    pub fn is_waited_for(&self) -> bool {
        !self
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_empty()
    }

    pub fn take_waiting(&self) -> Vec<Id> {
        std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn nothing_moves_that_was_not_added() {
        let allowance = Allowance::new(1, 0);
        assert_eq!(allowance.take_up_to(10), Grant::Dry);
        allowance.add(15);
        assert_eq!(allowance.take_up_to(10), Grant::Bytes(10));
        assert_eq!(allowance.take_up_to(10), Grant::Bytes(5));
        assert_eq!(allowance.take_up_to(10), Grant::Dry);
        allowance.give_back(2);
        assert!(!allowance.take_exactly(3));
        assert!(allowance.take_exactly(2));
    }

    #[test]
    fn once_closed_there_is_none_even_if_something_is_left() {
        let allowance = Allowance::new(1, 0);
        allowance.add(15);
        allowance.close();
        assert_eq!(allowance.take_up_to(10), Grant::Closed);
        assert!(!allowance.take_exactly(1));
        assert_eq!(allowance.reclaim(), 15);
        assert_eq!(allowance.remaining(), 0);
    }

    #[test]
    fn low_and_dry_are_said_once_until_more_is_added() {
        let allowance = Allowance::new(1, 10);
        assert!(allowance.is_newly_low() && !allowance.is_newly_low());
        assert!(allowance.is_newly_dry() && !allowance.is_newly_dry());
        allowance.add(5);
        assert!(allowance.is_newly_low() && allowance.is_newly_dry());
    }

    #[test]
    fn threads_together_take_no_more_than_there_is() {
        let allowance = Allowance::new(1, 0);
        allowance.add(1_000_000);
        let taken: usize = std::thread::scope(|scope| {
            let takers: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        let mut sum = 0;
                        while let Grant::Bytes(count) = allowance.take_up_to(7) {
                            sum += count;
                        }
                        sum
                    })
                })
                .collect();
            takers.into_iter().map(|taker| taker.join().unwrap_or(0)).sum()
        });
        assert_eq!(taken, 1_000_000);
    }
}
