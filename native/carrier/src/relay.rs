//! Carries bytes both ways between two sockets: FIN as FIN, each half by itself, RST as RST, each byte taken from the
//! flow's allowance and rate before it moves. Little goes by copying, much by splice through a pooled pipe.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use rustix::net::{Shutdown, shutdown};
use rustix::pipe::{SpliceFlags, splice};

use crate::allowance::{Allowance, Grant};
use crate::driver::{Cx, Driver, NEVER, Next};
use crate::id::Id;
use crate::pipes::{PIPE_BYTES, Pipe};
use crate::protocol::{Outcome, event, verb};
use crate::rate::{Permit, Rate};
use crate::sockets::{Moved, read_some, reset, unacknowledged, write_some};
use crate::wire::{Reader, put_f64, put_u32};

/// Up to so many bytes at once are copied; whoever fills that goes on by splice.
const COPIED_BYTES: usize = 16_384;
/// What one connection may move before others have their turn.
const TURN_BYTES: usize = 4 << 20;

/// How long what was charged may take to arrive before the flow is cut.
const FLUSH_MS: u64 = 2_000;
/// How often it is looked whether it has: no event tells when the last byte is acknowledged.
const FLUSH_LOOK_MS: u64 = 16;
/// In the body of the order to cut: only once what was charged has arrived.
const CUT_WHEN_FLUSHED: u32 = 1;

/// Of the order to carry it by another way: not when this one is open by now.
const KEEP_IF_OPEN: u32 = 2;

/// What holds a flow's bytes back.
#[derive(Clone, Default)]
pub struct Limits {
    pub allowance: Option<Arc<Allowance>>,
    pub rate: Option<Arc<Rate>>,
}

/// What came of asking for bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Leave {
    Bytes(usize),
    /// Ask again in so many milliseconds.
    Wait(u64),
    Dry,
    Closed,
}

impl Limits {
    /// Whether bytes may begin to move.
    pub fn have_some(&self) -> bool {
        self.allowance
            .as_ref()
            .is_none_or(|allowance| allowance.has_some())
    }

    /// Takes up to `wanted` bytes from both. What is not used goes back with `give_back`.
    pub fn take_up_to(&self, wanted: usize) -> Leave {
        let permitted = match &self.rate {
            None => wanted,
            Some(rate) => match rate.take_up_to(wanted) {
                Permit::Bytes(count) => count,
                Permit::Wait(ms) => return Leave::Wait(ms),
            },
        };
        let Some(allowance) = &self.allowance else {
            return Leave::Bytes(permitted);
        };
        let (granted, leave) = match allowance.take_up_to(permitted) {
            Grant::Bytes(count) => (count, Leave::Bytes(count)),
            Grant::Dry => (0, Leave::Dry),
            Grant::Closed => (0, Leave::Closed),
        };
        if let Some(rate) = self.rate.as_ref().filter(|_| granted < permitted) {
            rate.give_back(permitted - granted);
        }
        leave
    }

    pub fn give_back(&self, bytes: usize) {
        if bytes == 0 {
            return;
        }
        if let Some(rate) = &self.rate {
            rate.give_back(bytes);
        }
        if let Some(allowance) = &self.allowance {
            allowance.give_back(bytes);
        }
    }

    /// Tells whoever refills the allowance what there is to tell.
    pub fn tell(&self, cx: &mut Cx) {
        let Some(allowance) = &self.allowance else { return };
        if allowance.is_newly_low() {
            tell_of(cx, event::LOW, allowance);
        }
        if allowance.is_claimed() {
            tell_of(cx, event::RETURNED, allowance);
        }
    }

    /// Has the driver's `resume` called once there is more, and says that somebody waits.
    pub fn wait(&self, cx: &mut Cx) {
        let Some(allowance) = &self.allowance else { return };
        allowance.wait(cx.id);
        if allowance.is_newly_dry() {
            tell_of(cx, event::DRY, allowance);
        }
    }
}

fn tell_of(cx: &mut Cx, kind: u32, allowance: &Allowance) {
    let id = Id {
        index: allowance.handle,
        generation: 0,
    };
    cx.parts.events.push(kind, id, |_| {});
    cx.parts.events.urgent = true;
}

/// One of the two sockets.
pub struct End {
    pub socket: OwnedFd,
    /// What the kernel's reports of it are numbered.
    pub number: u8,
    /// There may be something to read.
    pub readable: bool,
    /// FIN has come, perhaps behind bytes that wait to be read.
    pub hung_up: bool,
    /// There may be room to write.
    pub writable: bool,
    /// Whether room is reported.
    pub room_watched: bool,
    /// More to read is not reported: it cannot be read yet, and each report would wake the engine for nothing.
    pub muted: bool,
    /// Read already, and to be sent to the other one first.
    pub early: Vec<u8>,
}

impl End {
    /// Whether nothing is told that is not known already.
    fn knows(&self, flags: EventFlags) -> bool {
        let is_known = |flag, known| known || !flags.contains(flag);
        !flags.intersects(EventFlags::ERR | EventFlags::HUP)
            && is_known(EventFlags::IN, self.readable)
            && is_known(EventFlags::RDHUP, self.hung_up)
            && is_known(EventFlags::OUT, self.writable)
    }

    /// While what has come cannot be read, hears no more of what comes.
    fn mute(&mut self, cx: &Cx) {
        if !self.muted {
            self.muted = cx.watch_end(&self.socket, self.number, self.room_watched).is_ok();
        }
    }

    fn unmute(&mut self, cx: &Cx) -> rustix::io::Result<()> {
        if !self.muted || self.readable {
            return Ok(());
        }
        self.muted = false;
        cx.watch_again(&self.socket, self.number, self.room_watched)
    }
}

/// One direction.
#[derive(Default)]
struct Way {
    /// The sender's FIN has been read.
    ended: bool,
    /// ... and passed on.
    passed_on: bool,
    /// Reading failed, behind bytes that are still to be sent.
    broken: bool,
    bulk: bool,
    waiting: Vec<u8>,
    at: usize,
    /// How many of the waiting bytes the limits have let through already.
    granted: usize,
    pipe: Option<Pipe>,
    piped: usize,
}

/// How it will end once what was charged has arrived. Nothing more is read.
#[derive(Clone, Copy)]
struct Flushing {
    outcome: Outcome,
    until: u64,
    /// Nothing arrives there any more.
    upstream_lost: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
}

pub struct Relay {
    client: End,
    upstream: End,
    up: Way,
    down: Way,
    limits: Limits,
    idle_ms: u64,
    half_open_idle_ms: u64,
    idle_at: u64,
    /// When the rate lets something through again.
    rate_at: u64,
    waits_for_allowance: bool,
    flushing: Option<Flushing>,
}

impl Relay {
    /// The sockets must be watched under their numbers already.
    pub fn new(
        mut client: End,
        mut upstream: End,
        limits: Limits,
        idle_ms: u64,
        half_open_idle_ms: u64,
    ) -> Self {
        let way = |waiting| Way {
            waiting,
            ..Way::default()
        };
        let up = way(std::mem::take(&mut client.early));
        let down = way(std::mem::take(&mut upstream.early));
        Relay {
            client,
            upstream,
            up,
            down,
            limits,
            idle_ms,
            half_open_idle_ms,
            idle_at: NEVER,
            rate_at: NEVER,
            waits_for_allowance: false,
            flushing: None,
        }
    }

    fn pump_both(&mut self, cx: &mut Cx) -> Next {
        if let Some(flushing) = self.flushing {
            return self.flush(cx, flushing);
        }
        let mut scratch = std::mem::take(&mut cx.parts.scratch);
        let mut result = self.pump(cx, Direction::Up, &mut scratch);
        let is_lost = result == Err(Outcome::UpstreamReset);
        // What it said before it was lost is there to be read, whether that was reported or not.
        self.upstream.readable |= is_lost;
        if result.is_ok() || is_lost {
            result = result.and(self.pump(cx, Direction::Down, &mut scratch));
        }
        cx.parts.scratch = scratch;
        self.limits.tell(cx);
        match result {
            Err(Outcome::QuotaExhausted) => self.end_flushed(cx, Outcome::QuotaExhausted),
            Err(Outcome::UpstreamReset) => self.lose_upstream(cx),
            Err(outcome) => self.end(cx, outcome),
            Ok(()) if self.up.passed_on && self.down.passed_on => self.end(cx, Outcome::Ended),
            Ok(()) => {
                cx.set_deadline(self.idle_at.min(self.rate_at));
                if self.client.unmute(cx).is_err() {
                    return self.end(cx, Outcome::ClientReset);
                }
                if self.upstream.unmute(cx).is_err() {
                    return self.end(cx, Outcome::UpstreamReset);
                }
                Next::Stay
            }
        }
    }

    fn pump(&mut self, cx: &mut Cx, direction: Direction, scratch: &mut [u8]) -> Result<(), Outcome> {
        let result = self.move_bytes(cx, direction, scratch);
        let way = match direction {
            Direction::Up => &mut self.up,
            Direction::Down => &mut self.down,
        };
        if way.piped == 0
            && let Some(pipe) = way.pipe.take()
        {
            cx.parts.pipes.give_back(pipe);
        }
        result
    }

    fn move_bytes(&mut self, cx: &mut Cx, direction: Direction, scratch: &mut [u8]) -> Result<(), Outcome> {
        let is_up = direction == Direction::Up;
        let (way, other, from, to) = match direction {
            Direction::Up => (&mut self.up, &self.down, &mut self.client, &mut self.upstream),
            Direction::Down => (&mut self.down, &self.up, &mut self.upstream, &mut self.client),
        };
        let (lost_from, lost_to) = if is_up {
            (Outcome::ClientReset, Outcome::UpstreamReset)
        } else {
            (Outcome::UpstreamReset, Outcome::ClientReset)
        };
        let half_open = way.passed_on || other.passed_on;
        let idle_at = cx.now()
            + if half_open {
                self.half_open_idle_ms
            } else {
                self.idle_ms
            };
        let mut turn = TURN_BYTES;
        loop {
            if way.piped > 0 || way.at < way.waiting.len() {
                if !to.writable {
                    return Ok(());
                }
                if way.piped == 0 && way.granted == 0 {
                    // Bytes that came before the relay began: nobody has been asked for them yet.
                    match self.limits.take_up_to(way.waiting.len() - way.at) {
                        Leave::Bytes(count) => {
                            way.granted = count;
                            if !is_up {
                                cx.count(|counter| counter.add_received(count));
                            }
                        }
                        leave => {
                            return held_back(
                                cx,
                                leave,
                                &self.limits,
                                &mut self.rate_at,
                                &mut self.waits_for_allowance,
                            );
                        }
                    }
                }
                match way.write(to) {
                    Moved::Bytes(count) => {
                        self.idle_at = idle_at;
                        if is_up {
                            cx.count(|counter| counter.add_sent(count));
                        }
                    }
                    Moved::Blocked => return wait_for_room(cx, to).map_err(|_| lost_to),
                    _ => return Err(lost_to),
                }
                continue;
            }
            if way.ended {
                if !way.passed_on {
                    way.passed_on = true;
                    // The second FIN goes with the closing of the sockets.
                    if !other.passed_on {
                        let _ = shutdown(&to.socket, Shutdown::Write);
                        self.idle_at = cx.now() + self.half_open_idle_ms;
                    }
                }
                return Ok(());
            }
            if way.broken {
                return Err(lost_from);
            }
            if !from.readable || !to.writable {
                return Ok(());
            }
            if turn == 0 {
                cx.again();
                return Ok(());
            }
            // Without a descriptor for a pipe there is still copying.
            way.bulk = way.bulk && way.has_pipe(cx);
            let wanted = if way.bulk { PIPE_BYTES } else { COPIED_BYTES };
            let granted = match self.limits.take_up_to(wanted) {
                Leave::Bytes(count) => count,
                leave => {
                    return held_back(
                        cx,
                        leave,
                        &self.limits,
                        &mut self.rate_at,
                        &mut self.waits_for_allowance,
                    );
                }
            };
            let moved = if way.bulk {
                way.fill_pipe(from, granted)
            } else {
                read_some(&from.socket, scratch.get_mut(..granted).unwrap_or_default())
            };
            let count = if let Moved::Bytes(count) = moved { count } else { 0 };
            self.limits.give_back(granted - count);
            match moved {
                Moved::Bytes(count) => {
                    turn = turn.saturating_sub(count);
                    self.idle_at = idle_at;
                    if !is_up {
                        cx.count(|counter| counter.add_received(count));
                    }
                    if way.bulk {
                        way.piped = count;
                        way.bulk = count >= COPIED_BYTES;
                        continue;
                    }
                    way.bulk = count == COPIED_BYTES;
                    if count < granted {
                        // Urgent data makes a short read, too: only reading nothing is the end.
                        from.readable = from.hung_up;
                    }
                    let bytes = scratch.get(..count).unwrap_or_default();
                    let written = match write_some(&to.socket, bytes) {
                        Moved::Bytes(written) => written,
                        Moved::Blocked => 0,
                        _ => {
                            if is_up {
                                self.limits.give_back(count);
                            }
                            return Err(lost_to);
                        }
                    };
                    if is_up {
                        cx.count(|counter| counter.add_sent(written));
                    }
                    if written < count {
                        way.keep(bytes.get(written..).unwrap_or_default());
                        wait_for_room(cx, to).map_err(|_| lost_to)?;
                    }
                }
                Moved::Blocked => from.readable = false,
                Moved::Ended => {
                    from.readable = false;
                    way.ended = true;
                }
                Moved::Broken(_) => return Err(lost_from),
            }
        }
    }

    /// Ends it once what was charged has arrived.
    fn end_flushed(&mut self, cx: &mut Cx, outcome: Outcome) -> Next {
        self.begin_flush(cx, outcome, false)
    }

    /// Ends it once what the upstream said has arrived.
    fn lose_upstream(&mut self, cx: &mut Cx) -> Next {
        self.begin_flush(cx, Outcome::UpstreamReset, true)
    }

    fn begin_flush(&mut self, cx: &mut Cx, outcome: Outcome, upstream_lost: bool) -> Next {
        let flushing = Flushing {
            outcome,
            until: cx.now() + FLUSH_MS,
            upstream_lost,
        };
        self.flushing = Some(flushing);
        self.flush(cx, flushing)
    }

    fn flush(&mut self, cx: &mut Cx, flushing: Flushing) -> Next {
        let sent = flushing.upstream_lost || self.up.flush(cx, &mut self.upstream, Direction::Up);
        let received = self.down.flush(cx, &mut self.client, Direction::Down);
        if (sent && received) || cx.now() >= flushing.until {
            return self.end(cx, flushing.outcome);
        }
        cx.set_deadline(flushing.until.min(cx.now() + FLUSH_LOOK_MS));
        Next::Stay
    }

    /// Closes both: cleanly when both halves have ended, else so that both sides see it.
    fn end(&mut self, cx: &mut Cx, outcome: Outcome) -> Next {
        // What was let through and did not reach the upstream was not moved.
        self.limits.give_back(self.up.piped + self.up.granted);
        let (sent, received) = cx.totals();
        cx.tell_later(event::CLOSED, |out| {
            put_f64(out, sent);
            put_f64(out, received);
            put_u32(out, outcome as u32);
        });
        if outcome == Outcome::Ended {
            cx.parts.diverts.forget(cx.id, &self.client.socket);
        } else {
            reset(&self.client.socket);
            reset(&self.upstream.socket);
        }
        Next::End
    }
}

impl Way {
    fn write(&mut self, to: &End) -> Moved {
        if self.piped > 0 {
            let Some(pipe) = &self.pipe else {
                return Moved::Broken(Errno::BADF);
            };
            let moved = splice_some(&pipe.read, &to.socket, self.piped);
            if let Moved::Bytes(count) = moved {
                self.piped -= count;
            }
            return moved;
        }
        let bytes = self
            .waiting
            .get(self.at..self.at + self.granted)
            .unwrap_or_default();
        let moved = write_some(&to.socket, bytes);
        if let Moved::Bytes(count) = moved {
            self.at += count;
            self.granted -= count;
            if self.at == self.waiting.len() {
                self.waiting = Vec::new();
                self.at = 0;
            }
        }
        moved
    }

    /// Writes what the limits have let through. Returns whether all of it has arrived, or never will.
    fn flush(&mut self, cx: &Cx, to: &mut End, direction: Direction) -> bool {
        while self.piped > 0 || self.granted > 0 {
            match self.write(to) {
                Moved::Bytes(count) if direction == Direction::Up => {
                    cx.count(|counter| counter.add_sent(count))
                }
                Moved::Bytes(_) => {}
                Moved::Blocked => return wait_for_room(cx, to).is_err(),
                _ => return true,
            }
        }
        unacknowledged(&to.socket) == 0
    }

    /// Holds bytes that the limits have let through until there is room for them.
    fn keep(&mut self, bytes: &[u8]) {
        self.waiting = bytes.to_vec();
        self.at = 0;
        self.granted = bytes.len();
    }

    fn has_pipe(&mut self, cx: &mut Cx) -> bool {
        if self.pipe.is_none() {
            self.pipe = cx.parts.pipes.take().ok();
        }
        self.pipe.is_some()
    }

    fn fill_pipe(&mut self, from: &End, most: usize) -> Moved {
        let Some(pipe) = &self.pipe else {
            return Moved::Broken(Errno::BADF);
        };
        let mut total = 0;
        // All that is there goes on in one piece: each piece wakes whoever waits for it, and that costs the most.
        while total < most {
            match splice_some(&from.socket, &pipe.write, most - total) {
                Moved::Bytes(count) => total += count,
                Moved::Broken(error) => {
                    self.broken = true;
                    return if total > 0 {
                        Moved::Bytes(total)
                    } else {
                        Moved::Broken(error)
                    };
                }
                // Either there is no more or the pipe is full: the next look, with an empty pipe, tells.
                _ if total > 0 => break,
                none => return none,
            }
        }
        Moved::Bytes(total)
    }
}

fn splice_some(from: impl AsFd, to: impl AsFd, most: usize) -> Moved {
    loop {
        match splice(
            &from,
            None,
            &to,
            None,
            most,
            SpliceFlags::NONBLOCK | SpliceFlags::MOVE,
        ) {
            Ok(0) => return Moved::Ended,
            Ok(count) => return Moved::Bytes(count),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Moved::Blocked,
            Err(error) => return Moved::Broken(error),
        }
    }
}

fn wait_for_room(cx: &Cx, to: &mut End) -> rustix::io::Result<()> {
    to.writable = false;
    if to.room_watched {
        return Ok(());
    }
    to.room_watched = true;
    to.muted = false;
    cx.watch_room(&to.socket, to.number)
}

fn held_back(
    cx: &mut Cx,
    leave: Leave,
    limits: &Limits,
    rate_at: &mut u64,
    waits_for_allowance: &mut bool,
) -> Result<(), Outcome> {
    match leave {
        Leave::Closed => return Err(Outcome::QuotaExhausted),
        Leave::Wait(ms) => *rate_at = (*rate_at).min(cx.now() + ms),
        Leave::Dry if !*waits_for_allowance => {
            *waits_for_allowance = true;
            limits.wait(cx);
        }
        _ => {}
    }
    Ok(())
}

impl Driver for Relay {
    fn start(&mut self, cx: &mut Cx) -> Next {
        self.idle_at = cx.now() + self.idle_ms;
        self.pump_both(cx)
    }

    fn ready(&mut self, cx: &mut Cx, socket: u8, flags: EventFlags) -> Next {
        let end = if socket == self.client.number {
            &mut self.client
        } else if socket == self.upstream.number {
            &mut self.upstream
        } else {
            return Next::Stay;
        };
        if end.knows(flags) {
            if flags.contains(EventFlags::IN) {
                end.mute(cx);
            }
            return Next::Stay;
        }
        end.readable |=
            flags.intersects(EventFlags::IN | EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR);
        end.hung_up |= flags.contains(EventFlags::RDHUP);
        end.writable |= flags.contains(EventFlags::OUT);
        if !flags.contains(EventFlags::ERR) {
            return self.pump_both(cx);
        }
        if let Some(flushing) = &mut self.flushing {
            if socket == self.client.number {
                let outcome = flushing.outcome;
                return self.end(cx, outcome);
            }
            flushing.upstream_lost = true;
            return self.pump_both(cx);
        }
        // What came before the RST is passed on first, as far as the other side takes it.
        end.hung_up = false;
        let is_client = socket == self.client.number;
        match self.pump_both(cx) {
            Next::End => Next::End,
            _ if is_client => self.end(cx, Outcome::ClientReset),
            _ if self.flushing.is_some() => Next::Stay,
            _ => self.lose_upstream(cx),
        }
    }

    fn deadline(&mut self, cx: &mut Cx) -> Next {
        if self.flushing.is_none() && cx.now() >= self.idle_at {
            return self.end(cx, Outcome::Idle);
        }
        self.rate_at = NEVER;
        self.pump_both(cx)
    }

    fn resume(&mut self, cx: &mut Cx) -> Next {
        self.waits_for_allowance = false;
        self.pump_both(cx)
    }

    fn command(&mut self, cx: &mut Cx, verb: u32, body: &mut Reader) -> Next {
        match verb {
            verb::CUT if body.u32() == Some(CUT_WHEN_FLUSHED) => {
                if self.flushing.is_some() {
                    Next::Stay
                } else {
                    self.end_flushed(cx, Outcome::Cut)
                }
            }
            // Another way was wanted before it was known that this one is open.
            verb::CARRY if body.u32().is_some_and(|flags| flags & KEEP_IF_OPEN != 0) => Next::Stay,
            verb::CUT | verb::CLOSE | verb::CARRY | verb::REFUSE | verb::TAKE => self.end(cx, Outcome::Cut),
            _ => Next::Stay,
        }
    }
}
