//! Networks in CIDR notation, and addresses as bytes.

use std::net::IpAddr;
use std::str::FromStr;

use crate::rules::Family;

/// A network: its first address and the length of its prefix in bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    pub address: Vec<u8>,
    pub prefix: usize,
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("{text} is no network in CIDR notation");
        let (address, prefix) = text.split_once('/').ok_or_else(wrong)?;
        let address = bytes_of(address.parse().map_err(|_| wrong())?);
        let prefix = prefix.parse().map_err(|_| wrong())?;
        let network = Self { address, prefix };
        if prefix > network.bits() || network.masked() != network.address {
            return Err(format!(
                "{text} is no network: its address has bits beyond the prefix"
            ));
        }
        Ok(network)
    }
}

impl Network {
    pub fn family(&self) -> Family {
        if self.address.len() == 4 {
            Family::V4
        } else {
            Family::V6
        }
    }

    /// A one for each bit of the prefix.
    pub fn mask(&self) -> Vec<u8> {
        (0..self.address.len())
            .map(|index| match self.prefix.saturating_sub(index * 8) {
                bits @ 0..8 => !(0xff_u8.checked_shr(bits as u32).unwrap_or(0)),
                _ => 0xff,
            })
            .collect()
    }

    /// The first address after the network; none when it reaches to the end.
    pub fn after(&self) -> Option<Vec<u8>> {
        let mut address = self.address.clone();
        if self.prefix == 0 {
            return None;
        }
        let mut index = (self.prefix - 1) / 8;
        let mut step = 1_u8 << (7 - (self.prefix - 1) % 8);
        loop {
            let (sum, carry) = address[index].overflowing_add(step);
            address[index] = sum;
            if !carry {
                return Some(address);
            }
            index = index.checked_sub(1)?;
            step = 1;
        }
    }

    fn bits(&self) -> usize {
        self.address.len() * 8
    }

    fn masked(&self) -> Vec<u8> {
        self.address
            .iter()
            .zip(self.mask())
            .map(|(byte, mask)| byte & mask)
            .collect()
    }
}

pub fn bytes_of(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse().expect("a network")
    }

    #[test]
    fn a_network_ends_where_the_next_begins() {
        let after = |text: &str| network(text).after();
        assert_eq!(after("10.0.0.0/8"), Some(vec![11, 0, 0, 0]));
        assert_eq!(after("172.16.0.0/12"), Some(vec![172, 32, 0, 0]));
        assert_eq!(after("10.255.255.255/32"), Some(vec![11, 0, 0, 0]));
        assert_eq!(after("255.255.255.255/32"), None);
        assert_eq!(after("0.0.0.0/0"), None);
        assert_eq!(after("fc00::/7").map(|bytes| bytes[0]), Some(0xfe));
    }

    #[test]
    fn a_mask_has_a_one_for_each_bit_of_the_prefix() {
        assert_eq!(network("198.18.0.0/15").mask(), [255, 254, 0, 0]);
        assert_eq!(network("0.0.0.0/0").mask(), [0; 4]);
        assert_eq!(network("1.2.3.4/32").mask(), [255; 4]);
        assert_eq!(network("fe80::/10").mask()[..3], [255, 192, 0]);
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in [
            "10.0.0.1/8",
            "10.0.0.0",
            "10.0.0.0/33",
            "::/129",
            "x/8",
            "1.2.3.4/-1",
            "",
        ] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }
}
