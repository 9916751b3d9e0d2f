//! The chains of links: each link has one of its own, which filters what leaves by it.

use std::time::Instant;

use crate::links::{self, Link};
use crate::netlink::Message;
use crate::nft::{self, Digests};
use crate::rules::{LINK_CHAIN, RuleSet};
use crate::trouble::{Kind, Trouble};

use super::{Holder, sentence};

/// Since Linux 6.16 a chain stays when its link goes, and filters one of that name which comes later. So many are kept:
/// the links of containers never come again.
const MOST_SPARE: usize = 100;

impl Holder {
    /// Gives each link a chain that has none.
    pub(super) fn cover_links(&mut self, noticed: Instant) -> Vec<Trouble> {
        match self.cover_those_there(noticed) {
            Ok(troubles) => troubles,
            Err(reason) => Vec::from_iter(self.failed(format!(
                "A link has no rules of its own, raw frames could leave by it: {reason}"
            ))),
        }
    }

    fn cover_those_there(&mut self, noticed: Instant) -> Result<Vec<Trouble>, String> {
        if !self.abilities.egress || self.held.is_none() {
            return Ok(Vec::new());
        }
        let links = self.filtered_links()?;
        let actual = self.read_back()?;
        self.forget_spare_chains(&links, &actual)?;
        let mut troubles = Vec::new();
        for link in self.bare(&links, &actual) {
            match self.cover(link, &actual) {
                Ok(()) => troubles.push(appeared(link, noticed)),
                // It may have gone again, and others must not stay bare for that.
                Err(_) if !links::list(&mut self.routes).is_ok_and(|now| now.contains(link)) => {}
                Err(reason) => return Err(reason),
            }
        }
        Ok(troubles)
    }

    fn cover(&mut self, link: &Link, actual: &Digests) -> Result<(), String> {
        let Some(held) = &self.held else { return Ok(()) };
        let table = &self.options.table;
        let mut messages = Vec::new();
        // That of a link of its name which was of another kind as well.
        let other = Link {
            internal: !link.internal,
            ..link.clone()
        };
        for chain in [link, &other].map(nft::link_chain_name) {
            if actual.contains_key(&key_of(&chain)) {
                messages.extend(nft::egress_chain_gone(table, &chain));
            }
        }
        messages.extend(nft::egress_chain(
            table,
            &held.state.rules.egress,
            link,
            &held.groups,
        )?);
        let made = self.change(&messages)?;
        let changed = [link, &other].map(chain_key);
        self.expect(made, |key| changed.iter().any(|each| each == key));
        Ok(())
    }

    fn forget_spare_chains(&mut self, links: &[Link], actual: &Digests) -> Result<(), String> {
        let wanted: Vec<String> = links.iter().map(chain_key).collect();
        let Some(held) = &self.held else { return Ok(()) };
        let known = held.expected.keys().filter(|key| link_chain_in(key).is_some());
        let spare: Vec<String> = known.filter(|key| !wanted.contains(key)).cloned().collect();
        if spare.len() <= MOST_SPARE {
            return Ok(());
        }
        let messages: Vec<Message> = spare
            .iter()
            .filter(|key| actual.contains_key(*key))
            .filter_map(|key| link_chain_in(key))
            .flat_map(|chain| nft::egress_chain_gone(&self.options.table, chain))
            .collect();
        self.transact(&messages).map_err(|failure| sentence(&failure))?;
        self.expect(Digests::new(), |key| spare.iter().any(|each| each == key));
        Ok(())
    }

    /// Those that should have chains of their own.
    pub(super) fn filtered_links(&mut self) -> Result<Vec<Link>, String> {
        let mut links = links::list(&mut self.routes).map_err(|failure| sentence(&failure))?;
        let rules = self.held.as_ref().map(|held| &held.state.rules);
        links.retain(|link| rules.is_some_and(|rules| is_filtered(link, rules)));
        Ok(links)
    }

    /// Those that should have chains of their own and have not.
    pub(super) fn bare<'a>(&self, links: &'a [Link], actual: &Digests) -> Vec<&'a Link> {
        let expected = self.held.as_ref().map(|held| &held.expected);
        let expected = expected.filter(|_| self.abilities.egress);
        let is_bare = |link: &&Link| expected.is_some_and(|expected| is_bare(link, expected, actual));
        links.iter().filter(is_bare).collect()
    }
}

fn appeared(link: &Link, noticed: Instant) -> Trouble {
    let open_ms = noticed.elapsed().as_secs_f64() * 1000.0;
    Trouble {
        kind: Kind::Link,
        message: format!(
            "The link {} appeared. It had rules {open_ms:.1} ms after that was noticed.",
            String::from_utf8_lossy(&link.name)
        ),
        open_ms: Some(open_ms),
    }
}

pub(super) fn is_filtered(link: &Link, rules: &RuleSet) -> bool {
    !link.loopback && Some(link.index) != rules.egress.spared
}

/// The chain of a link, in a key of what the kernel has.
pub(super) fn link_chain_in(key: &str) -> Option<&str> {
    key.strip_prefix("netdev/chain/")
        .filter(|name| name.starts_with(LINK_CHAIN))
}

pub(super) fn chain_key(link: &Link) -> String {
    key_of(&nft::link_chain_name(link))
}

fn key_of(chain: &str) -> String {
    format!("netdev/chain/{chain}")
}

/// Its own chain is not there, or not as it was made: before Linux 6.16 a chain, or the link in it, goes with its link,
/// and one of the same name that comes later is not in it.
fn is_bare(link: &Link, expected: &Digests, actual: &Digests) -> bool {
    let key = chain_key(link);
    actual
        .get(&key)
        .is_none_or(|chain| expected.get(&key) != Some(chain))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(name: &str) -> Link {
        Link {
            index: 7,
            name: name.as_bytes().to_owned(),
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
}
