//! Puts rules in force: in the place of others where nobody sees it, else all anew.

use std::collections::BTreeSet;

use crate::abilities::Abilities;
use crate::control_groups::GroupNumbers;
use crate::links::{self, Link};
use crate::netlink::{Failure, Message};
use crate::nft::{self, Contents, Digests, Family};
use crate::rules::RuleSet;
use crate::state::State;
use crate::trouble::{Kind, Trouble};

use super::link_chains::{is_filtered, link_chain_in};
use super::{Held, Holder, sentence};

/// A link may go, or another change the rules, between looking and loading: then it is tried again.
const ATTEMPTS: usize = 5;

/// How rules are put in the place of others.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
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

impl Holder {
    pub(super) fn load(&mut self, state: State, how: How) -> Result<Vec<Trouble>, String> {
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

    pub(super) fn claim(&mut self) -> Vec<Trouble> {
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
}

/// What each of the tables holds, but for the chains of links.
pub(super) fn tables(rules: &RuleSet, abilities: Abilities) -> Vec<(Family, Contents<'_>)> {
    let RuleSet { inet, egress, .. } = rules;
    let (sets, chains) = (&inet.sets, &inet.chains);
    let mut all = vec![(Family::Inet, Contents { sets, chains })];
    if abilities.egress {
        let (sets, chains) = (&egress.sets, &egress.chains);
        all.push((Family::Netdev, Contents { sets, chains }));
    }
    all
}
