//! What the engine's thread and JavaScript's share.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::event::{EventfdFlags, eventfd};
use rustix::io;

use crate::allowance::Allowance;
use crate::counters::Counters;
use crate::driver::Driver;
use crate::id::Id;
use crate::rate::Rate;
use crate::relay::Limits;

/// What cannot be said in bytes, and is not said often.
pub enum Message {
    Listen {
        number: u32,
        socket: OwnedFd,
        header_ms: u64,
        /// How many clients may be connected without having said anything; the oldest of more is closed.
        max_silent: usize,
        /// Whether SOCKS5 greetings that offer a login are answered without asking.
        greets: bool,
        /// Its clients were going elsewhere: JavaScript decides before they say anything.
        diverts: bool,
    },
    StopListening(u32),
    /// Two connected sockets to relay between.
    Adopt(Box<Adopted>),
    /// A connection whose driver watches its sockets itself.
    Install {
        id: Id,
        driver: Box<dyn Driver>,
    },
    Stop,
}

pub struct Adopted {
    pub id: Id,
    pub client: OwnedFd,
    pub upstream: OwnedFd,
    /// Read already from each of them.
    pub from_client: Vec<u8>,
    pub from_upstream: Vec<u8>,
    pub limits: Limits,
    pub idle_ms: u64,
    pub half_open_idle_ms: u64,
}

pub struct Shared {
    pub counters: Counters,
    pub wake: OwnedFd,
    /// The engine waits in epoll, or is about to: whoever brings it something must wake it.
    pub sleeping: AtomicBool,
    pub alive: AtomicBool,
    messages: Mutex<Vec<Message>>,
    commands: Mutex<Vec<u8>>,
    events: Mutex<Vec<u8>>,
    /// JavaScript has been told that there are events, and has not looked yet.
    told: AtomicBool,
    next_handle: AtomicU32,
    allowances: Mutex<HashMap<u32, Arc<Allowance>>>,
    rates: Mutex<HashMap<u32, Arc<Rate>>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub fn new() -> io::Result<Self> {
        Ok(Shared {
            counters: Counters::new(),
            wake: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            sleeping: AtomicBool::new(false),
            alive: AtomicBool::new(true),
            messages: Mutex::default(),
            commands: Mutex::default(),
            events: Mutex::default(),
            told: AtomicBool::new(false),
            next_handle: AtomicU32::new(1),
            allowances: Mutex::default(),
            rates: Mutex::default(),
        })
    }

    pub fn send(&self, message: Message) {
        locked(&self.messages).push(message);
        self.wake_up();
    }

    pub fn submit(&self, commands: &[u8]) {
        locked(&self.commands).extend_from_slice(commands);
        self.wake_up();
    }

    fn wake_up(&self) {
        // The queue was changed before, and the engine looks at it after it said that it sleeps.
        if self.sleeping.swap(false, Ordering::SeqCst) {
            let _ = io::write(&self.wake, &1u64.to_ne_bytes());
        }
    }

    pub fn take_messages(&self) -> Vec<Message> {
        std::mem::take(&mut *locked(&self.messages))
    }

    /// Exchanges the queue for an empty one.
    pub fn take_commands(&self, empty: &mut Vec<u8>) {
        std::mem::swap(&mut *locked(&self.commands), empty);
    }

    pub fn has_orders(&self) -> bool {
        !locked(&self.commands).is_empty() || !locked(&self.messages).is_empty()
    }

    /// Hands events over. Returns whether JavaScript has to be told, and how many bytes wait for it now.
    pub fn add_events(&self, add: impl FnOnce(&mut Vec<u8>)) -> (bool, usize) {
        let mut events = locked(&self.events);
        add(&mut events);
        (!self.told.swap(true, Ordering::SeqCst), events.len())
    }

    /// Copies whole events to `out`. Returns how many bytes, and whether there are more.
    pub fn take_events(&self, out: &mut [u8]) -> (usize, bool) {
        let mut events = locked(&self.events);
        self.told.store(false, Ordering::SeqCst);
        let count = crate::wire::whole_records(&events, out.len());
        if let (Some(place), Some(bytes)) = (out.get_mut(..count), events.get(..count)) {
            place.copy_from_slice(bytes);
        }
        if count == events.len() {
            events.clear();
        } else {
            events.drain(..count);
        }
        (count, !events.is_empty())
    }

    pub fn new_allowance(&self, low_below: i64) -> Arc<Allowance> {
        let handle = self.next_handle.fetch_add(1, Ordering::Relaxed);
        let allowance = Arc::new(Allowance::new(handle, low_below));
        locked(&self.allowances).insert(handle, Arc::clone(&allowance));
        allowance
    }

    pub fn new_rate(&self, bytes_per_second: Option<f64>) -> Arc<Rate> {
        let handle = self.next_handle.fetch_add(1, Ordering::Relaxed);
        let rate = Arc::new(Rate::new(handle, bytes_per_second));
        locked(&self.rates).insert(handle, Arc::clone(&rate));
        rate
    }

    pub fn allowance(&self, handle: u32) -> Option<Arc<Allowance>> {
        locked(&self.allowances).get(&handle).map(Arc::clone)
    }

    /// Flows that have them keep them.
    pub fn forget_limit(&self, handle: u32) {
        locked(&self.allowances).remove(&handle);
        locked(&self.rates).remove(&handle);
    }

    /// By their handles; 0 is no limit. None when there is no such allowance or rate: then nothing may move.
    pub fn limits(&self, allowance: u32, rate: u32) -> Option<Limits> {
        let mut limits = Limits::default();
        if allowance != 0 {
            limits.allowance = Some(self.allowance(allowance)?);
        }
        if rate != 0 {
            limits.rate = Some(locked(&self.rates).get(&rate).map(Arc::clone)?);
        }
        Some(limits)
    }
}
