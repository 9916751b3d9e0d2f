//! The messages that make, fill and take away the tables, their chains and rules.

use crate::control_groups::GroupNumbers;
use crate::links::Link;
use crate::netlink::{Failure, Message, NLM_F_APPEND, NLM_F_CREATE, NLM_F_REQUEST, Socket};
use crate::rules::{Base, BaseKind, Chain, Egress, Hook, LINK_CHAIN, NamedSet, Policy, Rule, Verdict};

use super::constants::*;
use super::expressions::encode;
use super::sets::{new_elements, new_set, set_gone};
use super::snapshot::Digests;

/// The family of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    Inet,
    Netdev,
}

impl Family {
    fn number(self) -> u8 {
        match self {
            Self::Inet => 1,
            Self::Netdev => 5,
        }
    }

    /// As nft calls it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Inet => "inet",
            Self::Netdev => "netdev",
        }
    }
}

/// All of it happens, or nothing.
pub fn transact(socket: &mut Socket, messages: &[Message]) -> Result<(), Failure> {
    socket.transact(&batch(NFNL_MSG_BATCH_BEGIN), messages, &batch(NFNL_MSG_BATCH_END))
}

fn batch(kind: u16) -> Message {
    let [high, low] = 10_u16.to_be_bytes();
    Message::new(kind, NLM_F_REQUEST, &[0, 0, high, low])
}

/// A message of nf_tables: nfgenmsg follows the header.
pub(super) fn message(family: Family, kind: u16, flags: u16) -> Message {
    Message::new(kind, NLM_F_REQUEST | flags, &[family.number(), 0, 0, 0])
}

/// With `owned` the kernel lets this socket alone change the table, and keeps the table when the socket is gone. One that
/// is there is taken over where its owner is gone, and woken where others have put it to sleep.
pub fn new_table(family: Family, name: &str, owned: bool) -> Message {
    let mut request = message(family, NFT_MSG_NEWTABLE, NLM_F_CREATE);
    let flags = if owned {
        NFT_TABLE_F_OWNER | NFT_TABLE_F_PERSIST
    } else {
        0
    };
    request.text(NFTA_TABLE_NAME, name).u32(NFTA_TABLE_FLAGS, flags);
    request
}

pub fn delete_table(family: Family, name: &str) -> Message {
    let mut request = message(family, NFT_MSG_DELTABLE, 0);
    request.text(NFTA_TABLE_NAME, name);
    request
}

/// Empties a table for new contents, except for the chains that filter links: each of these is there all the time, for
/// while the kernel takes one away and puts another in its place, frames pass by both.
pub fn empty_but_links(family: Family, table: &str, there: &Digests, links: &[Link]) -> Vec<Message> {
    let names = |what: &str| -> Vec<&str> {
        let start = format!("{}/{what}/", family.name());
        there.keys().filter_map(|key| key.strip_prefix(&start)).collect()
    };
    let is_kept = |name: &str| links.iter().any(|link| link_chain_name(link) == name);
    let mut all = vec![no_rules(family, table, None)];
    let chains = names("chain").into_iter().filter(|name| !is_kept(name));
    all.extend(chains.map(|name| chain_gone(family, table, name)));
    all.extend(names("set").into_iter().map(|name| set_gone(family, table, name)));
    all
}

/// Empties a chain, or all of a table's.
pub(super) fn no_rules(family: Family, table: &str, chain: Option<&str>) -> Message {
    let mut request = message(family, NFT_MSG_DELRULE, 0);
    request.text(NFTA_RULE_TABLE, table);
    if let Some(name) = chain {
        request.text(NFTA_RULE_CHAIN, name);
    }
    request
}

pub(super) fn chain_gone(family: Family, table: &str, name: &str) -> Message {
    let mut request = message(family, NFT_MSG_DELCHAIN, 0);
    request.text(NFTA_CHAIN_TABLE, table).text(NFTA_CHAIN_NAME, name);
    request
}

/// What becomes of a packet at the end of a chain that is there already.
pub(super) fn policy_of(family: Family, table: &str, name: &str, policy: Policy) -> Message {
    let mut request = message(family, NFT_MSG_NEWCHAIN, 0);
    request
        .text(NFTA_CHAIN_TABLE, table)
        .text(NFTA_CHAIN_NAME, name)
        .u32(NFTA_CHAIN_POLICY, policy_number(policy));
    request
}

/// Takes a link's chain away.
pub fn egress_chain_gone(table: &str, chain: &str) -> [Message; 2] {
    [
        no_rules(Family::Netdev, table, Some(chain)),
        chain_gone(Family::Netdev, table, chain),
    ]
}

/// What a table holds, but for the chains of links.
#[derive(Clone, Copy)]
pub struct Contents<'a> {
    pub sets: &'a [NamedSet],
    pub chains: &'a [Chain],
}

/// Everything that is in a table: chains before rules, for rules jump to chains.
pub fn table_contents(
    family: Family,
    name: &str,
    Contents { sets, chains }: Contents,
    groups: &GroupNumbers,
) -> Result<Vec<Message>, String> {
    let mut all = Vec::new();
    for (index, set) in sets.iter().enumerate() {
        all.push(new_set(family, name, set, index as u32 + 1));
        all.extend(new_elements(family, name, set, groups)?);
    }
    all.extend(chains.iter().map(|chain| new_chain(family, name, chain)));
    for chain in chains {
        for rule in &chain.rules {
            all.push(new_rule(family, name, &chain.name, rule, groups)?);
        }
    }
    Ok(all)
}

/// The chain that filters what leaves by one link.
pub fn egress_chain(
    table: &str,
    egress: &Egress,
    link: &Link,
    groups: &GroupNumbers,
) -> Result<Vec<Message>, String> {
    let name = link_chain_name(link);
    let chain = new_egress_chain(table, &name, &link.name, egress.policy);
    let to_rules = Rule {
        why: String::new(),
        matches: Vec::new(),
        acts: Vec::new(),
        verdict: Verdict::Jump {
            chain: egress.chain.clone(),
        },
    };
    let mut all = vec![chain, new_rule(Family::Netdev, table, &name, &to_rules, groups)?];
    if link.internal {
        for rule in &egress.internal {
            all.push(new_rule(Family::Netdev, table, &name, rule, groups)?);
        }
    }
    Ok(all)
}

fn new_egress_chain(table: &str, name: &str, link: &[u8], policy: Policy) -> Message {
    let mut chain = message(Family::Netdev, NFT_MSG_NEWCHAIN, NLM_F_CREATE);
    chain.text(NFTA_CHAIN_TABLE, table).text(NFTA_CHAIN_NAME, name);
    chain.nest(NFTA_CHAIN_HOOK, |hook| {
        hook.u32(NFTA_HOOK_HOOKNUM, NF_NETDEV_EGRESS)
            .u32(NFTA_HOOK_PRIORITY, 0)
            .text(NFTA_HOOK_DEV, link);
    });
    chain
        .u32(NFTA_CHAIN_POLICY, policy_number(policy))
        .text(NFTA_CHAIN_TYPE, "filter");
    chain
}

/// A chain that lets everything pass, to find out whether the kernel has such chains.
pub fn empty_egress_chain(table: &str, link: &str) -> Message {
    new_egress_chain(table, LINK_CHAIN, link.as_bytes(), Policy::Accept)
}

/// A chain's name is not as free as a link's: hence its bytes in hexadecimal digits. Those of links to containers have
/// other rules, so they have other names: a link may have the name of one that was of another kind.
pub fn link_chain_name(link: &Link) -> String {
    let digits = |name: String, byte: &u8| name + &format!("{byte:02x}");
    let name = link.name.iter().fold(LINK_CHAIN.to_owned(), digits);
    if link.internal { name + "_in" } else { name }
}

pub(super) fn new_chain(family: Family, table: &str, chain: &Chain) -> Message {
    let mut request = message(family, NFT_MSG_NEWCHAIN, NLM_F_CREATE);
    request
        .text(NFTA_CHAIN_TABLE, table)
        .text(NFTA_CHAIN_NAME, &chain.name);
    if let Some(base) = &chain.base {
        hook(&mut request, base);
    }
    request
}

fn hook(request: &mut Message, base: &Base) {
    request.nest(NFTA_CHAIN_HOOK, |hook| {
        hook.u32(NFTA_HOOK_HOOKNUM, hook_number(base.hook))
            .u32(NFTA_HOOK_PRIORITY, base.priority as u32);
    });
    let kind = match base.kind {
        BaseKind::Filter => "filter",
        BaseKind::Nat => "nat",
        BaseKind::Route => "route",
    };
    request
        .u32(NFTA_CHAIN_POLICY, policy_number(base.policy))
        .text(NFTA_CHAIN_TYPE, kind);
}

fn hook_number(hook: Hook) -> u32 {
    match hook {
        Hook::Prerouting => 0,
        Hook::Input => 1,
        Hook::Forward => 2,
        Hook::Output => 3,
        Hook::Postrouting => 4,
    }
}

fn policy_number(policy: Policy) -> u32 {
    match policy {
        Policy::Drop => 0,
        Policy::Accept => 1,
    }
}

pub(super) fn new_rule(
    family: Family,
    table: &str,
    chain: &str,
    rule: &Rule,
    groups: &GroupNumbers,
) -> Result<Message, String> {
    let mut request = message(family, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
    request.text(NFTA_RULE_TABLE, table).text(NFTA_RULE_CHAIN, chain);
    let mut outcome = Ok(());
    request.nest(NFTA_RULE_EXPRESSIONS, |expressions| {
        outcome = encode(rule, family, groups, expressions);
    });
    outcome?;
    if !rule.why.is_empty() {
        request.bytes(NFTA_RULE_USERDATA, &comment(&rule.why)?);
    }
    Ok(request)
}

fn comment(why: &str) -> Result<Vec<u8>, String> {
    let length = u8::try_from(why.len() + 1).ok().filter(|length| *length <= 128);
    let mut bytes = vec![
        COMMENT,
        length.ok_or_else(|| format!("The comment is too long: {why}"))?,
    ];
    bytes.extend(why.as_bytes());
    bytes.push(0);
    Ok(bytes)
}
