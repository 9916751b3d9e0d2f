//! What has come and gone through the device, for JavaScript to read at any moment.

use std::sync::atomic::{AtomicU64, Ordering};

/// Only the device's thread adds.
#[derive(Default)]
pub struct Meter {
    pub sent_datagrams: Count,
    pub received_datagrams: Count,
    pub sent_bytes: Count,
    pub received_bytes: Count,
    pub refused_packets: Count,
    pub dropped_packets: Count,
    pub associations: Count,
}

#[derive(Default)]
pub struct Count(AtomicU64);

impl Count {
    pub fn add(&self, more: usize) {
        let total = self.0.load(Ordering::Relaxed).wrapping_add(more as u64);
        self.0.store(total, Ordering::Relaxed);
    }

    pub fn set(&self, value: usize) {
        self.0.store(value as u64, Ordering::Relaxed);
    }

    pub fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
