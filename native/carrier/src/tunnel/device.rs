//! The device's loop: one thread takes what the machine sends through the device. Datagrams go to associations of a
//! SOCKS5 proxy and come back from them; everything else is refused, so that nobody waits for nothing.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::{self, Errno};

use crate::id::Id;
use crate::shared::Shared;
use crate::tunnel::association::{Received, Relay, State, is_fake};
use crate::tunnel::associations::{Associations, Found};
use crate::tunnel::device_file::DeviceFile;
use crate::tunnel::meter::Meter;
use crate::tunnel::names::{Name, Names};
use crate::tunnel::network_watch::has_news;
use crate::tunnel::packet::{ICMP, ICMPV6, Packet, TCP, UDP, folded, pseudo_sum, put_ip};
use crate::tunnel::protocol::{Datagrams, event, verb};
use crate::tunnel::refusal::{Why, is_for_many, put_error, put_reset};
use crate::tunnel::socks_datagram::{self, Peer};
use crate::wire::{Events, Reader, put_bytes};

const EVENTS_PER_TURN: usize = 256;
/// Packets that are read before the relays have their turn.
const PACKETS_PER_TURN: usize = 512;
const RECEIVES_PER_TURN: usize = 32;
const PACKET_BYTES: usize = 65_536 + VNET;
/// `struct virtio_net_hdr`.
const VNET: usize = 10;
const NEEDS_CHECKSUM: u8 = 1;
const JOINED_DATAGRAMS: u8 = 5;
const UDP_HEADER: usize = 8;
const UDP_CHECKSUM: u16 = 6;
/// What the kernel takes as one, with room for headers (UDP_MAX_SEGMENTS, and the longest IP packet).
const MAX_SEGMENTS: usize = 64;
const MAX_JOINED: usize = 65_000;
const REFUSED_MS: u64 = 1_000;
const SWEEP_MS: u64 = 1_000;
/// Answers that say that something is refused, in a second.
const REFUSALS_PER_SECOND: u64 = 2_000;
/// Datagrams up to here go through everywhere: nobody is asked about the way.
const ALWAYS_SMALL: usize = 1_200;
const NETWORK_EVERY_MS: u64 = 100;
const MAX_BACKLOG_BYTES: usize = 1 << 20;

const WAKE: u32 = 0;
const DEVICE: u32 = 1;
const NETWORK: u32 = 2;

/// Datagrams for one relay, all of one length but the last.
#[derive(Default)]
struct Batch {
    to: Option<Id>,
    bytes: Vec<u8>,
    segment: usize,
    count: usize,
    is_closed: bool,
}

/// Datagrams for one local socket from one peer, all of one length but the last.
#[derive(Default)]
struct Delivery {
    from: Option<SocketAddr>,
    bytes: Vec<u8>,
    segment: usize,
    count: usize,
    is_closed: bool,
}

pub struct Device {
    file: OwnedFd,
    joins_datagrams: bool,
    network: OwnedFd,
    epoll: OwnedFd,
    shared: Arc<Shared>,
    meter: Arc<Meter>,
    events: Events,
    tell: Box<dyn Fn() + Send>,
    associations: Associations,
    names: Names,
    datagrams: Datagrams,
    batch: Batch,
    out: Vec<u8>,
    began: Instant,
    now: u64,
    sweep_at: u64,
    refusals_left: u64,
    network_news: bool,
    network_at: u64,
}

impl Device {
    pub fn new(
        device: DeviceFile,
        network: OwnedFd,
        shared: Arc<Shared>,
        meter: Arc<Meter>,
        tell: Box<dyn Fn() + Send>,
    ) -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &shared.wake, own(WAKE), EventFlags::IN | EventFlags::ET)?;
        epoll::add(&epoll, &device.file, own(DEVICE), EventFlags::IN)?;
        epoll::add(&epoll, &network, own(NETWORK), EventFlags::IN)?;
        Ok(Device {
            file: device.file,
            joins_datagrams: device.joins_datagrams,
            network,
            epoll,
            shared,
            meter,
            events: Events::default(),
            tell,
            associations: Associations::default(),
            names: Names::default(),
            datagrams: Datagrams::Refused,
            batch: Batch::default(),
            out: Vec::new(),
            began: Instant::now(),
            now: 0,
            sweep_at: 0,
            refusals_left: REFUSALS_PER_SECOND,
            network_news: false,
            network_at: 0,
        })
    }

    /// Runs until it is told to stop, or the device is gone.
    pub fn run(&mut self) -> io::Result<()> {
        let mut events = Vec::with_capacity(EVENTS_PER_TURN);
        let mut scratch = vec![0; PACKET_BYTES];
        loop {
            self.sleep(&mut events)?;
            self.now = self.began.elapsed().as_millis() as u64;
            if !self.shared.take_messages().is_empty() {
                return Ok(());
            }
            self.take_commands();
            for event in events.drain(..) {
                self.report(event, &mut scratch)?;
            }
            self.sweep();
            self.tell_of_network();
            self.hand_over_events();
        }
    }

    fn sleep(&mut self, events: &mut Vec<Event>) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        shared.sleeping.store(true, Ordering::SeqCst);
        let wait = if shared.has_orders() {
            Some(0)
        } else if self.network_news {
            Some(NETWORK_EVERY_MS)
        } else if self.associations.count() > 0 {
            Some(SWEEP_MS)
        } else {
            None
        };
        let timeout = wait.map(|ms| Timespec {
            tv_sec: (ms / 1_000) as i64,
            tv_nsec: (ms % 1_000 * 1_000_000) as i64,
        });
        let result = epoll::wait(
            &self.epoll,
            rustix::buffer::spare_capacity(events),
            timeout.as_ref(),
        );
        shared.sleeping.store(false, Ordering::SeqCst);
        match result {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn report(&mut self, event: Event, scratch: &mut [u8]) -> io::Result<()> {
        let word = event.data.u64();
        let id = Id {
            index: word as u32,
            generation: (word >> 32) as u32,
        };
        match (id.generation, id.index) {
            (0, DEVICE) => self.read_device(scratch),
            (0, NETWORK) => {
                self.network_news |= has_news(&self.network, scratch);
                Ok(())
            }
            (0, _) => Ok(()),
            _ => {
                self.receive(id, scratch);
                Ok(())
            }
        }
    }

    fn take_commands(&mut self) {
        let mut commands = Vec::new();
        self.shared.take_commands(&mut commands);
        let mut reader = Reader::new(&commands);
        while let Some((order, id, mut body)) = reader.record() {
            match order {
                verb::DATAGRAMS => {
                    self.datagrams = Datagrams::read(body.u32().unwrap_or_default());
                    for id in self.associations.ids() {
                        self.end(id);
                    }
                }
                verb::RELAY => self.open(id, &mut body),
                verb::REFUSE => self.refuse(id),
                verb::NAME => self.learn(&mut body),
                _ => {}
            }
        }
        self.flush();
    }

    fn open(&mut self, id: Id, body: &mut Reader) {
        let Some(relay) = self.relay(id, body) else {
            return self.refuse(id);
        };
        let Some(State::Asked(waiting)) = self.associations.set(id, State::Open(relay)) else {
            return;
        };
        for (bytes, segment) in waiting.into_packets() {
            if let Some(packet) = Packet::read(&bytes) {
                self.datagram(&packet, segment);
            }
        }
    }

    fn relay(&mut self, id: Id, body: &mut Reader) -> Option<Relay> {
        let mark = body.u32()?;
        let port = body.u32()? as u16;
        let ip: IpAddr = body.text()?.parse().ok()?;
        if !matches!(self.associations.get(id)?.state, State::Asked(_)) {
            return None;
        }
        let relay = Relay::open(SocketAddr::new(ip, port), mark).ok()?;
        let data = EventData::new_u64(u64::from(id.generation) << 32 | u64::from(id.index));
        epoll::add(&self.epoll, &relay.socket, data, EventFlags::IN).ok()?;
        Some(relay)
    }

    /// JavaScript has no relay for it, or none any more.
    fn refuse(&mut self, id: Id) {
        let was = self.associations.set(id, State::Refused(self.now + REFUSED_MS));
        if let Some(State::Asked(waiting)) = was {
            for (bytes, _) in waiting.into_packets() {
                if let Some(packet) = Packet::read(&bytes) {
                    self.answer(&packet, Why::Port);
                }
            }
        }
        self.meter.associations.set(self.associations.count());
    }

    fn learn(&mut self, body: &mut Reader) {
        let Some(address) = body.text().and_then(|text| text.parse().ok()) else {
            return;
        };
        let name = body.bytes().filter(|name| name.len() <= 255).unwrap_or_default();
        for (bytes, segment) in self.names.tell(address, name, self.now) {
            if let Some(packet) = Packet::read(&bytes) {
                self.datagram(&packet, segment);
            }
        }
    }

    /// Forgets an association; JavaScript ends the connection that keeps it open at the proxy.
    fn end(&mut self, id: Id) {
        if self.associations.remove(id).is_some() {
            self.events.push(event::ENDED, id, |_| {});
        }
        self.meter.associations.set(self.associations.count());
    }

    /// Fails when the device is gone.
    fn read_device(&mut self, scratch: &mut [u8]) -> io::Result<()> {
        for _ in 0..PACKETS_PER_TURN {
            match io::read(&self.file, &mut *scratch) {
                Ok(count) => self.packet(scratch.get(..count).unwrap_or_default()),
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
        self.flush();
        Ok(())
    }

    fn packet(&mut self, bytes: &[u8]) {
        let Some((vnet, bytes)) = bytes.split_first_chunk::<VNET>() else {
            return self.meter.dropped_packets.add(1);
        };
        let Some(packet) = Packet::read(bytes) else {
            return self.meter.dropped_packets.add(1);
        };
        if is_for_many(packet.target) {
            return self.meter.dropped_packets.add(1);
        }
        match packet.protocol {
            UDP if !packet.is_fragment => {
                let joined = vnet[1] & 0x7f == JOINED_DATAGRAMS;
                let segment = usize::from(u16::from_ne_bytes([vnet[4], vnet[5]]));
                self.datagram(&packet, if joined { segment } else { 0 });
            }
            TCP if !packet.is_fragment => self.reset(&packet),
            // Neighbours and routers are looked for in vain on a device that has none.
            ICMPV6 if matches!(packet.payload.first(), Some(130..=143)) => self.meter.dropped_packets.add(1),
            ICMP | ICMPV6 => self.answer(&packet, Why::Prohibited),
            _ => self.answer(&packet, Why::Prohibited),
        }
    }

    /// `segment`: the length of each of the datagrams that came as one; 0 for a single one.
    fn datagram(&mut self, packet: &Packet, segment: usize) {
        let Some((head, data)) = packet.payload.split_first_chunk::<UDP_HEADER>() else {
            return self.meter.dropped_packets.add(1);
        };
        match self.datagrams {
            Datagrams::Refused => return self.answer(packet, Why::Port),
            Datagrams::Held => return self.meter.dropped_packets.add(1),
            Datagrams::Carried => {}
        }
        let length = usize::from(u16::from_be_bytes([head[4], head[5]]));
        let data = match length.checked_sub(UDP_HEADER) {
            Some(length) if segment == 0 => data.get(..length).unwrap_or(data),
            _ => data,
        };
        let source = SocketAddr::new(packet.source, u16::from_be_bytes([head[0], head[1]]));
        let target = SocketAddr::new(packet.target, u16::from_be_bytes([head[2], head[3]]));
        let id = match self.associations.find_or_make(source, self.now) {
            Found::Known(id) => id,
            Found::New(id, gone) => {
                if let Some(gone) = gone {
                    self.events.push(event::ENDED, gone, |_| {});
                }
                self.events.push(event::ASSOCIATE, id, |_| {});
                self.meter.associations.set(self.associations.count());
                id
            }
            Found::Full => return self.meter.dropped_packets.add(1),
        };
        let now = self.now;
        let Some(association) = self.associations.get(id) else {
            return;
        };
        association.used_at = now;
        match &mut association.state {
            State::Open(_) => {}
            State::Refused(_) => return self.answer(packet, Why::Port),
            State::Asked(waiting) => {
                if !waiting.keep(packet.bytes, segment) {
                    self.meter.dropped_packets.add(1);
                }
                return;
            }
        }
        let is_last = association.last.as_ref().is_some_and(|(last, _)| *last == target);
        if !is_last || is_fake(target.ip()) {
            match self.header(id, target, packet, segment) {
                Some(header) => {
                    if let Some(association) = self.associations.get(id) {
                        association.last = Some((target, header));
                    }
                }
                None => return,
            }
        }
        self.send(id, packet, data, segment);
    }

    /// The header for datagrams to this target. None: there is none now, and the packet was kept, answered or dropped.
    fn header(&mut self, id: Id, target: SocketAddr, packet: &Packet, segment: usize) -> Option<Vec<u8>> {
        let mut header = Vec::new();
        if !is_fake(target.ip()) {
            socks_datagram::put_header(&mut header, &Peer::Address(target));
            return Some(header);
        }
        match self.names.of(target.ip(), self.now, packet.bytes, segment) {
            Name::Is(name) => {
                if let Some(association) = self.associations.get(id) {
                    association.remember(target, name);
                }
                let peer = Peer::Name(name.to_vec(), target.port());
                socks_datagram::put_header(&mut header, &peer);
                return Some(header);
            }
            Name::Nobody => self.answer(packet, Why::Port),
            Name::Asked { ask } => {
                if ask {
                    let text = target.ip().to_string();
                    let nobody = Id {
                        index: 0,
                        generation: 0,
                    };
                    self.events
                        .push(event::NAME, nobody, |out| put_bytes(out, text.as_bytes()));
                }
            }
            Name::Full => self.meter.dropped_packets.add(1),
        }
        None
    }

    fn send(&mut self, id: Id, packet: &Packet, data: &[u8], segment: usize) {
        let Some(association) = self.associations.get(id) else {
            return;
        };
        let (State::Open(relay), Some((_, header))) = (&mut association.state, &association.last) else {
            return;
        };
        let size = if segment == 0 { data.len() } else { segment };
        if packet.is_whole && size > ALWAYS_SMALL {
            let longest = relay.longest(self.now).saturating_sub(header.len() as u32);
            if size as u32 > longest {
                let headers = UDP_HEADER as u32 + if packet.source.is_ipv4() { 20 } else { 40 };
                return self.answer(packet, Why::TooBig(longest + headers));
            }
        }
        let header = std::mem::take(&mut association.last);
        if let Some((_, header)) = &header {
            if data.is_empty() {
                self.push(id, header, data);
            }
            for part in data.chunks(size.max(1)) {
                self.push(id, header, part);
            }
        }
        if let Some(association) = self.associations.get(id) {
            association.last = header;
        }
    }

    fn push(&mut self, id: Id, header: &[u8], data: &[u8]) {
        let length = header.len() + data.len();
        let batch = &self.batch;
        let fits = batch.to == Some(id)
            && !batch.is_closed
            && length <= batch.segment
            && batch.count < MAX_SEGMENTS
            && batch.bytes.len() + length <= MAX_JOINED;
        if !fits {
            self.flush();
            self.batch.to = Some(id);
            self.batch.segment = length;
        }
        let batch = &mut self.batch;
        batch.is_closed = length < batch.segment;
        batch.bytes.extend_from_slice(header);
        batch.bytes.extend_from_slice(data);
        batch.count += 1;
        self.meter.sent_bytes.add(data.len());
    }

    fn flush(&mut self) {
        let mut batch = std::mem::take(&mut self.batch);
        if let Some(id) = batch.to.take()
            && let Some(association) = self.associations.get(id)
            && let State::Open(relay) = &mut association.state
        {
            let taken = relay.send(&batch.bytes, batch.segment);
            self.meter.sent_datagrams.add(taken);
            self.meter.dropped_packets.add(batch.count.saturating_sub(taken));
        }
        batch.bytes.clear();
        batch.count = 0;
        batch.is_closed = false;
        self.batch = batch;
    }

    fn receive(&mut self, id: Id, scratch: &mut [u8]) {
        for _ in 0..RECEIVES_PER_TURN {
            let Some(association) = self.associations.get(id) else {
                return;
            };
            let State::Open(relay) = &association.state else {
                return;
            };
            let (count, segment) = match relay.receive(scratch) {
                Received::Bytes(count, segment) => (count, segment),
                Received::Nothing => return,
                Received::Dead => return self.end(id),
            };
            association.used_at = self.now;
            self.deliver(id, scratch.get(..count).unwrap_or_default(), segment);
        }
    }

    fn deliver(&mut self, id: Id, bytes: &[u8], segment: usize) {
        let mut delivery = Delivery::default();
        let Some(source) = self.associations.get(id).map(|one| one.source) else {
            return;
        };
        for datagram in bytes.chunks(segment) {
            let association = self.associations.get(id);
            let read = socks_datagram::read(datagram);
            let from = association
                .zip(read.as_ref())
                .and_then(|(one, (peer, _))| one.known_as(peer));
            let (Some((_, data)), Some(from)) = (read, from) else {
                self.meter.dropped_packets.add(1);
                continue;
            };
            // Nobody of the other family was sent to.
            if from.is_ipv4() != source.is_ipv4() {
                self.meter.dropped_packets.add(1);
                continue;
            }
            let fits = self.joins_datagrams
                && delivery.from == Some(from)
                && !delivery.is_closed
                && data.len() <= delivery.segment
                && delivery.count < MAX_SEGMENTS
                && delivery.bytes.len() + data.len() <= MAX_JOINED;
            if !fits {
                self.put(&mut delivery, source);
                delivery.from = Some(from);
                delivery.segment = data.len();
            }
            delivery.is_closed = data.len() < delivery.segment;
            delivery.bytes.extend_from_slice(data);
            delivery.count += 1;
        }
        self.put(&mut delivery, source);
    }

    /// Gives the machine the datagrams, as one packet where they are several; its kernel sums and parts them.
    fn put(&mut self, delivery: &mut Delivery, to: SocketAddr) {
        let Some(from) = delivery.from.take() else { return };
        let length = UDP_HEADER + delivery.bytes.len();
        let mut out = std::mem::take(&mut self.out);
        out.clear();
        out.extend_from_slice(&[0; VNET]);
        put_ip(&mut out, from.ip(), to.ip(), UDP, length);
        let ip = (out.len() - VNET) as u16;
        out.extend_from_slice(&from.port().to_be_bytes());
        out.extend_from_slice(&to.port().to_be_bytes());
        out.extend_from_slice(&(length as u16).to_be_bytes());
        let sum = folded(pseudo_sum(from.ip(), to.ip(), UDP, length));
        out.extend_from_slice(&sum.to_be_bytes());
        out.extend_from_slice(&delivery.bytes);
        if let Some(vnet) = out.first_chunk_mut::<VNET>() {
            vnet[0] = NEEDS_CHECKSUM;
            if delivery.count > 1 {
                vnet[1] = JOINED_DATAGRAMS;
                [vnet[2], vnet[3]] = (ip + UDP_HEADER as u16).to_ne_bytes();
                [vnet[4], vnet[5]] = (delivery.segment as u16).to_ne_bytes();
            }
            [vnet[6], vnet[7]] = ip.to_ne_bytes();
            [vnet[8], vnet[9]] = UDP_CHECKSUM.to_ne_bytes();
        }
        if io::write(&self.file, &out).is_ok() {
            self.meter.received_datagrams.add(delivery.count);
            self.meter.received_bytes.add(delivery.bytes.len());
        } else {
            self.meter.dropped_packets.add(delivery.count);
        }
        self.out = out;
        delivery.bytes.clear();
        delivery.count = 0;
        delivery.is_closed = false;
    }

    fn answer(&mut self, packet: &Packet, why: Why) {
        self.reply(|out| put_error(out, packet, why));
    }

    fn reset(&mut self, packet: &Packet) {
        self.reply(|out| put_reset(out, packet));
    }

    fn reply(&mut self, put: impl FnOnce(&mut Vec<u8>)) {
        if self.refusals_left == 0 {
            return self.meter.dropped_packets.add(1);
        }
        let mut out = std::mem::take(&mut self.out);
        out.clear();
        out.extend_from_slice(&[0; VNET]);
        put(&mut out);
        if out.len() > VNET && io::write(&self.file, &out).is_ok() {
            self.refusals_left -= 1;
            self.meter.refused_packets.add(1);
        } else {
            self.meter.dropped_packets.add(1);
        }
        self.out = out;
    }

    fn sweep(&mut self) {
        if self.now < self.sweep_at {
            return;
        }
        self.sweep_at = self.now + SWEEP_MS;
        self.refusals_left = REFUSALS_PER_SECOND;
        for id in self.associations.stale(self.now) {
            self.end(id);
        }
    }

    fn tell_of_network(&mut self) {
        if self.network_news && self.now >= self.network_at {
            self.network_news = false;
            self.network_at = self.now + NETWORK_EVERY_MS;
            let nobody = Id {
                index: 0,
                generation: 0,
            };
            self.events.push(event::NETWORK, nobody, |_| {});
        }
    }

    fn hand_over_events(&mut self) {
        if self.events.is_empty() {
            return;
        }
        let events = &mut self.events;
        let (must_tell, backlog) = self.shared.add_events(|queue| events.move_to(queue));
        if must_tell {
            (self.tell)();
        }
        // JavaScript does not follow: nobody new is carried until it does.
        if backlog > MAX_BACKLOG_BYTES {
            self.datagrams = Datagrams::Refused;
        }
    }
}

fn own(number: u32) -> EventData {
    EventData::new_u64(u64::from(number))
}
