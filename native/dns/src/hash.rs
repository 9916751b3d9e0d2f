//! The keyed hash of names; shared/blocking/name-hash.ts computes the same and says why.

#[derive(Clone, Copy)]
pub struct Key {
    pub low: u32,
    pub high: u32,
}

/// Calls back with both halves of the hash of each suffix of whole labels, the shortest first, and where it starts.
pub fn suffixes(name: &[u8], key: Key, mut each: impl FnMut(u32, u32, usize)) {
    let (mut low, mut high) = (key.low, key.high);
    for (at, &byte) in name.iter().enumerate().rev() {
        if byte == b'.' {
            each(finish(low), finish(high ^ low), at + 1);
        }
        low = (low ^ u32::from(byte)).wrapping_mul(0x85eb_ca6b).rotate_left(13);
        high = high.wrapping_add(u32::from(byte)).wrapping_mul(0xc2b2_ae35);
        high ^= high >> 15;
    }
    each(finish(low), finish(high ^ low), 0);
}

fn finish(state: u32) -> u32 {
    let mut mixed = (state ^ (state >> 16)).wrapping_mul(0x85eb_ca6b);
    mixed = (mixed ^ (mixed >> 13)).wrapping_mul(0xc2b2_ae35);
    mixed ^ (mixed >> 16)
}
