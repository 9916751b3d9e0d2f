//! Writes answers; companion/src/dns/wire/write-answer.ts and answerer.ts write the same.

use crate::cache::Entry;
use crate::query::Query;

/// The largest UDP answer that is sent whatever the client takes.
const OUR_SIZE: u16 = 1_232;
const BLOCKED_TTL: u32 = 60;
const HEADER: usize = 12;
const BLOCKED: u16 = 15;
const CENSORED: u16 = 16;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum How {
    NxDomain,
    Zero,
    Refused,
}

impl How {
    pub fn from_number(number: u8) -> How {
        match number {
            1 => How::Zero,
            2 => How::Refused,
            _ => How::NxDomain,
        }
    }
}

/// The answer for a blocked name.
pub fn write_blocked(out: &mut Vec<u8>, query: &Query<'_>, how: How, by_policy: bool) {
    let address: Option<usize> = match query.kind {
        1 => Some(4),
        28 => Some(16),
        _ => None,
    };
    let (rcode, is_address) = match how {
        How::Refused => (5, false),
        How::NxDomain => (3, false),
        How::Zero => (0, address.is_some()),
    };
    header(out, query, rcode, false);
    out.extend_from_slice(query.question);
    match (how, address) {
        (How::Refused, _) => {}
        (How::Zero, Some(size)) => record(out, query.kind, &[0; 16][..size]),
        _ => soa(out),
    }
    if is_address {
        set_count(out, 6, 1);
    } else if how != How::Refused {
        set_count(out, 8, 1);
    }
    opt(out, query, Some(if by_policy { CENSORED } else { BLOCKED }));
}

/// A known answer, `age` seconds old.
pub fn write_known(out: &mut Vec<u8>, query: &Query<'_>, entry: &Entry, age: u32) {
    out.extend_from_slice(&entry.message);
    let mut head = Vec::with_capacity(HEADER);
    header(&mut head, query, entry.rcode, entry.authentic);
    copy(out, 0, &head[..4]);
    copy(out, HEADER, query.question);
    for &(at, ttl) in &entry.times {
        copy(out, at as usize, &ttl.saturating_sub(age).to_be_bytes());
    }
    opt(out, query, None);
    let limit = query.edns.as_ref().map_or(512, |edns| edns.size.min(OUR_SIZE));
    if out.len() > usize::from(limit) {
        cut(out, query);
    }
}

fn cut(out: &mut Vec<u8>, query: &Query<'_>) {
    out.truncate(HEADER);
    if let Some(flags) = out.get_mut(2) {
        *flags |= 2;
    }
    copy(out, 6, &[0; 6]);
    out.extend_from_slice(query.question);
    opt(out, query, None);
}

fn header(out: &mut Vec<u8>, query: &Query<'_>, rcode: u8, authentic: bool) {
    let wants_authentic = query.authentic_data || query.edns.as_ref().is_some_and(|edns| edns.dnssec);
    out.extend_from_slice(&query.id);
    out.push(0x80 | u8::from(query.recursion_desired));
    let authentic_bit = if authentic && wants_authentic { 0x20 } else { 0 };
    let disabled_bit = if query.checking_disabled { 0x10 } else { 0 };
    out.push(0x80 | authentic_bit | disabled_bit | (rcode & 0xf));
    out.extend_from_slice(&[0, 1, 0, 0, 0, 0, 0, 0]);
}

/// A record whose owner is the name of the question.
fn record(out: &mut Vec<u8>, kind: u16, data: &[u8]) {
    out.extend_from_slice(&[0xc0, 0x0c]);
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&[0, 1]);
    out.extend_from_slice(&BLOCKED_TTL.to_be_bytes());
    out.extend_from_slice(&u16::try_from(data.len()).unwrap_or_default().to_be_bytes());
    out.extend_from_slice(data);
}

fn soa(out: &mut Vec<u8>) {
    let mut data = [0; 22];
    for (index, value) in [1, 3_600, 600, 86_400, BLOCKED_TTL].into_iter().enumerate() {
        data[2 + 4 * index..6 + 4 * index].copy_from_slice(&u32::to_be_bytes(value));
    }
    record(out, 6, &data);
}

fn opt(out: &mut Vec<u8>, query: &Query<'_>, extended_error: Option<u16>) {
    let Some(edns) = &query.edns else { return };
    let count = u16::from_be_bytes([
        out.get(10).copied().unwrap_or_default(),
        out.get(11).copied().unwrap_or_default(),
    ]);
    set_count(out, 10, count + 1);
    out.extend_from_slice(&[0, 0, 41]);
    out.extend_from_slice(&OUR_SIZE.to_be_bytes());
    out.extend_from_slice(&[0, 0, if edns.dnssec { 0x80 } else { 0 }, 0]);
    match extended_error {
        None => out.extend_from_slice(&[0, 0]),
        Some(code) => {
            out.extend_from_slice(&[0, 6, 0, 15, 0, 2]);
            out.extend_from_slice(&code.to_be_bytes());
        }
    }
}

fn set_count(out: &mut [u8], at: usize, count: u16) {
    copy(out, at, &count.to_be_bytes());
}

fn copy(out: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = out.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}
