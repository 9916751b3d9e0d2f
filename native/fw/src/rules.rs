//! The rule set as it comes from the daemon (companion/src/firewall/rule-set.ts). What does not fit this is refused.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RuleSet {
    pub table: String,
    pub inet: Table,
    pub egress: Egress,
    pub settings: Vec<Setting>,
}

/// What the names of the chains that are made for links begin with.
pub const LINK_CHAIN: &str = "link_";

impl RuleSet {
    /// Fails where two chains or two sets of a table have one name, or one has a name that nft would read as something else.
    pub fn check_names(&self) -> Result<(), String> {
        let Self { inet, egress, .. } = self;
        for (sets, chains) in [(&inet.sets, &inet.chains), (&egress.sets, &egress.chains)] {
            check_names(sets.iter().map(NamedSet::name))?;
            check_names(chains.iter().map(|chain| chain.name.as_str()))?;
        }
        Ok(())
    }
}

fn check_names<'a>(names: impl Iterator<Item = &'a str>) -> Result<(), String> {
    let mut known = BTreeSet::new();
    for name in names {
        let is_plain = name.starts_with(|first: char| first.is_ascii_alphabetic())
            && name
                .chars()
                .all(|each| each.is_ascii_alphanumeric() || each == '_');
        if !is_plain || name.starts_with(LINK_CHAIN) || !known.insert(name) {
            return Err(format!(
                "{name:?} is no name for a chain or a set here, or there are two of it"
            ));
        }
    }
    Ok(())
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    pub sets: Vec<NamedSet>,
    pub chains: Vec<Chain>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Egress {
    pub sets: Vec<NamedSet>,
    pub chains: Vec<Chain>,
    /// The chain that every link's own chain jumps to.
    pub chain: String,
    pub policy: Policy,
    pub internal: Vec<Rule>,
    pub spared: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(tag = "holds", rename_all = "lowercase", deny_unknown_fields)]
pub enum NamedSet {
    Upstreams {
        name: String,
        family: Family,
        elements: Vec<Endpoint>,
    },
    Networks {
        name: String,
        family: Family,
        elements: Vec<String>,
    },
    /// Control groups in the same group as `path`, with or without that one itself. Their numbers are looked up here.
    #[serde(rename = "groups-beside")]
    GroupsBeside {
        name: String,
        path: String,
        itself: bool,
    },
}

impl NamedSet {
    pub fn name(&self) -> &str {
        let (Self::Upstreams { name, .. } | Self::Networks { name, .. } | Self::GroupsBeside { name, .. }) =
            self;
        name
    }

    /// Whether the kernel takes what is in the other into this one.
    pub fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Upstreams { family, .. }, Self::Upstreams { family: other, .. })
            | (Self::Networks { family, .. }, Self::Networks { family: other, .. }) => family == other,
            (Self::GroupsBeside { .. }, Self::GroupsBeside { .. }) => self == other,
            _ => false,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    pub address: IpAddr,
    pub protocol: Protocol,
    pub port: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum Family {
    V4,
    V6,
}

impl TryFrom<u8> for Family {
    type Error = &'static str;

    fn try_from(number: u8) -> Result<Self, Self::Error> {
        match number {
            4 => Ok(Self::V4),
            6 => Ok(Self::V6),
            _ => Err("a family is 4 or 6"),
        }
    }
}

impl From<Family> for u8 {
    fn from(family: Family) -> Self {
        match family {
            Family::V4 => 4,
            Family::V6 => 6,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Chain {
    pub name: String,
    pub base: Option<Base>,
    pub rules: Vec<Rule>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Base {
    #[serde(rename = "type")]
    pub kind: BaseKind,
    pub hook: Hook,
    pub priority: i32,
    pub policy: Policy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum BaseKind {
    Filter,
    Nat,
    Route,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Hook {
    Prerouting,
    Input,
    Forward,
    Output,
    Postrouting,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    Accept,
    Drop,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    pub why: String,
    pub matches: Vec<Match>,
    pub acts: Vec<Act>,
    pub verdict: Verdict,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    Tcp,
    Udp,
    Icmp,
    Icmpv6,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    Source,
    Destination,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    In,
    Out,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FlowState {
    New,
    Established,
    Related,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(tag = "is", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Match {
    Link {
        way: Way,
        index: u32,
    },
    LinkKind {
        kind: String,
    },
    Mark {
        mark: u32,
    },
    FlowMark {
        mark: u32,
    },
    FlowState {
        states: Vec<FlowState>,
    },
    Reply {},
    Family {
        family: Family,
    },
    Protocol {
        protocol: Protocol,
    },
    Port {
        side: Side,
        port: u16,
        not: bool,
    },
    Network {
        side: Side,
        family: Family,
        network: String,
        not: bool,
    },
    InNetworks {
        side: Side,
        family: Family,
        set: String,
    },
    InUpstreams {
        side: Side,
        family: Family,
        set: String,
    },
    Icmp {
        family: Family,
        #[serde(rename = "type")]
        kind: u8,
        code: u8,
    },
    AtMost {
        bytes: u32,
    },
    FrameType {
        #[serde(rename = "type")]
        kind: u16,
    },
    User {
        uid: u32,
    },
    ControlGroup {
        path: String,
    },
    /// The sender's control group, or the one above it that is at this level (1: below the root), is not in the set.
    GroupNotIn {
        level: u32,
        set: String,
    },
    RoutedTo {
        index: u32,
    },
    BackByItsLink {},
    Rate {
        #[serde(rename = "perSecond")]
        per_second: u64,
        burst: u32,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Act {
    Mark { mark: u32 },
    FlowMark { mark: u32 },
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(tag = "to", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Verdict {
    Accept {},
    Drop {},
    GoOn {},
    Return {},
    Jump {
        chain: String,
    },
    Reset {},
    Refuse {},
    Redirect {
        port: u16,
    },
    Lead {
        family: Family,
        address: IpAddr,
        port: u16,
    },
    Masquerade {},
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    pub name: String,
    pub value: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_and_there_are_no_two_of_one() {
        assert!(check_names(["output", "upstream4", "lead_names"].into_iter()).is_ok());
        for names in [
            &["output", "output"][..],
            &[""],
            &["a b"],
            &["a\0b"],
            &["4a"],
            &["x;y"],
            &["link_6c6f"],
        ] {
            assert!(check_names(names.iter().copied()).is_err(), "{names:?}");
        }
    }
}
