//! Just enough of IPv4, IPv6, UDP and TCP to write a datagram and to recognise a canary.

use std::net::IpAddr;

pub const UDP: u8 = 17;
const IPV4_HEADER: usize = 20;
const IPV6_HEADER: usize = 40;

/// What tells one packet from another: protocol, addressee and ports.
#[derive(PartialEq, Eq, Debug, Clone, Copy)]
pub struct Flow {
    pub protocol: u8,
    pub to: IpAddr,
    pub from_port: u16,
    pub to_port: u16,
}

/// Reads a packet from its IP header on; `None` when it is neither, or cut short. Extension headers are not followed:
/// canaries have none.
pub fn flow_of(packet: &[u8]) -> Option<Flow> {
    let (protocol, to, ports) = match packet.first()? >> 4 {
        4 => {
            let to: [u8; 4] = packet.get(16..20)?.try_into().ok()?;
            let header = usize::from(packet.first()? & 0x0f) * 4;
            (*packet.get(9)?, IpAddr::from(to), header)
        }
        6 => {
            let to: [u8; 16] = packet.get(24..40)?.try_into().ok()?;
            (*packet.get(6)?, IpAddr::from(to), IPV6_HEADER)
        }
        _ => return None,
    };
    let port = |at: usize| Some(u16::from_be_bytes(packet.get(at..at + 2)?.try_into().ok()?));
    Some(Flow {
        protocol,
        to,
        from_port: port(ports)?,
        to_port: port(ports + 2)?,
    })
}

/// A UDP datagram without payload, from nowhere: nobody shall answer it.
pub fn datagram(flow: Flow) -> Vec<u8> {
    let mut udp = Vec::with_capacity(8);
    udp.extend(flow.from_port.to_be_bytes());
    udp.extend(flow.to_port.to_be_bytes());
    udp.extend(8u16.to_be_bytes());
    udp.extend([0, 0]);
    let mut packet = match flow.to {
        IpAddr::V4(to) => {
            let mut header = [0u8; IPV4_HEADER];
            header[0] = 0x45;
            header[3] = (IPV4_HEADER + udp.len()) as u8;
            header[8] = 64;
            header[9] = UDP;
            header[16..20].copy_from_slice(&to.octets());
            let sum = checksum(&header);
            header[10..12].copy_from_slice(&sum.to_be_bytes());
            header.to_vec()
        }
        IpAddr::V6(to) => {
            let mut header = [0u8; IPV6_HEADER];
            header[0] = 0x60;
            header[5] = udp.len() as u8;
            header[6] = UDP;
            header[7] = 64;
            header[24..40].copy_from_slice(&to.octets());
            header.to_vec()
        }
    };
    packet.extend(udp);
    packet
}

/// RFC 1071.
fn checksum(header: &[u8; IPV4_HEADER]) -> u16 {
    let mut sum: u32 = header
        .chunks_exact(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for to in ["192.0.2.1", "2001:db8::1"] {
            let flow = Flow {
                protocol: UDP,
                to: to.parse().expect("an address"),
                from_port: 4_242,
                to_port: 53,
            };
            let packet = datagram(flow);
            assert_eq!(flow_of(&packet), Some(flow));
            for length in 0..packet.len() - 5 {
                assert_eq!(flow_of(&packet[..length]), None);
            }
        }
    }

    #[test]
    fn the_checksum_is_the_one_of_rfc_1071() {
        // From RFC 1071's own kind of example: a header with its sum put in adds up to all ones.
        let packet = datagram(Flow {
            protocol: UDP,
            to: "192.0.2.1".parse().expect("an address"),
            from_port: 1,
            to_port: 2,
        });
        let header: &[u8; IPV4_HEADER] = packet[..IPV4_HEADER].try_into().expect("a header");
        assert_eq!(checksum(header), 0);
    }
}
