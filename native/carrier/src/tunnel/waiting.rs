//! Packets that wait for JavaScript's answer. Whoever may send on this machine decides how many come and how large they
//! are: both have a bound.

const MAX_PACKETS: usize = 32;
/// One with segments that were not parted yet may have this much.
const MAX_BYTES: usize = 65_536;

/// Each packet with the length of its segments.
#[derive(Default)]
pub struct Waiting {
    packets: Vec<(Vec<u8>, usize)>,
    bytes: usize,
}

impl Waiting {
    /// Keeps the packet. Returns whether there was room.
    pub fn keep(&mut self, packet: &[u8], segment: usize) -> bool {
        if self.packets.len() >= MAX_PACKETS || self.bytes + packet.len() > MAX_BYTES {
            return false;
        }
        self.bytes += packet.len();
        self.packets.push((packet.to_vec(), segment));
        true
    }

    pub fn into_packets(self) -> Vec<(Vec<u8>, usize)> {
        self.packets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_wait_than_the_bounds_of_packets_and_of_bytes_let() {
        let mut small = Waiting::default();
        assert!((0..MAX_PACKETS).all(|_| small.keep(b"few", 3)));
        assert!(!small.keep(b"few", 3));
        let mut large = Waiting::default();
        assert!(large.keep(&[0; MAX_BYTES - 1], 1_200));
        assert!(!large.keep(b"12", 2));
        assert!(large.keep(b"1", 1));
        assert_eq!(large.into_packets().len(), 2);
    }
}
