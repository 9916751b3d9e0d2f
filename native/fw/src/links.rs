//! The links of this network namespace (rtnetlink).

use crate::netlink::{Attributes, Failure, Message, NLM_F_REQUEST, Reply, Socket};

const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const IFLA_IFNAME: u16 = 3;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const ARPHRD_LOOPBACK: u16 = 772;
/// Bytes of ifinfomsg, which comes before the attributes.
const HEADER: usize = 16;
/// Changes of links (RTNLGRP_LINK, 1) and of their settings (RTNLGRP_IPV4_NETCONF, 24).
const GROUPS: u32 = 1 | 1 << 23;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub index: u32,
    /// As the kernel has it: any bytes, and no text necessarily.
    pub name: Vec<u8>,
    pub loopback: bool,
    /// Leads to containers or virtual machines of this one.
    pub internal: bool,
}

/// A socket that hears of changes.
pub fn open_events() -> std::io::Result<Socket> {
    Socket::open(None, GROUPS)
}

/// A socket for questions.
pub fn open_requests() -> std::io::Result<Socket> {
    Socket::open(None, 0)
}

pub fn list(socket: &mut Socket) -> Result<Vec<Link>, Failure> {
    let request = Message::new(RTM_GETLINK, NLM_F_REQUEST, &[0; HEADER]);
    Ok(socket.list(&request)?.iter().filter_map(link_of).collect())
}

fn link_of(reply: &Reply) -> Option<Link> {
    if reply.kind != RTM_NEWLINK {
        return None;
    }
    let header = reply.body.get(..HEADER)?;
    let attributes = Attributes::new(reply.body.get(HEADER..)?);
    let name = attributes.get(IFLA_IFNAME)?;
    let kind = attributes
        .get(IFLA_LINKINFO)
        .and_then(|info| Attributes::new(info).text(IFLA_INFO_KIND));
    Some(Link {
        index: u32::from_ne_bytes(header.get(4..8)?.try_into().ok()?),
        name: name.strip_suffix(&[0]).unwrap_or(name).to_owned(),
        loopback: u16::from_ne_bytes([header[2], header[3]]) == ARPHRD_LOOPBACK,
        internal: matches!(kind, Some("bridge" | "veth")),
    })
}
