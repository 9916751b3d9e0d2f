//! What JavaScript has decided for diverted flows in advance: through which proxy they go. A flow that it covers is
//! dialled at once, and JavaScript hears of it together with others.

use std::net::{IpAddr, SocketAddr};

use crate::dial::Plan;
use crate::wire::Reader;

/// A range of addresses.
struct Range {
    address: IpAddr,
    prefix: u32,
}

impl Range {
    fn holds(&self, other: IpAddr) -> bool {
        let shared = match (self.address, other) {
            (IpAddr::V4(one), IpAddr::V4(other)) => (one.to_bits() ^ other.to_bits()).leading_zeros(),
            (IpAddr::V6(one), IpAddr::V6(other)) => (one.to_bits() ^ other.to_bits()).leading_zeros(),
            _ => return false,
        };
        shared >= self.prefix
    }
}

pub struct Standing {
    /// JavaScript counts them.
    pub number: u32,
    pub idle_ms: u64,
    pub half_open_idle_ms: u64,
    /// Addresses about which JavaScript decides one by one.
    excepted: Vec<Range>,
    plan: Plan,
}

impl Standing {
    /// number, idle ms, half-open idle ms, excepted ranges (text, prefix), then a plan without its target: see
    /// `Plan::towards`.
    pub fn read(body: &mut Reader) -> Option<Standing> {
        let number = body.u32()?;
        let idle_ms = u64::from(body.u32()?);
        let half_open_idle_ms = u64::from(body.u32()?);
        let mut excepted = Vec::new();
        for _ in 0..body.u32()? {
            excepted.push(Range {
                address: body.text()?.parse().ok()?,
                prefix: body.u32()?,
            });
        }
        Some(Standing {
            number,
            idle_ms,
            half_open_idle_ms,
            excepted,
            plan: Plan::read(body)?,
        })
    }

    /// How this target is reached; None: JavaScript decides.
    pub fn plan_to(&self, target: SocketAddr) -> Option<Plan> {
        let is_excepted = self.excepted.iter().any(|range| range.holds(target.ip()));
        (!is_excepted).then(|| self.plan.towards(target))
    }
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn a_range_holds_its_own_family_up_to_its_prefix() {
        let range = |address: &str, prefix| Range {
            address: address.parse().expect("an address"),
            prefix,
        };
        let holds = |range: &Range, other: &str| range.holds(other.parse().expect("an address"));
        let fake = range("198.18.0.0", 15);
        assert!(holds(&fake, "198.18.0.1") && holds(&fake, "198.19.255.255"));
        assert!(!holds(&fake, "198.17.255.255") && !holds(&fake, "198.20.0.0") && !holds(&fake, "::1"));
        let fake = range("fd61:746c::", 32);
        assert!(holds(&fake, "fd61:746c:1::5") && !holds(&fake, "fd61:746d::"));
        assert!(holds(&range("0.0.0.0", 0), "9.9.9.9"));
    }
}
