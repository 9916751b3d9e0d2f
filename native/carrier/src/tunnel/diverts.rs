//! The flows that were diverted here and are still open; and what is done about their ends. Flows to different targets
//! look to the kernel like flows between the same two addresses, so a new one that takes the port of one that has
//! ended can be taken for an old packet of it (PAWS, RFC 7323 §5) and waits a second for its second try. Nothing gets
//! lost or late between two sockets of one machine: what remains of an ended flow (TIME_WAIT) can be forgotten.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::libc;
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};
use rustix::net::{SendFlags, send};

use crate::id::Id;
use crate::sockets::{Moved, read_some};

/// Of `linux/sock_diag.h` and `linux/inet_diag.h`.
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const SOCK_DESTROY: u16 = 21;
const NLM_F_REQUEST: u16 = 1;
/// Of `net/tcp_states.h`.
const TCP_TIME_WAIT: u8 = 6;
const TCP_CLOSE: u8 = 7;
const MESSAGE_BYTES: u32 = 72;
/// Where an answer (`struct inet_diag_msg`) has the socket's state and its cookie.
const STATE_AT: usize = 17;
const COOKIE_AT: usize = 60;
const NO_COOKIE: [u8; 8] = [0xff; 8];

/// Local and remote end of a diverted flow's client.
type Ends = (SocketAddr, SocketAddr);

#[derive(Default)]
pub struct Diverts {
    open: HashMap<Id, Ends>,
    netlink: Option<OwnedFd>,
}

impl Diverts {
    pub fn begin(&mut self, id: Id, local: SocketAddr, remote: SocketAddr) {
        if self.netlink.is_none() {
            // Without it, flows wait now and then, as they would anyway.
            self.netlink = socket(
                AddressFamily::Netlink,
                SockType::Datagram,
                SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC,
                SockProtocol::NetlinkSockDiag,
            )
            .ok();
        }
        self.open.insert(id, (local, remote));
    }

    /// Its socket is closed in one way or another.
    pub fn end(&mut self, id: Id) {
        if !self.open.is_empty() {
            self.open.remove(&id);
        }
    }

    /// Both halves of it have ended: forgets what the kernel keeps, but only where everything has arrived.
    pub fn forget(&mut self, id: Id, client: &OwnedFd) {
        if self.open.is_empty() {
            return;
        }
        let Some((local, remote)) = self.open.remove(&id) else {
            return;
        };
        if !is_waiting(client) {
            return;
        }
        let Some(netlink) = &self.netlink else { return };
        // Another flow may have its ports by now: only what is asked about by its cookie is the one that was meant.
        if let Some(cookie) = cookie_of_waiting(netlink, local, remote) {
            let order = question(SOCK_DESTROY, local, remote, cookie);
            let _ = send(netlink, &order, SendFlags::DONTWAIT);
        }
    }
}

/// The kernel answers before the question is sent.
fn cookie_of_waiting(netlink: &OwnedFd, local: SocketAddr, remote: SocketAddr) -> Option<[u8; 8]> {
    let mut answer = [0; 1_024];
    // What was answered to orders.
    while matches!(read_some(netlink, &mut answer), Moved::Bytes(_)) {}
    let question = question(SOCK_DIAG_BY_FAMILY, local, remote, NO_COOKIE);
    send(netlink, &question, SendFlags::DONTWAIT).ok()?;
    let Moved::Bytes(count) = read_some(netlink, &mut answer) else {
        return None;
    };
    let answer = answer.get(..count)?;
    let kind = u16::from_ne_bytes(*answer.get(4..)?.first_chunk()?);
    if kind != SOCK_DIAG_BY_FAMILY || answer.get(STATE_AT) != Some(&TCP_TIME_WAIT) {
        return None;
    }
    answer.get(COOKIE_AT..)?.first_chunk().copied()
}

/// Whether the socket itself is over, and only TIME_WAIT is left of it.
fn is_waiting(client: &OwnedFd) -> bool {
    let mut state: u8 = 0;
    let mut length: libc::socklen_t = 1;
    // SAFETY: the kernel writes at most `length` bytes, which `state` has: the first of `struct tcp_info`.
    let result = unsafe {
        libc::getsockopt(
            client.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut state).cast(),
            &raw mut length,
        )
    };
    result == 0 && state == TCP_CLOSE
}

/// `struct nlmsghdr` and `struct inet_diag_req_v2`.
fn question(kind: u16, local: SocketAddr, remote: SocketAddr, cookie: [u8; 8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(MESSAGE_BYTES as usize);
    out.extend_from_slice(&MESSAGE_BYTES.to_ne_bytes());
    out.extend_from_slice(&kind.to_ne_bytes());
    out.extend_from_slice(&NLM_F_REQUEST.to_ne_bytes());
    out.extend_from_slice(&[0; 8]);
    let family = if local.is_ipv4() {
        libc::AF_INET
    } else {
        libc::AF_INET6
    };
    out.extend_from_slice(&[family as u8, libc::IPPROTO_TCP as u8, 0, 0]);
    out.extend_from_slice(&u32::MAX.to_ne_bytes());
    out.extend_from_slice(&local.port().to_be_bytes());
    out.extend_from_slice(&remote.port().to_be_bytes());
    for address in [local, remote] {
        let mut bytes = [0; 16];
        match address.ip() {
            IpAddr::V4(ip) => {
                for (place, byte) in bytes.iter_mut().zip(ip.octets()) {
                    *place = byte;
                }
            }
            IpAddr::V6(ip) => bytes = ip.octets(),
        }
        out.extend_from_slice(&bytes);
    }
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&cookie);
    out
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn a_question_has_the_length_that_it_says_and_names_both_ends() {
        for (local, remote) in [
            ("127.0.0.1:5000", "198.18.0.1:7"),
            ("[::1]:5000", "[fd61:746c::1]:7"),
        ] {
            let bytes = question(
                SOCK_DESTROY,
                local.parse().expect("an address"),
                remote.parse().expect("an address"),
                NO_COOKIE,
            );
            assert_eq!(bytes.len(), MESSAGE_BYTES as usize);
            assert_eq!(
                bytes.get(24..28).expect("the ports"),
                [5000u16.to_be_bytes(), 7u16.to_be_bytes()].concat()
            );
        }
    }
}
