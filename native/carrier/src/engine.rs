//! The loop: one thread, one epoll, all connections of the process.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::{self, Errno};
use rustix::net::{SocketFlags, acceptfrom_with};

use crate::client::{CLIENT, Client};
use crate::driver::{Cx, Driver, NEVER, Next};
use crate::id::{FIRST_ADOPTED, INDEX_LIMIT, Id, Token};
use crate::known_logins::KnownLogins;
use crate::pipes::Pipes;
use crate::protocol::{Outcome, event, verb};
use crate::relay::{End, Relay};
use crate::shared::{Adopted, Message, Shared};
use crate::standing_connect::StandingConnects;
use crate::tunnel::{Diverted, Diverts, Standing};
use crate::wheel::{Entry, Wheel};
use crate::wire::{Events, Reader, put_f64, put_u32};

const EVENTS_PER_TURN: usize = 512;
const ACCEPTS_PER_TURN: usize = 64;
const SCRATCH_BYTES: usize = 65_536;
/// How long an event that is not urgent waits for company.
const PUT_OFF_MS: u64 = 4;
/// More than this waits for JavaScript only when it cannot follow: then nobody new is let in.
const MAX_BACKLOG_BYTES: usize = 4 << 20;
const ACCEPT_PAUSE_MS: u64 = 50;
/// Generations of connections begin at 1: these are the engine's own sockets.
const OWN: u32 = 0;
const WAKE: u8 = 0;
const LISTENER: u8 = 1;

/// What drivers use of the engine.
pub struct Parts {
    pub epoll: OwnedFd,
    /// Milliseconds since the engine began, as of the beginning of this turn.
    pub now: u64,
    pub shared: Arc<Shared>,
    pub events: Events,
    pub pipes: Pipes,
    /// For reading into; whoever borrows it for longer takes it out and puts it back.
    pub scratch: Vec<u8>,
    pub(crate) again: Vec<Id>,
    /// The next port to leave from, of each address that flows leave from.
    pub(crate) next_port: HashMap<IpAddr, u16>,
    pub(crate) silent: usize,
    pub(crate) diverts: Diverts,
    pub(crate) standing_connects: StandingConnects,
    pub(crate) known_logins: KnownLogins,
}

struct Place {
    generation: u32,
    driver: Option<Box<dyn Driver>>,
    deadline: u64,
    /// The moment of the entry that the wheel has for it; NEVER: it has none.
    entered: u64,
}

struct Listener {
    socket: OwnedFd,
    header_ms: u64,
    max_silent: usize,
    greets: bool,
    diverts: bool,
    /// What is decided for diverted flows in advance.
    standing: Option<Arc<Standing>>,
    /// The kernel is not asked before this moment.
    paused_until: Option<u64>,
}

pub struct Engine {
    parts: Parts,
    began: Instant,
    wheel: Wheel,
    accepted: Vec<Place>,
    free: Vec<u32>,
    adopted: Vec<Place>,
    listeners: HashMap<u32, Listener>,
    /// Clients that had not said anything when they were entered, oldest first.
    silent: VecDeque<Id>,
    commands: Vec<u8>,
    put_off_since: Option<u64>,
    /// Tells JavaScript that there are events.
    tell: Box<dyn Fn() + Send>,
}

impl Engine {
    pub fn new(shared: Arc<Shared>, tell: Box<dyn Fn() + Send>) -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let data = own(WAKE);
        // An edge for every write: the counter never needs to be read.
        epoll::add(&epoll, &shared.wake, data, EventFlags::IN | EventFlags::ET)?;
        Ok(Engine {
            parts: Parts {
                epoll,
                now: 0,
                shared,
                events: Events::default(),
                pipes: Pipes::default(),
                scratch: vec![0; SCRATCH_BYTES],
                again: Vec::new(),
                next_port: HashMap::new(),
                silent: 0,
                diverts: Diverts::default(),
                standing_connects: StandingConnects::default(),
                known_logins: KnownLogins::default(),
            },
            began: Instant::now(),
            wheel: Wheel::new(0),
            accepted: Vec::new(),
            free: Vec::new(),
            adopted: Vec::new(),
            listeners: HashMap::new(),
            silent: VecDeque::new(),
            commands: Vec::new(),
            put_off_since: None,
            tell,
        })
    }

    /// Runs until it is told to stop, or the kernel refuses to say what happens.
    pub fn run(&mut self) -> io::Result<()> {
        let mut events = Vec::with_capacity(EVENTS_PER_TURN);
        let mut due = Vec::new();
        loop {
            self.sleep(&mut events)?;
            self.parts.now = self.began.elapsed().as_millis() as u64;
            if self.take_messages() {
                return Ok(());
            }
            self.take_commands();
            for event in events.drain(..) {
                self.report(event);
            }
            for id in std::mem::take(&mut self.parts.again) {
                self.drive(id, |driver, cx| driver.resume(cx));
            }
            self.wheel.take_due(self.parts.now, &mut due);
            for entry in due.drain(..) {
                self.look_at(entry);
            }
            self.resume_accepting();
            self.hand_over_events();
        }
    }

    fn sleep(&mut self, events: &mut Vec<Event>) -> io::Result<()> {
        let shared = Arc::clone(&self.parts.shared);
        shared.sleeping.store(true, Ordering::SeqCst);
        let wait_ms = if !self.parts.again.is_empty() || shared.has_orders() {
            Some(0)
        } else {
            self.wait_ms()
        };
        let timeout = wait_ms.map(|ms| Timespec {
            tv_sec: (ms / 1000) as i64,
            tv_nsec: (ms % 1000 * 1_000_000) as i64,
        });
        let result = epoll::wait(
            &self.parts.epoll,
            rustix::buffer::spare_capacity(events),
            timeout.as_ref(),
        );
        shared.sleeping.store(false, Ordering::SeqCst);
        match result {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn wait_ms(&self) -> Option<u64> {
        let now = self.began.elapsed().as_millis() as u64;
        let put_off = self
            .put_off_since
            .map(|since| (since + PUT_OFF_MS).saturating_sub(now));
        let paused = self.listeners.values().filter_map(|one| one.paused_until).min();
        let paused = paused.map(|at| at.saturating_sub(now));
        [self.wheel.wait_ms(now), put_off, paused]
            .into_iter()
            .flatten()
            .min()
    }

    /// Returns whether the engine is to stop.
    fn take_messages(&mut self) -> bool {
        for message in self.parts.shared.take_messages() {
            match message {
                Message::Listen {
                    number,
                    socket,
                    header_ms,
                    max_silent,
                    greets,
                    diverts,
                } => {
                    let _ = epoll::add(&self.parts.epoll, &socket, listener_data(number), EventFlags::IN);
                    let listener = Listener {
                        socket,
                        header_ms,
                        max_silent,
                        greets,
                        diverts,
                        standing: None,
                        paused_until: None,
                    };
                    self.listeners.insert(number, listener);
                }
                Message::StopListening(number) => self.stop_listening(number),
                Message::Adopt(adopted) => self.adopt(*adopted),
                Message::Install { id, driver } => {
                    if self.take_place(id) {
                        self.install(id, driver);
                    }
                }
                Message::Stop => return true,
            }
        }
        false
    }

    fn take_commands(&mut self) {
        let mut commands = std::mem::take(&mut self.commands);
        commands.clear();
        self.parts.shared.take_commands(&mut commands);
        let mut reader = Reader::new(&commands);
        while let Some((order, id, mut body)) = reader.record() {
            match order {
                verb::REFILLED => self.refilled(id.index),
                verb::STAND => self.stand(id.index, &mut body),
                verb::STAND_CONNECT => self.stand_connect(id.index, &mut body),
                verb::KNOW_LOGIN => self.know_login(id.index, &mut body),
                _ => self.drive(id, |driver, cx| driver.command(cx, order, &mut body)),
            }
        }
        self.commands = commands;
    }

    fn stand(&mut self, number: u32, body: &mut Reader) {
        if let Some(listener) = self.listeners.get_mut(&number) {
            listener.standing = Standing::read(body).map(Arc::new);
        }
    }

    fn stand_connect(&mut self, number: u32, body: &mut Reader) {
        let Parts {
            standing_connects,
            shared,
            now,
            ..
        } = &mut self.parts;
        if self.listeners.contains_key(&number) {
            standing_connects.read(number, body, shared, *now);
        }
    }

    fn know_login(&mut self, number: u32, body: &mut Reader) {
        if self.listeners.contains_key(&number) {
            self.parts.known_logins.read(number, body, self.parts.now);
        }
    }

    fn refilled(&mut self, handle: u32) {
        let Some(allowance) = self.parts.shared.allowance(handle) else {
            return;
        };
        for id in allowance.take_waiting() {
            self.drive(id, |driver, cx| driver.resume(cx));
        }
    }

    fn report(&mut self, event: Event) {
        let flags = event.flags;
        let token = Token::decode(event.data.u64());
        if token.id.generation != OWN {
            self.drive(token.id, |driver, cx| driver.ready(cx, token.socket, flags));
        } else if token.socket == LISTENER {
            self.accept(token.id.index);
        }
    }

    fn place(&mut self, id: Id) -> Option<&mut Place> {
        let place = match id.index.checked_sub(FIRST_ADOPTED) {
            None => self.accepted.get_mut(id.index as usize),
            Some(index) => self.adopted.get_mut(index as usize),
        }?;
        (place.generation == id.generation).then_some(place)
    }

    /// Lets a connection's driver work, and does with it what it says. Late reports find another generation.
    fn drive(&mut self, id: Id, work: impl FnOnce(&mut dyn Driver, &mut Cx) -> Next) {
        let Some(place) = self.place(id) else { return };
        let Some(mut driver) = place.driver.take() else {
            return;
        };
        let mut cx = Cx {
            id,
            deadline: place.deadline,
            parts: &mut self.parts,
        };
        let mut next = work(driver.as_mut(), &mut cx);
        while let Next::Become(successor) = next {
            driver = successor;
            next = driver.start(&mut cx);
        }
        let deadline = cx.deadline;
        if matches!(next, Next::End) {
            drop(driver);
            return self.free_place(id);
        }
        let Some(place) = self.place(id) else { return };
        place.driver = Some(driver);
        place.deadline = deadline;
        // A later deadline is found when the entry comes up; only an earlier one needs another entry.
        if deadline < place.entered {
            let entered = self.wheel.enter(id, deadline);
            if let Some(place) = self.place(id) {
                place.entered = entered;
            }
        }
    }

    fn look_at(&mut self, Entry { id, at }: Entry) {
        let now = self.parts.now;
        let Some(place) = self.place(id) else { return };
        if place.entered != at {
            return;
        }
        place.entered = NEVER;
        let deadline = place.deadline;
        if deadline <= now {
            place.deadline = NEVER;
            self.drive(id, |driver, cx| driver.deadline(cx));
        } else if deadline != NEVER {
            let entered = self.wheel.enter(id, deadline);
            if let Some(place) = self.place(id) {
                place.entered = entered;
            }
        }
    }

    /// Nobody is accepted there any more, and those who have not said anything are sent away.
    fn stop_listening(&mut self, number: u32) {
        self.listeners.remove(&number);
        self.parts.standing_connects.forget(number);
        self.parts.known_logins.forget(number);
        for id in std::mem::take(&mut self.silent) {
            match self.silent_on(id) {
                Some(on) if on == number => self.send_away(id),
                Some(_) => self.silent.push_back(id),
                None => {}
            }
        }
    }

    fn accept(&mut self, number: u32) {
        for _ in 0..ACCEPTS_PER_TURN {
            let Some(listener) = self.listeners.get(&number) else {
                return;
            };
            if listener.paused_until.is_some() {
                return;
            }
            match acceptfrom_with(&listener.socket, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
                Ok((socket, Some(address))) => {
                    let diverts = listener.diverts;
                    if let Ok(address) = SocketAddr::try_from(address) {
                        if diverts {
                            let standing = listener.standing.clone();
                            self.divert(Diverted::new(socket, address, number, standing));
                            continue;
                        }
                        let client =
                            Client::new(socket, address, number, listener.header_ms, listener.greets);
                        let max_silent = listener.max_silent;
                        self.welcome(client, max_silent);
                    }
                }
                Ok((_, None)) | Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(Errno::AGAIN) => return,
                // Out of descriptors or memory: asking again at once would not give any.
                Err(_) => return self.pause_accepting(),
            }
        }
    }

    fn divert(&mut self, diverted: Diverted) {
        if let Some(id) = self.new_place() {
            self.install(id, Box::new(diverted));
        }
    }

    fn welcome(&mut self, client: Client, max_silent: usize) {
        let Some(id) = self.new_place() else { return };
        self.parts.silent += 1;
        self.silent.push_back(id);
        self.install(id, Box::new(client));
        self.close_oldest_silent(max_silent);
    }

    /// Clients speak first: those that were silent for longest are the least likely to be clients.
    fn close_oldest_silent(&mut self, max_silent: usize) {
        while let Some(id) = self.silent.front().copied() {
            let is_silent = self.silent_on(id).is_some();
            if is_silent && self.parts.silent <= max_silent {
                return;
            }
            self.silent.pop_front();
            if is_silent {
                self.send_away(id);
            }
        }
    }

    fn silent_on(&mut self, id: Id) -> Option<u32> {
        self.place(id)?.driver.as_ref()?.silent_on()
    }

    fn send_away(&mut self, id: Id) {
        self.drive(id, |_, cx| {
            cx.parts.silent -= 1;
            Next::End
        });
    }

    fn pause_accepting(&mut self) {
        for listener in self.listeners.values_mut() {
            if listener.paused_until.is_none() {
                let _ = epoll::delete(&self.parts.epoll, &listener.socket);
            }
            listener.paused_until = Some(self.parts.now + ACCEPT_PAUSE_MS);
        }
    }

    fn resume_accepting(&mut self) {
        for (number, listener) in &mut self.listeners {
            if listener.paused_until.is_some_and(|at| at <= self.parts.now) {
                let data = listener_data(*number);
                let added = epoll::add(&self.parts.epoll, &listener.socket, data, EventFlags::IN);
                // Where the kernel has no memory for it, it is tried again.
                listener.paused_until = added.is_err().then_some(self.parts.now + ACCEPT_PAUSE_MS);
            }
        }
    }

    fn new_place(&mut self) -> Option<Id> {
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                let index = self.accepted.len() as u32;
                if index >= FIRST_ADOPTED {
                    return None;
                }
                self.accepted.push(vacant());
                index
            }
        };
        let place = self.accepted.get_mut(index as usize)?;
        place.generation = place.generation.wrapping_add(1).max(1);
        let id = Id {
            index,
            generation: place.generation,
        };
        self.begin(id);
        Some(id)
    }

    fn begin(&mut self, id: Id) {
        if let Some(counter) = self.parts.shared.counters.slot(id.index) {
            counter.begin(id.generation);
        }
        if let Some(place) = self.place(id) {
            place.deadline = NEVER;
            place.entered = NEVER;
        }
    }

    fn install(&mut self, id: Id, driver: Box<dyn Driver>) {
        if let Some(place) = self.place(id) {
            place.driver = Some(driver);
        }
        self.drive(id, |driver, cx| driver.start(cx));
    }

    fn free_place(&mut self, id: Id) {
        self.parts.diverts.end(id);
        if let Some(place) = self.place(id) {
            place.driver = None;
            place.deadline = NEVER;
        }
        if id.index < FIRST_ADOPTED {
            if let Some(place) = self.place(id) {
                // From now on nothing is this connection any more.
                place.generation = place.generation.wrapping_add(1).max(1);
            }
            self.free.push(id.index);
        }
    }

    /// A place that JavaScript has chosen. Returns whether there is such a place.
    fn take_place(&mut self, id: Id) -> bool {
        let Some(index) = id
            .index
            .checked_sub(FIRST_ADOPTED)
            .filter(|_| id.index < INDEX_LIMIT)
        else {
            return false;
        };
        while self.adopted.len() <= index as usize {
            self.adopted.push(vacant());
        }
        if let Some(place) = self.adopted.get_mut(index as usize) {
            place.generation = id.generation;
        }
        self.begin(id);
        true
    }

    fn adopt(&mut self, adopted: Adopted) {
        let id = adopted.id;
        if !self.take_place(id) {
            return;
        }
        let end = |socket, number, early| End {
            socket,
            number,
            readable: true,
            hung_up: false,
            writable: true,
            room_watched: false,
            muted: false,
            early,
        };
        let client = end(adopted.client, CLIENT, adopted.from_client);
        let upstream = end(adopted.upstream, CLIENT + 1, adopted.from_upstream);
        let cx = Cx {
            id,
            deadline: NEVER,
            parts: &mut self.parts,
        };
        let watched = cx
            .watch(&client.socket, client.number, false)
            .and_then(|()| cx.watch(&upstream.socket, upstream.number, false));
        if watched.is_err() {
            self.parts.events.push(event::CLOSED, id, |out| {
                put_f64(out, 0);
                put_f64(out, 0);
                put_u32(out, Outcome::UpstreamReset as u32);
            });
            return;
        }
        let relay = Relay::new(
            client,
            upstream,
            adopted.limits,
            adopted.idle_ms,
            adopted.half_open_idle_ms,
        );
        self.install(id, Box::new(relay));
    }

    fn hand_over_events(&mut self) {
        let events = &mut self.parts.events;
        if events.is_empty() {
            return;
        }
        let since = *self.put_off_since.get_or_insert(self.parts.now);
        if !events.urgent && self.parts.now < since + PUT_OFF_MS {
            return;
        }
        self.put_off_since = None;
        let (must_tell, backlog) = self.parts.shared.add_events(|queue| events.move_to(queue));
        if must_tell {
            (self.tell)();
        }
        if backlog > MAX_BACKLOG_BYTES {
            self.pause_accepting();
        }
    }
}

fn vacant() -> Place {
    Place {
        generation: 0,
        driver: None,
        deadline: NEVER,
        entered: NEVER,
    }
}

fn own(socket: u8) -> EventData {
    let id = Id {
        index: 0,
        generation: OWN,
    };
    EventData::new_u64(Token { id, socket }.encode())
}

fn listener_data(number: u32) -> EventData {
    let id = Id {
        index: number,
        generation: OWN,
    };
    EventData::new_u64(Token { id, socket: LISTENER }.encode())
}
