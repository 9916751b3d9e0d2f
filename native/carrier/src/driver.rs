//! What a connection is to the engine: something that is told when its sockets, its time or its orders have come.

use std::os::fd::AsFd;

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io;

use crate::counters::Slot as Counter;
use crate::engine::Parts;
use crate::id::{Id, Token};
use crate::wire::Reader;

/// What a driver's connection is after it was told something.
pub enum Next {
    Stay,
    /// From now on this one drives it; its `start` is called at once.
    Become(Box<dyn Driver>),
    /// It is over: the driver is dropped, and its sockets with it.
    End,
}

/// Drives one connection, on the engine's thread only. Nothing in it may block.
pub trait Driver: Send {
    /// Called once when it takes over.
    fn start(&mut self, _cx: &mut Cx) -> Next {
        Next::Stay
    }
    /// One of its sockets has changed; edges only (EPOLLET): what is not read until it would block is not told again.
    fn ready(&mut self, cx: &mut Cx, socket: u8, flags: EventFlags) -> Next;
    /// The moment that it set with `set_deadline` has come.
    fn deadline(&mut self, _cx: &mut Cx) -> Next {
        Next::Stay
    }
    /// What it waits for may have come: an allowance was refilled or closed, or it asked for another turn.
    fn resume(&mut self, _cx: &mut Cx) -> Next {
        Next::Stay
    }
    /// An order from JavaScript.
    fn command(&mut self, cx: &mut Cx, verb: u32, body: &mut Reader) -> Next;
    /// The listener that it was accepted on, while the client has not said anything.
    fn silent_on(&self) -> Option<u32> {
        None
    }
}

/// The engine as a driver sees it while it is being told something.
pub struct Cx<'a> {
    pub id: Id,
    pub parts: &'a mut Parts,
    pub(crate) deadline: u64,
}

pub const NEVER: u64 = u64::MAX;

impl Cx<'_> {
    /// Milliseconds of the engine's clock, as of the beginning of this turn.
    pub fn now(&self) -> u64 {
        self.parts.now
    }

    /// When `deadline` is to be called, of the engine's clock; NEVER for not at all. It may come up to two ticks
    /// (32 ms) late. Setting it again and again is cheap.
    pub fn set_deadline(&mut self, at: u64) {
        self.deadline = at;
    }

    /// Another turn, after everybody else had theirs.
    pub fn again(&mut self) {
        self.parts.again.push(self.id);
    }

    /// Has changes of the socket reported under this number: readable, ended, broken, and with `writable` also room.
    pub fn watch(&self, socket: impl AsFd, number: u8, writable: bool) -> io::Result<()> {
        epoll::add(&self.parts.epoll, socket, self.data(number), interest(writable))
    }

    /// Has room to write reported as well, from now on.
    pub fn watch_room(&self, socket: impl AsFd, number: u8) -> io::Result<()> {
        epoll::modify(&self.parts.epoll, socket, self.data(number), interest(true))
    }

    /// Has nothing reported of what comes in any more but its end, until it is watched again.
    pub fn watch_end(&self, socket: impl AsFd, number: u8, writable: bool) -> io::Result<()> {
        let interest = interest(writable) - EventFlags::IN;
        epoll::modify(&self.parts.epoll, socket, self.data(number), interest)
    }

    /// Has everything reported again; what is there by now at once.
    pub fn watch_again(&self, socket: impl AsFd, number: u8, writable: bool) -> io::Result<()> {
        epoll::modify(&self.parts.epoll, socket, self.data(number), interest(writable))
    }

    pub fn forget(&self, socket: impl AsFd) {
        let _ = epoll::delete(&self.parts.epoll, socket);
    }

    fn data(&self, socket: u8) -> EventData {
        EventData::new_u64(Token { id: self.id, socket }.encode())
    }

    /// Tells JavaScript at the end of this turn, and what was put off with it.
    pub fn tell(&mut self, kind: u32, body: impl FnOnce(&mut Vec<u8>)) {
        self.parts.events.push(kind, self.id, body);
        self.parts.events.urgent = true;
    }

    /// Tells JavaScript when there is something else to tell, within a few milliseconds at the latest.
    pub fn tell_later(&mut self, kind: u32, body: impl FnOnce(&mut Vec<u8>)) {
        self.parts.events.push(kind, self.id, body);
    }

    /// What JavaScript reads as the flow's totals.
    pub fn count(&self, work: impl FnOnce(&Counter)) {
        if let Some(counter) = self.parts.shared.counters.slot(self.id.index) {
            work(counter);
        }
    }

    /// Bytes sent and received, and requests.
    pub fn all_totals(&self) -> (u64, u64, u64) {
        let (sent, received) = self.totals();
        (sent, received, self.parts.shared.counters.requests(self.id))
    }

    pub fn totals(&self) -> (u64, u64) {
        self.parts.shared.counters.read(self.id).unwrap_or((0, 0))
    }
}

fn interest(writable: bool) -> EventFlags {
    let reading = EventFlags::IN | EventFlags::RDHUP | EventFlags::ET;
    if writable {
        reading | EventFlags::OUT
    } else {
        reading
    }
}
