//! A client that is not carried yet: silent, in a dialogue with JavaScript, waiting for a dial, or being refused.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::{IntoRawFd, OwnedFd};

use rustix::event::epoll::EventFlags;
use rustix::net::{Shutdown, shutdown};

use crate::dial::{Dial, Failure, Opened, Plan, Step};
use crate::driver::{Cx, Driver, NEVER, Next};
use crate::greeting;
use crate::known_logins::LOGGED_IN;
use crate::protocol::{Outcome, event, verb};
use crate::relay::{End, Limits, Relay};
use crate::sockets::{Moved, local_address, read_some, reset, write_some};
use crate::wire::{Reader, put_bytes, put_f64, put_u32};

/// The client's reports are numbered so; a dial's begin at 1.
pub const CLIENT: u8 = 0;
const READ_ON: u32 = 1;
/// Where beside the listener's number it stands how many of the client's words were answered.
const ANSWERED: u32 = 30;
/// So many were, when its greeting and its login have been.
const LOGIN_ANSWERED: u32 = 2;
/// The last six bytes of the reply are the address and port that the exit's connection is bound to.
const REPLY_ENDS_IN_ADDRESS: u32 = 1;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// JavaScript does not know of it.
    Silent,
    /// JavaScript wants to hear more.
    Listening,
    /// It is JavaScript's turn.
    Paused,
    /// It has been refused, and what it still says is not heard.
    Refused,
}

pub struct Client {
    socket: Option<OwnedFd>,
    address: Option<SocketAddr>,
    listener: u32,
    state: State,
    header_ms: u64,
    readable: bool,
    hung_up: bool,
    /// Whether SOCKS5 greetings are answered here.
    greets: bool,
    /// What it said as a client of SOCKS5 that was answered here: its greeting, and its login.
    greeting: Vec<u8>,
    /// How many messages those are.
    answers: u32,
    /// How many orders to carry it have come.
    orders: u32,
}

impl Client {
    pub fn new(socket: OwnedFd, address: SocketAddr, listener: u32, header_ms: u64, greets: bool) -> Self {
        Client {
            socket: Some(socket),
            address: Some(address),
            listener,
            state: State::Silent,
            header_ms,
            readable: false,
            hung_up: false,
            greets,
            greeting: Vec::new(),
            answers: 0,
            orders: 0,
        }
    }

    /// One that JavaScript knows of and has not heard; it is watched already.
    pub fn paused(socket: OwnedFd) -> Self {
        Client {
            socket: Some(socket),
            address: None,
            listener: 0,
            state: State::Paused,
            header_ms: 0,
            readable: false,
            hung_up: false,
            greets: false,
            greeting: Vec::new(),
            answers: 0,
            orders: 0,
        }
    }

    fn listen(&mut self, cx: &mut Cx) -> Next {
        if !self.readable {
            return Next::Stay;
        }
        let Some(socket) = &self.socket else {
            return Next::End;
        };
        let room = cx.parts.scratch.len();
        match read_some(socket, &mut cx.parts.scratch) {
            Moved::Bytes(count) => {
                self.readable = count == room || self.hung_up;
                let said = cx.parts.scratch.get(..count).unwrap_or_default();
                if self.greets && self.greeting.is_empty() && greeting::is_plain(said) {
                    self.greeting = said.to_vec();
                    return self.greet(cx);
                }
                if self.answers == 1
                    && let Some(next) = self.log_in(cx, count)
                {
                    return next;
                }
                self.asked(cx, count)
            }
            Moved::Blocked => {
                self.readable = false;
                Next::Stay
            }
            Moved::Ended => self.gone(cx, Outcome::Ended),
            Moved::Broken(_) => self.gone(cx, Outcome::ClientReset),
        }
    }

    /// Answers the greeting, and shows the client to JavaScript with what it says next.
    fn greet(&mut self, cx: &mut Cx) -> Next {
        let Some(socket) = &self.socket else {
            return Next::End;
        };
        if write_some(socket, greeting::WELCOME) != Moved::Bytes(greeting::WELCOME.len()) {
            return self.gone(cx, Outcome::ClientReset);
        }
        self.answers = 1;
        cx.set_deadline(cx.now() + self.header_ms);
        self.listen(cx)
    }

    /// Answers a login that is known, and goes on with what is behind it. None: it is not.
    fn log_in(&mut self, cx: &mut Cx, count: usize) -> Option<Next> {
        let client = self.address?.ip();
        let parts = &mut *cx.parts;
        let said = parts.scratch.get(..count)?;
        let length = parts
            .known_logins
            .known_in(self.listener, client, said, parts.now)?;
        self.greeting.extend_from_slice(said.get(..length)?);
        self.answers = LOGIN_ANSWERED;
        if write_some(self.socket.as_ref()?, LOGGED_IN) != Moved::Bytes(LOGGED_IN.len()) {
            return Some(self.gone(cx, Outcome::ClientReset));
        }
        if length == count {
            cx.set_deadline(cx.now() + self.header_ms);
            return Some(self.listen(cx));
        }
        cx.parts.scratch.copy_within(length..count, 0);
        Some(self.asked(cx, count - length))
    }

    /// It may have asked for something about which was decided in advance; else JavaScript hears it.
    fn asked(&mut self, cx: &mut Cx, count: usize) -> Next {
        let has_logged_in = self.answers == LOGIN_ANSWERED;
        if self.state == State::Silent
            && (self.greeting.is_empty() || has_logged_in)
            && let Some(next) = self.carry_as_stands(cx, count)
        {
            return next;
        }
        self.heard(cx, count);
        Next::Stay
    }

    fn heard(&mut self, cx: &mut Cx, count: usize) {
        if self.state == State::Silent {
            cx.parts.silent -= 1;
        }
        self.state = State::Paused;
        cx.set_deadline(NEVER);
        let address = self.address.take().map(|address| address.ip().to_string());
        let scratch = std::mem::take(&mut cx.parts.scratch);
        let greeting = std::mem::take(&mut self.greeting);
        self.greets = false;
        let listener = self.listener | self.answers << ANSWERED;
        self.answers = 0;
        cx.tell(event::DATA, |out| {
            put_u32(out, listener);
            put_bytes(out, address.unwrap_or_default().as_bytes());
            out.extend_from_slice(&greeting);
            out.extend_from_slice(scratch.get(..count).unwrap_or_default());
        });
        cx.parts.scratch = scratch;
    }

    /// Closes it; with RST when it is broken or cut.
    fn gone(&mut self, cx: &mut Cx, outcome: Outcome) -> Next {
        if self.state == State::Silent {
            cx.parts.silent -= 1;
        } else {
            tell_closed(cx, outcome);
        }
        if matches!(outcome, Outcome::ClientReset | Outcome::Cut)
            && let Some(socket) = &self.socket
        {
            reset(socket);
        }
        Next::End
    }

    fn write(&mut self, cx: &mut Cx, body: &mut Reader) -> Next {
        let (Some(flags), Some(bytes), Some(socket)) = (body.u32(), body.bytes(), &self.socket) else {
            return Next::Stay;
        };
        // Answers of a handshake are a few bytes: a socket that has no room for them is not being read.
        if !bytes.is_empty() && write_some(socket, bytes) != Moved::Bytes(bytes.len()) {
            return self.gone(cx, Outcome::ClientReset);
        }
        if flags & READ_ON == 0 || self.state != State::Paused {
            return Next::Stay;
        }
        self.state = State::Listening;
        cx.set_deadline(cx.now() + self.header_ms);
        self.listen(cx)
    }

    fn refuse(&mut self, cx: &mut Cx, body: &mut Reader) -> Next {
        let (Some(linger_ms), Some(bytes), Some(socket)) = (body.u32(), body.bytes(), &self.socket) else {
            return self.gone(cx, Outcome::Cut);
        };
        if !bytes.is_empty() && write_some(socket, bytes) != Moved::Bytes(bytes.len()) {
            return self.gone(cx, Outcome::ClientReset);
        }
        let _ = shutdown(socket, Shutdown::Write);
        self.state = State::Refused;
        self.readable = true;
        cx.set_deadline(cx.now() + u64::from(linger_ms));
        self.discard(cx)
    }

    /// Reads what the client still says, so that closing does not destroy the last words on their way.
    fn discard(&mut self, cx: &mut Cx) -> Next {
        let Some(socket) = &self.socket else {
            return Next::End;
        };
        for _ in 0..16 {
            match read_some(socket, &mut cx.parts.scratch) {
                Moved::Bytes(_) => {}
                Moved::Blocked => return Next::Stay,
                Moved::Ended | Moved::Broken(_) => return self.gone(cx, Outcome::Ended),
            }
        }
        cx.again();
        Next::Stay
    }

    fn carry(&mut self, cx: &mut Cx, body: &mut Reader) -> Next {
        self.orders += 1;
        match Order::read(cx, body) {
            Some((order, plan)) => self.dial(order, plan),
            None => self.gone(cx, Outcome::Cut),
        }
    }

    /// As JavaScript decided in advance: without limits, and without a word to the client.
    pub fn carry_unasked(mut self, plan: Plan, idle_ms: u64, half_open_idle_ms: u64) -> Next {
        let order = Order {
            reply_ends_in_address: false,
            reply: Vec::new(),
            early: Vec::new(),
            limits: Limits::default(),
            idle_ms,
            half_open_idle_ms,
        };
        self.dial(order, plan)
    }

    /// As JavaScript decided in advance for the client's request, which is in the scratch.
    fn carry_as_stands(&mut self, cx: &mut Cx, count: usize) -> Option<Next> {
        let client = self.address?.ip();
        let parts = &mut *cx.parts;
        let said = parts.scratch.get(..count)?;
        let stood = parts
            .standing_connects
            .take(self.listener, client, &self.greeting, said, parts.now)?;
        let early = said.get(stood.used..)?.to_vec();
        parts.silent -= 1;
        self.answers = 0;
        cx.tell_later(event::STOOD, |out| {
            put_u32(out, self.listener);
            put_u32(out, stood.number);
            put_bytes(out, client.to_string().as_bytes());
            put_bytes(out, stood.request_id.as_bytes());
            out.extend_from_slice(&early);
        });
        let order = Order {
            reply_ends_in_address: stood.reply_ends_in_address,
            reply: stood.reply,
            early,
            limits: stood.limits,
            idle_ms: stood.idle_ms,
            half_open_idle_ms: stood.half_open_idle_ms,
        };
        Some(self.dial(order, stood.plan))
    }

    fn dial(&mut self, order: Order, plan: Plan) -> Next {
        self.state = State::Paused;
        Next::Become(Box::new(Dialling {
            client: self.moved_out(),
            order: Some(order),
            dial: Dial::new(plan, self.orders),
        }))
    }

    /// The client as it is, for another driver.
    fn moved_out(&mut self) -> Client {
        Client {
            socket: self.socket.take(),
            address: None,
            greeting: Vec::new(),
            ..*self
        }
    }

    fn take(&mut self, cx: &mut Cx) -> Next {
        if let Some(socket) = self.socket.take() {
            cx.forget(&socket);
            let descriptor = socket.into_raw_fd();
            cx.tell(event::TAKEN, |out| put_u32(out, descriptor as u32));
        }
        Next::End
    }
}

fn tell_closed(cx: &mut Cx, outcome: Outcome) {
    let (sent, received) = cx.totals();
    cx.tell_later(event::CLOSED, |out| {
        put_f64(out, sent);
        put_f64(out, received);
        put_u32(out, outcome as u32);
    });
}

impl Driver for Client {
    fn start(&mut self, cx: &mut Cx) -> Next {
        if self.state != State::Silent {
            return Next::Stay;
        }
        let Some(socket) = &self.socket else {
            return Next::End;
        };
        if cx.watch(socket, CLIENT, false).is_err() {
            return self.gone(cx, Outcome::Ended);
        }
        cx.set_deadline(cx.now() + self.header_ms);
        Next::Stay
    }

    fn ready(&mut self, cx: &mut Cx, _socket: u8, flags: EventFlags) -> Next {
        self.readable = true;
        self.hung_up |= flags.contains(EventFlags::RDHUP);
        match self.state {
            State::Silent | State::Listening => self.listen(cx),
            State::Refused => self.discard(cx),
            State::Paused if flags.contains(EventFlags::ERR) => self.gone(cx, Outcome::ClientReset),
            State::Paused => Next::Stay,
        }
    }

    fn deadline(&mut self, cx: &mut Cx) -> Next {
        match self.state {
            State::Paused => Next::Stay,
            State::Refused => self.gone(cx, Outcome::Ended),
            State::Silent | State::Listening => self.gone(cx, Outcome::HeaderTimeout),
        }
    }

    fn resume(&mut self, cx: &mut Cx) -> Next {
        if self.state == State::Refused {
            self.discard(cx)
        } else {
            Next::Stay
        }
    }

    fn command(&mut self, cx: &mut Cx, order: u32, body: &mut Reader) -> Next {
        match order {
            verb::WRITE => self.write(cx, body),
            verb::CARRY => self.carry(cx, body),
            verb::REFUSE => self.refuse(cx, body),
            verb::CUT => self.gone(cx, Outcome::Cut),
            verb::CLOSE => self.gone(cx, Outcome::Ended),
            verb::TAKE => self.take(cx),
            _ => Next::Stay,
        }
    }

    fn silent_on(&self) -> Option<u32> {
        (self.state == State::Silent).then_some(self.listener)
    }
}

/// What is to become of a client once its target is reached.
struct Order {
    reply_ends_in_address: bool,
    reply: Vec<u8>,
    early: Vec<u8>,
    limits: Limits,
    idle_ms: u64,
    half_open_idle_ms: u64,
}

impl Order {
    /// flags, idle ms, half-open idle ms, allowance, rate, reply, early bytes; then the plan.
    fn read(cx: &Cx, body: &mut Reader) -> Option<(Order, Plan)> {
        let flags = body.u32()?;
        let idle_ms = u64::from(body.u32()?);
        let half_open_idle_ms = u64::from(body.u32()?);
        let limits = cx.parts.shared.limits(body.u32()?, body.u32()?)?;
        let order = Order {
            reply_ends_in_address: flags & REPLY_ENDS_IN_ADDRESS != 0,
            reply: body.bytes()?.to_vec(),
            early: body.bytes()?.to_vec(),
            limits,
            idle_ms,
            half_open_idle_ms,
        };
        Some((order, Plan::read(body)?))
    }
}

/// A client whose target is being dialled.
struct Dialling {
    client: Client,
    order: Option<Order>,
    dial: Dial,
}

impl Dialling {
    fn step(&mut self, cx: &mut Cx, step: Step) -> Next {
        match step {
            Step::Pending => Next::Stay,
            Step::Connected(opened) => self.connected(cx, opened),
            Step::Failed(failure) => self.failed(cx, failure),
        }
    }

    fn failed(&mut self, cx: &mut Cx, failure: Failure) -> Next {
        cx.set_deadline(NEVER);
        cx.tell(event::FAILED, |out| {
            put_u32(out, failure.stage as u32);
            put_u32(out, failure.reason as u32);
            put_u32(out, failure.errno as u32);
            put_u32(out, self.client.orders);
            out.extend_from_slice(&failure.answer);
        });
        Next::Become(Box::new(self.client.moved_out()))
    }

    fn connected(&mut self, cx: &mut Cx, opened: Opened) -> Next {
        let (Some(socket), Some(mut order)) = (self.client.socket.take(), self.order.take()) else {
            return Next::End;
        };
        if order.reply_ends_in_address {
            write_address(&mut order.reply, &opened.socket);
        }
        if !order.reply.is_empty() && write_some(&socket, &order.reply) != Moved::Bytes(order.reply.len()) {
            self.client.socket = Some(socket);
            return self.client.gone(cx, Outcome::ClientReset);
        }
        cx.tell_later(event::DIALLED, |out| put_u32(out, self.client.orders));
        let client = End {
            socket,
            number: CLIENT,
            readable: self.client.readable,
            hung_up: self.client.hung_up,
            writable: true,
            room_watched: false,
            muted: false,
            early: order.early,
        };
        let upstream = End {
            socket: opened.socket,
            number: opened.number,
            readable: opened.readable,
            hung_up: opened.hung_up,
            writable: true,
            room_watched: true,
            muted: false,
            early: opened.received,
        };
        let relay = Relay::new(
            client,
            upstream,
            order.limits,
            order.idle_ms,
            order.half_open_idle_ms,
        );
        Next::Become(Box::new(relay))
    }
}

/// RFC 1928 section 6: an IPv4 address and a port; an address of the other family is left out.
fn write_address(reply: &mut [u8], socket: &OwnedFd) {
    let Some(address) = local_address(socket) else {
        return;
    };
    let ip = match address.ip() {
        IpAddr::V4(ip) => ip,
        IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
    };
    if let Some(place) = reply.last_chunk_mut::<6>() {
        let [a, b, c, d] = ip.octets();
        let [high, low] = address.port().to_be_bytes();
        *place = [a, b, c, d, high, low];
    }
}

impl Driver for Dialling {
    fn start(&mut self, cx: &mut Cx) -> Next {
        let step = self.dial.start(cx);
        self.step(cx, step)
    }

    fn ready(&mut self, cx: &mut Cx, socket: u8, flags: EventFlags) -> Next {
        if socket != CLIENT {
            let step = self.dial.ready(cx, socket, flags);
            return self.step(cx, step);
        }
        self.client.readable = true;
        self.client.hung_up |= flags.contains(EventFlags::RDHUP);
        if flags.contains(EventFlags::ERR) {
            return self.client.gone(cx, Outcome::ClientReset);
        }
        Next::Stay
    }

    fn deadline(&mut self, cx: &mut Cx) -> Next {
        let step = self.dial.deadline(cx);
        self.step(cx, step)
    }

    fn command(&mut self, cx: &mut Cx, order: u32, body: &mut Reader) -> Next {
        match order {
            // Another way is tried in place of this one.
            verb::CARRY => self.client.carry(cx, body),
            // It was dialled as was decided in advance, and may not be after all.
            verb::REFUSE => match self.client.refuse(cx, body) {
                Next::Stay => Next::Become(Box::new(self.client.moved_out())),
                next => next,
            },
            verb::CUT => self.client.gone(cx, Outcome::Cut),
            verb::CLOSE => self.client.gone(cx, Outcome::Ended),
            verb::TAKE => self.client.take(cx),
            _ => Next::Stay,
        }
    }
}
