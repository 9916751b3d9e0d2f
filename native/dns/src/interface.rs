//! What JavaScript calls; companion/src/dns/server/native-doors.ts.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use napi::Status;
use napi::bindgen_prelude::{Buffer, Error, Function, Result, Uint32Array};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;

use crate::batch::send_to;
use crate::cache::{Entry, question};
use crate::door::serve;
use crate::set::Set;
use crate::shared::Shared;

type Tell = ThreadsafeFunction<(), (), (), Status, false, true>;

/// Packets that JavaScript takes at once: some milliseconds' work.
const TAKEN_AT_ONCE: usize = 128;

#[napi]
pub struct DnsFastPath {
    shared: Arc<Shared>,
    doors: Vec<Arc<UdpSocket>>,
    threads: Vec<JoinHandle<()>>,
}

#[napi(object)]
pub struct WaitingPacket {
    pub door: u32,
    /// Whether the client has its answer already, and only a newer one is wanted.
    pub refresh: bool,
    pub from: Buffer,
    pub packet: Buffer,
}

#[napi(object)]
pub struct KnownAnswer {
    /// Lower case, without the last full stop.
    pub name: String,
    pub kind: u16,
    pub dnssec: bool,
    pub checking_disabled: bool,
    /// Without OPT.
    pub message: Buffer,
    pub rcode: u8,
    pub authentic: bool,
    /// Where each time to live stands, and what it is, by turns.
    pub times: Vec<u32>,
    pub ttl_seconds: u32,
}

#[napi(object)]
pub struct FastPathCounts {
    pub queries: f64,
    pub blocked: f64,
    pub cached: f64,
    pub dropped: f64,
}

#[napi]
impl DnsFastPath {
    /// `tell` is called when there are packets to take.
    #[napi(constructor, catch_unwind)]
    pub fn new(tell: Function<(), ()>) -> Result<Self> {
        let tell: Tell = tell.build_threadsafe_function().weak::<true>().build()?;
        let call = move || {
            tell.call((), ThreadsafeFunctionCallMode::NonBlocking);
        };
        Ok(DnsFastPath {
            shared: Arc::new(Shared::new(Box::new(call))),
            doors: Vec::new(),
            threads: Vec::new(),
        })
    }

    /// Answers on an address from now on; gives the door's number. Throws with the system's error number.
    #[napi(catch_unwind)]
    pub fn listen(&mut self, host: String, port: u16) -> Result<u32> {
        let ip: IpAddr = host.parse().map_err(|_| Error::from_reason("EINVAL"))?;
        let socket = UdpSocket::bind(SocketAddr::new(ip, port))
            .map_err(|error| Error::from_reason(error.raw_os_error().unwrap_or(0).to_string()))?;
        let socket = Arc::new(socket);
        let door = u32::try_from(self.doors.len()).unwrap_or(u32::MAX);
        let (shared, own) = (Arc::clone(&self.shared), Arc::clone(&socket));
        let body = move || {
            // A batch that went wrong is lost; the next one is answered.
            while !shared.is_stopping() {
                let _ = catch_unwind(AssertUnwindSafe(|| serve(&shared, &own, door)));
            }
        };
        let thread = Builder::new()
            .name("atlantic-dns".into())
            .stack_size(512 << 10)
            .spawn(body)
            .map_err(|error| Error::from_reason(error.to_string()))?;
        self.doors.push(socket);
        self.threads.push(thread);
        Ok(door)
    }

    /// Answers by this table from the next packet on, and gives back what the lists of the old one have blocked.
    #[napi(catch_unwind)]
    pub fn set_table(&self, table: Uint32Array) -> Result<Vec<f64>> {
        let set = Set::new(table.to_vec()).ok_or_else(|| Error::from_reason("That is no table of names."))?;
        let mut held = self
            .shared
            .set
            .write()
            .map_err(|_| Error::from_reason("The set is lost."))?;
        let old = held.replace(Arc::new(set));
        drop(held);
        self.shared.cache.clear();
        Ok(old.map_or_else(Vec::new, |set| counts_of(&set)))
    }

    /// What each list has blocked since this was last asked, by its place.
    #[napi(catch_unwind)]
    pub fn take_blocked(&self) -> Vec<f64> {
        self.shared
            .current_set()
            .map_or_else(Vec::new, |set| counts_of(&set))
    }

    /// 0: NXDOMAIN, 1: the address of zeros, 2: REFUSED.
    #[napi(catch_unwind)]
    pub fn answer_blocked(&self, how: u8) {
        self.shared.how.store(how, Ordering::Relaxed);
    }

    /// Repeats an answer until its time is over.
    #[napi(catch_unwind)]
    pub fn remember(&self, known: KnownAnswer) {
        let key = question(
            known.name.as_bytes(),
            known.kind,
            known.dnssec,
            known.checking_disabled,
        );
        let (pairs, _) = known.times.as_chunks::<2>();
        let times = pairs.iter().map(|&[at, ttl]| (at, ttl)).collect();
        let ttl = Duration::from_secs(u64::from(known.ttl_seconds));
        let entry = Entry::new(known.message.to_vec(), known.rcode, known.authentic, times, ttl);
        self.shared.cache.put(key, entry);
    }

    #[napi(catch_unwind)]
    pub fn forget(&self) {
        self.shared.cache.clear();
    }

    /// Packets for JavaScript, some of them; none: it is told again when there are.
    #[napi(catch_unwind)]
    pub fn take(&self) -> Vec<WaitingPacket> {
        self.shared
            .take(TAKEN_AT_ONCE)
            .into_iter()
            .map(|waiting| WaitingPacket {
                door: waiting.door,
                refresh: waiting.refresh,
                from: waiting.from.into(),
                packet: waiting.packet.into(),
            })
            .collect()
    }

    #[napi(catch_unwind)]
    pub fn send(&self, door: u32, to: Buffer, packet: Buffer) {
        if let Some(socket) = self.doors.get(door as usize) {
            send_to(socket, &to, &packet);
        }
    }

    #[napi(catch_unwind)]
    pub fn counts(&self) -> FastPathCounts {
        let counts = &self.shared.counts;
        FastPathCounts {
            queries: counts.queries.load(Ordering::Relaxed) as f64,
            blocked: counts.blocked.load(Ordering::Relaxed) as f64,
            cached: counts.cached.load(Ordering::Relaxed) as f64,
            dropped: counts.dropped.load(Ordering::Relaxed) as f64,
        }
    }

    /// Stops answering; returns when the threads are gone, within half a second.
    #[napi(catch_unwind)]
    pub fn stop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        for door in &self.doors {
            // A packet from the door to itself wakes its thread; where none arrives, the thread's own time-out does.
            if let Ok(own) = door.local_addr() {
                let _ = door.send_to(&[], own);
            }
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
        self.doors.clear();
    }
}

fn counts_of(set: &Set) -> Vec<f64> {
    set.take_blocked().into_iter().map(|count| count as f64).collect()
}
