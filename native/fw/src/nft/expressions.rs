//! Encodes a rule as the expressions that nft itself would compile it to, so that both list the same.

use std::net::IpAddr;

use crate::control_groups::GroupNumbers;
use crate::netlink::Message;
use crate::rules::{Act, Family, FlowState, Match, Protocol, Rule, Side, Verdict, Way};

use super::constants::*;
use super::network::{Network, bytes_of};
use super::table::Family as TableFamily;

/// The 16-byte register that values pass through, and the 4-byte ones that a key in parts goes on in.
const REGISTER: u32 = 1;
const SECOND_REGISTER: u32 = 2;
const SECOND_AFTER_V4: u32 = 9;
const THIRD_AFTER_V4: u32 = 10;
const SECOND_AFTER_V6: u32 = 2;
const THIRD_AFTER_V6: u32 = 13;

const META_LENGTH: u32 = 0;
const META_PROTOCOL: u32 = 1;
const META_MARK: u32 = 3;
const META_IIF: u32 = 4;
const META_OIF: u32 = 5;
const META_SKUID: u32 = 10;
const META_NFPROTO: u32 = 15;
const META_L4PROTO: u32 = 16;
const META_IIFKIND: u32 = 26;

const CT_STATE: u32 = 0;
const CT_DIRECTION: u32 = 1;
const CT_MARK: u32 = 3;

const EQUAL: u32 = 0;
const NOT_EQUAL: u32 = 1;
const AT_MOST: u32 = 3;

/// Where to is said in a port too, and not in an address alone (NF_NAT_RANGE_PROTO_SPECIFIED).
const PORT_IS_GIVEN: u32 = 2;

const LINK_HEADER: u32 = 0;
const NETWORK_HEADER: u32 = 1;
const TRANSPORT_HEADER: u32 = 2;

/// Writes a rule's expressions, each a list element.
pub fn encode(
    rule: &Rule,
    table: TableFamily,
    groups: &GroupNumbers,
    into: &mut Message,
) -> Result<(), String> {
    for each in &rule.matches {
        encode_match(each, table, groups, into)?;
    }
    for each in &rule.acts {
        encode_act(each, into);
    }
    encode_verdict(&rule.verdict, into)
}

fn encode_match(
    each: &Match,
    table: TableFamily,
    groups: &GroupNumbers,
    into: &mut Message,
) -> Result<(), String> {
    match each {
        Match::Link { way, index } => {
            load_meta(into, if *way == Way::In { META_IIF } else { META_OIF }, REGISTER);
            compare(into, EQUAL, &index.to_ne_bytes());
        }
        Match::LinkKind { kind } => {
            load_meta(into, META_IIFKIND, REGISTER);
            compare(into, EQUAL, &padded_name(kind)?);
        }
        Match::Mark { mark } => {
            load_meta(into, META_MARK, REGISTER);
            compare(into, EQUAL, &mark.to_ne_bytes());
        }
        Match::FlowMark { mark } => {
            load_flow(into, CT_MARK);
            compare(into, EQUAL, &mark.to_ne_bytes());
        }
        Match::FlowState { states } => {
            load_flow(into, CT_STATE);
            mask(
                into,
                &states
                    .iter()
                    .fold(0, |all, state| all | bit_of(*state))
                    .to_ne_bytes(),
            );
            compare(into, NOT_EQUAL, &0_u32.to_ne_bytes());
        }
        Match::Reply {} => {
            load_flow(into, CT_DIRECTION);
            compare(into, EQUAL, &[1]);
        }
        Match::Family { family } => encode_family(*family, table, into),
        Match::Protocol { protocol } => {
            load_meta(into, META_L4PROTO, REGISTER);
            compare(into, EQUAL, &[number_of(*protocol)]);
        }
        Match::Port { side, port, not } => {
            load_payload(into, TRANSPORT_HEADER, port_offset(*side), 2, REGISTER);
            compare(into, equality(*not), &port.to_be_bytes());
        }
        Match::Network {
            side,
            family,
            network,
            not,
        } => {
            encode_network(*side, *family, &network.parse()?, equality(*not), into)?;
        }
        Match::InNetworks { side, family, set } => {
            let (offset, length) = address_at(*side, *family);
            load_payload(into, NETWORK_HEADER, offset, length, REGISTER);
            look_up(into, set, false);
        }
        Match::InUpstreams { side, family, set } => encode_in_upstreams(*side, *family, set, into),
        Match::Icmp { kind, code, .. } => {
            for (offset, value) in [(0, kind), (1, code)] {
                load_payload(into, TRANSPORT_HEADER, offset, 1, REGISTER);
                compare(into, EQUAL, &[*value]);
            }
        }
        Match::AtMost { bytes } => {
            load_meta(into, META_LENGTH, REGISTER);
            to_network_order(into);
            compare(into, AT_MOST, &bytes.to_be_bytes());
        }
        Match::FrameType { kind } => {
            load_payload(into, LINK_HEADER, 12, 2, REGISTER);
            compare(into, EQUAL, &kind.to_be_bytes());
        }
        Match::User { uid } => {
            load_meta(into, META_SKUID, REGISTER);
            compare(into, EQUAL, &uid.to_ne_bytes());
        }
        Match::ControlGroup { path } => {
            load_group(into, path.split('/').count() as u32);
            compare(into, EQUAL, &groups.of(path)?.to_ne_bytes());
        }
        Match::GroupNotIn { level, set } => {
            load_group(into, *level);
            look_up(into, set, true);
        }
        Match::RoutedTo { index } => {
            load_route(into);
            compare(into, EQUAL, &index.to_ne_bytes());
        }
        Match::BackByItsLink {} => {
            load_way_back(into);
            compare(into, EQUAL, &1_u32.to_ne_bytes());
        }
        Match::Rate { per_second, burst } => limit(into, *per_second, *burst),
    }
    Ok(())
}

fn encode_family(family: Family, table: TableFamily, into: &mut Message) {
    match table {
        TableFamily::Inet => {
            load_meta(into, META_NFPROTO, REGISTER);
            compare(into, EQUAL, &[protocol_family(family)]);
        }
        TableFamily::Netdev => {
            load_meta(into, META_PROTOCOL, REGISTER);
            let ether_type: u16 = if family == Family::V4 { 0x0800 } else { 0x86dd };
            compare(into, EQUAL, &ether_type.to_be_bytes());
        }
    }
}

fn encode_network(
    side: Side,
    family: Family,
    network: &Network,
    how: u32,
    into: &mut Message,
) -> Result<(), String> {
    if network.family() != family {
        return Err(format!("{network:?} is of the other family"));
    }
    let (offset, length) = address_at(side, family);
    if network.prefix.is_multiple_of(8) && network.prefix > 0 {
        let bytes = network.prefix / 8;
        load_payload(into, NETWORK_HEADER, offset, bytes as u32, REGISTER);
        compare(into, how, &network.address[..bytes]);
    } else {
        load_payload(into, NETWORK_HEADER, offset, length, REGISTER);
        mask(into, &network.mask());
        compare(into, how, &network.address);
    }
    Ok(())
}

fn encode_in_upstreams(side: Side, family: Family, set: &str, into: &mut Message) {
    let (offset, length) = address_at(side, family);
    let (second, third) = match family {
        Family::V4 => (SECOND_AFTER_V4, THIRD_AFTER_V4),
        Family::V6 => (SECOND_AFTER_V6, THIRD_AFTER_V6),
    };
    load_payload(into, NETWORK_HEADER, offset, length, REGISTER);
    load_meta(into, META_L4PROTO, second);
    load_payload(into, TRANSPORT_HEADER, port_offset(side), 2, third);
    look_up(into, set, false);
}

fn encode_act(act: &Act, into: &mut Message) {
    let (name, key, source, mark) = match act {
        Act::Mark { mark } => ("meta", META_MARK, 3, mark),
        Act::FlowMark { mark } => ("ct", CT_MARK, 4, mark),
    };
    load_value(into, REGISTER, &mark.to_ne_bytes());
    numbers(into, name, &[(2, key), (source, REGISTER)]);
}

fn encode_verdict(verdict: &Verdict, into: &mut Message) -> Result<(), String> {
    match verdict {
        Verdict::Accept {} => immediate_verdict(into, 1, None),
        Verdict::Drop {} => immediate_verdict(into, 0, None),
        Verdict::Return {} => immediate_verdict(into, -5, None),
        Verdict::Jump { chain } => immediate_verdict(into, -3, Some(chain)),
        Verdict::GoOn {} => {}
        Verdict::Reset {} => reject(into, 1, 0),
        Verdict::Refuse {} => reject(into, 2, 1),
        Verdict::Redirect { port } => {
            load_value(into, REGISTER, &port.to_be_bytes());
            numbers(into, "redir", &[(1, REGISTER), (3, PORT_IS_GIVEN)]);
        }
        Verdict::Lead {
            family,
            address,
            port,
        } => lead(into, *family, *address, *port)?,
        Verdict::Masquerade {} => numbers(into, "masq", &[]),
    }
    Ok(())
}

fn expression(into: &mut Message, name: &str, fill: impl FnOnce(&mut Message)) {
    into.nest(NFTA_LIST_ELEM, |element| {
        element.text(NFTA_EXPR_NAME, name).nest(NFTA_EXPR_DATA, fill);
    });
}

/// An expression that says nothing but numbers, each by its kind.
fn numbers(into: &mut Message, name: &str, all: &[(u16, u32)]) {
    expression(into, name, |data| {
        for (kind, value) in all {
            data.u32(*kind, *value);
        }
    });
}

fn load_meta(into: &mut Message, key: u32, register: u32) {
    numbers(into, "meta", &[(2, key), (1, register)]);
}

fn load_flow(into: &mut Message, key: u32) {
    numbers(into, "ct", &[(2, key), (1, REGISTER)]);
}

fn load_payload(into: &mut Message, base: u32, offset: u32, length: u32, register: u32) {
    numbers(
        into,
        "payload",
        &[(1, register), (2, base), (3, offset), (4, length)],
    );
}

fn load_group(into: &mut Message, level: u32) {
    const CGROUP_V2: u32 = 3;
    numbers(into, "socket", &[(1, CGROUP_V2), (2, REGISTER), (3, level)]);
}

fn load_route(into: &mut Message) {
    const BY_DESTINATION_AND_MARK: u32 = 2 | 4;
    load_link(into, BY_DESTINATION_AND_MARK);
}

/// Whether there is a route to the source, by the link that the packet came in by.
fn load_way_back(into: &mut Message) {
    const BY_SOURCE_MARK_AND_LINK: u32 = 1 | 4 | 8;
    const IS_THERE: u32 = 32;
    load_link(into, BY_SOURCE_MARK_AND_LINK | IS_THERE);
}

fn load_link(into: &mut Message, flags: u32) {
    const LINK: u32 = 1;
    numbers(into, "fib", &[(1, REGISTER), (2, LINK), (3, flags)]);
}

fn lead(into: &mut Message, family: Family, address: IpAddr, port: u16) -> Result<(), String> {
    const DESTINATION: u32 = 1;
    if address.is_ipv4() != (family == Family::V4) {
        return Err(format!("{address} is of the other family"));
    }
    load_value(into, REGISTER, &bytes_of(address));
    load_value(into, SECOND_REGISTER, &port.to_be_bytes());
    let family = protocol_family(family).into();
    numbers(
        into,
        "nat",
        &[
            (1, DESTINATION),
            (2, family),
            (3, REGISTER),
            (5, SECOND_REGISTER),
            (7, PORT_IS_GIVEN),
        ],
    );
    Ok(())
}

fn protocol_family(family: Family) -> u8 {
    match family {
        Family::V4 => 2,
        Family::V6 => 10,
    }
}

fn load_value(into: &mut Message, register: u32, bytes: &[u8]) {
    expression(into, "immediate", |data| value(data.u32(1, register), 2, bytes));
}

/// A value within an expression.
fn value(data: &mut Message, kind: u16, bytes: &[u8]) {
    data.nest(kind, |inner| {
        inner.bytes(NFTA_DATA_VALUE, bytes);
    });
}

fn immediate_verdict(into: &mut Message, code: i32, chain: Option<&str>) {
    expression(into, "immediate", |data| {
        data.u32(1, 0).nest(2, |inner| {
            inner.nest(NFTA_DATA_VERDICT, |verdict| {
                verdict.u32(NFTA_VERDICT_CODE, code as u32);
                if let Some(chain) = chain {
                    verdict.text(NFTA_VERDICT_CHAIN, chain);
                }
            });
        });
    });
}

fn compare(into: &mut Message, how: u32, with: &[u8]) {
    expression(into, "cmp", |data| {
        value(data.u32(1, REGISTER).u32(2, how), 3, with)
    });
}

fn mask(into: &mut Message, mask: &[u8]) {
    expression(into, "bitwise", |data| {
        data.u32(1, REGISTER).u32(2, REGISTER).u32(3, mask.len() as u32);
        value(data, 4, mask);
        value(data, 5, &vec![0; mask.len()]);
    });
}

fn to_network_order(into: &mut Message) {
    const HOST_TO_NETWORK: u32 = 1;
    let all = [(1, REGISTER), (2, REGISTER), (3, HOST_TO_NETWORK), (4, 4), (5, 4)];
    numbers(into, "byteorder", &all);
}

/// `not`: holds for what is not in the set.
fn look_up(into: &mut Message, set: &str, not: bool) {
    const INVERTED: u32 = 1;
    expression(into, "lookup", |data| {
        data.text(1, set).u32(2, REGISTER);
        if not {
            data.u32(5, INVERTED);
        }
    });
}

fn limit(into: &mut Message, per_second: u64, burst: u32) {
    const PACKETS: u32 = 0;
    const SECOND: u64 = 1;
    expression(into, "limit", |data| {
        data.u64(1, per_second)
            .u64(2, SECOND)
            .u32(3, burst)
            .u32(4, PACKETS)
            .u32(5, 0);
    });
}

fn reject(into: &mut Message, kind: u32, code: u8) {
    expression(into, "reject", |data| {
        data.u32(1, kind).bytes(2, &[code]);
    });
}

fn equality(not: bool) -> u32 {
    if not { NOT_EQUAL } else { EQUAL }
}

/// Offset and length of an address in the network header.
fn address_at(side: Side, family: Family) -> (u32, u32) {
    match (side, family) {
        (Side::Source, Family::V4) => (12, 4),
        (Side::Destination, Family::V4) => (16, 4),
        (Side::Source, Family::V6) => (8, 16),
        (Side::Destination, Family::V6) => (24, 16),
    }
}

fn port_offset(side: Side) -> u32 {
    if side == Side::Source { 0 } else { 2 }
}

pub fn number_of(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Icmp => 1,
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
        Protocol::Icmpv6 => 58,
    }
}

fn bit_of(state: FlowState) -> u32 {
    match state {
        FlowState::Established => 2,
        FlowState::Related => 4,
        FlowState::New => 8,
    }
}

fn padded_name(name: &str) -> Result<[u8; 16], String> {
    let mut padded = [0; 16];
    if name.len() >= padded.len() {
        return Err(format!("{name} is too long for a kind of link"));
    }
    padded[..name.len()].copy_from_slice(name.as_bytes());
    Ok(padded)
}
