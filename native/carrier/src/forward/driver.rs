//! Carries a client's plain exchanges with one target. At whatever is unusual it stops, between two steps, and gives
//! both sockets back with all that it knows, so that JavaScript goes on from there.

use std::os::fd::{IntoRawFd, OwnedFd};

use rustix::event::epoll::EventFlags;

use super::body::Body;
use super::fields::Reading;
use super::order::Order;
use super::request::read_request;
use super::response::read_response;
use crate::driver::{Cx, Driver, Next};
use crate::protocol::{event, verb};
use crate::relay::{Leave, Limits};
use crate::sockets::{Moved, read_some, reset, write_some};
use crate::wire::{Reader, put_bytes, put_f64, put_u32};

const CLIENT: u8 = 0;
const UPSTREAM: u8 = 1;
/// What one connection may move before others have their turn.
const TURN_BYTES: usize = 1 << 20;
/// A request's header section that is not whole after so long is JavaScript's to wait for.
const PARTIAL_HEAD_MS: u64 = 1_000;
/// What is kept for the next exchange.
const KEPT_BYTES: usize = 4_096;
/// What a client may have sent ahead. All that is given back together fits into JavaScript's buffer for events.
const MOST_AHEAD_BYTES: usize = 16_384;

/// How it ended, for JavaScript: see native/src/engine/forwarded-connection.ts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum End {
    Ended = 0,
    ClientReset = 1,
    ResponseIncomplete = 2,
    BadResponse = 3,
    Cut = 4,
    QuotaExhausted = 5,
}

/// Why it stopped.
enum Stop {
    /// JavaScript goes on.
    Back,
    End(End),
}

struct Side {
    socket: OwnedFd,
    number: u8,
    readable: bool,
    /// FIN has come, perhaps behind bytes that wait to be read.
    hung_up: bool,
    /// The other side has reset the connection.
    broken: bool,
    writable: bool,
    room_watched: bool,
    /// What it is to be sent.
    out: Vec<u8>,
    at: usize,
}

impl Side {
    fn new(socket: OwnedFd, number: u8) -> Self {
        Side {
            socket,
            number,
            readable: true,
            hung_up: false,
            broken: false,
            writable: true,
            room_watched: false,
            out: Vec::new(),
            at: 0,
        }
    }

    fn has_unsent(&self) -> bool {
        self.at < self.out.len()
    }

    fn unsent(&self) -> &[u8] {
        self.out.get(self.at..).unwrap_or_default()
    }

    /// Writes up to `most` bytes of what it is to be sent. Err: the connection is broken.
    fn flush(&mut self, cx: &Cx, most: usize) -> Result<usize, ()> {
        let end = self.out.len().min(self.at + most);
        match write_some(&self.socket, self.out.get(self.at..end).unwrap_or_default()) {
            Moved::Bytes(count) => {
                self.at += count;
                if !self.has_unsent() {
                    self.out.clear();
                    self.at = 0;
                }
                Ok(count)
            }
            Moved::Blocked => {
                self.writable = false;
                if !self.room_watched {
                    self.room_watched = true;
                    cx.watch_room(&self.socket, self.number).map_err(|_| ())?;
                }
                Ok(0)
            }
            _ => Err(()),
        }
    }
}

struct Answer {
    body: Body,
    keep_alive: bool,
    /// The target has said more than its answer.
    overrun: bool,
}

/// One request and its answer.
struct Exchange {
    /// As the client sent it, for whoever goes on.
    head: Vec<u8>,
    is_head: bool,
    may_repeat: bool,
    /// What the client has still to send of the body.
    body_left: u64,
    began_at: u64,
    answer: Option<Answer>,
    heard: bool,
    /// Sent, and not yet paid for: nothing was heard so far of a request that may be repeated.
    pending: u64,
}

/// What the limits said last.
#[derive(Default)]
struct Held {
    waits_for_allowance: bool,
    rate_at: Option<u64>,
}

pub struct Forward {
    order: Order,
    limits: Limits,
    client: Side,
    upstream: Option<Side>,
    exchange: Option<Exchange>,
    /// From the client, not yet understood.
    inbox: Vec<u8>,
    /// From the target: a header section that is not whole.
    answer_head: Vec<u8>,
    client_ended: bool,
    recalled: bool,
    held: Held,
    moved_at: u64,
    ends_at: u64,
    /// Granted, and not yet written to the target.
    granted: usize,
}

impl Forward {
    pub fn new(client: OwnedFd, upstream: OwnedFd, order: Order, limits: Limits) -> Self {
        Forward {
            order,
            limits,
            client: Side::new(client, CLIENT),
            upstream: Some(Side::new(upstream, UPSTREAM)),
            exchange: None,
            inbox: Vec::new(),
            answer_head: Vec::new(),
            client_ended: false,
            recalled: false,
            held: Held::default(),
            moved_at: 0,
            ends_at: u64::MAX,
            granted: 0,
        }
    }

    fn drive(&mut self, cx: &mut Cx) -> Next {
        let mut scratch = std::mem::take(&mut cx.parts.scratch);
        let result = self.turn(cx, &mut scratch);
        cx.parts.scratch = scratch;
        self.limits.tell(cx);
        match result {
            Ok(()) => {
                cx.set_deadline(self.next_look());
                Next::Stay
            }
            Err(Stop::Back) => self.give_back(cx),
            Err(Stop::End(end)) => self.end(cx, end),
        }
    }

    /// Does all that can be done now.
    fn turn(&mut self, cx: &mut Cx, scratch: &mut [u8]) -> Result<(), Stop> {
        let mut turn_bytes = TURN_BYTES;
        loop {
            let mut moved = self.write_client(cx)?;
            moved |= self.write_upstream(cx)?;
            self.finish_exchange()?;
            if self.exchange.is_none() {
                moved |= self.begin_exchange(cx)?;
                if !moved {
                    moved = self.read_next(cx, scratch)?;
                }
            } else {
                let left = self.body_left();
                moved |= self.move_body(cx, scratch)?;
                let sent = left - self.body_left();
                let count = self.read_upstream(cx, scratch)?;
                moved |= count > 0;
                turn_bytes = turn_bytes.saturating_sub(count + sent as usize);
            }
            if !moved {
                return Ok(());
            }
            self.moved_at = cx.now();
            if turn_bytes == 0 {
                cx.again();
                return Ok(());
            }
        }
    }

    fn write_client(&mut self, cx: &mut Cx) -> Result<bool, Stop> {
        if !self.client.writable || !self.client.has_unsent() {
            return Ok(false);
        }
        match self.client.flush(cx, usize::MAX) {
            Ok(count) => Ok(count > 0),
            Err(()) => Err(Stop::End(End::ClientReset)),
        }
    }

    fn write_upstream(&mut self, cx: &mut Cx) -> Result<bool, Stop> {
        let Some(upstream) = &mut self.upstream else {
            return Ok(false);
        };
        if !upstream.writable || !upstream.has_unsent() {
            return Ok(false);
        }
        if self.granted == 0 {
            match self.limits.take_up_to(upstream.unsent().len()) {
                Leave::Bytes(count) => self.granted = count,
                leave => return self.hold(cx, leave),
            }
        }
        let Ok(count) = upstream.flush(cx, self.granted) else {
            // What it said before is read first; then JavaScript decides whether to ask again.
            upstream.writable = false;
            return Ok(false);
        };
        self.granted -= count;
        match &mut self.exchange {
            Some(exchange) if exchange.may_repeat && !exchange.heard => exchange.pending += count as u64,
            _ => cx.count(|counter| counter.add_sent(count)),
        }
        Ok(count > 0)
    }

    fn hold(&mut self, cx: &mut Cx, leave: Leave) -> Result<bool, Stop> {
        match leave {
            Leave::Closed => return Err(Stop::End(End::QuotaExhausted)),
            Leave::Wait(ms) => self.held.rate_at = Some(cx.now() + ms),
            Leave::Dry if !self.held.waits_for_allowance => {
                self.held.waits_for_allowance = true;
                self.limits.wait(cx);
            }
            _ => {}
        }
        Ok(false)
    }

    /// The answer is with the client and the request with the target.
    fn finish_exchange(&mut self) -> Result<(), Stop> {
        let Some(Exchange {
            answer: Some(answer), ..
        }) = &self.exchange
        else {
            return Ok(());
        };
        if !answer.body.is_done() || self.client.has_unsent() {
            return Ok(());
        }
        if !answer.keep_alive || answer.overrun {
            self.upstream = None;
        }
        self.exchange = None;
        // A connection that waits is not to hold what one large body needed.
        for out in [&mut self.client.out]
            .into_iter()
            .chain(self.upstream.iter_mut().map(|side| &mut side.out))
        {
            if out.capacity() > KEPT_BYTES {
                *out = Vec::new();
            }
        }
        Ok(())
    }

    /// Takes the next request, if it is there and plain.
    fn begin_exchange(&mut self, cx: &mut Cx) -> Result<bool, Stop> {
        if self.inbox.is_empty() {
            if self.client_ended {
                return Err(Stop::End(End::Ended));
            }
            if self.recalled || self.upstream.is_none() {
                return Err(Stop::Back);
            }
            return Ok(false);
        }
        let Some(upstream) = &mut self.upstream else {
            return Err(Stop::Back);
        };
        if self.recalled || cx.now() >= self.ends_at {
            return Err(Stop::Back);
        }
        match read_request(&self.inbox, &self.order, &mut upstream.out) {
            Reading::More if self.client_ended => Err(Stop::End(End::Ended)),
            Reading::More => Ok(false),
            Reading::Unusual => Err(Stop::Back),
            Reading::Plain(request) => {
                let rest = self.inbox.split_off(request.head_bytes);
                self.exchange = Some(Exchange {
                    head: std::mem::replace(&mut self.inbox, rest),
                    is_head: request.is_head,
                    may_repeat: request.may_repeat,
                    body_left: request.body_bytes,
                    began_at: cx.now(),
                    answer: None,
                    heard: false,
                    pending: 0,
                });
                cx.count(|counter| counter.add_request());
                Ok(true)
            }
        }
    }

    /// Between two requests: the client's next one, and whether the target is still there.
    fn read_next(&mut self, _cx: &mut Cx, scratch: &mut [u8]) -> Result<bool, Stop> {
        if let Some(upstream) = &mut self.upstream
            && upstream.readable
        {
            upstream.readable = false;
            // An answer that nobody asked for must not become someone's answer.
            if read_some(&upstream.socket, scratch) != Moved::Blocked {
                self.upstream = None;
                return Ok(true);
            }
        }
        self.read_client(scratch)
    }

    fn read_client(&mut self, scratch: &mut [u8]) -> Result<bool, Stop> {
        if !self.client.readable || self.client_ended || self.inbox.len() >= MOST_AHEAD_BYTES {
            return Ok(false);
        }
        match read_some(&self.client.socket, scratch) {
            Moved::Bytes(count) => {
                // With edges only, FIN behind what was read is not told again.
                self.client.readable = count == scratch.len() || self.client.hung_up;
                self.inbox
                    .extend_from_slice(scratch.get(..count).unwrap_or_default());
                Ok(true)
            }
            Moved::Blocked => {
                self.client.readable = false;
                Ok(false)
            }
            Moved::Ended => {
                self.client_ended = true;
                Ok(true)
            }
            Moved::Broken(_) if self.exchange.is_none() => Err(Stop::End(End::Ended)),
            Moved::Broken(_) => Err(Stop::End(End::ClientReset)),
        }
    }

    /// How much of the request's body has not come yet.
    fn body_left(&self) -> u64 {
        self.exchange.as_ref().map_or(0, |exchange| exchange.body_left)
    }

    /// Passes on what has come of the request's body.
    fn move_body(&mut self, _cx: &mut Cx, scratch: &mut [u8]) -> Result<bool, Stop> {
        let (Some(exchange), Some(upstream)) = (&mut self.exchange, &mut self.upstream) else {
            return Ok(false);
        };
        if self.client.broken {
            return Err(Stop::End(End::ClientReset));
        }
        if exchange.body_left == 0 || upstream.has_unsent() {
            return Ok(false);
        }
        if self.inbox.is_empty() {
            if self.client_ended {
                return Err(Stop::End(End::ClientReset));
            }
            return self.read_client(scratch);
        }
        let count = usize::try_from(exchange.body_left)
            .unwrap_or(usize::MAX)
            .min(self.inbox.len());
        upstream.out.extend(self.inbox.drain(..count));
        exchange.body_left -= count as u64;
        Ok(true)
    }

    /// Passes on what has come of the answer. Returns how many bytes.
    fn read_upstream(&mut self, cx: &mut Cx, scratch: &mut [u8]) -> Result<usize, Stop> {
        let Some(upstream) = &mut self.upstream else {
            return Ok(0);
        };
        if !upstream.readable || self.client.has_unsent() {
            return Ok(0);
        }
        let granted = match self.limits.take_up_to(scratch.len()) {
            Leave::Bytes(count) => count,
            leave => return self.hold(cx, leave).map(usize::from),
        };
        let room = scratch.get_mut(..granted).unwrap_or_default();
        let moved = read_some(&upstream.socket, room);
        let count = if let Moved::Bytes(count) = moved { count } else { 0 };
        self.limits.give_back(granted - count);
        match moved {
            Moved::Bytes(count) => {
                upstream.readable = count == granted || upstream.hung_up;
                cx.count(|counter| counter.add_received(count));
                self.hear(cx);
                self.answer(scratch.get(..count).unwrap_or_default())?;
                Ok(count)
            }
            Moved::Blocked => {
                upstream.readable = false;
                Ok(0)
            }
            Moved::Ended => Err(self.broken_off(false)),
            Moved::Broken(_) => Err(self.broken_off(true)),
        }
    }

    /// The target has the request: what was sent of it is paid for.
    fn hear(&mut self, cx: &mut Cx) {
        let Some(exchange) = &mut self.exchange else {
            return;
        };
        exchange.heard = true;
        let pending = std::mem::take(&mut exchange.pending) as usize;
        cx.count(|counter| counter.add_sent(pending));
    }

    fn answer(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        let Some(exchange) = &mut self.exchange else {
            return Err(Stop::Back);
        };
        if let Some(answer) = &mut exchange.answer {
            return pass_body(answer, bytes, &mut self.client.out);
        }
        let upstream_waits = self.upstream.as_ref().is_some_and(Side::has_unsent);
        if exchange.body_left > 0 || upstream_waits {
            // It answers before it has the whole request: what the client sends from now on is nobody's.
            self.answer_head.extend_from_slice(bytes);
            return Err(Stop::Back);
        }
        let whole;
        let input = if self.answer_head.is_empty() {
            bytes
        } else {
            self.answer_head.extend_from_slice(bytes);
            whole = std::mem::take(&mut self.answer_head);
            whole.as_slice()
        };
        match read_response(input, exchange.is_head, &mut self.client.out) {
            Reading::More => {
                self.answer_head = input.to_vec();
                Ok(())
            }
            Reading::Unusual => {
                self.answer_head = input.to_vec();
                Err(Stop::Back)
            }
            Reading::Plain(response) => {
                let answer = exchange.answer.insert(Answer {
                    body: Body::new(&response.framing),
                    keep_alive: response.keep_alive,
                    overrun: false,
                });
                let body = input.get(response.head_bytes..).unwrap_or_default();
                pass_body(answer, body, &mut self.client.out)
            }
        }
    }

    /// The target's end came too early, or at the right time for JavaScript to ask again.
    fn broken_off(&mut self, reset_by_target: bool) -> Stop {
        let answered = self
            .exchange
            .as_ref()
            .is_some_and(|exchange| exchange.answer.is_some());
        if !answered {
            return Stop::Back;
        }
        if reset_by_target {
            reset(&self.client.socket);
        }
        Stop::End(End::ResponseIncomplete)
    }

    fn next_look(&self) -> u64 {
        let waits_until = match &self.exchange {
            None if self.inbox.is_empty() => self.moved_at + self.order.keep_alive_ms,
            None => self.moved_at + PARTIAL_HEAD_MS,
            Some(exchange) if exchange.body_left > 0 => {
                (self.moved_at + self.order.idle_ms).min(exchange.began_at + self.order.body_ms)
            }
            Some(_) => self.moved_at + self.order.idle_ms,
        };
        self.held.rate_at.map_or(waits_until, |at| at.min(waits_until))
    }

    /// Both sockets, and everything that is known, to JavaScript.
    fn give_back(&mut self, cx: &mut Cx) -> Next {
        self.limits.give_back(self.granted);
        let (Ok(client), upstream) = (take_descriptor(cx, &self.client), self.upstream.take()) else {
            return self.end(cx, End::ClientReset);
        };
        let unsent = upstream
            .as_ref()
            .map(|side| side.unsent().to_vec())
            .unwrap_or_default();
        let upstream = upstream.and_then(|side| take_descriptor(cx, &side).ok());
        let exchange = self.exchange.take();
        let (sent, received, requests) = cx.all_totals();
        let timed_out = exchange.is_some() && cx.now() >= self.moved_at + self.order.idle_ms;
        cx.tell(event::FORWARD_BACK, |out| {
            put_u32(out, client.into_raw_fd() as u32);
            put_u32(
                out,
                upstream.map_or(u32::MAX, |socket| socket.into_raw_fd() as u32),
            );
            for total in [sent, received, requests] {
                put_f64(out, total);
            }
            put_u32(out, u32::from(timed_out));
            put_u32(out, u32::from(exchange.as_ref().is_some_and(|one| one.heard)));
            put_f64(out, exchange.as_ref().map_or(0, |one| one.pending));
            put_f64(out, exchange.as_ref().map_or(0, |one| one.body_left));
            put_bytes(out, exchange.as_ref().map_or(&[], |one| one.head.as_slice()));
            put_bytes(out, &unsent);
            put_bytes(out, &self.inbox);
            put_bytes(out, &self.answer_head);
        });
        Next::End
    }

    fn end(&mut self, cx: &mut Cx, end: End) -> Next {
        self.limits.give_back(self.granted);
        if let Some(exchange) = &mut self.exchange {
            let pending = std::mem::take(&mut exchange.pending) as usize;
            cx.count(|counter| counter.add_sent(pending));
        }
        if matches!(end, End::Cut | End::QuotaExhausted) {
            reset(&self.client.socket);
        }
        // Between two requests the target's connection is as good as ever.
        let idle = (end == End::Ended && self.exchange.is_none())
            .then(|| self.upstream.take())
            .flatten()
            .and_then(|side| take_descriptor(cx, &side).ok());
        let (sent, received, requests) = cx.all_totals();
        cx.tell(event::FORWARD_ENDED, |out| {
            put_u32(out, idle.map_or(u32::MAX, |socket| socket.into_raw_fd() as u32));
            for total in [sent, received, requests] {
                put_f64(out, total);
            }
            put_u32(out, end as u32);
        });
        Next::End
    }
}

fn pass_body(answer: &mut Answer, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Stop> {
    match answer.body.read(bytes, out) {
        Ok(count) => {
            answer.overrun |= count < bytes.len();
            Ok(())
        }
        Err(_) => Err(Stop::End(End::BadResponse)),
    }
}

/// A descriptor of the socket's own, which the engine watches no longer.
fn take_descriptor(cx: &Cx, side: &Side) -> rustix::io::Result<OwnedFd> {
    cx.forget(&side.socket);
    rustix::io::fcntl_dupfd_cloexec(&side.socket, 0)
}

impl Driver for Forward {
    fn start(&mut self, cx: &mut Cx) -> Next {
        self.moved_at = cx.now();
        self.ends_at = cx.now().saturating_add(self.order.lives_ms);
        let watched = cx.watch(&self.client.socket, CLIENT, false).and_then(|()| {
            self.upstream
                .as_ref()
                .map_or(Ok(()), |side| cx.watch(&side.socket, UPSTREAM, false))
        });
        match watched {
            Ok(()) => self.drive(cx),
            Err(_) => self.end(cx, End::ClientReset),
        }
    }

    fn ready(&mut self, cx: &mut Cx, socket: u8, flags: EventFlags) -> Next {
        let side = match (socket, &mut self.upstream) {
            (CLIENT, _) => &mut self.client,
            (UPSTREAM, Some(upstream)) => upstream,
            _ => return Next::Stay,
        };
        let coming = EventFlags::IN | EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR;
        side.readable |= flags.intersects(coming);
        side.hung_up |= flags.contains(EventFlags::RDHUP);
        side.broken |= flags.intersects(EventFlags::HUP | EventFlags::ERR);
        side.writable |= flags.contains(EventFlags::OUT);
        self.drive(cx)
    }

    fn deadline(&mut self, cx: &mut Cx) -> Next {
        self.held.rate_at = None;
        if cx.now() < self.next_look() {
            return self.drive(cx);
        }
        match &self.exchange {
            None if self.inbox.is_empty() => self.end(cx, End::Ended),
            Some(exchange) if exchange.answer.is_some() => self.end(cx, End::ClientReset),
            _ => self.give_back(cx),
        }
    }

    fn resume(&mut self, cx: &mut Cx) -> Next {
        self.held.waits_for_allowance = false;
        self.drive(cx)
    }

    fn command(&mut self, cx: &mut Cx, verb: u32, _body: &mut Reader) -> Next {
        match verb {
            verb::CUT | verb::CLOSE => self.end(cx, End::Cut),
            verb::FORWARD_RECALL => {
                self.recalled = true;
                self.drive(cx)
            }
            _ => Next::Stay,
        }
    }
}
