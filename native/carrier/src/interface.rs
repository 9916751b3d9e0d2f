//! What JavaScript calls. Every function returns at once; only `listen` asks the system for something that can fail.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{Builder, JoinHandle};

use napi::Status;
use napi::bindgen_prelude::{Buffer, BufferSlice, Error, Function, Result};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;
use rustix::io::fcntl_dupfd_cloexec;

use crate::allowance::Allowance;
use crate::engine::Engine;
use crate::forward::{Forward, Order};
use crate::id::Id;
use crate::rate::Rate;
use crate::shared::{Adopted, Message, Shared};
use crate::slice::ask_for_short_turns;
use crate::sockets::{acknowledge_with_answers, listen_on};

type Tell = ThreadsafeFunction<(), (), (), Status, false, true>;

/// The engine: one for a process.
#[napi]
pub struct Carrier {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[napi(object)]
pub struct ListenOptions {
    /// An address, without brackets.
    pub host: String,
    /// 0 for any free port.
    pub port: u16,
    /// What it is called; JavaScript counts.
    pub number: u32,
    pub backlog: i32,
    pub reuse_port: bool,
    pub header_ms: u32,
    pub max_silent: u32,
    /// SOCKS5 greetings that offer user name and password are answered without asking.
    pub greets: bool,
    pub diverts: bool,
}

#[napi(object)]
pub struct BoundAddress {
    pub address: String,
    pub port: u16,
}

#[napi(object)]
pub struct AdoptOptions {
    pub index: u32,
    pub generation: u32,
    /// Descriptors that are given away: they are the engine's from now on, whatever comes of it.
    pub client: i32,
    pub upstream: i32,
    pub from_client: Buffer,
    pub from_upstream: Buffer,
    pub allowance: u32,
    pub rate: u32,
    pub idle_ms: u32,
    pub half_open_idle_ms: u32,
}

#[napi(object)]
pub struct ForwardOptions {
    pub index: u32,
    pub generation: u32,
    /// Descriptors that are given away: they are the engine's from now on, whatever comes of it.
    pub client: i32,
    pub upstream: i32,
    pub authority: Buffer,
    pub authorization: Option<Buffer>,
    pub allowance: u32,
    pub rate: u32,
    pub idle_ms: u32,
    pub keep_alive_ms: u32,
    pub body_ms: u32,
    /// None: for ever.
    pub lives_ms: Option<f64>,
}

#[napi]
impl Carrier {
    /// Starts the engine's thread. `tell` is called when there are events to take, and when the thread has died.
    #[napi(constructor, catch_unwind)]
    pub fn new(tell: Function<(), ()>) -> Result<Self> {
        // Weak: what keeps the process alive, JavaScript decides.
        let tell: Arc<Tell> = Arc::new(tell.build_threadsafe_function().weak::<true>().build()?);
        let shared = Arc::new(Shared::new().map_err(failure)?);
        let last = Arc::clone(&tell);
        let call = |function: &Tell| {
            function.call((), ThreadsafeFunctionCallMode::NonBlocking);
        };
        let mut engine = Engine::new(Arc::clone(&shared), Box::new(move || call(&tell))).map_err(failure)?;
        let own = Arc::clone(&shared);
        let body = move || {
            ask_for_short_turns();
            // Whatever ends it, JavaScript learns that it is gone.
            let _ = catch_unwind(AssertUnwindSafe(|| engine.run()));
            own.alive.store(false, Ordering::SeqCst);
            call(&last);
        };
        let thread = Builder::new()
            .name("carrier".into())
            .stack_size(256 << 10)
            .spawn(body)
            .map_err(|error| {
                Error::from_reason(format!("The carrier's thread cannot be started: {error}"))
            })?;
        Ok(Carrier {
            shared,
            thread: Some(thread),
        })
    }

    /// Whether the thread runs.
    #[napi(getter)]
    pub fn alive(&self) -> bool {
        self.shared.alive.load(Ordering::SeqCst)
    }

    /// Throws with the system's code as the status, EADDRINUSE among them.
    #[napi(catch_unwind)]
    pub fn listen(&self, options: ListenOptions) -> Result<BoundAddress> {
        let ip: IpAddr = options.host.parse().map_err(|_| Error::from_reason("EINVAL"))?;
        let (socket, address) = listen_on(
            SocketAddr::new(ip, options.port),
            options.backlog,
            options.reuse_port,
        )
        .map_err(|error| Error::from_reason(error.raw_os_error().to_string()))?;
        // Clients of a proxy speak first and are answered; accepted sockets inherit it.
        if !options.diverts {
            acknowledge_with_answers(&socket);
        }
        self.shared.send(Message::Listen {
            number: options.number,
            socket,
            header_ms: u64::from(options.header_ms),
            max_silent: options.max_silent as usize,
            greets: options.greets,
            diverts: options.diverts,
        });
        Ok(BoundAddress {
            address: address.ip().to_string(),
            port: address.port(),
        })
    }

    #[napi(catch_unwind)]
    pub fn stop_listening(&self, number: u32) {
        self.shared.send(Message::StopListening(number));
    }

    /// Queues commands, whole records.
    #[napi(catch_unwind)]
    pub fn submit(&self, commands: &[u8]) {
        self.shared.submit(commands);
    }

    /// Copies events into `out`; how many bytes, negative when there are more.
    #[napi(catch_unwind)]
    pub fn take_events(&self, mut out: BufferSlice) -> i32 {
        let (count, more) = self.shared.take_events(&mut out);
        if more { -(count as i32) } else { count as i32 }
    }

    /// Bytes sent to the target and received from it; null when the connection is over.
    #[napi(catch_unwind)]
    pub fn totals(&self, index: u32, generation: u32) -> Option<Vec<f64>> {
        let (sent, received) = self.shared.counters.read(Id { index, generation })?;
        Some(vec![sent as f64, received as f64])
    }

    #[napi(catch_unwind)]
    pub fn adopt(&self, options: AdoptOptions) -> Result<()> {
        if options.client < 0 || options.upstream < 0 {
            return Err(Error::from_reason("There is no descriptor to relay."));
        }
        // SAFETY: JavaScript made both with `duplicate` for this call and does not use them again.
        let (client, upstream) = unsafe {
            (
                OwnedFd::from_raw_fd(options.client),
                OwnedFd::from_raw_fd(options.upstream),
            )
        };
        let limits = self.shared.limits(options.allowance, options.rate);
        let limits = limits.ok_or_else(|| Error::from_reason("There is no such allowance or rate."))?;
        self.shared.send(Message::Adopt(Box::new(Adopted {
            id: Id {
                index: options.index,
                generation: options.generation,
            },
            client,
            upstream,
            from_client: options.from_client.to_vec(),
            from_upstream: options.from_upstream.to_vec(),
            limits,
            idle_ms: u64::from(options.idle_ms),
            half_open_idle_ms: u64::from(options.half_open_idle_ms),
        })));
        Ok(())
    }

    /// Has a client's plain exchanges with a target forwarded.
    #[napi(catch_unwind)]
    pub fn forward(&self, options: ForwardOptions) -> Result<()> {
        if options.client < 0 || options.upstream < 0 {
            return Err(Error::from_reason("There is no descriptor to forward between."));
        }
        // SAFETY: JavaScript made both with `duplicate` for this call and does not use them again.
        let (client, upstream) = unsafe {
            (
                OwnedFd::from_raw_fd(options.client),
                OwnedFd::from_raw_fd(options.upstream),
            )
        };
        let limits = self.shared.limits(options.allowance, options.rate);
        let limits = limits.ok_or_else(|| Error::from_reason("There is no such allowance or rate."))?;
        let order = Order {
            authority: options.authority.to_vec(),
            authorization: options.authorization.map(|bytes| bytes.to_vec()),
            idle_ms: u64::from(options.idle_ms),
            keep_alive_ms: u64::from(options.keep_alive_ms),
            body_ms: u64::from(options.body_ms),
            lives_ms: options.lives_ms.map_or(u64::MAX, |ms| ms.max(0.0) as u64),
        };
        self.shared.send(Message::Install {
            id: Id {
                index: options.index,
                generation: options.generation,
            },
            driver: Box::new(Forward::new(client, upstream, order, limits)),
        });
        Ok(())
    }

    /// Requests that a connection has forwarded; to be asked for right after its totals.
    #[napi(catch_unwind)]
    pub fn requests(&self, index: u32, generation: u32) -> f64 {
        self.shared.counters.requests(Id { index, generation }) as f64
    }

    /// Another descriptor for the same socket, closed on exec.
    #[napi(catch_unwind)]
    pub fn duplicate(&self, fd: i32) -> Result<i32> {
        use std::os::fd::IntoRawFd;
        if fd < 0 {
            return Err(Error::from_reason("There is no descriptor to duplicate."));
        }
        // SAFETY: -1 is excluded above. JavaScript owns the descriptor and cannot close it during the call.
        let own = unsafe { BorrowedFd::borrow_raw(fd) };
        Ok(fcntl_dupfd_cloexec(own, 0).map_err(failure)?.into_raw_fd())
    }

    #[napi(catch_unwind)]
    pub fn allowance(&self, low_below: f64) -> NativeAllowance {
        NativeAllowance {
            state: self.shared.new_allowance(low_below as i64),
            shared: Arc::clone(&self.shared),
        }
    }

    /// `bytes_per_second`: negative for no limit.
    #[napi(catch_unwind)]
    pub fn rate(&self, bytes_per_second: f64) -> NativeRate {
        NativeRate {
            state: self.shared.new_rate(speed(bytes_per_second)),
            shared: Arc::clone(&self.shared),
        }
    }

    /// Ends the thread; every socket that it has is closed.
    #[napi(catch_unwind)]
    pub fn stop(&mut self) {
        self.shared.send(Message::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// How the engine would rewrite a request's header section; null when it would give it back. For the test that both
/// languages agree.
#[cfg_attr(test, allow(dead_code))]
#[napi(catch_unwind)]
pub fn rewritten_request(head: &[u8], authority: &[u8], authorization: &[u8]) -> Option<Buffer> {
    let order = Order {
        authority: authority.to_vec(),
        authorization: Some(authorization.to_vec()),
        idle_ms: 0,
        keep_alive_ms: 0,
        body_ms: 0,
        lives_ms: u64::MAX,
    };
    crate::forward::rewritten_request(head, &order).map(Buffer::from)
}

/// The same of an answer's.
#[cfg_attr(test, allow(dead_code))]
#[napi(catch_unwind)]
pub fn rewritten_response(head: &[u8], to_head: bool) -> Option<Buffer> {
    crate::forward::rewritten_response(head, to_head).map(Buffer::from)
}

/// An allowance that flows of both languages share.
#[napi]
pub struct NativeAllowance {
    state: Arc<Allowance>,
    shared: Arc<Shared>,
}

/// Bits of what `take` returns.
const TAKEN: u32 = 1;
const NOW_LOW: u32 = 2;

#[napi]
impl NativeAllowance {
    #[napi(getter)]
    pub fn handle(&self) -> u32 {
        self.state.handle
    }

    /// 1: all of it was taken; 2: and by that it became low.
    #[napi(catch_unwind)]
    pub fn take(&self, bytes: f64) -> u32 {
        if !self.state.take_exactly(bytes as i64) {
            return 0;
        }
        TAKEN | if self.state.is_newly_low() { NOW_LOW } else { 0 }
    }

    #[napi(catch_unwind)]
    pub fn add(&self, bytes: f64) {
        self.state.add(bytes as i64);
    }

    #[napi(catch_unwind)]
    pub fn set_low_below(&self, bytes: f64) {
        self.state.set_low_below(bytes as i64);
    }

    /// Whether nobody was told yet that somebody waits.
    #[napi(catch_unwind)]
    pub fn is_newly_dry(&self) -> bool {
        self.state.is_newly_dry()
    }

    /// Whether flows of the engine wait for more.
    #[napi(getter)]
    pub fn is_waited_for(&self) -> bool {
        self.state.is_waited_for()
    }

    /// While it is claimed, only JavaScript takes.
    #[napi(catch_unwind)]
    pub fn claim(&self, claimed: bool) {
        self.state.claim(claimed);
    }

    #[napi(catch_unwind)]
    pub fn reclaim(&self) -> f64 {
        self.state.reclaim() as f64
    }

    #[napi(getter)]
    pub fn remaining(&self) -> f64 {
        self.state.remaining() as f64
    }

    /// Flows that wait, and flows to come, are refused.
    #[napi(catch_unwind)]
    pub fn close(&self) {
        self.state.close();
    }
}

impl Drop for NativeAllowance {
    fn drop(&mut self) {
        self.shared.forget_limit(self.state.handle);
    }
}

/// A rate that flows of both languages share.
#[napi]
pub struct NativeRate {
    state: Arc<Rate>,
    shared: Arc<Shared>,
}

#[napi]
impl NativeRate {
    #[napi(getter)]
    pub fn handle(&self) -> u32 {
        self.state.handle
    }

    #[napi(catch_unwind)]
    pub fn take(&self, bytes: f64) -> bool {
        self.state.take_whole(bytes)
    }

    #[napi(catch_unwind)]
    pub fn set(&self, bytes_per_second: f64) {
        self.state.set(speed(bytes_per_second));
    }
}

impl Drop for NativeRate {
    fn drop(&mut self) {
        self.shared.forget_limit(self.state.handle);
    }
}

fn speed(bytes_per_second: f64) -> Option<f64> {
    (bytes_per_second >= 0.0).then_some(bytes_per_second)
}

fn failure(error: rustix::io::Errno) -> Error {
    Error::from_reason(error.to_string())
}
