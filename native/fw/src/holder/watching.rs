//! Hears of what others do to the rules, to links, to control groups and to settings, and puts it right.

use std::time::Instant;

use crate::control_groups::GroupNumbers;
use crate::links::Link;
use crate::netlink::Attributes;
use crate::nft::{self, Digests, Family};
use crate::rules::NamedSet;
use crate::settings;
use crate::trouble::{Kind, Trouble};

use super::link_chains::{chain_key, link_chain_in};
use super::loading::How;
use super::{Holder, is_set};

const SOMEBODY: &str = "another program";

impl Holder {
    /// Somebody changed rules, ours or not.
    pub fn rules_changed(&mut self) -> Vec<Trouble> {
        let noticed = Instant::now();
        let mut changer = None;
        let heard = self.rule_events.events(|reply| {
            let event = Attributes::new(reply.body.get(4..).unwrap_or(&[]));
            let is_ours = event.u32(nft::NFTA_GEN_PROC_PID) == Some(std::process::id());
            if reply.kind == nft::GENERATION_EVENT && !is_ours && changer.is_none() {
                changer = Some(event.text(nft::NFTA_GEN_PROC_NAME).unwrap_or(SOMEBODY).to_owned());
            }
        });
        if heard.is_err() {
            // So much has happened that some was lost.
            changer.get_or_insert_with(|| SOMEBODY.to_owned());
        }
        match changer {
            Some(changer) => self.restore(&format!("{changer} changed the firewall's rules"), noticed),
            None => Vec::new(),
        }
    }

    /// Links came, went or changed: those without a chain of their own get one.
    pub fn links_changed(&mut self) -> Vec<Trouble> {
        let noticed = Instant::now();
        // What was lost or heard makes no difference: all links are looked at.
        let _ = self.link_events.events(drop);
        let mut troubles = self.check_settings();
        troubles.extend(self.cover_links(noticed));
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
            Err(reason) => Vec::from_iter(self.failed(format!(
                "Control groups changed, and the rules do not know it: {reason}"
            ))),
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
        let made = self.change(&messages)?;
        if let Some(held) = &mut self.held {
            held.groups = now;
        }
        self.expect(made, |key| sets.iter().any(|set| is_set(key, set)));
        Ok(())
    }

    /// Looks at what the kernel tells of only in part, settings and control groups, and again at what failed before.
    pub fn look_around(&mut self) -> Vec<Trouble> {
        let noticed = Instant::now();
        let mut troubles = self.check_settings();
        troubles.extend(self.groups_changed());
        if std::mem::take(&mut self.doubtful) {
            troubles.extend(self.restore("The firewall's rules were not all as they should be", noticed));
            troubles.extend(self.cover_links(noticed));
        }
        if self.unsaved.get() {
            troubles.extend(self.write_down(self.held.as_ref().map(|held| &held.state)));
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

    /// Puts the rules back where they are not as they were made. `cause` is what became of them.
    fn restore(&mut self, cause: &str, noticed: Instant) -> Vec<Trouble> {
        let looked = self
            .filtered_links()
            .and_then(|links| Ok((self.read_back()?, links)));
        // What cannot be read back counts as changed.
        if looked.is_ok_and(|(actual, links)| self.is_intact(&actual, &links)) {
            return Vec::new();
        }
        let Some(held) = &self.held else { return Vec::new() };
        match self.load(held.state.clone(), How::Anew) {
            Ok(mut troubles) => {
                let open_ms = noticed.elapsed().as_secs_f64() * 1000.0;
                troubles.push(Trouble {
                    kind: Kind::Changed,
                    message: format!("{cause}. They were back {open_ms:.1} ms after that was noticed."),
                    open_ms: Some(open_ms),
                });
                troubles
            }
            Err(reason) => {
                Vec::from_iter(self.failed(format!("{cause}, and they could not be put back: {reason}")))
            }
        }
    }

    fn load_again(&mut self, cause: &str) -> Vec<Trouble> {
        let Some(held) = &self.held else { return Vec::new() };
        match self.load(held.state.clone(), How::Anew) {
            Ok(troubles) => troubles,
            Err(reason) => {
                Vec::from_iter(self.failed(format!("{cause}, and the rules do not know it: {reason}")))
            }
        }
    }

    /// Whether the kernel has what it should have. What becomes of a chain whose link is gone depends on the kernel.
    pub(super) fn is_intact(&self, actual: &Digests, links: &[Link]) -> bool {
        let Some(held) = &self.held else {
            return actual.is_empty();
        };
        let present: Vec<String> = links.iter().map(chain_key).collect();
        let missing = held.expected.iter().any(|(key, digest)| {
            let matters = link_chain_in(key).is_none() || present.contains(key);
            matters && actual.get(key) != Some(digest)
        });
        let foreign = actual.keys().any(|key| !held.expected.contains_key(key));
        !held.expected.is_empty() && !missing && !foreign
    }
}
