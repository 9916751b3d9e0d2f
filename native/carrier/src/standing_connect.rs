//! What JavaScript has decided for requests in advance, CONNECT's and SOCKS5's: who comes from the same address and says
//! the same bytes as somebody before is carried at once, and JavaScript hears of it together with others. A decision is
//! for so many clients and for a short time, so that no more than that can come of it while JavaScript is busy.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::dial::Plan;
use crate::relay::Limits;
use crate::request_id::RequestIds;
use crate::shared::Shared;
use crate::wire::Reader;

/// Of a listener; of more, all are forgotten.
const MAX_HEADS: usize = 256;

/// What a client is told.
enum Reply {
    /// Before and behind the id of its request.
    WithId([Vec<u8>; 2]),
    EndsInAddress(Vec<u8>),
}

struct StandingConnect {
    /// JavaScript counts them.
    number: u32,
    client: IpAddr,
    until: u64,
    uses: u32,
    reply: Reply,
    limits: Limits,
    idle_ms: u64,
    half_open_idle_ms: u64,
    plan: Plan,
}

/// How a client is carried that was decided about in advance.
pub struct Stood {
    pub number: u32,
    pub request_id: String,
    /// How many of its bytes were the request.
    pub used: usize,
    pub reply: Vec<u8>,
    pub reply_ends_in_address: bool,
    pub limits: Limits,
    pub idle_ms: u64,
    pub half_open_idle_ms: u64,
    pub plan: Plan,
}

#[derive(Default)]
pub struct StandingConnects {
    /// By the listener, and by all that the client says: a header section, or greeting, login and request of SOCKS5.
    of_listener: HashMap<u32, HashMap<Vec<u8>, StandingConnect>>,
    ids: RequestIds,
}

impl StandingConnects {
    /// Nothing: all of the listener's are withdrawn. Else number, ms u32 that it lives, uses u32, client, what it says,
    /// whether the reply ends in an address, reply before and behind the id, idle ms, half-open idle ms, allowance, rate;
    /// then the plan.
    pub fn read(&mut self, listener: u32, body: &mut Reader, shared: &Shared, now: u64) {
        let Some((head, standing)) = StandingConnect::read(body, shared, now) else {
            self.of_listener.remove(&listener);
            return;
        };
        let heads = self.of_listener.entry(listener).or_default();
        if heads.len() >= MAX_HEADS && !heads.contains_key(&head) {
            heads.clear();
        }
        heads.insert(head, standing);
    }

    /// Whether `said` is one of them; then it counts as used.
    ///
    /// * `login` - what a client of SOCKS5 has said before, and was answered
    pub fn take(
        &mut self,
        listener: u32,
        client: IpAddr,
        login: &[u8],
        said: &[u8],
        now: u64,
    ) -> Option<Stood> {
        let heads = self.of_listener.get_mut(&listener)?;
        let (used, standing) = if login.is_empty() {
            let used = said.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
            (used, heads.get_mut(said.get(..used)?)?)
        } else {
            let used = socks_request_length(said)?;
            (used, heads.get_mut(&[login, said.get(..used)?].concat())?)
        };
        // What a client of SOCKS5 says in one piece may end as a header section does: nobody has answered its login yet.
        let is_socks = matches!(standing.reply, Reply::EndsInAddress(_));
        if is_socks == login.is_empty() {
            return None;
        }
        if standing.client != client || standing.until <= now || !standing.limits.have_some() {
            return None;
        }
        standing.uses = standing.uses.checked_sub(1)?;
        let request_id = self.ids.next()?;
        let (reply, reply_ends_in_address) = match &standing.reply {
            Reply::WithId(parts) => (parts.join(request_id.as_bytes()), false),
            Reply::EndsInAddress(reply) => (reply.clone(), true),
        };
        Some(Stood {
            number: standing.number,
            used,
            reply,
            reply_ends_in_address,
            request_id,
            limits: standing.limits.clone(),
            idle_ms: standing.idle_ms,
            half_open_idle_ms: standing.half_open_idle_ms,
            plan: standing.plan.clone(),
        })
    }

    pub fn forget(&mut self, listener: u32) {
        self.of_listener.remove(&listener);
    }
}

impl Reply {
    fn read(body: &mut Reader) -> Option<Reply> {
        let ends_in_address = body.u32()? != 0;
        let [before, behind] = [body.bytes()?.to_vec(), body.bytes()?.to_vec()];
        Some(if ends_in_address {
            Reply::EndsInAddress(before)
        } else {
            Reply::WithId([before, behind])
        })
    }
}

/// Of a request for a connection (RFC 1928 section 4), when it is all there.
fn socks_request_length(said: &[u8]) -> Option<usize> {
    let length = match said {
        [5, 1, _, 1, ..] => 10,
        [5, 1, _, 3, name, ..] => 7 + usize::from(*name),
        [5, 1, _, 4, ..] => 22,
        _ => return None,
    };
    (said.len() >= length).then_some(length)
}

impl StandingConnect {
    fn read(body: &mut Reader, shared: &Shared, now: u64) -> Option<(Vec<u8>, StandingConnect)> {
        let number = body.u32()?;
        let until = now + u64::from(body.u32()?);
        let uses = body.u32()?;
        let client = body.text()?.parse().ok()?;
        let head = body.bytes()?.to_vec();
        let standing = StandingConnect {
            number,
            client,
            until,
            uses,
            reply: Reply::read(body)?,
            idle_ms: u64::from(body.u32()?),
            half_open_idle_ms: u64::from(body.u32()?),
            limits: shared.limits(body.u32()?, body.u32()?)?,
            plan: Plan::read(body)?,
        };
        Some((head, standing))
    }
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;
    use crate::wire::{put_bytes, put_u32};

    const HEAD: &[u8] = b"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n";
    const CLIENT: &str = "127.0.0.7";
    const LIVES_MS: u64 = 1_000;

    fn order(uses: u32, allowance: u32) -> Vec<u8> {
        order_for(HEAD, uses, allowance, 0)
    }

    fn order_for(head: &[u8], uses: u32, allowance: u32, ends_in_address: u32) -> Vec<u8> {
        let mut out = Vec::new();
        for word in [5, LIVES_MS as u32, uses] {
            put_u32(&mut out, word);
        }
        put_bytes(&mut out, CLIENT.as_bytes());
        put_bytes(&mut out, head);
        put_u32(&mut out, ends_in_address);
        for bytes in [&b"id: "[..], b"\r\n\r\n"] {
            put_bytes(&mut out, bytes);
        }
        for word in [60_000, 60_000, allowance, 0, 15_000, 0, 443] {
            put_u32(&mut out, word);
        }
        put_bytes(&mut out, b"");
        put_u32(&mut out, 1);
        put_bytes(&mut out, b"192.0.2.1");
        put_u32(&mut out, 0);
        put_u32(&mut out, 0);
        out
    }

    fn standing(uses: u32, allowance: u32, shared: &Shared) -> StandingConnects {
        let mut connects = StandingConnects::default();
        connects.read(1, &mut Reader::new(&order(uses, allowance)), shared, 0);
        connects
    }

    fn client() -> IpAddr {
        CLIENT.parse().expect("an address")
    }

    #[test]
    fn who_says_the_same_from_the_same_address_is_carried_with_an_id_of_its_own() {
        let shared = Shared::new().expect("an event counter");
        let mut connects = standing(2, 0, &shared);
        let said = [HEAD, b"early"].concat();
        let first = connects.take(1, client(), b"", &said, 1).expect("it stands");
        assert_eq!((first.number, first.used), (5, HEAD.len()));
        assert_eq!(
            first.reply,
            format!("id: {}\r\n\r\n", first.request_id).into_bytes()
        );
        let second = connects.take(1, client(), b"", HEAD, 1).expect("it stands");
        assert_ne!(first.request_id, second.request_id);
        assert!(
            connects.take(1, client(), b"", HEAD, 1).is_none(),
            "it is used up"
        );
    }

    #[test]
    fn everything_else_is_asked_about() {
        let shared = Shared::new().expect("an event counter");
        let mut connects = standing(9, 0, &shared);
        let other = "127.0.0.8".parse().expect("an address");
        assert!(connects.take(1, other, b"", HEAD, 1).is_none());
        assert!(connects.take(2, client(), b"", HEAD, 1).is_none());
        assert!(connects.take(1, client(), b"", HEAD, LIVES_MS).is_none());
        for end in 0..HEAD.len() {
            let part = HEAD.get(..end).unwrap_or_default();
            assert!(connects.take(1, client(), b"", part, 1).is_none());
        }
        let mut almost = HEAD.to_vec();
        for at in 0..HEAD.len() {
            if let Some(byte) = almost.get_mut(at) {
                *byte ^= 0x20;
            }
            assert!(connects.take(1, client(), b"", &almost, 1).is_none());
            almost.copy_from_slice(HEAD);
        }
        connects.read(1, &mut Reader::new(&[]), &shared, 1);
        assert!(
            connects.take(1, client(), b"", HEAD, 1).is_none(),
            "it is withdrawn"
        );
    }

    #[test]
    fn who_asks_the_same_behind_the_same_login_is_carried_with_its_address_in_the_reply() {
        const LOGIN: &[u8] = &[5, 1, 2, 1, 1, b'u', 1, b'p'];
        let requests: [&[u8]; 4] = [
            &[5, 1, 0, 1, 192, 0, 2, 1, 1, 187],
            &[5, 1, 0, 1, 192, 0, b'\r', b'\n', b'\r', b'\n'],
            &[5, 1, 0, 3, 3, b'a', b'.', b'b', 0, 80],
            &[5, 1, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 80],
        ];
        let shared = Shared::new().expect("an event counter");
        for request in requests {
            let mut connects = StandingConnects::default();
            let said = [LOGIN, request].concat();
            connects.read(1, &mut Reader::new(&order_for(&said, 9, 0, 1)), &shared, 0);
            let early = [request, b"early"].concat();
            let stood = connects.take(1, client(), LOGIN, &early, 1).expect("it stands");
            assert_eq!((stood.used, stood.reply_ends_in_address), (request.len(), true));
            assert_eq!(stood.reply, b"id: ");
            for end in 0..request.len() {
                let part = request.get(..end).unwrap_or_default();
                assert!(connects.take(1, client(), LOGIN, part, 1).is_none());
            }
            let other = [5, 1, 2, 1, 1, b'v', 1, b'p'];
            assert!(connects.take(1, client(), &other, request, 1).is_none());
            assert!(connects.take(1, client(), b"", &said, 1).is_none());
        }
    }

    #[test]
    fn who_says_login_and_request_without_being_answered_is_not_carried() {
        // Its address and port look like the end of a header section.
        let said = [5, 1, 2, 1, 1, b'u', 1, b'p', 5, 1, 0, 1, 10, 9, 13, 10, 13, 10];
        let shared = Shared::new().expect("an event counter");
        let mut connects = StandingConnects::default();
        connects.read(1, &mut Reader::new(&order_for(&said, 9, 0, 1)), &shared, 0);
        assert!(connects.take(1, client(), b"", &said, 1).is_none());
        let (login, request) = said.split_at(8);
        assert!(connects.take(1, client(), login, request, 1).is_some());
    }

    #[test]
    fn with_nothing_left_to_move_it_does_not_stand() {
        let shared = Shared::new().expect("an event counter");
        let allowance = shared.new_allowance(0);
        let mut connects = standing(9, allowance.handle, &shared);
        assert!(connects.take(1, client(), b"", HEAD, 1).is_none());
        allowance.add(10);
        assert!(connects.take(1, client(), b"", HEAD, 1).is_some());
        allowance.close();
        assert!(connects.take(1, client(), b"", HEAD, 1).is_none());
    }
}
