//! Hears of what others do to the rules, to links, to control groups and to settings, and puts it right.

use std::time::Instant;

use crate::control_groups::GroupNumbers;
use crate::links;
use crate::netlink::Attributes;
use crate::nft::{self, Digests, Family};
use crate::rules::NamedSet;
use crate::settings;
use crate::trouble::{Kind, Trouble};

use super::link_chains::{chain_key, link_chain_in};
use super::loading::How;
use super::{Holder, is_set, sentence};

impl Holder {
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
    pub(super) fn check_settings(&mut self) -> Vec<Trouble> {
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

    /// Whether the kernel has what it should have. What becomes of a chain whose link is gone depends on the kernel.
    pub(super) fn is_intact(&mut self, actual: &Digests) -> Result<bool, String> {
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
}
