//! Holds the tables: loads them, owns them where the kernel can, and puts them back where others changed them.

mod link_chains;
mod loading;
mod watching;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::time::Instant;

use rustix::net::netlink::NETFILTER;
use serde::Serialize;

use crate::abilities::Abilities;
use crate::control_groups::{ControlGroups, GroupNumbers};
use crate::links;
use crate::netlink::{Failure, Message, Socket};
use crate::nft::{self, Digests, Family};
use crate::rules::{NamedSet, RuleSet};
use crate::settings;
use crate::state::{self, State};
use crate::trouble::{Kind, Trouble};

use loading::{How, tables};

const FAMILIES: [Family; 2] = [Family::Inet, Family::Netdev];

pub struct Options {
    pub table: String,
    pub state: PathBuf,
    /// Never own the table, also where the kernel could.
    pub watched: bool,
}

/// What `inspect` tells.
#[derive(Serialize)]
pub struct Inspection {
    pub generation: u32,
    pub digest: String,
    /// The kernel has what it should have, on every link.
    pub intact: bool,
    /// The kernel has rules of ours.
    pub blocking: bool,
}

struct Held {
    state: State,
    /// What the kernel made of the rules. Nothing: that is not known, and whatever it has counts as changed.
    expected: Digests,
    groups: GroupNumbers,
    /// Settings that could not be put right when they were last looked at.
    lost: BTreeSet<String>,
}

pub struct Holder {
    options: Options,
    requests: Socket,
    routes: Socket,
    pub rule_events: Socket,
    pub link_events: Socket,
    pub groups: ControlGroups,
    pub abilities: Abilities,
    held: Option<Held>,
    /// Something failed, so that the kernel may not have what it should: it is looked at again.
    doubtful: bool,
    /// What was told last of a failure that goes on.
    told: Option<String>,
    /// The file could not be written or removed: it is tried again, and told once.
    unsaved: Cell<bool>,
}

impl Holder {
    pub fn open(options: Options) -> io::Result<Self> {
        let mut requests = Socket::open(Some(NETFILTER), 0)?;
        let abilities = Abilities::find(&mut requests, options.watched);
        Ok(Self {
            options,
            requests,
            routes: links::open_requests()?,
            rule_events: Socket::open(Some(NETFILTER), nft::GROUPS)?,
            link_events: links::open_events()?,
            groups: ControlGroups::open()?,
            abilities,
            held: None,
            doubtful: false,
            told: None,
            unsaved: Cell::new(false),
        })
    }

    pub fn is_blocking(&self) -> bool {
        self.held.is_some()
    }

    /// Whether the rules that should be in force were put there, and nothing has failed since.
    pub fn is_settled(&self) -> bool {
        !self.doubtful
    }

    /// Takes up what a holder before this one left: its rules again, or at least its tables.
    /// `fallback` are the rules where there should be some and nobody knows which, or they are refused.
    pub fn take_over(&mut self, block: bool, fallback: RuleSet) -> Vec<Trouble> {
        let state = match state::read(&self.options.state) {
            Ok(Some(state)) if self.is_of_now(&state) => state,
            Ok(None) if !block => return self.claim(),
            _ => state_of(fallback.clone(), Default::default()),
        };
        let fallback = state_of(fallback, state.before.clone());
        // Held from here on, whatever becomes of it: what cannot be put in force now is tried again.
        self.held = Some(Held::unseen(state.clone()));
        let reason = match self.load(state, How::Anew) {
            Ok(troubles) => return troubles,
            Err(reason) => reason,
        };
        let message = format!("The rules that should hold could not be put in place: {reason}");
        let mut troubles = vec![Trouble::failed(message)];
        troubles.extend(self.load(fallback, How::Anew).unwrap_or_default());
        troubles
    }

    fn is_of_now(&self, state: &State) -> bool {
        state.rules.table == self.options.table && state.boot == state::this_boot()
    }

    /// Replaces all rules in one transaction. On an error nothing has changed.
    pub fn apply(&mut self, rules: RuleSet) -> Result<Vec<Trouble>, String> {
        if rules.table != self.options.table {
            return Err(format!(
                "This holder holds the table {}, not {}",
                self.options.table, rules.table
            ));
        }
        rules.check_names()?;
        let before = self
            .held
            .as_ref()
            .map(|held| held.state.before.clone())
            .unwrap_or_default();
        self.load(state_of(rules, before), How::InPlace)
    }

    /// Swaps what is in sets, in both tables, in one transaction.
    pub fn swap(&mut self, sets: Vec<NamedSet>) -> Result<Vec<Trouble>, String> {
        let held = self
            .held
            .as_ref()
            .ok_or("There are no rules whose upstreams could be swapped")?;
        let mut state = held.state.clone();
        let mut messages = Vec::new();
        for set in &sets {
            for (family, _) in tables(&held.state.rules, self.abilities) {
                messages.extend(nft::swap(family, &self.options.table, set, &held.groups)?);
            }
            replace(&mut state.rules.inet.sets, set)?;
            replace(&mut state.rules.egress.sets, set)?;
        }
        let troubles = self.write_down(Some(&state));
        let made = self.change(&messages).inspect_err(|_| self.keep_what_holds())?;
        if let Some(held) = &mut self.held {
            held.state = state;
        }
        self.expect(made, |key| sets.iter().any(|set| is_set(key, set)));
        Ok(troubles)
    }

    /// Takes all rules away, and puts the kernel's settings back.
    pub fn open_up(&mut self) -> Result<Vec<Trouble>, String> {
        let messages: Vec<Message> = self
            .present()
            .map_err(|failure| sentence(&failure))?
            .into_iter()
            .map(|family| nft::delete_table(family, &self.options.table))
            .collect();
        self.transact(&messages).map_err(|failure| sentence(&failure))?;
        if let Some(mut held) = self.held.take() {
            settings::release(&mut held.state.before);
        }
        self.doubtful = false;
        Ok(self.write_down(None))
    }

    /// Looks at what the kernel has. A link that has just come is covered first.
    pub fn inspect(&mut self) -> Result<(Inspection, Vec<Trouble>), String> {
        let noticed = Instant::now();
        let mut troubles = Vec::new();
        loop {
            let generation = self.generation()?;
            let links = self.filtered_links()?;
            let actual = self.read_back()?;
            let covered = self.bare(&links, &actual).is_empty();
            if !covered && troubles.is_empty() {
                troubles = self.cover_links(noticed);
                if !troubles.is_empty() {
                    continue;
                }
            }
            let inspection = Inspection {
                generation,
                digest: digest_of(&actual),
                intact: covered && self.is_intact(&actual, &links),
                blocking: !actual.is_empty(),
            };
            return Ok((inspection, troubles));
        }
    }

    fn present(&mut self) -> Result<Vec<Family>, Failure> {
        let mut all = Vec::new();
        for family in FAMILIES {
            if nft::table_flags(&mut self.requests, family, &self.options.table)?.is_some() {
                all.push(family);
            }
        }
        Ok(all)
    }

    fn generation(&mut self) -> Result<u32, String> {
        nft::generation(&mut self.requests).map_err(|failure| sentence(&failure))
    }

    /// What was changed just now is right as it was made. All else is as it was: others may have changed that.
    fn expect(&mut self, made: Digests, is_changed: impl Fn(&str) -> bool) {
        if let Some(held) = &mut self.held {
            held.expected.retain(|key, _| !is_changed(key));
            held.expected
                .extend(made.into_iter().filter(|(key, _)| is_changed(key)));
        }
    }

    /// Changes rules in one transaction, and tells what the kernel has made of it.
    fn change(&mut self, messages: &[Message]) -> Result<Digests, String> {
        let before = self.generation()?;
        self.transact(messages).map_err(|failure| sentence(&failure))?;
        Ok(self.made_since(before))
    }

    /// What the kernel has after one transaction of ours: nothing where others may have had a hand in it, or it cannot be
    /// read. Then it counts as changed by others, and is looked at again.
    fn made_since(&mut self, before: u32) -> Digests {
        let made = self.read_back().unwrap_or_default();
        let alone = self.abilities.owned || self.generation() == Ok(following(before));
        if alone && !made.is_empty() {
            return made;
        }
        self.doubtful = true;
        Digests::new()
    }

    fn read_back(&mut self) -> Result<Digests, String> {
        nft::snapshot(&mut self.requests, &self.options.table).map_err(|failure| sentence(&failure))
    }

    fn transact(&mut self, messages: &[Message]) -> Result<(), Failure> {
        let outcome = nft::transact(&mut self.requests, messages);
        // Where the answer was lost it may have happened all the same.
        self.doubtful |= outcome.is_err();
        outcome
    }

    /// The file says again what is in force, after something else could not be put in force.
    fn keep_what_holds(&self) {
        // What cannot be written now was told when it was first tried.
        drop(self.write_down(self.held.as_ref().map(|held| &held.state)));
    }

    /// A full disk must not keep rules from being loaded or taken away: it is told, and they are.
    fn write_down(&self, state: Option<&State>) -> Vec<Trouble> {
        let path = &self.options.state;
        let (written, problem) = match state {
            Some(state) => (
                state::write(path, state),
                "The rules hold, but their file cannot be written: until it can, rules that somebody takes away while their holder is dead cannot be put back",
            ),
            None => (
                state::remove(path),
                "The rules are gone, but not their file: until it is, whoever holds them next puts them back",
            ),
        };
        let was_unsaved = self.unsaved.replace(written.is_err());
        match written {
            Err(error) if !was_unsaved => vec![Trouble::new(
                Kind::Unsaved,
                format!("{problem} ({}: {error}).", path.display()),
            )],
            _ => Vec::new(),
        }
    }

    /// One that goes on is told once.
    fn failed(&mut self, message: String) -> Option<Trouble> {
        self.doubtful = true;
        let is_new = self.told.as_ref() != Some(&message);
        self.told = Some(message.clone());
        is_new.then(|| Trouble::failed(message))
    }
}

impl Held {
    /// What becomes of it in the kernel is not known yet.
    fn unseen(state: State) -> Self {
        Self {
            state,
            expected: Digests::new(),
            groups: GroupNumbers::default(),
            lost: BTreeSet::new(),
        }
    }
}

/// The kernel's count of changes goes on after its last number with one.
fn following(generation: u32) -> u32 {
    generation.wrapping_add(1).max(1)
}

fn state_of(rules: RuleSet, before: settings::Before) -> State {
    State {
        rules,
        boot: state::this_boot(),
        before,
    }
}

/// Whether that is this set, in either table.
fn is_set(key: &str, set: &NamedSet) -> bool {
    key.split_once("/set/")
        .is_some_and(|(_, name)| name == set.name())
}

/// Puts a set in the place of the one with its name.
fn replace(sets: &mut [NamedSet], set: &NamedSet) -> Result<(), String> {
    let old = sets.iter_mut().find(|each| each.name() == set.name());
    let old = old.ok_or_else(|| format!("There is no set {}", set.name()))?;
    if !old.is_like(set) {
        return Err(format!("The set {} is of another kind", set.name()));
    }
    *old = set.clone();
    Ok(())
}

fn digest_of(digests: &Digests) -> String {
    use sha2::{Digest, Sha256};
    let mut hash = Sha256::new();
    for (name, digest) in digests {
        hash.update(name.as_bytes());
        hash.update([0]);
        hash.update(digest);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sentence(failure: &Failure) -> String {
    match failure.index {
        Some(index) => format!(
            "the kernel refused part {} of the transaction: {}",
            index + 1,
            failure.error
        ),
        None => format!("the kernel refused: {}", failure.error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_of_changes_begins_anew_with_one() {
        assert_eq!([0, 7, u32::MAX].map(following), [1, 8, 1]);
    }

    #[test]
    fn a_set_is_not_replaced_by_one_of_another_kind() {
        let upstreams = |family| NamedSet::Upstreams {
            name: "upstream".to_owned(),
            family,
            elements: Vec::new(),
        };
        let networks = NamedSet::Networks {
            name: "upstream".to_owned(),
            family: crate::rules::Family::V4,
            elements: Vec::new(),
        };
        let mut sets = [upstreams(crate::rules::Family::V4)];
        assert!(replace(&mut sets, &upstreams(crate::rules::Family::V4)).is_ok());
        assert!(replace(&mut sets, &upstreams(crate::rules::Family::V6)).is_err());
        assert!(replace(&mut sets, &networks).is_err());
    }
}
