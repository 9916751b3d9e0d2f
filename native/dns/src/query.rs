//! Reads the queries that are the rule: one question, nothing strange about it. All others are JavaScript's.

const HEADER: usize = 12;
const MAX_NAME: usize = 255;

pub struct Query<'a> {
    pub id: [u8; 2],
    pub recursion_desired: bool,
    pub authentic_data: bool,
    pub checking_disabled: bool,
    /// As the client wrote it, its case kept.
    pub question: &'a [u8],
    /// Lower case, without the last full stop.
    pub name: Name,
    pub kind: u16,
    pub edns: Option<Edns>,
}

pub struct Edns {
    pub size: u16,
    pub dnssec: bool,
}

pub struct Name {
    bytes: [u8; MAX_NAME],
    length: usize,
}

impl Name {
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// None when the packet is not one of those that are answered here.
pub fn read(packet: &[u8]) -> Option<Query<'_>> {
    let header = packet.get(..HEADER)?;
    let flags = u16::from_be_bytes([header[2], header[3]]);
    // Neither an answer, nor any operation but a query, nor cut, nor a bit that nobody has given a meaning.
    let plain = flags & 0xfa4f == 0;
    let counts = [&header[4..6], &header[6..8], &header[8..10]] == [&[0, 1], &[0, 0], &[0, 0]];
    if !plain || !counts || header[10] != 0 || header[11] > 1 {
        return None;
    }
    let (name, end) = read_name(packet)?;
    let rest = packet.get(end..end + 4)?;
    let kind = u16::from_be_bytes([rest[0], rest[1]]);
    let is_internet = rest[2..4] == [0, 1];
    let is_plain_kind = kind != 0 && kind != 41 && !(128..=255).contains(&kind);
    if !is_internet || !is_plain_kind {
        return None;
    }
    let edns = match header[11] {
        0 if packet.len() == end + 4 => None,
        1 => Some(read_edns(packet.get(end + 4..)?)?),
        _ => return None,
    };
    Some(Query {
        id: [header[0], header[1]],
        recursion_desired: flags & 0x0100 != 0,
        authentic_data: flags & 0x0020 != 0,
        checking_disabled: flags & 0x0010 != 0,
        question: packet.get(HEADER..end + 4)?,
        name,
        kind,
        edns,
    })
}

/// The name after the header, and where it ends. Only bytes that names of the lists can hold.
fn read_name(packet: &[u8]) -> Option<(Name, usize)> {
    let mut name = Name {
        bytes: [0; MAX_NAME],
        length: 0,
    };
    let mut at = HEADER;
    loop {
        let size = usize::from(*packet.get(at)?);
        at += 1;
        if size == 0 {
            return (name.length > 0).then_some((name, at));
        }
        if size > 63 || name.length + size + 3 > MAX_NAME {
            return None;
        }
        if name.length > 0 {
            *name.bytes.get_mut(name.length)? = b'.';
            name.length += 1;
        }
        for &byte in packet.get(at..at + size)? {
            let lower = byte.to_ascii_lowercase();
            if !(lower.is_ascii_alphanumeric() || lower == b'-' || lower == b'_') {
                return None;
            }
            *name.bytes.get_mut(name.length)? = lower;
            name.length += 1;
        }
        at += size;
    }
}

/// An OPT record of version 0 that ends with the packet. Its options mean nothing to these answers.
fn read_edns(bytes: &[u8]) -> Option<Edns> {
    let head = bytes.get(..11)?;
    let length = usize::from(u16::from_be_bytes([head[9], head[10]]));
    let good = head[0] == 0 && head[1..3] == [0, 41] && head[6] == 0 && bytes.len() == 11 + length;
    good.then(|| Edns {
        size: u16::from_be_bytes([head[3], head[4]]).max(512),
        dnssec: head[7] & 0x80 != 0,
    })
}
