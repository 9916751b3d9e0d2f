//! Sends one canary, without a mark and bound to one link.

use std::ffi::OsString;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, SockaddrStorage, connect, getsockname, send, setsockopt,
    socket, sockopt,
};

use super::packet::{Flow, UDP, datagram, flow_of};
use super::tap;

const TCP: u8 = 6;
/// The source port of raw canaries: below those that the system gives away, and no service of UDP has it.
const RAW_PORT: u16 = 1;

pub struct Sent {
    flow: Flow,
    pub errno: i32,
    /// Kept until the round is over: a TCP socket that is closed sends no more.
    _socket: Option<OwnedFd>,
}

impl Sent {
    /// Fails when the canary cannot even be made; that it could not be sent is its outcome.
    pub fn send(link: &str, kind: &str, to: IpAddr, port: u16) -> io::Result<Self> {
        match kind {
            "raw" => raw(link, to, port),
            "tcp" => from_socket(link, SockType::Stream, TCP, to, port),
            "udp" => from_socket(link, SockType::Datagram, UDP, to, port),
            other => Err(io::Error::other(format!("there is no canary of kind {other}"))),
        }
    }

    pub fn is(&self, packet: &[u8]) -> bool {
        flow_of(packet) == Some(self.flow)
    }
}

fn raw(link: &str, to: IpAddr, port: u16) -> io::Result<Sent> {
    let flow = Flow {
        protocol: UDP,
        to,
        from_port: RAW_PORT,
        to_port: port,
    };
    let errno = tap::send_frame(link, to, &datagram(flow))?;
    Ok(Sent {
        flow,
        errno,
        _socket: None,
    })
}

fn from_socket(link: &str, kind: SockType, protocol: u8, to: IpAddr, port: u16) -> io::Result<Sent> {
    let family = if to.is_ipv4() {
        AddressFamily::Inet
    } else {
        AddressFamily::Inet6
    };
    let mut flow = Flow {
        protocol,
        to,
        from_port: 0,
        to_port: port,
    };
    let socket = match socket(
        family,
        kind,
        SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC,
        None,
    ) {
        Ok(socket) => socket,
        // A machine without IPv6 has no such way out.
        Err(error @ nix::Error::EAFNOSUPPORT) => {
            return Ok(Sent {
                flow,
                errno: error as i32,
                _socket: None,
            });
        }
        Err(error) => return Err(error.into()),
    };
    setsockopt(&socket, sockopt::BindToDevice, &OsString::from(link))?;
    let address = SockaddrStorage::from(SocketAddr::new(to, port));
    let connected = connect(socket.as_raw_fd(), &address);
    // The port is the socket's whether or not the first packet was let out.
    flow.from_port = port_of(&socket)?;
    let result = match (kind, connected) {
        (SockType::Datagram, Ok(())) => {
            send(socket.as_raw_fd(), b"atlantic canary", MsgFlags::empty()).map(drop)
        }
        (_, Err(nix::Error::EINPROGRESS)) => Ok(()),
        (_, result) => result,
    };
    Ok(Sent {
        flow,
        errno: result.map_or_else(|error| error as i32, |()| 0),
        _socket: Some(socket),
    })
}

fn port_of(socket: &OwnedFd) -> io::Result<u16> {
    let own: SockaddrStorage = getsockname(socket.as_raw_fd())?;
    let port4 = own.as_sockaddr_in().map(|address| address.port());
    Ok(port4
        .or_else(|| own.as_sockaddr_in6().map(|address| address.port()))
        .unwrap_or(0))
}
