//! The names that fake addresses stand for, as JavaScript told them; packets that wait to hear one.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::tunnel::waiting::Waiting;

/// How long an answer holds: the resolver may give an address to another name.
const KNOWN_MS: u64 = 30_000;
const MAX_NAMES: usize = 8_192;
/// So many may be asked about at once: what waits for the answers has a bound.
const MAX_ASKED: usize = 512;

enum Entry {
    /// JavaScript was asked.
    Asked(Waiting),
    /// Empty: it stands for nothing.
    Known(Vec<u8>, u64),
}

#[derive(Default)]
pub struct Names {
    entries: HashMap<IpAddr, Entry>,
    asked: usize,
}

pub enum Name<'a> {
    Is(&'a [u8]),
    Nobody,
    /// The packet was kept; JavaScript is to be asked when it was not.
    Asked {
        ask: bool,
    },
    /// The packet was not kept.
    Full,
}

impl Names {
    /// The name, or what is done with the packet instead.
    pub fn of(&mut self, address: IpAddr, now: u64, packet: &[u8], segment: usize) -> Name<'_> {
        let is_known = matches!(self.entries.get(&address), Some(Entry::Known(_, until)) if *until > now);
        if !is_known {
            return self.wait(address, now, packet, segment);
        }
        match self.entries.get(&address) {
            Some(Entry::Known(name, _)) if !name.is_empty() => Name::Is(name),
            _ => Name::Nobody,
        }
    }

    fn wait(&mut self, address: IpAddr, now: u64, packet: &[u8], segment: usize) -> Name<'_> {
        if let Some(Entry::Asked(waiting)) = self.entries.get_mut(&address) {
            return if waiting.keep(packet, segment) {
                Name::Asked { ask: false }
            } else {
                Name::Full
            };
        }
        if self.entries.len() >= MAX_NAMES {
            self.entries
                .retain(|_, entry| matches!(entry, Entry::Known(_, until) if *until > now));
            self.asked = 0;
        }
        let mut waiting = Waiting::default();
        if self.entries.len() >= MAX_NAMES || self.asked >= MAX_ASKED || !waiting.keep(packet, segment) {
            return Name::Full;
        }
        self.asked += 1;
        self.entries.insert(address, Entry::Asked(waiting));
        Name::Asked { ask: true }
    }

    /// Keeps what JavaScript said; returns the packets that waited for it.
    pub fn tell(&mut self, address: IpAddr, name: &[u8], now: u64) -> Vec<(Vec<u8>, usize)> {
        let known = Entry::Known(name.to_vec(), now + KNOWN_MS);
        match self.entries.insert(address, known) {
            Some(Entry::Asked(waiting)) => {
                self.asked -= 1;
                waiting.into_packets()
            }
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn packets_wait_for_one_question_and_the_answer_is_forgotten_again() {
        let mut names = Names::default();
        let address: IpAddr = "198.18.7.1".parse().expect("an address");
        assert!(matches!(
            names.of(address, 0, b"one", 0),
            Name::Asked { ask: true }
        ));
        assert!(matches!(
            names.of(address, 0, b"more", 7),
            Name::Asked { ask: false }
        ));
        let waited = names.tell(address, b"a.example", 5);
        assert_eq!(waited, [(b"one".to_vec(), 0), (b"more".to_vec(), 7)]);
        assert!(matches!(names.of(address, 6, b"", 0), Name::Is(b"a.example")));
        assert!(matches!(
            names.of(address, 5 + KNOWN_MS, b"", 0),
            Name::Asked { ask: true }
        ));
        names.tell(address, b"", 5);
        assert!(matches!(names.of(address, 6, b"", 0), Name::Nobody));
    }

    #[test]
    fn only_so_many_are_asked_about_at_once() {
        let mut names = Names::default();
        let address = |number: usize| IpAddr::from([198, 18, (number >> 8) as u8, number as u8]);
        for number in 0..MAX_ASKED {
            assert!(matches!(
                names.of(address(number), 0, b"one", 0),
                Name::Asked { ask: true }
            ));
        }
        assert!(matches!(names.of(address(MAX_ASKED), 0, b"one", 0), Name::Full));
        names.tell(address(0), b"a.example", 0);
        assert!(matches!(
            names.of(address(MAX_ASKED), 0, b"one", 0),
            Name::Asked { ask: true }
        ));
    }
}
