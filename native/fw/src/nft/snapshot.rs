//! What the kernel has: read back, and hashed object by object, so that it can be told what changed.

use std::collections::BTreeMap;
use std::io;

use sha2::{Digest, Sha256};

use crate::netlink::{Attributes, Failure, Message, NLM_F_ACK, Reply, Socket};

use super::constants::*;
use super::table::{Family, message};

/// SHA-256 of each chain with its rules and of each set with its elements, by a name such as `inet/chain/output`; and an
/// entry for a table that is asleep, whose chains nothing goes through.
pub type Digests = BTreeMap<String, [u8; 32]>;

/// Bytes of nfgenmsg, which comes before the attributes.
const HEADER: usize = 4;

/// Reads both tables of this name.
pub fn snapshot(socket: &mut Socket, table: &str) -> Result<Digests, Failure> {
    let mut digests = Digests::new();
    for family in [Family::Inet, Family::Netdev] {
        let Some(flags) = table_flags(socket, family, table)? else {
            continue;
        };
        if flags & NFT_TABLE_F_DORMANT != 0 {
            digests.insert(format!("{}/asleep", family.name()), [0; 32]);
        }
        chains(socket, family, table, &mut digests)?;
        sets(socket, family, table, &mut digests)?;
    }
    Ok(digests)
}

/// None where there is no such table.
pub fn table_flags(socket: &mut Socket, family: Family, table: &str) -> Result<Option<u32>, Failure> {
    let mut request = message(family, NFT_MSG_GETTABLE, 0);
    request.text(NFTA_TABLE_NAME, table);
    match socket.ask(&request, NLM_F_ACK) {
        Ok(replies) => {
            let mut flags = replies
                .iter()
                .filter_map(|reply| attributes(reply).u32(NFTA_TABLE_FLAGS));
            Ok(Some(flags.next().unwrap_or(0)))
        }
        Err(failure) if failure.error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// How often the rules of this network namespace have changed, whoever changed them.
pub fn generation(socket: &mut Socket) -> Result<u32, Failure> {
    let replies = socket.ask(&message(Family::Inet, NFT_MSG_GETGEN, 0), NLM_F_ACK)?;
    Ok(replies
        .iter()
        .find_map(|reply| attributes(reply).u32(NFTA_GEN_ID))
        .unwrap_or(0))
}

fn chains(socket: &mut Socket, family: Family, table: &str, digests: &mut Digests) -> Result<(), Failure> {
    let mut hashes: BTreeMap<String, Sha256> = BTreeMap::new();
    for reply in dump(socket, &message(family, NFT_MSG_GETCHAIN, 0))? {
        let chain = attributes(&reply);
        if chain.text(NFTA_CHAIN_TABLE) != Some(table) {
            continue;
        }
        let mut hash = Sha256::new();
        for kind in [NFTA_CHAIN_HOOK, NFTA_CHAIN_POLICY, NFTA_CHAIN_TYPE] {
            feed(&mut hash, chain.get(kind));
        }
        hashes.insert(chain.text(NFTA_CHAIN_NAME).unwrap_or_default().to_owned(), hash);
    }
    let mut request = message(family, NFT_MSG_GETRULE, 0);
    request.text(NFTA_RULE_TABLE, table);
    for reply in dump(socket, &request)? {
        let rule = attributes(&reply);
        let Some(hash) = rule.text(NFTA_RULE_CHAIN).and_then(|name| hashes.get_mut(name)) else {
            continue;
        };
        feed(hash, rule.get(NFTA_RULE_EXPRESSIONS));
        feed(hash, rule.get(NFTA_RULE_USERDATA));
    }
    digests.extend(
        hashes
            .into_iter()
            .map(|(name, hash)| (format!("{}/chain/{name}", family.name()), hash.finalize().into())),
    );
    Ok(())
}

fn sets(socket: &mut Socket, family: Family, table: &str, digests: &mut Digests) -> Result<(), Failure> {
    let mut request = message(family, NFT_MSG_GETSET, 0);
    request.text(NFTA_SET_TABLE, table);
    for reply in dump(socket, &request)? {
        let set = attributes(&reply);
        let name = set.text(NFTA_SET_NAME).unwrap_or_default();
        let mut hash = Sha256::new();
        for kind in [NFTA_SET_FLAGS, NFTA_SET_KEY_TYPE, NFTA_SET_KEY_LEN] {
            feed(&mut hash, set.get(kind));
        }
        // The kernel lists them in an order of its own.
        let mut elements = elements(socket, family, table, name)?;
        elements.sort();
        for element in &elements {
            feed(&mut hash, Some(element));
        }
        digests.insert(format!("{}/set/{name}", family.name()), hash.finalize().into());
    }
    Ok(())
}

fn elements(socket: &mut Socket, family: Family, table: &str, set: &str) -> Result<Vec<Vec<u8>>, Failure> {
    let mut request = message(family, NFT_MSG_GETSETELEM, 0);
    request
        .text(NFTA_SET_ELEM_LIST_TABLE, table)
        .text(NFTA_SET_ELEM_LIST_SET, set);
    let replies = dump(socket, &request)?;
    let lists = replies
        .iter()
        .filter_map(|reply| attributes(reply).get(NFTA_SET_ELEM_LIST_ELEMENTS));
    Ok(lists
        .flat_map(Attributes::new)
        .map(|(_, element)| key_of(Attributes::new(element)))
        .collect())
}

fn key_of(element: Attributes) -> Vec<u8> {
    let mut key = element.get(NFTA_SET_ELEM_KEY).unwrap_or_default().to_vec();
    key.extend(element.get(NFTA_SET_ELEM_FLAGS).unwrap_or_default());
    key
}

fn dump(socket: &mut Socket, request: &Message) -> Result<Vec<Reply>, Failure> {
    match socket.list(request) {
        // A table that is gone meanwhile has nothing in it.
        Err(failure) if failure.error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        done => done,
    }
}

fn attributes(reply: &Reply) -> Attributes<'_> {
    Attributes::new(reply.body.get(HEADER..).unwrap_or(&[]))
}

/// Length first, so that no two lists of values look the same.
fn feed(hash: &mut Sha256, value: Option<&[u8]>) {
    let value = value.unwrap_or_default();
    hash.update((value.len() as u64).to_ne_bytes());
    hash.update(value);
}
