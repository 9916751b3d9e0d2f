//! Holds the tables: loads them, owns them where the kernel can, and puts them back where others changed them.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::time::Instant;

use rustix::net::netlink::NETFILTER;

use crate::control_groups::{ControlGroups, GroupNumbers};
use crate::links::{self, Link};
use crate::netlink::{Attributes, Failure, Message, Socket};
use crate::nft::{self, Contents, Digests, Family};
use crate::rules::{NamedSet, RuleSet};
use crate::settings;
use crate::state::{self, State};
use crate::trouble::{Kind, Trouble};

const FAMILIES: [Family; 2] = [Family::Inet, Family::Netdev];
/// A link may go, or another change the rules, between looking and loading: then it is tried again.
const ATTEMPTS: usize = 5;

pub struct Options {
    pub table: String,
    pub state: PathBuf,
    /// Never own the table, also where the kernel could.
    pub watched: bool,
}

/// What the kernel can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// A table that nobody else can change, and that stays when its owner dies (Linux 6.9).
    pub owned: bool,
    /// Filtering what leaves by a link (Linux 5.16).
    pub egress: bool,
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
        let abilities = abilities(&mut requests, options.watched);
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

    /// Somebody changed rules, ours or not.
    pub fn rules_changed(&mut self) -> Vec<Trouble> {
        let noticed = Instant::now();
        let changer = match self.rule_events.events() {
            Ok(replies) => replies
                .iter()
                .filter(|reply| reply.kind == nft::GENERATION_EVENT)
                .map(|reply| Attributes::new(reply.body.get(4..).unwrap_or(&[])))
                .find(|event| event.u32(nft::NFTA_GEN_PROC_PID) != Some(std::process::id()))
                .map(|event| {
                    event
                        .text(nft::NFTA_GEN_PROC_NAME)
                        .unwrap_or("another program")
                        .to_owned()
                }),
            // So much has happened that some was lost.
            Err(_) => Some("another program".to_owned()),
        };
        match (changer, &self.held) {
            (Some(changer), Some(_)) => self.restore(&changer, noticed),
            _ => Vec::new(),
        }
    }

    /// Links came, went or changed: those without a chain of their own get one.
    pub fn links_changed(&mut self) -> Vec<Trouble> {
        let noticed = Instant::now();
        // What was lost or heard makes no difference: all links are looked at.
        let _ = self.link_events.events();
        let mut troubles = self.check_settings();
        if self.abilities.egress && self.held.is_some() {
            match self.cover_links(noticed) {
                Ok(more) => troubles.extend(more),
                Err(reason) => troubles.push(Trouble::failed(format!(
                    "A link has no rules of its own, raw frames could leave by it: {reason}"
                ))),
            }
        }
        troubles
    }

    /// Control groups were made or deleted, perhaps one that the rules name.
    pub fn groups_changed(&mut self) -> Vec<Trouble> {
        self.groups.forget_events();
        let Some(held) = &self.held else { return Vec::new() };
        let rules = &held.state.rules;
        let outcome = match self.groups.numbers(rules, &held.groups, false) {
            Ok(now) if now == held.groups => return Vec::new(),
            Ok(now) if held.groups.changes_rules(&now, rules) => {
                return self.load_again("A control group was made again");
            }
            Ok(now) => self.renumber(now),
            Err(reason) => Err(reason),
        };
        match outcome {
            Ok(()) => Vec::new(),
            Err(reason) => vec![Trouble::failed(format!(
                "Control groups changed, and the rules do not know it: {reason}"
            ))],
        }
    }

    /// Swaps what is in the sets of groups.
    fn renumber(&mut self, now: GroupNumbers) -> Result<(), String> {
        let Some(held) = &self.held else { return Ok(()) };
        let mut sets = held.state.rules.inet.sets.clone();
        sets.retain(|set| matches!(set, NamedSet::GroupsBeside { .. }));
        let mut messages = Vec::new();
        for set in &sets {
            messages.extend(nft::swap(Family::Inet, &self.options.table, set, &now)?);
        }
        self.transact(&messages).map_err(|failure| sentence(&failure))?;
        if let Some(held) = &mut self.held {
            held.groups = now;
        }
        self.expect(|key| sets.iter().any(|set| is_set(key, set)));
        Ok(())
    }

    /// Looks at what the kernel tells of only in part: settings and control groups.
    pub fn look_around(&mut self) -> Vec<Trouble> {
        let mut troubles = self.check_settings();
        troubles.extend(self.groups_changed());
        if self.unsaved.get()
            && let Some(held) = &self.held
        {
            troubles.extend(self.save(&held.state));
        }
        troubles
    }

    /// One that cannot be put right is told once.
    fn check_settings(&mut self) -> Vec<Trouble> {
        let Some(held) = &mut self.held else {
            return Vec::new();
        };
        let changed = settings::hold(&held.state.rules.settings, &mut held.state.before);
        let failed = changed.iter().filter(|each| each.failure.is_some());
        let lost = failed.map(|each| each.name.clone()).collect();
        let told = std::mem::replace(&mut held.lost, lost);
        changed
            .into_iter()
            .filter(|each| each.failure.is_none() || !told.contains(&each.name))
            .map(Trouble::setting)
            .collect()
    }

    fn restore(&mut self, changer: &str, noticed: Instant) -> Vec<Trouble> {
        // What cannot be read back counts as changed.
        if self.read_back().and_then(|actual| self.is_intact(&actual)) == Ok(true) {
            return Vec::new();
        }
        let Some(held) = &self.held else { return Vec::new() };
        match self.load(held.state.clone(), How::Anew) {
            Ok(mut troubles) => {
                let open_ms = noticed.elapsed().as_secs_f64() * 1000.0;
                troubles.push(Trouble {
                    kind: Kind::Changed,
                    message: format!(
                        "{changer} changed the firewall's rules. They were back {open_ms:.1} ms after that was noticed."
                    ),
                    open_ms: Some(open_ms),
                });
                troubles
            }
            Err(reason) => vec![Trouble::failed(format!(
                "{changer} changed the firewall's rules, and they could not be put back: {reason}"
            ))],
        }
    }

    fn load_again(&mut self, cause: &str) -> Vec<Trouble> {
        let Some(held) = &self.held else { return Vec::new() };
        match self.load(held.state.clone(), How::Anew) {
            Ok(troubles) => troubles,
            Err(reason) => vec![Trouble::failed(format!(
                "{cause}, and the rules do not know it: {reason}"
            ))],
        }
    }

    fn load(&mut self, state: State, how: How) -> Result<Vec<Trouble>, String> {
        let known = self.held.as_ref().map(|held| held.groups.clone());
        // Before the rules are loaded: what changes meanwhile is found to differ at the next look. Rules that were in force
        // already are not refused for a group that is gone.
        let all_there = how == How::InPlace;
        let groups = self
            .groups
            .numbers(&state.rules, &known.unwrap_or_default(), all_there)?;
        let mut troubles = self.save(&state);
        let expected = self
            .put_in_force(&state.rules, &groups, how)
            .inspect_err(|_| self.keep_what_holds())?;
        self.held = Some(Held {
            state,
            expected,
            groups,
            lost: BTreeSet::new(),
        });
        troubles.extend(
            self.check_settings()
                .into_iter()
                .filter(|trouble| trouble.kind == Kind::Failed),
        );
        if let Some(held) = &self.held {
            // With the settings as they were found.
            troubles.extend(self.save(&held.state));
        }
        Ok(troubles)
    }

    /// Loads rules, and tells what the kernel has made of them: nothing where others may have had a hand in it.
    fn put_in_force(&mut self, rules: &RuleSet, groups: &GroupNumbers, how: How) -> Result<Digests, String> {
        let mut failure = String::new();
        for attempt in 0..ATTEMPTS {
            let how = if attempt == 0 { how } else { How::Anew };
            let before = self.generation()?;
            match self.load_once(rules, groups, how) {
                Ok(()) => {
                    let made = self.read_back().unwrap_or_default();
                    let alone = self.abilities.owned || self.generation() == Ok(before.wrapping_add(1));
                    return Ok(if alone { made } else { Digests::new() });
                }
                Err(LoadError::Refused(refusal)) => failure = sentence(&refusal),
                Err(LoadError::Wrong(reason)) => return Err(reason),
            }
        }
        Err(failure)
    }

    fn load_once(&mut self, rules: &RuleSet, groups: &GroupNumbers, how: How) -> Result<(), LoadError> {
        let table = self.options.table.clone();
        let links: Vec<Link> = links::list(&mut self.routes)?
            .into_iter()
            .filter(|link| is_filtered(link, rules))
            .collect();
        if how == How::InPlace
            && let Some(messages) = self.update(rules, groups, &links)?
        {
            return Ok(self.transact(&messages)?);
        }
        let present = self.present()?;
        // Of a holder before this one: ours from now on where that can be, else made anew.
        let has_links = present.contains(&Family::Netdev)
            && (self.held.is_some() || !self.abilities.owned || self.claim_links().is_ok());
        let mut messages = Vec::new();
        for (family, contents) in tables(rules, self.abilities) {
            if family == Family::Netdev && has_links {
                let there = nft::snapshot(&mut self.requests, &table)?;
                messages.extend(nft::empty_but_links(family, &table, &there, &links));
            } else {
                if present.contains(&family) {
                    messages.push(nft::delete_table(family, &table));
                }
                messages.push(nft::new_table(family, &table, self.abilities.owned));
            }
            messages.extend(nft::table_contents(family, &table, contents, groups)?);
        }
        if self.abilities.egress {
            for link in &links {
                messages.extend(nft::egress_chain(&table, &rules.egress, link, groups)?);
            }
        }
        Ok(self.transact(&messages)?)
    }

    /// What turns the rules in force into others; None where they must be made anew. Only of tables that nobody else
    /// can have changed.
    fn update(
        &self,
        rules: &RuleSet,
        groups: &GroupNumbers,
        links: &[Link],
    ) -> Result<Option<Vec<Message>>, String> {
        let table = &self.options.table;
        let (Some(held), true) = (&self.held, self.abilities.owned) else {
            return Ok(None);
        };
        let from = &held.state.rules;
        let differs = from.egress.chain != rules.egress.chain
            || from.egress.policy != rules.egress.policy
            || from.egress.internal != rules.egress.internal
            || held.groups.changes_rules(groups, from);
        if differs {
            return Ok(None);
        }
        let mut all = Vec::new();
        let both = tables(from, self.abilities)
            .into_iter()
            .zip(tables(rules, self.abilities));
        for ((family, from), (_, to)) in both {
            match nft::update(family, table, from, to, groups)? {
                Some(messages) => all.extend(messages),
                None => return Ok(None),
            }
        }
        if !self.abilities.egress {
            return Ok(Some(all));
        }
        let there: Vec<&str> = held
            .expected
            .keys()
            .filter_map(|key| link_chain_in(key))
            .collect();
        let wanted: Vec<String> = links
            .iter()
            .map(|link| nft::link_chain_name(&link.name))
            .collect();
        for chain in there
            .iter()
            .filter(|chain| !wanted.iter().any(|name| name == *chain))
        {
            all.extend(nft::egress_chain_gone(table, chain));
        }
        for link in links
            .iter()
            .filter(|link| !there.contains(&nft::link_chain_name(&link.name).as_str()))
        {
            all.extend(nft::egress_chain(table, &rules.egress, link, groups)?);
        }
        Ok(Some(all))
    }

    fn cover_links(&mut self, noticed: Instant) -> Result<Vec<Trouble>, String> {
        let links = links::list(&mut self.routes).map_err(|failure| sentence(&failure))?;
        let actual = self.read_back()?;
        let Some(held) = &self.held else {
            return Ok(Vec::new());
        };
        let table = &self.options.table;
        let rules = &held.state.rules;
        let bare: Vec<Link> = links
            .into_iter()
            .filter(|link| is_filtered(link, rules) && is_bare(link, &held.expected, &actual))
            .collect();
        let mut messages = Vec::new();
        for link in &bare {
            if actual.contains_key(&chain_key(link)) {
                messages.extend(nft::egress_chain_gone(table, &nft::link_chain_name(&link.name)));
            }
            messages.extend(nft::egress_chain(table, &rules.egress, link, &held.groups)?);
        }
        if messages.is_empty() {
            return Ok(Vec::new());
        }
        self.transact(&messages).map_err(|failure| sentence(&failure))?;
        let open_ms = noticed.elapsed().as_secs_f64() * 1000.0;
        let new: Vec<String> = bare.iter().map(chain_key).collect();
        self.expect(|key| new.iter().any(|each| each == key));
        Ok(bare
            .into_iter()
            .map(|link| Trouble {
                kind: Kind::Link,
                message: format!(
                    "The link {} appeared. It had rules {open_ms:.1} ms after that was noticed.",
                    link.name
                ),
                open_ms: Some(open_ms),
            })
            .collect())
    }

    /// Whether the kernel has what it should have. What becomes of a chain whose link is gone depends on the kernel.
    fn is_intact(&mut self, actual: &Digests) -> Result<bool, String> {
        let links = links::list(&mut self.routes).map_err(|failure| sentence(&failure))?;
        let Some(held) = &self.held else {
            return Ok(actual.is_empty());
        };
        let present: Vec<String> = links.iter().map(chain_key).collect();
        let missing = held.expected.iter().any(|(key, digest)| {
            let matters = link_chain_in(key).is_none() || present.contains(key);
            matters && actual.get(key) != Some(digest)
        });
        let foreign = actual.keys().any(|key| !held.expected.contains_key(key));
        Ok(!held.expected.is_empty() && !missing && !foreign)
    }

    fn claim(&mut self) -> Vec<Trouble> {
        if !self.abilities.owned {
            return Vec::new();
        }
        let messages: Vec<Message> = match self.present() {
            Ok(families) => families
                .into_iter()
                .map(|each| nft::claim_table(each, &self.options.table))
                .collect(),
            Err(failure) => return vec![Trouble::failed(sentence(&failure))],
        };
        match self.transact(&messages) {
            Ok(()) => Vec::new(),
            Err(failure) => vec![Trouble::failed(format!(
                "There are rules that nobody holds, and they could not be taken over: {}",
                sentence(&failure)
            ))],
        }
    }

    fn claim_links(&mut self) -> Result<(), Failure> {
        self.transact(&[nft::claim_table(Family::Netdev, &self.options.table.clone())])
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

/// How rules are put in the place of others.
#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    /// What is the same stays, and so do hooks.
    InPlace,
    /// Whatever is there goes.
    Anew,
}

enum LoadError {
    Refused(Failure),
    Wrong(String),
}

impl From<Failure> for LoadError {
    fn from(failure: Failure) -> Self {
        Self::Refused(failure)
    }
}

impl From<String> for LoadError {
    fn from(reason: String) -> Self {
        Self::Wrong(reason)
    }
}

/// Tries on a table of its own what the kernel can do: one transaction makes and deletes it.
fn abilities(socket: &mut Socket, watched: bool) -> Abilities {
    let name = format!("atlantic-try-{}", std::process::id());
    let mut can = |family: Family, owned: bool, more: Vec<Message>| {
        let mut messages = vec![nft::new_table(family, &name, owned)];
        messages.extend(more);
        messages.push(nft::delete_table(family, &name));
        socket
            .transact(&nft::batch_begin(), &messages, &nft::batch_end())
            .is_ok()
    };
    let egress = can(Family::Netdev, false, vec![nft::empty_egress_chain(&name, "lo")]);
    Abilities {
        owned: !watched && can(Family::Inet, true, Vec::new()),
        egress,
    }
}

fn state_of(rules: RuleSet, before: settings::Before) -> State {
    State {
        rules,
        boot: state::this_boot(),
        before,
    }
}

fn is_filtered(link: &Link, rules: &RuleSet) -> bool {
    !link.loopback && Some(link.index) != rules.egress.spared
}

/// The chain of a link, in a key of what the kernel has.
fn link_chain_in(key: &str) -> Option<&str> {
    key.strip_prefix("netdev/chain/")
        .filter(|name| name.starts_with(&nft::link_chain_name("")))
}

fn chain_key(link: &Link) -> String {
    format!("netdev/chain/{}", nft::link_chain_name(&link.name))
}

/// Its own chain is not there, or not as it was made: before Linux 6.16 a chain, or the link in it, goes with its link,
/// and one of the same name that comes later is not in it.
fn is_bare(link: &Link, expected: &Digests, actual: &Digests) -> bool {
    let key = chain_key(link);
    actual
        .get(&key)
        .is_none_or(|chain| expected.get(&key) != Some(chain))
}

/// Whether that is this set, in either table.
fn is_set(key: &str, set: &NamedSet) -> bool {
    key.split_once("/set/")
        .is_some_and(|(_, name)| name == set.name())
}

/// What each of the tables holds, but for the chains of links.
fn tables(rules: &RuleSet, abilities: Abilities) -> Vec<(Family, Contents<'_>)> {
    let RuleSet { inet, egress, .. } = rules;
    let (sets, chains) = (&inet.sets, &inet.chains);
    let mut all = vec![(Family::Inet, Contents { sets, chains })];
    if abilities.egress {
        let (sets, chains) = (&egress.sets, &egress.chains);
        all.push((Family::Netdev, Contents { sets, chains }));
    }
    all
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

    fn link(name: &str) -> Link {
        Link {
            index: 7,
            name: name.to_owned(),
            loopback: false,
            internal: false,
        }
    }

    fn chains(of: &[(&str, u8)]) -> Digests {
        of.iter()
            .map(|(name, digest)| (chain_key(&link(name)), [*digest; 32]))
            .collect()
    }

    #[test]
    fn a_link_is_bare_without_its_chain_and_with_one_that_is_not_as_it_was_made() {
        let eth7 = link("eth7");
        let made = chains(&[("eth0", 1), ("eth7", 2)]);
        assert!(!is_bare(&eth7, &made, &made));
        assert!(is_bare(&eth7, &chains(&[("eth0", 1)]), &chains(&[("eth0", 1)])));
        // The kernel has taken the chain away with another link of that name, or the link out of the chain.
        assert!(is_bare(&eth7, &made, &chains(&[("eth0", 1)])));
        assert!(is_bare(&eth7, &made, &chains(&[("eth0", 1), ("eth7", 3)])));
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
