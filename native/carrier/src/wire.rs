//! How commands and events are written for the other side: records of little-endian numbers and lengths.

use crate::id::Id;

/// Reads a command. What is not there reads as nothing: a short command is refused by whoever reads it.
pub struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes }
    }

    pub fn u32(&mut self) -> Option<u32> {
        let (word, rest) = self.bytes.split_first_chunk::<4>()?;
        self.bytes = rest;
        Some(u32::from_le_bytes(*word))
    }

    /// Bytes with their length in front.
    pub fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.u32()? as usize;
        let (bytes, rest) = self.bytes.split_at_checked(length)?;
        self.bytes = rest;
        Some(bytes)
    }

    pub fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    /// One record: its verb, whom it is for, and what it says.
    pub fn record(&mut self) -> Option<(u32, Id, Reader<'a>)> {
        let length = (self.u32()? as usize).checked_sub(4)?;
        let (record, rest) = self.bytes.split_at_checked(length)?;
        self.bytes = rest;
        let mut reader = Reader::new(record);
        let verb = reader.u32()?;
        let id = Id {
            index: reader.u32()?,
            generation: reader.u32()?,
        };
        Some((verb, id, reader))
    }
}

/// Events in the order in which they happened.
#[derive(Default)]
pub struct Events {
    bytes: Vec<u8>,
    /// Whether one of them cannot wait for company.
    pub urgent: bool,
}

impl Events {
    /// Adds an event; `body` writes what it says.
    pub fn push(&mut self, kind: u32, id: Id, body: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        for word in [kind, id.index, id.generation] {
            self.bytes.extend_from_slice(&word.to_le_bytes());
        }
        body(&mut self.bytes);
        let length = (self.bytes.len() - start) as u32;
        if let Some(place) = self.bytes.get_mut(start..start + 4) {
            place.copy_from_slice(&length.to_le_bytes());
        }
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Moves everything to the end of `other`.
    pub fn move_to(&mut self, other: &mut Vec<u8>) {
        other.append(&mut self.bytes);
        self.urgent = false;
    }
}

pub fn put_u32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_le_bytes());
}

/// Exact up to 2^53.
pub fn put_f64(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&(value as f64).to_le_bytes());
}

pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_u32(out, bytes.len() as u32);
    out.extend_from_slice(bytes);
}

/// As many whole records from the front of `queue` as `room` takes; how many bytes those are.
pub fn whole_records(queue: &[u8], room: usize) -> usize {
    let mut end = 0;
    while let Some(length) = queue.get(end..).and_then(|rest| rest.first_chunk::<4>()) {
        let next = end + u32::from_le_bytes(*length) as usize;
        if next > room || next > queue.len() || next == end {
            break;
        }
        end = next;
    }
    end
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;

    const SOMEBODY: Id = Id {
        index: 3,
        generation: 9,
    };

    #[test]
    fn a_record_reads_as_it_was_written() {
        let mut events = Events::default();
        events.push(7, SOMEBODY, |out| put_bytes(out, b"hello"));
        let mut bytes = Vec::new();
        events.move_to(&mut bytes);
        let (kind, id, mut body) = Reader::new(&bytes).record().expect("a record");
        assert_eq!((kind, id, body.text()), (7, SOMEBODY, Some("hello")));
        assert!(body.u32().is_none() && events.is_empty());
    }

    #[test]
    fn only_whole_records_are_handed_out() {
        let mut events = Events::default();
        events.push(1, SOMEBODY, |_| {});
        events.push(2, SOMEBODY, |out| put_u32(out, 5));
        let mut bytes = Vec::new();
        events.move_to(&mut bytes);
        assert_eq!(whole_records(&bytes, bytes.len()), 36);
        assert_eq!(whole_records(&bytes, 35), 16);
        assert_eq!(whole_records(&bytes, 15), 0);
    }

    #[test]
    fn what_is_cut_short_is_no_record() {
        for bytes in [
            &[][..],
            &[9],
            &[255, 255, 255, 255, 1],
            &[0, 0, 0, 0],
            &[8, 0, 0, 0, 1, 0, 0, 0],
        ] {
            assert!(Reader::new(bytes).record().is_none());
        }
    }
}
