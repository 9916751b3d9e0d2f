//! Puts rules in force: in the place of others where nobody sees it, else all anew.

use crate::abilities::Abilities;
use crate::control_groups::GroupNumbers;
use crate::links::{self, Link};
use crate::netlink::Message;
use crate::nft::{self, Contents, Digests, Family};
use crate::rules::RuleSet;
use crate::state::State;
use crate::trouble::{Kind, Trouble};

use super::link_chains::{is_filtered, link_chain_in};
use super::{Held, Holder, sentence};

/// How rules are put in the place of others.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// What is the same stays, and so do hooks.
    InPlace,
    /// Whatever is there goes, but for the chains of links, which are filled anew.
    Anew,
    /// These as well: others may have tied to them what cannot be taken away otherwise.
    FromNothing,
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
        let mut troubles = self.write_down(Some(&state));
        let expected = self
            .put_in_force(&state.rules, &groups, how)
            .inspect_err(|_| self.keep_what_holds())?;
        self.doubtful = expected.is_empty();
        self.told = None;
        self.held = Some(Held {
            expected,
            groups,
            ..Held::unseen(state)
        });
        troubles.extend(
            self.check_settings()
                .into_iter()
                .filter(|trouble| trouble.kind == Kind::Failed),
        );
        if let Some(held) = &self.held {
            // With the settings as they were found.
            troubles.extend(self.write_down(Some(&held.state)));
        }
        Ok(troubles)
    }

    /// Loads rules, and tells what the kernel has made of them: nothing where others may have had a hand in it. A link may
    /// go, or another change the rules, between looking and loading: then it is tried again.
    fn put_in_force(&mut self, rules: &RuleSet, groups: &GroupNumbers, how: How) -> Result<Digests, String> {
        let mut outcome = self.load_once(rules, groups, how);
        for how in [How::Anew, How::Anew, How::Anew, How::FromNothing] {
            outcome = outcome.or_else(|_| self.load_once(rules, groups, how));
        }
        outcome
    }

    fn load_once(&mut self, rules: &RuleSet, groups: &GroupNumbers, how: How) -> Result<Digests, String> {
        let table = self.options.table.clone();
        let mut links = links::list(&mut self.routes).map_err(|failure| sentence(&failure))?;
        links.retain(|link| is_filtered(link, rules));
        if how == How::InPlace
            && let Some(messages) = self.update(rules, groups, &links)?
        {
            return self.change(&messages);
        }
        let present = self.present().map_err(|failure| sentence(&failure))?;
        // Of a holder before this one: ours from now on where that can be, else made anew.
        let has_links = how != How::FromNothing
            && present.contains(&Family::Netdev)
            && self
                .transact(&[nft::new_table(Family::Netdev, &table, self.abilities.owned)])
                .is_ok();
        // Whatever others change from here on is found out.
        let before = self.generation()?;
        let mut messages = Vec::new();
        for (family, contents) in tables(rules, self.abilities) {
            if family == Family::Netdev && has_links {
                let there = self.read_back()?;
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
        self.transact(&messages).map_err(|failure| sentence(&failure))?;
        Ok(self.made_since(before))
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
            || held.groups.changes_rules(groups, from)
            || held.expected.is_empty();
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
        let wanted: Vec<String> = links.iter().map(nft::link_chain_name).collect();
        for chain in there
            .iter()
            .filter(|chain| !wanted.iter().any(|name| name == *chain))
        {
            all.extend(nft::egress_chain_gone(table, chain));
        }
        for link in links
            .iter()
            .filter(|link| !there.contains(&nft::link_chain_name(link).as_str()))
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
                .map(|each| nft::new_table(each, &self.options.table, true))
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
