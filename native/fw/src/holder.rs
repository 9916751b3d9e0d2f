//! Holds the tables: loads them, owns them where the kernel can, and puts them back where others changed them.

mod link_chains;
mod loading;
mod watching;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;

use rustix::net::netlink::NETFILTER;

use crate::abilities::Abilities;
use crate::control_groups::{ControlGroups, GroupNumbers};
use crate::links;
use crate::netlink::{Failure, Message, Socket};
use crate::nft::{self, Digests, Family};
use crate::rules::{NamedSet, RuleSet};
use crate::settings;
use crate::state::{self, State};
use crate::trouble::Trouble;

use loading::{How, tables};

const FAMILIES: [Family; 2] = [Family::Inet, Family::Netdev];

pub struct Options {
    pub table: String,
    pub state: PathBuf,
    /// Never own the table, also where the kernel could.
    pub watched: bool,
}

/// What `inspect` tells.
pub struct Inspection {
    pub generation: u32,
    pub digest: String,
    pub intact: bool,
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
    /// The file could not be written: it is tried again, and told once.
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
            unsaved: Cell::new(false),
        })
    }

    pub fn is_blocking(&self) -> bool {
        self.held.is_some()
    }

    /// Takes up what a holder before this one left: its rules again, or at least its tables.
    /// `fallback` are the rules where there should be some and nobody knows which.
    pub fn take_over(&mut self, block: bool, fallback: RuleSet) -> Vec<Trouble> {
        let known = state::read(&self.options.state);
        let outcome = match known {
            Ok(Some(state)) if self.is_of_now(&state) => self.load(state, How::Anew),
            Ok(None) if !block && !self.tables_there() => return Vec::new(),
            Ok(None) if !block => return self.claim(),
            _ => self.load(state_of(fallback, Default::default()), How::Anew),
        };
        match outcome {
            Ok(troubles) => troubles,
            Err(reason) => vec![Trouble::failed(format!(
                "Rules could not be put in place again: {reason}"
            ))],
        }
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
        let troubles = self.save(&state);
        if let Err(failure) = self.transact(&messages) {
            self.keep_what_holds();
            return Err(sentence(&failure));
        }
        if let Some(held) = &mut self.held {
            held.state = state;
        }
        self.expect(|key| sets.iter().any(|set| is_set(key, set)));
        Ok(troubles)
    }

    /// Takes all rules away, and puts the kernel's settings back.
    pub fn open_up(&mut self) -> Result<(), String> {
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
        state::remove(&self.options.state)
            .map_err(|error| format!("The rules are gone, but not their file: {error}"))
    }

    pub fn inspect(&mut self) -> Result<Inspection, String> {
        let generation = self.generation()?;
        let actual = self.read_back()?;
        let intact = self.is_intact(&actual)?;
        Ok(Inspection {
            generation,
            digest: digest_of(&actual),
            intact,
            blocking: self.held.is_some(),
        })
    }

    fn tables_there(&mut self) -> bool {
        self.present().is_ok_and(|families| !families.is_empty())
    }

    fn present(&mut self) -> Result<Vec<Family>, Failure> {
        let mut all = Vec::new();
        for family in FAMILIES {
            if nft::table_exists(&mut self.requests, family, &self.options.table)? {
                all.push(family);
            }
        }
        Ok(all)
    }

    fn generation(&mut self) -> Result<u32, String> {
        nft::generation(&mut self.requests).map_err(|failure| sentence(&failure))
    }

    /// What was changed just now is right as the kernel has it. All else is as it was: others may have changed that.
    fn expect(&mut self, is_changed: impl Fn(&str) -> bool) {
        // Without it, what was changed counts as changed by others.
        let actual = self.read_back().unwrap_or_default();
        if let Some(held) = &mut self.held {
            held.expected
                .extend(actual.into_iter().filter(|(key, _)| is_changed(key)));
        }
    }

    fn read_back(&mut self) -> Result<Digests, String> {
        nft::snapshot(&mut self.requests, &self.options.table).map_err(|failure| sentence(&failure))
    }

    fn transact(&mut self, messages: &[Message]) -> Result<(), Failure> {
        self.requests
            .transact(&nft::batch_begin(), messages, &nft::batch_end())
    }

    /// The file says again what is in force, after something else could not be put in force.
    fn keep_what_holds(&self) {
        // What cannot be written now was told when it was first tried.
        match &self.held {
            Some(held) => drop(state::write(&self.options.state, &held.state)),
            None => drop(state::remove(&self.options.state)),
        }
    }

    /// A full disk must not keep rules from being loaded: it is told, and they are loaded.
    fn save(&self, state: &State) -> Vec<Trouble> {
        let written = state::write(&self.options.state, state);
        let was_unsaved = self.unsaved.replace(written.is_err());
        match written {
            Err(error) if !was_unsaved => vec![Trouble::unsaved(format!(
                "The rules hold, but {} cannot be written ({error}): until it can, rules that somebody takes away while their holder is dead cannot be put back.",
                self.options.state.display()
            ))],
            _ => Vec::new(),
        }
    }
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
