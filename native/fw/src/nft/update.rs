//! The messages that turn what a table holds into something else: what is the same stays, and so do the hooks of its
//! chains. The kernel takes hooks away and puts others in their place one after the other, waiting each time; rules it
//! swaps all at once.

use crate::control_groups::GroupNumbers;
use crate::netlink::Message;
use crate::rules::{Chain, NamedSet};

use super::sets::{new_elements, new_set, set_gone, swap};
use super::table::{Contents, Family, chain_gone, new_chain, new_rule, no_rules, policy_of};

/// None where it cannot be done so: a hook would have to move, a set to become one of another kind, or one of networks
/// to change under its rules.
pub fn update(
    family: Family,
    table: &str,
    from: Contents,
    to: Contents,
    groups: &GroupNumbers,
) -> Result<Option<Vec<Message>>, String> {
    if to.chains.iter().any(|chain| moves(from.chains, chain))
        || to.sets.iter().any(|set| must_be_made_anew(from.sets, set))
    {
        return Ok(None);
    }
    let is_same =
        |chain: &&Chain| named(from.chains, &chain.name).is_some_and(|old| old.rules == chain.rules);
    let gone = from
        .chains
        .iter()
        .filter(|old| named(to.chains, &old.name).is_none());
    let refilled: Vec<&Chain> = to.chains.iter().filter(|chain| !is_same(chain)).collect();
    let (changed, new): (Vec<&Chain>, Vec<&Chain>) = refilled
        .iter()
        .partition(|chain| named(from.chains, &chain.name).is_some());

    // Rules first: they use sets and jump to chains.
    let mut all: Vec<Message> = gone
        .clone()
        .chain(changed)
        .map(|chain| no_rules(family, table, Some(&chain.name)))
        .collect();
    all.extend(gone.map(|chain| chain_gone(family, table, &chain.name)));
    all.extend(update_sets(family, table, from.sets, to.sets, groups)?);
    all.extend(new.iter().map(|chain| new_chain(family, table, chain)));
    all.extend(to.chains.iter().filter_map(|chain| {
        let (old, base) = (
            named(from.chains, &chain.name)?.base.as_ref()?,
            chain.base.as_ref()?,
        );
        (old.policy != base.policy).then(|| policy_of(family, table, &chain.name, base.policy))
    }));
    for chain in refilled {
        for rule in &chain.rules {
            all.push(new_rule(family, table, &chain.name, rule, groups)?);
        }
    }
    Ok(Some(all))
}

fn update_sets(
    family: Family,
    table: &str,
    from: &[NamedSet],
    to: &[NamedSet],
    groups: &GroupNumbers,
) -> Result<Vec<Message>, String> {
    let old = |set: &NamedSet| from.iter().find(|old| old.name() == set.name());
    let mut all: Vec<Message> = from
        .iter()
        .filter(|old| to.iter().all(|set| set.name() != old.name()))
        .map(|old| set_gone(family, table, old.name()))
        .collect();
    for (index, set) in to.iter().enumerate() {
        match old(set) {
            Some(old) if old == set && !matches!(set, NamedSet::GroupsBeside { .. }) => {}
            Some(_) => all.extend(swap(family, table, set, groups)?),
            None => {
                all.push(new_set(family, table, set, index as u32 + 1));
                all.extend(new_elements(family, table, set, groups)?);
            }
        }
    }
    Ok(all)
}

fn named<'a>(chains: &'a [Chain], name: &str) -> Option<&'a Chain> {
    chains.iter().find(|chain| chain.name == name)
}

/// The chain is there already and would be entered elsewhere.
fn moves(from: &[Chain], chain: &Chain) -> bool {
    let Some(old) = named(from, &chain.name) else {
        return false;
    };
    match (&old.base, &chain.base) {
        (None, None) => false,
        (Some(old), Some(new)) => {
            old.kind != new.kind || old.hook != new.hook || old.priority != new.priority
        }
        _ => true,
    }
}

fn must_be_made_anew(from: &[NamedSet], set: &NamedSet) -> bool {
    let old = from.iter().find(|old| old.name() == set.name());
    old.is_some_and(|old| !old.is_like(set) || matches!(set, NamedSet::Networks { .. }) && old != set)
}
