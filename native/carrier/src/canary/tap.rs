//! Packet sockets (packet(7)): one that sees what leaves a link, and one that hands a frame to it.

use std::ffi::CString;
use std::io;
use std::mem;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Instant;

use nix::libc;

/// Enough for the headers: what follows is not looked at.
const SNAP: usize = 128;

pub struct Tap {
    socket: OwnedFd,
}

impl Tap {
    /// Sees packets to these addresses, and no others: a busy link must not crowd them out.
    pub fn open(link: &str, addresses: &[IpAddr]) -> io::Result<Self> {
        // Protocol 0 hears nothing until it is bound, and so nothing before the filter is in place.
        let socket = packet_socket(0)?;
        filter(&socket, addresses)?;
        let place = link_address(link, libc::ETH_P_ALL as u16)?;
        // SAFETY: `place` is a sockaddr_ll of that size, which the kernel only reads.
        told(unsafe {
            libc::bind(
                socket.as_raw_fd(),
                (&raw const place).cast(),
                mem::size_of::<libc::sockaddr_ll>() as u32,
            )
        })?;
        Ok(Self { socket })
    }

    /// The next packet that leaves, from its IP header on; `None` when none came until then.
    pub fn next(&self, until: Instant) -> io::Result<Option<Vec<u8>>> {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            let mut poll = libc::pollfd {
                fd: self.socket.as_raw_fd(),
                events: libc::POLLIN,
                revents: 0,
            };
            let wait = i32::try_from(left.as_millis()).unwrap_or(i32::MAX);
            // SAFETY: one pollfd, which lives through the call.
            match told(unsafe { libc::poll(&raw mut poll, 1, wait) }) {
                Ok(0) => return Ok(None),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            if let Some(packet) = self.read()? {
                return Ok(Some(packet));
            }
        }
    }

    /// `None`: it was one that arrived.
    fn read(&self) -> io::Result<Option<Vec<u8>>> {
        let mut bytes = vec![0u8; SNAP];
        // SAFETY: all-zero is a valid sockaddr_ll.
        let mut from: libc::sockaddr_ll = unsafe { mem::zeroed() };
        let mut length = mem::size_of::<libc::sockaddr_ll>() as u32;
        // SAFETY: buffer and address are writable for the lengths given, and live through the call.
        let count = unsafe {
            libc::recvfrom(
                self.socket.as_raw_fd(),
                bytes.as_mut_ptr().cast(),
                bytes.len(),
                libc::MSG_DONTWAIT,
                (&raw mut from).cast(),
                &raw mut length,
            )
        };
        let count = match usize::try_from(count) {
            Ok(count) => count,
            Err(_) => return would_block(io::Error::last_os_error()),
        };
        bytes.truncate(count);
        Ok((from.sll_pkttype == libc::PACKET_OUTGOING).then_some(bytes))
    }
}

fn would_block(error: io::Error) -> io::Result<Option<Vec<u8>>> {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(None),
        _ => Err(error),
    }
}

/// Hands a packet to a link as a broadcast frame; the kernel writes the frame's own header.
/// Returns the error number of the sending; fails when it could not be tried.
pub fn send_frame(link: &str, to: IpAddr, packet: &[u8]) -> io::Result<i32> {
    let protocol = if to.is_ipv4() {
        libc::ETH_P_IP
    } else {
        libc::ETH_P_IPV6
    };
    let socket = packet_socket(0)?;
    let mut place = link_address(link, protocol as u16)?;
    place.sll_halen = 6;
    place.sll_addr = [0xff; 8];
    // SAFETY: packet and address are readable for the lengths given, and live through the call.
    let sent = unsafe {
        libc::sendto(
            socket.as_raw_fd(),
            packet.as_ptr().cast(),
            packet.len(),
            libc::MSG_DONTWAIT,
            (&raw const place).cast(),
            mem::size_of::<libc::sockaddr_ll>() as u32,
        )
    };
    if sent >= 0 {
        return Ok(0);
    }
    Ok(io::Error::last_os_error().raw_os_error().unwrap_or(0))
}

fn packet_socket(protocol: i32) -> io::Result<OwnedFd> {
    let kind = libc::SOCK_DGRAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: plain numbers.
    let fd = told(unsafe { libc::socket(libc::AF_PACKET, kind, protocol) })?;
    // SAFETY: just opened, and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn link_address(link: &str, protocol: u16) -> io::Result<libc::sockaddr_ll> {
    let name = CString::new(link)?;
    // SAFETY: a string that ends with a zero and lives through the call.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    if index == 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: all-zero is a valid sockaddr_ll.
    let mut place: libc::sockaddr_ll = unsafe { mem::zeroed() };
    place.sll_family = libc::AF_PACKET as u16;
    place.sll_protocol = protocol.to_be();
    place.sll_ifindex = i32::try_from(index).map_err(io::Error::other)?;
    Ok(place)
}

/// Accepts packets whose addressee, in the header of IPv4 or the last word of that of IPv6, is one of these.
fn filter(socket: &OwnedFd, addresses: &[IpAddr]) -> io::Result<()> {
    let mut program = Vec::new();
    for address in addresses {
        let (at, word) = match address {
            IpAddr::V4(to) => (16, u32::from(*to)),
            IpAddr::V6(to) => (36, u128::from(*to) as u32),
        };
        let version = if address.is_ipv4() { 0x40 } else { 0x60 };
        program.push(op(libc::BPF_LD | libc::BPF_B | libc::BPF_ABS, 0, 0, 0));
        program.push(op(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, 0, 0, 0xf0));
        program.push(op(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 3, version));
        program.push(op(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, at));
        program.push(op(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, word));
        program.push(op(libc::BPF_RET | libc::BPF_K, 0, 0, SNAP as u32));
    }
    program.push(op(libc::BPF_RET | libc::BPF_K, 0, 0, 0));
    let attached = libc::sock_fprog {
        len: u16::try_from(program.len()).map_err(io::Error::other)?,
        filter: program.as_mut_ptr(),
    };
    // SAFETY: a program of `len` instructions that lives through the call; the kernel copies it.
    told(unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const attached).cast(),
            mem::size_of::<libc::sock_fprog>() as u32,
        )
    })?;
    Ok(())
}

fn op(code: u32, jt: u8, jf: u8, k: u32) -> libc::sock_filter {
    libc::sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    }
}

fn told(result: i32) -> io::Result<i32> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}
