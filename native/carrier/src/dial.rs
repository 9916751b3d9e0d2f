//! Reaches a target as a plan says: races addresses (RFC 8305) and asks a proxy with CONNECT or SOCKS5.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

use nix::sys::socket::{setsockopt, sockopt};
use rustix::event::epoll::EventFlags;
use rustix::io::{self, Errno};
use rustix::net::sockopt::{set_socket_reuseaddr, set_tcp_nodelay, socket_error};
use rustix::net::{bind, connect};

use crate::driver::Cx;
use crate::protocol::{Reason, Stage};
use crate::sockets::{Moved, acknowledge_with_answers, new_socket, read_some, write_some};
use crate::tunnel::{mark, put_address};
use crate::wire::Reader;

/// RFC 8305 section 5: how long one address may try before the next one starts beside it.
const ATTEMPT_DELAY_MS: u64 = 250;
/// The longest answer that a proxy may give to a handshake.
const MAX_ANSWER_BYTES: usize = 16_384;
/// Numbers of sockets are bytes, and the client has one of them.
const MAX_ADDRESSES: usize = 64;

/// A proxy's handshake: what is said, JavaScript wrote; what is heard, is checked here.
#[derive(Clone)]
struct Proxy {
    is_connect: bool,
    /// CONNECT: the request. SOCKS5: greeting, login where there is one, request.
    messages: Vec<Vec<u8>>,
}

impl Proxy {
    /// Of messages that name no target yet; CONNECT: the pieces of the request between which it stands, SOCKS5: all
    /// but the request.
    fn towards(&self, target: SocketAddr) -> Proxy {
        let messages = if self.is_connect {
            vec![self.messages.join(target.to_string().as_bytes())]
        } else {
            let request = std::iter::once(socks5_request(target));
            self.messages.iter().cloned().chain(request).collect()
        };
        Proxy {
            is_connect: self.is_connect,
            messages,
        }
    }
}

/// RFC 1928 section 4.
fn socks5_request(target: SocketAddr) -> Vec<u8> {
    let mut request = vec![5, 1, 0];
    put_address(&mut request, target);
    request
}

#[derive(Clone)]
pub struct Plan {
    addresses: Vec<SocketAddr>,
    local: Option<IpAddr>,
    proxy: Option<Proxy>,
    connect_ms: u64,
    /// Set before anything is sent; 0: none.
    mark: u32,
}

impl Plan {
    /// connect ms, mark, port, local address, addresses, protocol (0 none, 1 CONNECT, 2 SOCKS5), messages.
    pub fn read(body: &mut Reader) -> Option<Plan> {
        let connect_ms = u64::from(body.u32()?);
        let mark = body.u32()?;
        let port = body.u32()? as u16;
        let local = body.text()?.parse().ok();
        let count = body.u32()?;
        let mut addresses = Vec::new();
        for _ in 0..count {
            // Scoped addresses and the like are not for here: nothing but what was checked is dialled.
            let address: IpAddr = body.text()?.parse().ok()?;
            addresses.push(SocketAddr::new(address, port));
        }
        let protocol = body.u32()?;
        let mut messages = Vec::new();
        for _ in 0..body.u32()? {
            messages.push(body.bytes()?.to_vec());
        }
        let proxy = (protocol != 0).then_some(Proxy {
            is_connect: protocol == 1,
            messages,
        });
        let addresses = in_turn(addresses);
        Some(Plan {
            addresses,
            local,
            proxy,
            connect_ms,
            mark,
        })
    }
}

impl Plan {
    /// The same way to this target; see `Proxy::towards`.
    pub fn towards(&self, target: SocketAddr) -> Plan {
        Plan {
            proxy: self.proxy.as_ref().map(|proxy| proxy.towards(target)),
            ..self.clone()
        }
    }
}

/// RFC 8305 section 4: the families take turns, beginning with the first address's.
fn in_turn(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let Some(first) = addresses.first() else {
        return addresses;
    };
    let leading = first.is_ipv4();
    let (mut own, mut other): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|one| one.is_ipv4() == leading);
    own.reverse();
    other.reverse();
    let mut turns = Vec::new();
    while !(own.is_empty() && other.is_empty()) {
        turns.extend(own.pop());
        turns.extend(other.pop());
    }
    turns.truncate(MAX_ADDRESSES);
    turns
}

/// The way to the target.
pub struct Opened {
    pub socket: OwnedFd,
    /// What the kernel's reports of it are numbered.
    pub number: u8,
    /// What the target has said already.
    pub received: Vec<u8>,
    pub readable: bool,
    pub hung_up: bool,
}

pub struct Failure {
    pub stage: Stage,
    pub reason: Reason,
    pub errno: i32,
    /// What the proxy answered, when that is the reason.
    pub answer: Vec<u8>,
}

pub enum Step {
    Pending,
    Connected(Opened),
    Failed(Failure),
}

struct Asking {
    socket: OwnedFd,
    number: u8,
    received: Vec<u8>,
    /// SOCKS5: how many messages were sent, and up to where the answers were read.
    said: usize,
    read: usize,
    hung_up: bool,
}

/// A dial under way. The sockets' events are numbered from 1.
pub struct Dial {
    plan: Plan,
    attempts: Vec<(u8, OwnedFd)>,
    next: usize,
    /// The sockets' numbers begin above it: what is still reported of the dial before is not taken for this one's.
    numbers_from: u8,
    asking: Option<Asking>,
    last_error: i32,
    ends_at: u64,
    next_at: u64,
}

impl Dial {
    /// `before`: how many plans there were for the client before this one.
    pub fn new(plan: Plan, before: u32) -> Self {
        Dial {
            plan,
            attempts: Vec::new(),
            next: 0,
            numbers_from: if before.is_multiple_of(2) {
                0
            } else {
                MAX_ADDRESSES as u8
            },
            asking: None,
            last_error: 0,
            ends_at: 0,
            next_at: 0,
        }
    }

    pub fn start(&mut self, cx: &mut Cx) -> Step {
        self.ends_at = cx.now() + self.plan.connect_ms;
        self.attempt(cx)
    }

    /// Tries the next address; when there is none left and none under way, the last error stands.
    fn attempt(&mut self, cx: &mut Cx) -> Step {
        while let Some(address) = self.plan.addresses.get(self.next).copied() {
            self.next += 1;
            let number = self.numbers_from + self.next as u8;
            match open(cx, address, &self.plan) {
                Ok(socket) => match cx.watch(&socket, number, true) {
                    Ok(()) => {
                        self.attempts.push((number, socket));
                        self.next_at = cx.now() + ATTEMPT_DELAY_MS;
                        self.wait(cx);
                        return Step::Pending;
                    }
                    Err(error) => self.last_error = error.raw_os_error(),
                },
                Err(error) => self.last_error = error.raw_os_error(),
            }
        }
        if !self.attempts.is_empty() {
            self.wait(cx);
            return Step::Pending;
        }
        let reason = if self.next == 0 {
            Reason::NoAddress
        } else {
            Reason::Errno
        };
        self.failed(reason, self.last_error)
    }

    fn wait(&self, cx: &mut Cx) {
        let more = self.asking.is_none() && self.next < self.plan.addresses.len();
        cx.set_deadline(if more {
            self.next_at.min(self.ends_at)
        } else {
            self.ends_at
        });
    }

    fn failed(&mut self, reason: Reason, errno: i32) -> Step {
        let (stage, answer) = match self.asking.take() {
            Some(asking) => (Stage::Ask, asking.received),
            None => (Stage::Reach, Vec::new()),
        };
        self.attempts.clear();
        Step::Failed(Failure {
            stage,
            reason,
            errno,
            answer,
        })
    }

    pub fn deadline(&mut self, cx: &mut Cx) -> Step {
        if cx.now() >= self.ends_at {
            return self.failed(Reason::Timeout, 0);
        }
        self.attempt(cx)
    }

    pub fn ready(&mut self, cx: &mut Cx, number: u8, flags: EventFlags) -> Step {
        if let Some(asking) = &mut self.asking {
            if asking.number != number {
                return Step::Pending;
            }
            asking.hung_up |= flags.contains(EventFlags::RDHUP);
            return self.listen(cx);
        }
        let Some(at) = self.attempts.iter().position(|(own, _)| *own == number) else {
            return Step::Pending;
        };
        if flags.intersects(EventFlags::ERR | EventFlags::HUP) {
            let (_, socket) = self.attempts.swap_remove(at);
            self.last_error = match socket_error(&socket) {
                Ok(Err(error)) => error.raw_os_error(),
                _ => Errno::CONNRESET.raw_os_error(),
            };
            return self.attempt(cx);
        }
        if !flags.contains(EventFlags::OUT) {
            return Step::Pending;
        }
        let (_, socket) = self.attempts.swap_remove(at);
        self.attempts.clear();
        self.connected(cx, socket, number, flags)
    }

    fn connected(&mut self, cx: &mut Cx, socket: OwnedFd, number: u8, flags: EventFlags) -> Step {
        let hung_up = flags.contains(EventFlags::RDHUP);
        if self.plan.proxy.is_none() {
            return Step::Connected(Opened {
                socket,
                number,
                received: Vec::new(),
                readable: flags.contains(EventFlags::IN),
                hung_up,
            });
        }
        self.asking = Some(Asking {
            socket,
            number,
            received: Vec::new(),
            said: 0,
            read: 0,
            hung_up,
        });
        self.wait(cx);
        if let Some(error) = self.say() {
            return self.failed(Reason::Errno, error.raw_os_error());
        }
        if flags.contains(EventFlags::IN) {
            return self.listen(cx);
        }
        Step::Pending
    }

    /// Sends the next message. A new connection takes so few bytes at once.
    fn say(&mut self) -> Option<Errno> {
        let asking = self.asking.as_mut()?;
        let message = self.plan.proxy.as_ref()?.messages.get(asking.said)?;
        asking.said += 1;
        match write_some(&asking.socket, message) {
            Moved::Bytes(count) if count == message.len() => None,
            Moved::Broken(error) => Some(error),
            _ => Some(Errno::NOBUFS),
        }
    }

    fn listen(&mut self, cx: &mut Cx) -> Step {
        loop {
            let Some(asking) = &mut self.asking else {
                return Step::Pending;
            };
            // Read no further than the longest answer: what comes behind it is the target's and may be long.
            let room = (MAX_ANSWER_BYTES + 1)
                .saturating_sub(asking.received.len())
                .max(1);
            let Some(buffer) = cx.parts.scratch.get_mut(..room) else {
                return Step::Pending;
            };
            let full = match read_some(&asking.socket, buffer) {
                Moved::Bytes(count) => {
                    asking
                        .received
                        .extend_from_slice(buffer.get(..count).unwrap_or_default());
                    count == room
                }
                Moved::Blocked => return Step::Pending,
                Moved::Ended => return self.failed(Reason::Ended, 0),
                Moved::Broken(error) => return self.failed(Reason::Errno, error.raw_os_error()),
            };
            loop {
                match self.heard() {
                    Heard::Nothing => break,
                    Heard::Next => {
                        if let Some(error) = self.say() {
                            return self.failed(Reason::Errno, error.raw_os_error());
                        }
                    }
                    Heard::Refused => return self.failed(Reason::Answer, 0),
                    Heard::Granted(used) => return self.granted(used),
                }
            }
            let Some(asking) = &self.asking else {
                return Step::Pending;
            };
            if asking.received.len() > MAX_ANSWER_BYTES {
                return self.failed(Reason::TooLong, 0);
            }
            if !full && !asking.hung_up {
                return Step::Pending;
            }
        }
    }

    fn heard(&mut self) -> Heard {
        let (Some(asking), Some(proxy)) = (&mut self.asking, &self.plan.proxy) else {
            return Heard::Nothing;
        };
        if proxy.is_connect {
            return heard_connect(&asking.received);
        }
        let with_login = proxy.messages.len() == 3;
        let heard = heard_socks5(
            asking.received.get(asking.read..).unwrap_or_default(),
            asking.said,
            with_login,
        );
        match heard {
            Heard::Next => asking.read += 2,
            Heard::Granted(used) => return Heard::Granted(asking.read + used),
            _ => {}
        }
        heard
    }

    fn granted(&mut self, used: usize) -> Step {
        let Some(asking) = self.asking.take() else {
            return Step::Pending;
        };
        let received = asking.received.get(used..).unwrap_or_default().to_vec();
        Step::Connected(Opened {
            socket: asking.socket,
            number: asking.number,
            received,
            readable: true,
            hung_up: asking.hung_up,
        })
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Heard {
    Nothing,
    /// SOCKS5: the next message may be sent.
    Next,
    Refused,
    /// So many bytes were the proxy's.
    Granted(usize),
}

/// RFC 9110 section 9.3.6: any 2xx opens the tunnel.
fn heard_connect(received: &[u8]) -> Heard {
    let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Heard::Nothing;
    };
    let head = received.get(..end).unwrap_or_default();
    let mut lines = head
        .split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let status = lines.next().unwrap_or_default();
    let granted = matches!(
        status,
        [
            b'H',
            b'T',
            b'T',
            b'P',
            b'/',
            b'1',
            b'.',
            b'0' | b'1',
            b' ',
            b'2',
            b'0'..=b'9',
            b'0'..=b'9'
        ] | [
            b'H',
            b'T',
            b'T',
            b'P',
            b'/',
            b'1',
            b'.',
            b'0' | b'1',
            b' ',
            b'2',
            b'0'..=b'9',
            b'0'..=b'9',
            b' ',
            ..
        ]
    );
    if granted
        && lines.all(|line| {
            line.iter()
                .position(|byte| *byte == b':')
                .is_some_and(|at| at > 0)
        })
    {
        return Heard::Granted(end + 4);
    }
    Heard::Refused
}

/// RFC 1928 sections 3 and 6, RFC 1929 section 2; `said` messages have been sent, `bytes` is what was not read yet.
fn heard_socks5(bytes: &[u8], said: usize, with_login: bool) -> Heard {
    let login = if with_login { 2 } else { 0 };
    match (said, bytes) {
        (1, [5, method, ..]) if *method == login => Heard::Next,
        (1, [_, _, ..]) => Heard::Refused,
        (2, [_, 0, ..]) if with_login => Heard::Next,
        (2, [_, _, ..]) if with_login => Heard::Refused,
        (2, _) if with_login => Heard::Nothing,
        (0 | 1, _) => Heard::Nothing,
        (_, [version, ..]) if *version != 5 => Heard::Refused,
        (_, [_, status, ..]) if *status != 0 => Heard::Refused,
        (_, [_, _, _, kind, name, ..]) => {
            let address = match kind {
                1 => 4,
                4 => 16,
                3 => 1 + *name as usize,
                _ => return Heard::Refused,
            };
            let length = 4 + address + 2;
            if bytes.len() >= length {
                Heard::Granted(length)
            } else {
                Heard::Nothing
            }
        }
        _ => Heard::Nothing,
    }
}

/// Ports that the system may give away itself begin above; see the same numbers in native/src/dial-addresses.ts.
const FIRST_PORT: u16 = 16_384;
const PORT_TRIES: usize = 16;

/// A socket that is connecting.
fn open(cx: &mut Cx, address: SocketAddr, plan: &Plan) -> io::Result<OwnedFd> {
    let Some(local) = plan.local else {
        return begin(prepared(&address, plan)?, &address);
    };
    for _ in 0..PORT_TRIES {
        let port = cx.parts.next_port.entry(local).or_insert(FIRST_PORT);
        let from = SocketAddr::new(local, *port);
        *port = port.checked_add(1).unwrap_or(FIRST_PORT);
        match open_from(address, from, plan) {
            Err(Errno::ADDRINUSE | Errno::ADDRNOTAVAIL) => {}
            result => return result,
        }
    }
    let socket = prepared(&address, plan)?;
    let _ = setsockopt(&socket, sockopt::IpBindAddressNoPort, &true);
    bind(&socket, &SocketAddr::new(local, 0))?;
    begin(socket, &address)
}

/// The system searches long for a free port once an address has thousands of closed connections that linger
/// (TIME_WAIT): counting up finds one at once.
fn open_from(address: SocketAddr, from: SocketAddr, plan: &Plan) -> io::Result<OwnedFd> {
    let socket = prepared(&address, plan)?;
    set_socket_reuseaddr(&socket, true)?;
    bind(&socket, &from)?;
    begin(socket, &address)
}

fn prepared(address: &SocketAddr, plan: &Plan) -> io::Result<OwnedFd> {
    let socket = new_socket(address)?;
    mark(&socket, plan.mark)?;
    set_tcp_nodelay(&socket, true)?;
    // A proxy waits for our words; of the target itself nobody knows who speaks first.
    if plan.proxy.is_some() {
        acknowledge_with_answers(&socket);
    }
    Ok(socket)
}

fn begin(socket: OwnedFd, address: &SocketAddr) -> io::Result<OwnedFd> {
    match connect(&socket, address) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;
    use crate::client::CLIENT;

    #[test]
    fn two_dials_in_turn_have_no_socket_number_in_common() {
        let numbers = |before| {
            let plan = Plan::read(&mut Reader::new(&[0; 28])).expect("a plan");
            let from = Dial::new(plan, before).numbers_from;
            (1..=MAX_ADDRESSES as u8).map(move |number| from + number)
        };
        for before in 0..4 {
            assert!(
                numbers(before).all(|one| one != CLIENT && numbers(before + 1).all(|other| other != one))
            );
        }
    }

    #[test]
    fn any_2xx_opens_a_tunnel_and_what_is_behind_it_is_the_targets() {
        let answer = b"HTTP/1.1 200 OK\r\nA: b\r\n\r\nhello";
        assert_eq!(heard_connect(answer), Heard::Granted(answer.len() - 5));
        assert_eq!(heard_connect(b"HTTP/1.0 204\r\n\r\n"), Heard::Granted(16));
        assert_eq!(heard_connect(b"HTTP/1.1 200 OK\r\nA: b\r\n"), Heard::Nothing);
    }

    #[test]
    fn everything_else_is_a_refusal() {
        for answer in [
            &b"HTTP/1.1 407 No\r\n\r\n"[..],
            b"HTTP/2 200 OK\r\n\r\n",
            b"HTTP/1.1 2000\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
            b"SSH-2.0-x\r\n\r\n",
        ] {
            assert_eq!(heard_connect(answer), Heard::Refused);
        }
    }

    #[test]
    fn socks5_goes_step_by_step_with_and_without_a_login() {
        assert_eq!(heard_socks5(&[5], 1, true), Heard::Nothing);
        assert_eq!(heard_socks5(&[5, 2], 1, true), Heard::Next);
        assert_eq!(heard_socks5(&[5, 0], 1, true), Heard::Refused);
        assert_eq!(heard_socks5(&[1, 0], 2, true), Heard::Next);
        assert_eq!(heard_socks5(&[1, 1], 2, true), Heard::Refused);
        assert_eq!(heard_socks5(&[5, 0], 1, false), Heard::Next);
        let reply = [5, 0, 0, 1, 127, 0, 0, 1, 0, 80];
        assert_eq!(heard_socks5(&reply, 3, true), Heard::Granted(10));
        assert_eq!(heard_socks5(&reply, 2, false), Heard::Granted(10));
        for length in 0..reply.len() {
            assert_eq!(
                heard_socks5(reply.get(..length).unwrap_or_default(), 3, true),
                Heard::Nothing
            );
        }
        assert_eq!(heard_socks5(&[5, 5, 0, 1], 3, true), Heard::Refused);
        assert_eq!(heard_socks5(&[5, 0, 0, 9, 0], 3, true), Heard::Refused);
        assert_eq!(
            heard_socks5(&[5, 0, 0, 3, 2, b'a', b'b', 0, 80], 3, true),
            Heard::Granted(9)
        );
    }

    #[test]
    fn a_plan_names_its_target_in_the_protocol_of_the_proxy() {
        let target = |text: &str| text.parse::<SocketAddr>().expect("an address");
        let connect = Proxy {
            is_connect: true,
            messages: [&b"CONNECT "[..], b" HTTP/1.1\r\nHost: ", b"\r\n\r\n"]
                .map(<[u8]>::to_vec)
                .to_vec(),
        };
        assert_eq!(
            connect.towards(target("[2001:db8::1]:443")).messages,
            [b"CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n\r\n".to_vec()]
        );
        let socks5 = Proxy {
            is_connect: false,
            messages: vec![vec![5, 1, 0]],
        };
        assert_eq!(
            socks5.towards(target("192.0.2.1:80")).messages,
            [vec![5, 1, 0], vec![5, 1, 0, 1, 192, 0, 2, 1, 0, 80]]
        );
        let six = socks5.towards(target("[::1]:80")).messages;
        assert_eq!(
            six.last().map(Vec::as_slice),
            Some(&[5, 1, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 80][..])
        );
    }

    #[test]
    fn families_take_turns() {
        let address = |text: &str| SocketAddr::new(text.parse().expect("an address"), 1);
        let order = in_turn(["::1", "::2", "1.1.1.1", "::3"].map(address).to_vec());
        assert_eq!(order, ["::1", "1.1.1.1", "::2", "::3"].map(address));
    }
}
