//! All associations: found by the local socket that they are for, bounded, and forgotten when nothing moves.

use std::collections::HashMap;
use std::net::SocketAddr;

use crate::id::Id;
use crate::tunnel::association::{Association, State};

/// More local sockets than that do not send at once; the one that was silent for longest makes room.
const MAX_ASSOCIATIONS: usize = 4_096;
/// How many may wait for JavaScript.
const MAX_ASKED: usize = 512;
/// RFC 4787 §4.3 wants two minutes at least.
const IDLE_MS: u64 = 120_000;

struct Place {
    generation: u32,
    association: Option<Association>,
}

#[derive(Default)]
pub struct Associations {
    places: Vec<Place>,
    free: Vec<u32>,
    by_source: HashMap<SocketAddr, Id>,
    asked: usize,
}

/// What `find_or_make` came to.
pub enum Found {
    Known(Id),
    /// It is new, and another one may have gone for it.
    New(Id, Option<Id>),
    /// Too many wait already.
    Full,
}

impl Associations {
    pub fn get(&mut self, id: Id) -> Option<&mut Association> {
        let place = self.places.get_mut(id.index as usize)?;
        place
            .association
            .as_mut()
            .filter(|_| place.generation == id.generation)
    }

    pub fn count(&self) -> usize {
        self.by_source.len()
    }

    pub fn find_or_make(&mut self, source: SocketAddr, now: u64) -> Found {
        if let Some(id) = self.by_source.get(&source) {
            return Found::Known(*id);
        }
        if self.asked >= MAX_ASKED {
            return Found::Full;
        }
        let gone = if self.by_source.len() >= MAX_ASSOCIATIONS {
            let oldest = self.all().min_by_key(|(_, one)| one.used_at).map(|(id, _)| id);
            oldest.inspect(|id| {
                self.remove(*id);
            })
        } else {
            None
        };
        let index = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place {
                generation: 0,
                association: None,
            });
            self.places.len() as u32 - 1
        });
        let Some(place) = self.places.get_mut(index as usize) else {
            return Found::Full;
        };
        place.generation = place.generation.wrapping_add(1).max(1);
        place.association = Some(Association::new(source, now));
        let id = Id {
            index,
            generation: place.generation,
        };
        self.by_source.insert(source, id);
        self.asked += 1;
        Found::New(id, gone)
    }

    /// Changes what an association is; returns what it was.
    pub fn set(&mut self, id: Id, state: State) -> Option<State> {
        let was = std::mem::replace(&mut self.get(id)?.state, state);
        if matches!(was, State::Asked(_)) {
            self.asked -= 1;
        }
        Some(was)
    }

    pub fn remove(&mut self, id: Id) -> Option<Association> {
        self.get(id)?;
        let association = self.places.get_mut(id.index as usize)?.association.take()?;
        self.by_source.remove(&association.source);
        self.free.push(id.index);
        if matches!(association.state, State::Asked(_)) {
            self.asked -= 1;
        }
        Some(association)
    }

    pub fn ids(&self) -> Vec<Id> {
        self.all().map(|(id, _)| id).collect()
    }

    /// Those that are over because nothing moved, or that may be asked for again.
    pub fn stale(&self, now: u64) -> Vec<Id> {
        let is_stale = |one: &Association| match one.state {
            State::Refused(until) => until <= now,
            _ => one.used_at + IDLE_MS <= now,
        };
        self.all()
            .filter(|(_, one)| is_stale(one))
            .map(|(id, _)| id)
            .collect()
    }

    fn all(&self) -> impl Iterator<Item = (Id, &Association)> {
        self.places.iter().enumerate().filter_map(|(index, place)| {
            let id = Id {
                index: index as u32,
                generation: place.generation,
            };
            Some((id, place.association.as_ref()?))
        })
    }
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;

    fn source(port: usize) -> SocketAddr {
        SocketAddr::new("198.18.0.1".parse().expect("an address"), port as u16)
    }

    #[test]
    fn no_more_wait_than_may_and_no_more_are_open_than_may() {
        let mut all = Associations::default();
        for port in 0..MAX_ASKED {
            assert!(matches!(all.find_or_make(source(port), 0), Found::New(_, None)));
        }
        assert!(matches!(all.find_or_make(source(60_000), 0), Found::Full));
        for id in all.ids() {
            all.set(id, State::Refused(9));
        }
        for port in MAX_ASKED..MAX_ASSOCIATIONS {
            let Found::New(id, None) = all.find_or_make(source(port), 1 + port as u64) else {
                unreachable!("there is room");
            };
            all.set(id, State::Refused(9));
        }
        assert!(matches!(
            all.find_or_make(source(60_000), 9_999),
            Found::New(_, Some(_))
        ));
        assert_eq!(all.count(), MAX_ASSOCIATIONS);
    }

    #[test]
    fn what_is_gone_is_not_found_by_its_old_name() {
        let mut all = Associations::default();
        let Found::New(old, _) = all.find_or_make(source(1), 0) else {
            unreachable!("it is new");
        };
        all.remove(old);
        let Found::New(new, _) = all.find_or_make(source(2), 0) else {
            unreachable!("it is new");
        };
        assert_eq!(old.index, new.index);
        assert!(all.get(old).is_none() && all.remove(old).is_none() && all.get(new).is_some());
        assert_eq!(all.stale(IDLE_MS), vec![new]);
    }
}
