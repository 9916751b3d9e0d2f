//! Hears from the kernel when a link, an address, a route or a rule of the machine changes (rtnetlink).

use std::os::fd::{AsRawFd, OwnedFd};

use nix::libc;
use nix::sys::socket::{AddressFamily, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, socket};
use rustix::io::{self, Errno};

use crate::sockets::{Moved, read_some};

/// Of `linux/rtnetlink.h`: links, then addresses, routes and rules of each family.
const GROUPS: u32 = 0x1 | 0x10 | 0x40 | 0x80 | 0x100 | 0x400 | 1 << 18;

pub fn watch_network() -> io::Result<OwnedFd> {
    let failure = |error: nix::Error| Errno::from_raw_os_error(error as i32);
    let socket = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkRoute,
    )
    .map_err(failure)?;
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, GROUPS)).map_err(failure)?;
    Ok(socket)
}

/// Reads all messages; what they say is looked up by whoever is told. Returns whether there were any, or any were lost.
pub fn has_news(socket: &OwnedFd, scratch: &mut [u8]) -> bool {
    let mut news = false;
    loop {
        match read_some(socket, scratch) {
            Moved::Bytes(_) => news = true,
            // Too many for the socket's buffer: something has changed for certain.
            Moved::Broken(error) if error.raw_os_error() == libc::ENOBUFS => news = true,
            _ => return news,
        }
    }
}
