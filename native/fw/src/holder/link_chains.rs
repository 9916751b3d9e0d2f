//! The chains of links: each link has one of its own, which filters what leaves by it.

use std::time::Instant;

use crate::links::{self, Link};
use crate::nft::{self, Digests};
use crate::rules::RuleSet;
use crate::trouble::{Kind, Trouble};

use super::{Holder, sentence};

impl Holder {
    pub(super) fn cover_links(&mut self, noticed: Instant) -> Result<Vec<Trouble>, String> {
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
}

pub(super) fn is_filtered(link: &Link, rules: &RuleSet) -> bool {
    !link.loopback && Some(link.index) != rules.egress.spared
}

/// The chain of a link, in a key of what the kernel has.
pub(super) fn link_chain_in(key: &str) -> Option<&str> {
    key.strip_prefix("netdev/chain/")
        .filter(|name| name.starts_with(&nft::link_chain_name("")))
}

pub(super) fn chain_key(link: &Link) -> String {
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
}
