//! The system calls on sockets that more than one part makes.

use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::io::{self, Errno};
use rustix::ioctl::{Getter, Opcode, ioctl};
use rustix::net::sockopt::{
    set_ipv6_v6only, set_socket_linger, set_socket_reuseaddr, set_socket_reuseport, set_tcp_nodelay,
    set_tcp_quickack,
};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, getsockname, listen, recv, send,
    socket_with,
};

pub fn new_socket(address: &SocketAddr) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    socket_with(
        family,
        SocketType::STREAM,
        SocketFlags::NONBLOCK | SocketFlags::CLOEXEC,
        None,
    )
}

pub fn listen_on(address: SocketAddr, backlog: i32, reuse_port: bool) -> io::Result<(OwnedFd, SocketAddr)> {
    let socket = new_socket(&address)?;
    if address.port() != 0 {
        // A free port must be free for everybody: with this, one could be chosen on which listening then fails.
        set_socket_reuseaddr(&socket, true)?;
    }
    if reuse_port {
        set_socket_reuseport(&socket, true)?;
    }
    if address.is_ipv6() {
        // As Node's own servers: `::` is every address of both families.
        set_ipv6_v6only(&socket, false)?;
    }
    // Accepted sockets inherit it.
    set_tcp_nodelay(&socket, true)?;
    bind(&socket, &address)?;
    listen(&socket, backlog)?;
    let bound = local_address(&socket).unwrap_or(address);
    Ok((socket, bound))
}

/// Lets acknowledgements wait for the next words of this side, from the first ones on: a packet less each.
/// Only where this side speaks next, or the other one might wait for them (40 ms, tcp(7) TCP_QUICKACK).
pub fn acknowledge_with_answers(socket: &OwnedFd) {
    let _ = set_tcp_quickack(socket, false);
}

pub fn local_address(socket: impl AsFd) -> Option<SocketAddr> {
    SocketAddr::try_from(getsockname(socket).ok()?).ok()
}

/// Has the socket closed with RST, when it is closed, so that the other side sees that this is no clean end.
pub fn reset(socket: &OwnedFd) {
    let _ = set_socket_linger(socket, Some(Duration::ZERO));
}

const SIOCOUTQ: Opcode = 0x5411;

/// How many bytes were written and are not acknowledged by the other side's system; 0 when the system cannot say.
pub fn unacknowledged(socket: &OwnedFd) -> i32 {
    // SAFETY: SIOCOUTQ writes one int and changes nothing.
    unsafe { ioctl(socket, Getter::<SIOCOUTQ, i32>::new()) }.unwrap_or(0)
}

/// What came of trying to read or to write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Moved {
    Bytes(usize),
    /// Not now.
    Blocked,
    /// The other side has ended its half.
    Ended,
    /// The connection is broken.
    Broken(Errno),
}

pub fn read_some(socket: impl AsFd, buffer: &mut [u8]) -> Moved {
    loop {
        match recv(&socket, &mut *buffer, RecvFlags::empty()) {
            Ok((0, _)) => return Moved::Ended,
            Ok((count, _)) => return Moved::Bytes(count),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Moved::Blocked,
            Err(error) => return Moved::Broken(error),
        }
    }
}

pub fn write_some(socket: impl AsFd, bytes: &[u8]) -> Moved {
    loop {
        match send(&socket, bytes, SendFlags::NOSIGNAL) {
            Ok(count) => return Moved::Bytes(count),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Moved::Blocked,
            Err(error) => return Moved::Broken(error),
        }
    }
}
