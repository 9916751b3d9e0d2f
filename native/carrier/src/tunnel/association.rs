//! One local socket's datagrams, through a UDP association of its own at the proxy (RFC 1928 §7): whatever it sends to
//! whom leaves from one port there, and whoever answers that port is heard.

use std::io::{IoSlice, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::libc;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, getsockopt, recvmsg, sendmsg, setsockopt, sockopt,
};
use rustix::io::{self, Errno};
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};

use crate::sockets::{Moved, write_some};
use crate::tunnel::mark::mark;
use crate::tunnel::socks_datagram::Peer;
use crate::tunnel::waiting::Waiting;

/// What the kernel holds for a relay's socket, in each direction, in bytes.
const SOCKET_BYTES: usize = 4 << 20;
const UDP_HEADER: u32 = 8;
/// How many names one socket's answers are told apart by; the one that was not used for longest is forgotten.
const MAX_FAKES: usize = 64;
const MTU_EVERY_MS: u64 = 1_000;

pub enum State {
    /// JavaScript was asked for a relay; these packets wait for it.
    Asked(Waiting),
    Open(Relay),
    /// There is none. It is not asked for again before this moment.
    Refused(u64),
}

pub struct Association {
    pub source: SocketAddr,
    pub state: State,
    /// When something moved last.
    pub used_at: u64,
    /// Whom the last datagram was to, and the header that it had.
    pub last: Option<(SocketAddr, Vec<u8>)>,
    fakes: Vec<Fake>,
}

/// A name that was sent to, and the address that the socket knows it by.
struct Fake {
    address: SocketAddr,
    name: Vec<u8>,
    /// Where its answers came from.
    real: Option<SocketAddr>,
}

impl Association {
    pub fn new(source: SocketAddr, now: u64) -> Self {
        Association {
            source,
            state: State::Asked(Waiting::default()),
            used_at: now,
            last: None,
            fakes: Vec::new(),
        }
    }

    /// Keeps the address that the socket knows a name by.
    pub fn remember(&mut self, address: SocketAddr, name: &[u8]) {
        let known = self.fakes.iter().position(|one| one.address == address);
        let mut fake = match known {
            Some(at) => self.fakes.remove(at),
            None => Fake {
                address,
                name: Vec::new(),
                real: None,
            },
        };
        if fake.name != name {
            fake.name = name.to_vec();
            fake.real = None;
        }
        if self.fakes.len() >= MAX_FAKES {
            self.fakes.remove(0);
        }
        self.fakes.push(fake);
    }

    /// Whom the socket takes a datagram from this peer to be from: the fake address when it was sent to a name. Which
    /// name an address belongs to, a proxy does not say: it is the one sent to last, of those with that port, that has
    /// no other address.
    pub fn known_as(&mut self, peer: &Peer) -> Option<SocketAddr> {
        match peer {
            Peer::Name(name, port) => self
                .fakes
                .iter()
                .find(|one| one.name == *name && one.address.port() == *port)
                .map(|one| one.address),
            Peer::Address(address) => {
                if let Some(fake) = self.fakes.iter().find(|one| one.real == Some(*address)) {
                    return Some(fake.address);
                }
                let mut unmet = self.fakes.iter_mut().rev();
                let fake = unmet.find(|one| one.real.is_none() && one.address.port() == address.port());
                let Some(fake) = fake else {
                    return Some(*address);
                };
                fake.real = Some(*address);
                Some(fake.address)
            }
        }
    }
}

/// The socket that speaks with the proxy's relay.
pub struct Relay {
    pub socket: OwnedFd,
    is_ipv4: bool,
    mtu: u32,
    mtu_at: u64,
    /// The way to the relay does not take several datagrams as one.
    one_by_one: bool,
}

impl Relay {
    /// Fails when the socket cannot be marked: then nothing may be sent.
    pub fn open(address: SocketAddr, value: u32) -> io::Result<Relay> {
        let is_ipv4 = address.is_ipv4();
        let family = if is_ipv4 {
            AddressFamily::INET
        } else {
            AddressFamily::INET6
        };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(family, SocketType::DGRAM, flags, None)?;
        mark(&socket, value)?;
        // Without them it only loses more.
        let _ = setsockopt(&socket, sockopt::RcvBufForce, &SOCKET_BYTES);
        let _ = setsockopt(&socket, sockopt::SndBuf, &SOCKET_BYTES);
        let _ = setsockopt(&socket, sockopt::UdpGroSegment, &true);
        connect(&socket, &address)?;
        Ok(Relay {
            socket,
            is_ipv4,
            mtu: 0,
            mtu_at: 0,
            one_by_one: false,
        })
    }

    /// The longest datagram, its SOCKS5 header included, that goes to the relay in one piece.
    pub fn longest(&mut self, now: u64) -> u32 {
        if self.mtu == 0 || now >= self.mtu_at {
            self.mtu_at = now + MTU_EVERY_MS;
            let known = if self.is_ipv4 {
                getsockopt(&self.socket, sockopt::IpMtu).ok()
            } else {
                getsockopt(&self.socket, Ipv6Mtu).ok()
            };
            self.mtu = known.and_then(|mtu| u32::try_from(mtu).ok()).unwrap_or(1_500);
        }
        let headers = UDP_HEADER + if self.is_ipv4 { 20 } else { 40 };
        self.mtu.saturating_sub(headers)
    }

    /// Sends datagrams of `segment` bytes, the last of which may be shorter. Returns how many the kernel took.
    pub fn send(&mut self, bytes: &[u8], segment: usize) -> usize {
        let segment = segment.max(1);
        if bytes.len() > segment && !self.one_by_one {
            let size = segment as u16;
            let control = [ControlMessage::UdpGsoSegments(&size)];
            let parts = [IoSlice::new(bytes)];
            let sent = sendmsg::<()>(
                self.socket.as_raw_fd(),
                &parts,
                &control,
                MsgFlags::MSG_NOSIGNAL,
                None,
            );
            match sent {
                Ok(_) => return bytes.len().div_ceil(segment),
                Err(nix::Error::EAGAIN) => return 0,
                Err(nix::Error::EIO) => self.one_by_one = true,
                // Longer than the way takes: one by one they are cut into fragments.
                Err(_) => {}
            }
        }
        let mut taken = 0;
        for datagram in bytes.chunks(segment) {
            // An error that an earlier datagram met is told once, in place of sending this one.
            let moved = match write_some(&self.socket, datagram) {
                Moved::Broken(Errno::CONNREFUSED) => write_some(&self.socket, datagram),
                moved => moved,
            };
            match moved {
                Moved::Bytes(_) => taken += 1,
                _ => return taken,
            }
        }
        taken
    }

    /// Reads datagrams, several of the same length as one.
    pub fn receive(&self, buffer: &mut [u8]) -> Received {
        let mut control = nix::cmsg_space!(i32);
        let mut parts = [IoSliceMut::new(buffer)];
        let message = recvmsg::<()>(
            self.socket.as_raw_fd(),
            &mut parts,
            Some(&mut control),
            MsgFlags::MSG_DONTWAIT,
        );
        let message = match message {
            Ok(message) => message,
            Err(nix::errno::Errno::ECONNREFUSED) => return Received::Dead,
            Err(_) => return Received::Nothing,
        };
        let mut segment = message.bytes;
        if let Ok(controls) = message.cmsgs() {
            for one in controls {
                if let ControlMessageOwned::UdpGroSegments(size) = one
                    && size > 0
                {
                    segment = size as usize;
                }
            }
        }
        Received::Bytes(message.bytes, segment.max(1))
    }
}

/// What came of reading from a relay.
pub enum Received {
    /// How many, and the length of each datagram but the last.
    Bytes(usize, usize),
    /// There is nothing now.
    Nothing,
    /// The kernel has been told that nobody takes datagrams there.
    Dead,
}

/// IPV6_MTU, which no library has.
#[derive(Clone, Copy)]
struct Ipv6Mtu;

impl nix::sys::socket::GetSockOpt for Ipv6Mtu {
    type Val = i32;

    fn get<F: std::os::fd::AsFd>(&self, fd: &F) -> nix::Result<i32> {
        let mut value: i32 = 0;
        let mut length = size_of::<i32>() as libc::socklen_t;
        // SAFETY: the kernel writes at most `length` bytes, which `value` has.
        let result = unsafe {
            libc::getsockopt(
                fd.as_fd().as_raw_fd(),
                libc::IPPROTO_IPV6,
                libc::IPV6_MTU,
                (&raw mut value).cast(),
                &raw mut length,
            )
        };
        nix::errno::Errno::result(result).map(|_| value)
    }
}

/// Addresses that stand for names, and mean nothing to anybody else: 198.18.0.0/15 and fd61:746c::/32.
pub fn is_fake(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(ip) => matches!(ip.octets(), [198, 18 | 19, _, _]),
        IpAddr::V6(ip) => matches!(ip.segments(), [0xfd61, 0x746c, ..]),
    }
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn answers_of_names_come_from_the_addresses_that_stand_for_them() {
        let mut association = Association::new(address("198.18.0.1:5000"), 0);
        let (fake, other) = (address("198.18.7.1:443"), address("198.18.7.2:53"));
        association.remember(fake, b"a.example");
        association.remember(other, b"b.example");
        let real = Peer::Address(address("192.0.2.1:443"));
        assert_eq!(association.known_as(&real), Some(fake));
        assert_eq!(association.known_as(&real), Some(fake));
        let named = Peer::Name(b"b.example".to_vec(), 53);
        assert_eq!(association.known_as(&named), Some(other));
        assert_eq!(association.known_as(&Peer::Name(b"c.example".to_vec(), 53)), None);
        let stranger = address("203.0.113.9:9");
        assert_eq!(association.known_as(&Peer::Address(stranger)), Some(stranger));
    }

    #[test]
    fn a_fake_address_that_stands_for_another_name_by_now_has_another_peer() {
        let mut association = Association::new(address("198.18.0.1:5000"), 0);
        let fake = address("198.18.7.1:443");
        association.remember(fake, b"a.example");
        let first = Peer::Address(address("192.0.2.1:443"));
        assert_eq!(association.known_as(&first), Some(fake));
        association.remember(fake, b"b.example");
        assert_eq!(
            association.known_as(&Peer::Address(address("192.0.2.2:443"))),
            Some(fake)
        );
        assert_eq!(association.known_as(&first), Some(address("192.0.2.1:443")));
    }

    #[test]
    fn only_our_own_ranges_are_fake() {
        for (text, fake) in [
            ("198.18.0.9", true),
            ("198.19.255.1", true),
            ("198.20.0.1", false),
            ("fd61:746c:1::5", true),
            ("fd61:746d::5", false),
        ] {
            assert_eq!(is_fake(text.parse().expect("an address")), fake);
        }
    }
}
