//! A flow that the firewall diverts to a listener of ours (nft redirect): it is asked where it was going to, and
//! dialled at once as JavaScript has decided in advance, or decides now, before the client says anything: in some
//! protocols the server speaks first.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use nix::sys::socket::{getsockopt, sockopt};
use rustix::event::epoll::EventFlags;

use crate::client::{CLIENT, Client};
use crate::driver::{Cx, Driver, Next};
use crate::protocol::event;
use crate::sockets::{local_address, reset};
use crate::tunnel::Standing;
use crate::wire::{Reader, put_bytes, put_u32};

pub struct Diverted {
    socket: Option<OwnedFd>,
    address: SocketAddr,
    listener: u32,
    standing: Option<Arc<Standing>>,
}

impl Diverted {
    pub fn new(socket: OwnedFd, address: SocketAddr, listener: u32, standing: Option<Arc<Standing>>) -> Self {
        Diverted {
            socket: Some(socket),
            address,
            listener,
            standing,
        }
    }
}

impl Driver for Diverted {
    fn start(&mut self, cx: &mut Cx) -> Next {
        let Some(socket) = self.socket.take() else {
            return Next::End;
        };
        let target = target_of(&socket).filter(|target| Some(*target) != local_address(&socket).map(plain));
        let watched = cx.watch(&socket, CLIENT, false).is_ok();
        // Whoever connects to the listener by itself is going nowhere.
        let Some(target) = target.filter(|_| watched) else {
            reset(&socket);
            return Next::End;
        };
        if let Some(local) = local_address(&socket) {
            cx.parts.diverts.begin(cx.id, plain(local), plain(self.address));
        }
        let (from, listener) = (plain(self.address), self.listener);
        let describe = |standing: u32| {
            move |out: &mut Vec<u8>| {
                put_u32(out, listener);
                put_u32(out, standing);
                for address in [from, target] {
                    put_u32(out, u32::from(address.port()));
                    put_bytes(out, address.ip().to_string().as_bytes());
                }
            }
        };
        let client = Client::paused(socket);
        if let Some(standing) = self.standing.take()
            && let Some(plan) = standing.plan_to(target)
        {
            cx.tell_later(event::DIVERTED, describe(standing.number));
            return client.carry_unasked(plan, standing.idle_ms, standing.half_open_idle_ms);
        }
        cx.tell(event::DIVERTED, describe(0));
        Next::Become(Box::new(client))
    }

    fn ready(&mut self, _cx: &mut Cx, _socket: u8, _flags: EventFlags) -> Next {
        Next::Stay
    }

    fn command(&mut self, _cx: &mut Cx, _verb: u32, _body: &mut Reader) -> Next {
        Next::Stay
    }
}

/// Where a connection was going to before it was diverted; the firewall's connection tracking knows.
fn target_of(socket: &OwnedFd) -> Option<SocketAddr> {
    let is_ipv4 = plain(local_address(socket)?).is_ipv4();
    if is_ipv4 {
        let address = getsockopt(socket, sockopt::OriginalDst).ok()?;
        let ip = u32::from_be(address.sin_addr.s_addr);
        let port = u16::from_be(address.sin_port);
        return Some(SocketAddrV4::new(ip.into(), port).into());
    }
    let address = getsockopt(socket, sockopt::Ip6tOriginalDst).ok()?;
    let ip = Ipv6Addr::from(address.sin6_addr.s6_addr);
    Some(SocketAddrV6::new(ip, u16::from_be(address.sin6_port), 0, 0).into())
}

/// An IPv4 address that a socket of both families has, as one.
fn plain(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V6(ip) => match ip.to_ipv4_mapped() {
            Some(ip) => SocketAddr::new(ip.into(), address.port()),
            None => SocketAddrV6::new(ip, address.port(), 0, 0).into(),
        },
        IpAddr::V4(_) => address,
    }
}
