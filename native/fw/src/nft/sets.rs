//! The messages that make, fill, swap and take away sets.

use crate::control_groups::GroupNumbers;
use crate::netlink::{Message, NLM_F_CREATE};
use crate::rules::{Endpoint, Family as Ip, NamedSet};

use super::constants::*;
use super::expressions::number_of;
use super::network::{Network, bytes_of};
use super::table::{Family, message};

/// The numbers that nft gives its types: the kernel only keeps them for it.
const CONTROL_GROUP: u32 = 46;

/// A netlink attribute holds 64 KiB: elements go in portions.
const PORTION: usize = 500;

pub(super) fn set_gone(family: Family, table: &str, name: &str) -> Message {
    let mut request = message(family, NFT_MSG_DELSET, 0);
    request.text(NFTA_SET_TABLE, table).text(NFTA_SET_NAME, name);
    request
}

/// Swaps what is in a set.
pub fn swap(
    family: Family,
    table: &str,
    set: &NamedSet,
    groups: &GroupNumbers,
) -> Result<Vec<Message>, String> {
    // Deleting no element in particular deletes them all.
    let mut clear = message(family, NFT_MSG_DELSETELEM, 0);
    clear
        .text(NFTA_SET_ELEM_LIST_TABLE, table)
        .text(NFTA_SET_ELEM_LIST_SET, set.name());
    let mut all = vec![clear];
    all.extend(new_elements(family, table, set, groups)?);
    Ok(all)
}

pub(super) fn new_set(family: Family, table: &str, set: &NamedSet, id: u32) -> Message {
    let mut request = message(family, NFT_MSG_NEWSET, NLM_F_CREATE);
    let (name, flags, key_type, key_length) = match set {
        NamedSet::Networks { name, family: ip, .. } => {
            (name, NFT_SET_INTERVAL, address_type(*ip), address_length(*ip))
        }
        NamedSet::Upstreams { name, family: ip, .. } => (
            name,
            0,
            (address_type(*ip) << 12) | (12 << 6) | 13,
            address_length(*ip) + 8,
        ),
        NamedSet::GroupsBeside { name, .. } => (name, 0, CONTROL_GROUP, 8),
    };
    request
        .text(NFTA_SET_TABLE, table)
        .text(NFTA_SET_NAME, name)
        .u32(NFTA_SET_FLAGS, flags)
        .u32(NFTA_SET_KEY_TYPE, key_type)
        .u32(NFTA_SET_KEY_LEN, key_length)
        .u32(NFTA_SET_ID, id);
    request
}

pub(super) fn new_elements(
    family: Family,
    table: &str,
    set: &NamedSet,
    groups: &GroupNumbers,
) -> Result<Vec<Message>, String> {
    let (name, keys) = match set {
        NamedSet::Upstreams {
            name,
            family: ip,
            elements,
        } => {
            let keys: Result<Vec<_>, _> = elements.iter().map(|each| upstream_key(*ip, each)).collect();
            (name, keys?)
        }
        NamedSet::Networks {
            name,
            family: ip,
            elements,
        } => (name, network_keys(*ip, elements)?),
        NamedSet::GroupsBeside { name, .. } => {
            let numbers = groups.in_set(name);
            (
                name,
                numbers.map(|each| (each.to_ne_bytes().to_vec(), false)).collect(),
            )
        }
    };
    Ok(keys
        .chunks(PORTION)
        .map(|portion| elements_message(family, table, name, portion))
        .collect())
}

fn elements_message(family: Family, table: &str, set: &str, keys: &[(Vec<u8>, bool)]) -> Message {
    let mut request = message(family, NFT_MSG_NEWSETELEM, NLM_F_CREATE);
    request
        .text(NFTA_SET_ELEM_LIST_TABLE, table)
        .text(NFTA_SET_ELEM_LIST_SET, set);
    request.nest(NFTA_SET_ELEM_LIST_ELEMENTS, |list| {
        for (key, is_end) in keys {
            list.nest(NFTA_LIST_ELEM, |element| {
                element.nest(NFTA_SET_ELEM_KEY, |data| {
                    data.bytes(NFTA_DATA_VALUE, key);
                });
                if *is_end {
                    element.u32(NFTA_SET_ELEM_FLAGS, NFT_SET_ELEM_INTERVAL_END);
                }
            });
        }
    });
    request
}

fn address_type(ip: Ip) -> u32 {
    match ip {
        Ip::V4 => 7,
        Ip::V6 => 8,
    }
}

fn address_length(ip: Ip) -> u32 {
    match ip {
        Ip::V4 => 4,
        Ip::V6 => 16,
    }
}

/// Each part of the key fills up whole words.
fn upstream_key(ip: Ip, upstream: &Endpoint) -> Result<(Vec<u8>, bool), String> {
    let mut key = bytes_of(upstream.address);
    if key.len() != address_length(ip) as usize {
        return Err(format!("{} is of the other family", upstream.address));
    }
    key.extend([number_of(upstream.protocol), 0, 0, 0]);
    key.extend(upstream.port.to_be_bytes());
    key.extend([0, 0]);
    Ok((key, false))
}

/// Networks as the beginnings and ends of intervals. The kernel refuses those that overlap.
fn network_keys(ip: Ip, networks: &[String]) -> Result<Vec<(Vec<u8>, bool)>, String> {
    let mut keys = Vec::new();
    for text in networks {
        let network: Network = text.parse()?;
        if network.family() != ip {
            return Err(format!("{text} is of the other family"));
        }
        keys.extend(network.after().map(|end| (end, true)));
        keys.push((network.address, false));
    }
    // In their order, and an end before the beginning that it touches: else the kernel takes them to overlap.
    keys.sort_by(|(one, one_ends), (other, other_ends)| one.cmp(other).then(other_ends.cmp(one_ends)));
    Ok(keys)
}
