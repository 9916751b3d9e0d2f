//! Answers that JavaScript has found, to be repeated until their time is over.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use crate::query::Query;

const MAX_ENTRIES: usize = 16_384;
const MAX_BYTES: usize = 8 << 20;

pub struct Entry {
    pub message: Vec<u8>,
    pub rcode: u8,
    pub authentic: bool,
    /// Where each time to live stands, and what it was.
    pub times: Vec<(u32, u32)>,
    pub born: Instant,
    pub ttl: Duration,
    uses: AtomicU32,
    refreshing: AtomicBool,
}

impl Entry {
    pub fn new(message: Vec<u8>, rcode: u8, authentic: bool, times: Vec<(u32, u32)>, ttl: Duration) -> Entry {
        Entry {
            message,
            rcode,
            authentic,
            times,
            born: Instant::now(),
            ttl,
            uses: AtomicU32::new(0),
            refreshing: AtomicBool::new(false),
        }
    }

    /// Whether it is used and soon over, and nobody was told yet.
    pub fn wants_refresh(&self, age: Duration) -> bool {
        let uses = self.uses.fetch_add(1, Ordering::Relaxed);
        let ageing = age * 10 > self.ttl * 9;
        uses > 0 && ageing && !self.refreshing.swap(true, Ordering::Relaxed)
    }
}

/// The name in lower case, the type in two bytes, and DO and CD.
pub type Question = Vec<u8>;

pub fn question_of(query: &Query<'_>) -> Question {
    let dnssec = query.edns.as_ref().is_some_and(|edns| edns.dnssec);
    question(query.name.as_bytes(), query.kind, dnssec, query.checking_disabled)
}

pub fn question(name: &[u8], kind: u16, dnssec: bool, checking_disabled: bool) -> Question {
    let mut key = Vec::with_capacity(name.len() + 3);
    key.extend_from_slice(name);
    key.extend_from_slice(&kind.to_be_bytes());
    key.push(u8::from(dnssec) | u8::from(checking_disabled) << 1);
    key
}

#[derive(Default)]
struct Held {
    entries: HashMap<Question, Arc<Entry>>,
    bytes: usize,
}

#[derive(Default)]
pub struct Cache {
    held: RwLock<Held>,
}

impl Cache {
    /// The answer and its age, if its time is not over.
    pub fn find(&self, question: &Question) -> Option<(Arc<Entry>, Duration)> {
        let held = self.held.read().ok()?;
        let entry = held.entries.get(question)?;
        let age = entry.born.elapsed();
        (age < entry.ttl).then(|| (Arc::clone(entry), age))
    }

    pub fn put(&self, question: Question, entry: Entry) {
        let Ok(mut held) = self.held.write() else { return };
        let size = entry.message.len();
        if size > MAX_BYTES / 16 {
            return;
        }
        if held.entries.len() >= MAX_ENTRIES || held.bytes + size > MAX_BYTES {
            held.make_room();
        }
        held.bytes += size;
        if let Some(old) = held.entries.insert(question, Arc::new(entry)) {
            held.bytes -= old.message.len();
        }
    }

    pub fn clear(&self) {
        if let Ok(mut held) = self.held.write() {
            *held = Held::default();
        }
    }
}

impl Held {
    /// What is over goes; if that is little, every fourth entry with it. JavaScript still has them.
    fn make_room(&mut self) {
        self.entries.retain(|_, entry| entry.born.elapsed() < entry.ttl);
        if self.entries.len() > MAX_ENTRIES / 2 || self.total() > MAX_BYTES / 2 {
            let mut index = 0;
            self.entries.retain(|_, _| {
                index += 1;
                index % 4 != 0
            });
        }
        self.bytes = self.total();
    }

    fn total(&self) -> usize {
        self.entries.values().map(|entry| entry.message.len()).sum()
    }
}
