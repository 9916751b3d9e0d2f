//! Reads packets as the device gives them, and writes what is answered: IPv4 and IPv6, UDP, TCP and ICMP.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub const ICMP: u8 = 1;
pub const TCP: u8 = 6;
pub const UDP: u8 = 17;
pub const ICMPV6: u8 = 58;
/// Extension headers of IPv6 that stand in front of what is carried (RFC 8200 §4).
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const DESTINATION: u8 = 60;

/// An IP packet: what is needed of its header, and where its payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    pub source: IpAddr,
    pub target: IpAddr,
    pub protocol: u8,
    /// It is one of several fragments: there is no whole header of what it carries, or not all of it.
    pub is_fragment: bool,
    /// It must not be cut into fragments.
    pub is_whole: bool,
    /// All of it, as far as it is an IP packet.
    pub bytes: &'a [u8],
    pub payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// None for what is no packet of either version, or is cut short.
    pub fn read(bytes: &'a [u8]) -> Option<Packet<'a>> {
        match bytes.first()? >> 4 {
            4 => Packet::read4(bytes),
            6 => Packet::read6(bytes),
            _ => None,
        }
    }

    fn read4(bytes: &'a [u8]) -> Option<Packet<'a>> {
        let head: &[u8; 20] = bytes.first_chunk()?;
        let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let head_length = usize::from(head[0] & 15) * 4;
        // A packet of many segments may be longer than its field can say.
        let bytes = if length == 0 { bytes } else { bytes.get(..length)? };
        let fragment = u16::from_be_bytes([head[6], head[7]]);
        let [_, _, _, _, _, _, _, _, _, _, _, _, a, b, c, d, e, f, g, h] = *head;
        if head_length < 20 {
            return None;
        }
        Some(Packet {
            source: Ipv4Addr::new(a, b, c, d).into(),
            target: Ipv4Addr::new(e, f, g, h).into(),
            protocol: head[9],
            is_fragment: fragment & 0x3fff != 0,
            is_whole: fragment & 0x4000 != 0,
            bytes,
            payload: bytes.get(head_length..)?,
        })
    }

    fn read6(bytes: &'a [u8]) -> Option<Packet<'a>> {
        let head: &[u8; 40] = bytes.first_chunk()?;
        let length = usize::from(u16::from_be_bytes([head[4], head[5]]));
        let bytes = if length == 0 {
            bytes
        } else {
            bytes.get(..40 + length)?
        };
        let source: [u8; 16] = *head.get(8..)?.first_chunk()?;
        let target: [u8; 16] = *head.get(24..)?.first_chunk()?;
        let mut protocol = head[6];
        let mut payload = bytes.get(40..)?;
        let mut is_fragment = false;
        while matches!(protocol, HOP_BY_HOP | ROUTING | DESTINATION | FRAGMENT) && !is_fragment {
            let start: &[u8; 4] = payload.first_chunk()?;
            let skipped = if protocol == FRAGMENT {
                is_fragment = true;
                8
            } else {
                usize::from(start[1]) * 8 + 8
            };
            protocol = start[0];
            payload = payload.get(skipped..)?;
        }
        Some(Packet {
            source: Ipv6Addr::from(source).into(),
            target: Ipv6Addr::from(target).into(),
            protocol,
            is_fragment,
            is_whole: true,
            bytes,
            payload,
        })
    }
}

/// The Internet checksum (RFC 1071), to be finished with `folded`.
pub fn sum(bytes: &[u8], start: u32) -> u32 {
    let mut total = u64::from(start);
    let mut words = bytes.chunks_exact(2);
    for word in &mut words {
        if let [high, low] = *word {
            total += u64::from(u16::from_be_bytes([high, low]));
        }
    }
    if let [last] = *words.remainder() {
        total += u64::from(last) << 8;
    }
    while total > 0xffff_ffff {
        total = (total & 0xffff_ffff) + (total >> 32);
    }
    total as u32
}

/// Folded to 16 bits, not complemented: what a header has whose checksum is left to whoever sends it.
pub fn folded(mut total: u32) -> u16 {
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    total as u16
}

/// The sum over the pseudo header (RFC 768, RFC 8200 §8.1).
pub fn pseudo_sum(source: IpAddr, target: IpAddr, protocol: u8, length: usize) -> u32 {
    let numbers = u32::from(protocol) + (length as u32 >> 16) + (length as u32 & 0xffff);
    let of = |address: IpAddr, start| match address {
        IpAddr::V4(ip) => sum(&ip.octets(), start),
        IpAddr::V6(ip) => sum(&ip.octets(), start),
    };
    of(target, of(source, numbers))
}

/// Writes an IP header for a payload of so many bytes. The addresses are of one family.
pub fn put_ip(out: &mut Vec<u8>, source: IpAddr, target: IpAddr, protocol: u8, payload: usize) {
    match (source, target) {
        (IpAddr::V4(source), IpAddr::V4(target)) => {
            let start = out.len();
            let [high, low] = ((payload + 20) as u16).to_be_bytes();
            out.extend_from_slice(&[0x45, 0, high, low, 0, 0, 0, 0, 64, protocol, 0, 0]);
            out.extend_from_slice(&source.octets());
            out.extend_from_slice(&target.octets());
            let checksum = !folded(sum(out.get(start..).unwrap_or_default(), 0));
            if let Some(place) = out.get_mut(start + 10..start + 12) {
                place.copy_from_slice(&checksum.to_be_bytes());
            }
        }
        (IpAddr::V6(source), IpAddr::V6(target)) => {
            let [high, low] = (payload as u16).to_be_bytes();
            out.extend_from_slice(&[0x60, 0, 0, 0, high, low, protocol, 64]);
            out.extend_from_slice(&source.octets());
            out.extend_from_slice(&target.octets());
        }
        _ => {}
    }
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn what_is_written_reads_the_same_and_sums_to_nothing() {
        for (source, target) in [("10.0.0.1", "192.0.2.7"), ("fd00::1", "2001:db8::7")] {
            let (source, target) = (address(source), address(target));
            let mut bytes = Vec::new();
            put_ip(&mut bytes, source, target, UDP, 3);
            bytes.extend_from_slice(b"abc");
            let packet = Packet::read(&bytes).expect("a packet");
            assert_eq!((packet.source, packet.target), (source, target));
            assert_eq!((packet.protocol, packet.payload), (UDP, &b"abc"[..]));
            assert!(!packet.is_fragment);
            if source.is_ipv4() {
                assert_eq!(folded(sum(bytes.get(..20).expect("a header"), 0)), 0xffff);
            }
        }
    }

    #[test]
    fn what_is_cut_short_is_no_packet() {
        let mut bytes = Vec::new();
        put_ip(&mut bytes, address("10.0.0.1"), address("10.0.0.2"), TCP, 20);
        bytes.extend_from_slice(&[0; 20]);
        for length in 0..bytes.len() {
            assert_eq!(Packet::read(bytes.get(..length).expect("its front")), None);
        }
        assert!(Packet::read(&bytes).is_some());
    }

    #[test]
    fn extension_headers_are_passed_over_and_fragments_known() {
        let mut bytes = Vec::new();
        put_ip(&mut bytes, address("fd00::1"), address("fd00::2"), HOP_BY_HOP, 17);
        bytes.extend_from_slice(&[FRAGMENT, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend_from_slice(&[UDP, 0, 0, 1, 0, 0, 0, 9]);
        bytes.push(7);
        let packet = Packet::read(&bytes).expect("a packet");
        assert_eq!(
            (packet.protocol, packet.is_fragment, packet.payload),
            (UDP, true, &[7][..])
        );
    }

    #[test]
    fn no_bytes_whatever_make_it_panic() {
        let mut state = 1u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as usize
        };
        for _ in 0..200_000 {
            let length = random() % 80;
            let mut bytes: Vec<u8> = (0..length).map(|_| random() as u8).collect();
            if let Some(first) = bytes.first_mut() {
                *first = if random() % 2 == 0 { 0x45 } else { 0x60 };
            }
            if let Some(packet) = Packet::read(&bytes) {
                assert!(packet.payload.len() <= bytes.len());
            }
        }
    }
}
