//! Says to whoever sent a packet that it goes nowhere: ICMP errors (RFC 792, RFC 4443) and TCP resets (RFC 9293).

use std::net::IpAddr;

use crate::tunnel::packet::{ICMP, ICMPV6, Packet, TCP, folded, pseudo_sum, put_ip, sum};

/// How much of the packet an answer quotes: RFC 1812 §4.3.2.3 for IPv4, the smallest MTU less headers for IPv6.
const QUOTED4: usize = 548;
const QUOTED6: usize = 1_232;

/// Why a packet goes nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Nobody takes datagrams on the other side.
    Port,
    /// It is not carried through a proxy at all.
    Prohibited,
    /// It is longer than so many bytes, and must not be cut.
    TooBig(u32),
}

/// Appends the ICMP error for a packet, as from the address that it was going to. Nothing for packets that must not be
/// answered: other errors, and what goes to many.
pub fn put_error(out: &mut Vec<u8>, packet: &Packet, why: Why) {
    if is_for_many(packet.target) || is_icmp_error(packet) {
        return;
    }
    let is_ipv4 = packet.source.is_ipv4();
    let quoted = if is_ipv4 { QUOTED4 } else { QUOTED6 };
    let quoted = packet.bytes.get(..quoted).unwrap_or(packet.bytes);
    let (kind, code, rest) = match (why, is_ipv4) {
        (Why::Port, true) => (3, 3, 0),
        (Why::Prohibited, true) => (3, 13, 0),
        (Why::TooBig(mtu), true) => (3, 4, mtu & 0xffff),
        (Why::Port, false) => (1, 4, 0),
        (Why::Prohibited, false) => (1, 1, 0),
        (Why::TooBig(mtu), false) => (2, 0, mtu),
    };
    let length = 8 + quoted.len();
    let protocol = if is_ipv4 { ICMP } else { ICMPV6 };
    put_ip(out, packet.target, packet.source, protocol, length);
    let start = out.len();
    out.extend_from_slice(&[kind, code, 0, 0]);
    out.extend_from_slice(&rest.to_be_bytes());
    out.extend_from_slice(quoted);
    let first = if is_ipv4 {
        0
    } else {
        pseudo_sum(packet.target, packet.source, protocol, length)
    };
    finish(out, start, 2, first);
}

/// Appends the RST that answers a TCP segment to a connection that is not there (RFC 9293 §3.10.7.1).
pub fn put_reset(out: &mut Vec<u8>, packet: &Packet) {
    let Some(head) = packet.payload.first_chunk::<20>() else {
        return;
    };
    let flags = head[13];
    let (fin, syn, rst, ack) = (flags & 1, flags >> 1 & 1, flags >> 2 & 1, flags & 0x10 != 0);
    if rst == 1 || is_for_many(packet.target) {
        return;
    }
    let [_, _, _, _, s0, s1, s2, s3, a0, a1, a2, a3, offset, ..] = *head;
    let data = packet.payload.len().saturating_sub(usize::from(offset >> 4) * 4) as u32;
    let (sequence, acknowledged, answer) = if ack {
        (u32::from_be_bytes([a0, a1, a2, a3]), 0, 0x04)
    } else {
        let next = u32::from_be_bytes([s0, s1, s2, s3]);
        let next = next
            .wrapping_add(data)
            .wrapping_add(u32::from(syn) + u32::from(fin));
        (0, next, 0x14)
    };
    put_ip(out, packet.target, packet.source, TCP, 20);
    let start = out.len();
    out.extend_from_slice(&[head[2], head[3], head[0], head[1]]);
    out.extend_from_slice(&sequence.to_be_bytes());
    out.extend_from_slice(&acknowledged.to_be_bytes());
    out.extend_from_slice(&[0x50, answer, 0, 0, 0, 0, 0, 0]);
    finish(out, start, 16, pseudo_sum(packet.target, packet.source, TCP, 20));
}

fn finish(out: &mut [u8], start: usize, at: usize, first: u32) {
    let checksum = !folded(sum(out.get(start..).unwrap_or_default(), first));
    if let Some(place) = out.get_mut(start + at..start + at + 2) {
        place.copy_from_slice(&checksum.to_be_bytes());
    }
}

/// Multicast and broadcast.
pub fn is_for_many(target: IpAddr) -> bool {
    match target {
        IpAddr::V4(ip) => ip.is_multicast() || ip.is_broadcast() || ip.is_unspecified(),
        IpAddr::V6(ip) => ip.is_multicast() || ip.is_unspecified(),
    }
}

fn is_icmp_error(packet: &Packet) -> bool {
    match (packet.protocol, packet.payload.first()) {
        (ICMP, Some(kind)) => matches!(kind, 3 | 4 | 5 | 11 | 12),
        (ICMPV6, Some(kind)) => *kind < 128,
        _ => false,
    }
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;
    use crate::tunnel::packet::UDP;

    fn packet(source: &str, target: &str, protocol: u8, payload: &[u8]) -> Vec<u8> {
        let address = |text: &str| text.parse().expect("an address");
        let mut bytes = Vec::new();
        put_ip(
            &mut bytes,
            address(source),
            address(target),
            protocol,
            payload.len(),
        );
        bytes.extend_from_slice(payload);
        bytes
    }

    #[test]
    fn an_error_goes_back_quotes_the_packet_and_sums_to_nothing() {
        for (source, target, protocol) in [
            ("10.0.0.1", "192.0.2.7", ICMP),
            ("fd00::1", "2001:db8::7", ICMPV6),
        ] {
            let sent = packet(source, target, UDP, &[7; 2_000]);
            let sent = Packet::read(&sent).expect("a packet");
            let mut out = Vec::new();
            put_error(&mut out, &sent, Why::TooBig(1_300));
            let answer = Packet::read(&out).expect("an answer");
            assert_eq!(
                (answer.source, answer.target, answer.protocol),
                (sent.target, sent.source, protocol)
            );
            assert!(sent.bytes.starts_with(answer.payload.get(8..).expect("a quote")));
            let first = if protocol == ICMP {
                0
            } else {
                pseudo_sum(answer.source, answer.target, protocol, answer.payload.len())
            };
            assert_eq!(folded(sum(answer.payload, first)), 0xffff);
        }
    }

    #[test]
    fn errors_and_what_goes_to_many_are_not_answered() {
        let mut out = Vec::new();
        let to_many = packet("10.0.0.1", "224.0.0.1", UDP, &[0; 8]);
        put_error(&mut out, &Packet::read(&to_many).expect("a packet"), Why::Port);
        let error = packet("10.0.0.1", "10.0.0.2", ICMP, &[3, 3, 0, 0, 0, 0, 0, 0]);
        put_error(
            &mut out,
            &Packet::read(&error).expect("a packet"),
            Why::Prohibited,
        );
        let reset = packet(
            "10.0.0.1",
            "10.0.0.2",
            TCP,
            &[0, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 4, 0, 0, 0, 0, 0, 0],
        );
        put_reset(&mut out, &Packet::read(&reset).expect("a packet"));
        assert!(out.is_empty());
    }

    #[test]
    fn a_syn_is_answered_with_a_reset_that_acknowledges_it() {
        let syn = [0, 9, 0, 80, 0, 0, 0, 41, 0, 0, 0, 0, 0x50, 2, 0, 0, 0, 0, 0, 0];
        let bytes = packet("10.0.0.1", "192.0.2.7", TCP, &syn);
        let mut out = Vec::new();
        put_reset(&mut out, &Packet::read(&bytes).expect("a packet"));
        let answer = Packet::read(&out).expect("an answer");
        assert_eq!(
            answer.payload.get(..14).expect("a header"),
            [0, 80, 0, 9, 0, 0, 0, 0, 0, 0, 0, 42, 0x50, 0x14]
        );
        let first = pseudo_sum(answer.source, answer.target, TCP, 20);
        assert_eq!(folded(sum(answer.payload, first)), 0xffff);
    }
}
