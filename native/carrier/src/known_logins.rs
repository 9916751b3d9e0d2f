//! SOCKS5 logins (RFC 1929) that JavaScript has found right just now. Who shows one of them again, from the same address,
//! is told so at once and shown to JavaScript with its request: which asks again all the same before anything is dialled.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::wire::Reader;

/// Of a listener; of more, all are forgotten.
const MAX_LOGINS: usize = 256;
const VERSION: u8 = 1;

/// The answer to a login that is right.
pub const LOGGED_IN: &[u8] = &[VERSION, 0];

struct Known {
    client: IpAddr,
    until: u64,
}

/// By the listener, and by the login as it is said.
#[derive(Default)]
pub struct KnownLogins(HashMap<u32, HashMap<Vec<u8>, Known>>);

impl KnownLogins {
    /// Nothing: all of the listener's are forgotten. Else ms u32 that it is known, client, login.
    pub fn read(&mut self, listener: u32, body: &mut Reader, now: u64) {
        let Some((login, known)) = Known::read(body, now) else {
            self.forget(listener);
            return;
        };
        let logins = self.0.entry(listener).or_default();
        if logins.len() >= MAX_LOGINS && !logins.contains_key(&login) {
            logins.clear();
        }
        logins.insert(login, known);
    }

    /// How long the login is that `said` begins with, if it is known.
    pub fn known_in(&self, listener: u32, client: IpAddr, said: &[u8], now: u64) -> Option<usize> {
        let length = login_length(said)?;
        let known = self.0.get(&listener)?.get(said.get(..length)?)?;
        (known.client == client && known.until > now).then_some(length)
    }

    pub fn forget(&mut self, listener: u32) {
        self.0.remove(&listener);
    }
}

impl Known {
    fn read(body: &mut Reader, now: u64) -> Option<(Vec<u8>, Known)> {
        let until = now + u64::from(body.u32()?);
        let client = body.text()?.parse().ok()?;
        Some((body.bytes()?.to_vec(), Known { client, until }))
    }
}

/// Version, user name and password, the two with their lengths in front.
fn login_length(said: &[u8]) -> Option<usize> {
    let [VERSION, user, rest @ ..] = said else {
        return None;
    };
    let user = usize::from(*user);
    Some(3 + user + usize::from(*rest.get(user)?))
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;
    use crate::wire::{put_bytes, put_u32};

    const LOGIN: &[u8] = &[1, 2, b'm', b'e', 3, b'k', b'e', b'y'];
    const CLIENT: &str = "192.0.2.7";

    fn known() -> KnownLogins {
        let mut order = Vec::new();
        put_u32(&mut order, 1_000);
        put_bytes(&mut order, CLIENT.as_bytes());
        put_bytes(&mut order, LOGIN);
        let mut logins = KnownLogins::default();
        logins.read(1, &mut Reader::new(&order), 0);
        logins
    }

    #[test]
    fn a_login_is_known_from_its_address_for_its_time_whatever_follows() {
        let logins = known();
        let client = CLIENT.parse().expect("an address");
        let said = [LOGIN, &[5, 1, 0]].concat();
        assert_eq!(logins.known_in(1, client, &said, 999), Some(LOGIN.len()));
        assert_eq!(logins.known_in(1, client, &said, 1_000), None);
        assert_eq!(logins.known_in(2, client, &said, 1), None);
        let other = "192.0.2.8".parse().expect("an address");
        assert_eq!(logins.known_in(1, other, &said, 1), None);
    }

    #[test]
    fn renewing_one_of_the_most_that_are_known_forgets_none() {
        let login = |number: usize| [1, 1, b'u', 2, (number >> 8) as u8, number as u8];
        let order = |number: usize| {
            let mut order = Vec::new();
            put_u32(&mut order, 1_000);
            put_bytes(&mut order, CLIENT.as_bytes());
            put_bytes(&mut order, &login(number));
            order
        };
        let client = CLIENT.parse().expect("an address");
        let mut logins = KnownLogins::default();
        for number in (0..MAX_LOGINS).chain([7]) {
            logins.read(1, &mut Reader::new(&order(number)), 0);
        }
        assert_eq!(logins.known_in(1, client, &login(0), 1), Some(6));
        logins.read(1, &mut Reader::new(&order(MAX_LOGINS)), 0);
        assert_eq!(logins.known_in(1, client, &login(0), 1), None);
    }

    #[test]
    fn another_login_or_a_part_of_it_is_not_known() {
        let mut logins = known();
        let client = CLIENT.parse().expect("an address");
        for end in 0..LOGIN.len() {
            let part = LOGIN.get(..end).unwrap_or_default();
            assert_eq!(logins.known_in(1, client, part, 1), None);
        }
        for at in 0..LOGIN.len() {
            let mut almost = LOGIN.to_vec();
            if let Some(byte) = almost.get_mut(at) {
                *byte ^= 0x10;
            }
            assert_eq!(logins.known_in(1, client, &almost, 1), None);
        }
        logins.read(1, &mut Reader::new(&[]), 1);
        assert_eq!(logins.known_in(1, client, LOGIN, 1), None, "it is forgotten");
    }
}
