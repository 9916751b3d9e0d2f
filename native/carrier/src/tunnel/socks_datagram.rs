//! The header in front of each datagram between us and a SOCKS5 proxy (RFC 1928 §7). Fragments are not used.

use std::net::{IpAddr, SocketAddr};

/// Where a datagram goes to, or comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Peer {
    Address(SocketAddr),
    Name(Vec<u8>, u16),
}

/// Appends an address as SOCKS5 writes it, its kind before and its port behind it (RFC 1928 §5).
pub fn put_address(out: &mut Vec<u8>, address: SocketAddr) {
    match address.ip() {
        IpAddr::V4(ip) => {
            out.push(1);
            out.extend_from_slice(&ip.octets());
        }
        IpAddr::V6(ip) => {
            out.push(4);
            out.extend_from_slice(&ip.octets());
        }
    }
    out.extend_from_slice(&address.port().to_be_bytes());
}

/// Appends the header for a datagram to this peer. A name has at most 255 bytes.
pub fn put_header(out: &mut Vec<u8>, peer: &Peer) {
    out.extend_from_slice(&[0, 0, 0]);
    match peer {
        Peer::Address(address) => put_address(out, *address),
        Peer::Name(name, port) => {
            out.extend_from_slice(&[3, name.len() as u8]);
            out.extend_from_slice(name);
            out.extend_from_slice(&port.to_be_bytes());
        }
    }
}

/// Whom a datagram of the proxy's is from, and what it says. None for what is no such datagram, or a fragment of one.
pub fn read(datagram: &[u8]) -> Option<(Peer, &[u8])> {
    let (&[0, 0, 0, kind], rest) = datagram.split_first_chunk::<4>()? else {
        return None;
    };
    let port = |rest: &[u8]| -> Option<u16> { Some(u16::from_be_bytes(*rest.first_chunk()?)) };
    match kind {
        1 => {
            let (ip, rest) = rest.split_first_chunk::<4>()?;
            let address = SocketAddr::new(IpAddr::from(*ip), port(rest)?);
            Some((Peer::Address(address), rest.get(2..)?))
        }
        4 => {
            let (ip, rest) = rest.split_first_chunk::<16>()?;
            let address = SocketAddr::new(IpAddr::from(*ip).to_canonical(), port(rest)?);
            Some((Peer::Address(address), rest.get(2..)?))
        }
        3 => {
            let (length, rest) = rest.split_first()?;
            let (name, rest) = rest.split_at_checked(usize::from(*length))?;
            Some((Peer::Name(name.to_vec(), port(rest)?), rest.get(2..)?))
        }
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn a_header_reads_as_it_was_written_and_not_when_it_is_cut_short() {
        let peers = [
            Peer::Address("192.0.2.7:53".parse().expect("an address")),
            Peer::Address("[2001:db8::7]:443".parse().expect("an address")),
            Peer::Name(b"a.example".to_vec(), 8_080),
        ];
        for peer in peers {
            let mut bytes = Vec::new();
            put_header(&mut bytes, &peer);
            for length in 0..bytes.len() {
                assert_eq!(read(bytes.get(..length).expect("its front")), None);
            }
            bytes.extend_from_slice(b"hello");
            assert_eq!(read(&bytes), Some((peer, &b"hello"[..])));
        }
    }

    #[test]
    fn fragments_and_other_bytes_are_refused() {
        assert_eq!(read(&[0, 0, 1, 1, 1, 2, 3, 4, 0, 80, 9]), None);
        assert_eq!(read(&[0, 0, 0, 9, 1, 2, 3, 4, 0, 80, 9]), None);
        assert_eq!(read(&[0, 1, 0, 1, 1, 2, 3, 4, 0, 80, 9]), None);
    }
}
