//! What a connection has carried, for JavaScript to read at any moment.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::id::Id;

/// The counters of one place in the table. Only the engine writes.
#[derive(Default)]
pub struct Slot {
    generation: AtomicU32,
    sent: AtomicU64,
    received: AtomicU64,
    requests: AtomicU64,
}

impl Slot {
    pub fn begin(&self, generation: u32) {
        // In this order: whoever still reads for the connection before sees that its place was given away.
        self.generation.store(generation, Ordering::SeqCst);
        self.sent.store(0, Ordering::SeqCst);
        self.received.store(0, Ordering::SeqCst);
        self.requests.store(0, Ordering::SeqCst);
    }

    pub fn add_request(&self) {
        let total = self.requests.load(Ordering::Relaxed) + 1;
        self.requests.store(total, Ordering::Release);
    }

    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Acquire)
    }

    pub fn add_sent(&self, bytes: usize) {
        let total = self.sent.load(Ordering::Relaxed) + bytes as u64;
        self.sent.store(total, Ordering::Release);
    }

    pub fn add_received(&self, bytes: usize) {
        let total = self.received.load(Ordering::Relaxed) + bytes as u64;
        self.received.store(total, Ordering::Release);
    }

    /// Bytes sent to the target and received from it.
    pub fn totals(&self) -> (u64, u64) {
        (
            self.sent.load(Ordering::Acquire),
            self.received.load(Ordering::Acquire),
        )
    }
}

const CHUNK: usize = 1024;
const CHUNKS: usize = 2 * 1024;

/// Grows by chunks that never move, so that the other thread can read without a lock.
pub struct Counters {
    chunks: Vec<OnceLock<Vec<Slot>>>,
}

impl Counters {
    pub fn new() -> Self {
        Counters {
            chunks: (0..CHUNKS).map(|_| OnceLock::new()).collect(),
        }
    }

    /// None when the index is beyond the table: 2^21.
    pub fn slot(&self, index: u32) -> Option<&Slot> {
        let chunk = self.chunks.get(index as usize / CHUNK)?;
        let slots = chunk.get_or_init(|| (0..CHUNK).map(|_| Slot::default()).collect());
        slots.get(index as usize % CHUNK)
    }

    /// None when the place belongs to another connection by now.
    pub fn read(&self, id: Id) -> Option<(u64, u64)> {
        let slot = self.slot(id.index)?;
        let before = slot.generation.load(Ordering::SeqCst);
        let totals = slot.totals();
        let after = slot.generation.load(Ordering::SeqCst);
        (before == id.generation && after == id.generation).then_some(totals)
    }

    /// Requests that were forwarded.
    pub fn requests(&self, id: Id) -> u64 {
        self.slot(id.index).map_or(0, Slot::requests)
    }
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_was_given_away_is_not_read_for_its_owner_before() {
        let counters = Counters::new();
        let mut id = Id {
            index: 70_000,
            generation: 1,
        };
        let slot = counters.slot(id.index).expect("a place");
        slot.begin(1);
        slot.add_sent(5);
        slot.add_received(7);
        assert_eq!(counters.read(id), Some((5, 7)));
        slot.begin(2);
        assert_eq!(counters.read(id), None);
        id.generation = 2;
        assert_eq!(counters.read(id), Some((0, 0)));
    }
}
