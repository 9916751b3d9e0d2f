//! What the threads and JavaScript share.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use crate::cache::Cache;
use crate::set::Set;

/// Packets that may wait for JavaScript; more are dropped, and clients ask again.
const MAX_WAITING: usize = 4_096;

pub struct Waiting {
    pub door: u32,
    /// Whether the client has its answer already, and only a newer one is wanted.
    pub refresh: bool,
    /// The client's address, as the system gave it.
    pub from: Vec<u8>,
    pub packet: Vec<u8>,
}

#[derive(Default)]
pub struct Counts {
    pub queries: AtomicU64,
    pub blocked: AtomicU64,
    pub cached: AtomicU64,
    pub dropped: AtomicU64,
}

pub struct Shared {
    pub set: RwLock<Option<Arc<Set>>>,
    pub cache: Cache,
    pub how: AtomicU8,
    pub counts: Counts,
    pub stopping: AtomicBool,
    waiting: Mutex<VecDeque<Waiting>>,
    tell: Box<dyn Fn() + Send + Sync>,
}

impl Shared {
    pub fn new(tell: Box<dyn Fn() + Send + Sync>) -> Shared {
        Shared {
            set: RwLock::new(None),
            cache: Cache::default(),
            how: AtomicU8::new(0),
            counts: Counts::default(),
            stopping: AtomicBool::new(false),
            waiting: Mutex::new(VecDeque::new()),
            tell,
        }
    }

    pub fn current_set(&self) -> Option<Arc<Set>> {
        self.set.read().ok()?.clone()
    }

    /// Queues packets for JavaScript, and tells it when the queue was empty.
    pub fn hand_over(&self, packets: &mut Vec<Waiting>) {
        if packets.is_empty() {
            return;
        }
        let Ok(mut waiting) = self.waiting.lock() else {
            return;
        };
        let was_empty = waiting.is_empty();
        for packet in packets.drain(..) {
            if waiting.len() < MAX_WAITING {
                waiting.push_back(packet);
            } else {
                self.counts.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
        drop(waiting);
        if was_empty {
            (self.tell)();
        }
    }

    /// At most `count` of the packets that wait.
    pub fn take(&self, count: usize) -> Vec<Waiting> {
        let Ok(mut waiting) = self.waiting.lock() else {
            return Vec::new();
        };
        let count = count.min(waiting.len());
        waiting.drain(..count).collect()
    }

    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }
}
