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
    let (name, key, mark) = match act {
        Act::Mark { mark } => ("meta", META_MARK, mark),
        Act::FlowMark { mark } => ("ct", CT_MARK, mark),
    };
    load_immediate(into, &mark.to_ne_bytes());
    let source = if name == "meta" { 3 } else { 4 };
    expression(into, name, |data| {
        data.u32(2, key).u32(source, REGISTER);
    });
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
            load_immediate(into, &port.to_be_bytes());
            // The flag: a port is given (NF_NAT_RANGE_PROTO_SPECIFIED).
            expression(into, "redir", |data| {
                data.u32(1, REGISTER).u32(3, 2);
            });
        }
        Verdict::Lead {
            family,
            address,
            port,
        } => lead(into, *family, *address, *port)?,
        Verdict::Masquerade {} => expression(into, "masq", |_| {}),
    }
    Ok(())
}

fn expression(into: &mut Message, name: &str, fill: impl FnOnce(&mut Message)) {
    into.nest(NFTA_LIST_ELEM, |element| {
        element.text(NFTA_EXPR_NAME, name).nest(NFTA_EXPR_DATA, fill);
    });
}

fn load_meta(into: &mut Message, key: u32, register: u32) {
    expression(into, "meta", |data| {
        data.u32(2, key).u32(1, register);
    });
}

fn load_flow(into: &mut Message, key: u32) {
    expression(into, "ct", |data| {
        data.u32(2, key).u32(1, REGISTER);
    });
}

fn load_payload(into: &mut Message, base: u32, offset: u32, length: u32, register: u32) {
    expression(into, "payload", |data| {
        data.u32(1, register).u32(2, base).u32(3, offset).u32(4, length);
    });
}

fn load_group(into: &mut Message, level: u32) {
    const CGROUP_V2: u32 = 3;
    expression(into, "socket", |data| {
        data.u32(1, CGROUP_V2).u32(2, REGISTER).u32(3, level);
    });
}

fn load_route(into: &mut Message) {
    const BY_DESTINATION_AND_MARK: u32 = 2 | 4;
    const LINK: u32 = 1;
    expression(into, "fib", |data| {
        data.u32(1, REGISTER).u32(2, LINK).u32(3, BY_DESTINATION_AND_MARK);
    });
}

/// Whether there is a route to the source, by the link that the packet came in by.
fn load_way_back(into: &mut Message) {
    const BY_SOURCE_MARK_AND_LINK: u32 = 1 | 4 | 8;
    const IS_THERE: u32 = 32;
    const LINK: u32 = 1;
    expression(into, "fib", |data| {
        data.u32(1, REGISTER)
            .u32(2, LINK)
            .u32(3, BY_SOURCE_MARK_AND_LINK | IS_THERE);
    });
}

fn lead(into: &mut Message, family: Family, address: IpAddr, port: u16) -> Result<(), String> {
    const DESTINATION: u32 = 1;
    const PORT_IS_GIVEN: u32 = 2;
    if address.is_ipv4() != (family == Family::V4) {
        return Err(format!("{address} is of the other family"));
    }
    load_into(into, REGISTER, &bytes_of(address));
    load_into(into, SECOND_REGISTER, &port.to_be_bytes());
    expression(into, "nat", |data| {
        data.u32(1, DESTINATION)
            .u32(2, protocol_family(family).into())
            .u32(3, REGISTER)
            .u32(5, SECOND_REGISTER)
            .u32(7, PORT_IS_GIVEN);
    });
    Ok(())
}

fn protocol_family(family: Family) -> u8 {
    match family {
        Family::V4 => 2,
        Family::V6 => 10,
    }
}

fn load_immediate(into: &mut Message, value: &[u8]) {
    load_into(into, REGISTER, value);
}

fn load_into(into: &mut Message, register: u32, value: &[u8]) {
    expression(into, "immediate", |data| {
        data.u32(1, register).nest(2, |inner| {
            inner.bytes(NFTA_DATA_VALUE, value);
        });
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

fn compare(into: &mut Message, how: u32, value: &[u8]) {
    expression(into, "cmp", |data| {
        data.u32(1, REGISTER).u32(2, how).nest(3, |inner| {
            inner.bytes(NFTA_DATA_VALUE, value);
        });
    });
}

fn mask(into: &mut Message, mask: &[u8]) {
    expression(into, "bitwise", |data| {
        data.u32(1, REGISTER).u32(2, REGISTER).u32(3, mask.len() as u32);
        data.nest(4, |inner| {
            inner.bytes(NFTA_DATA_VALUE, mask);
        });
        data.nest(5, |inner| {
            inner.bytes(NFTA_DATA_VALUE, &vec![0; mask.len()]);
        });
    });
}

fn to_network_order(into: &mut Message) {
    const HOST_TO_NETWORK: u32 = 1;
    expression(into, "byteorder", |data| {
        data.u32(1, REGISTER)
            .u32(2, REGISTER)
            .u32(3, HOST_TO_NETWORK)
            .u32(4, 4)
            .u32(5, 4);
    });
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
