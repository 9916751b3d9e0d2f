//! What the kernel can do.

use serde::Serialize;

use crate::netlink::{Message, Socket};
use crate::nft::{self, Family};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Abilities {
    /// A table that nobody else can change, and that stays when its owner dies (Linux 6.9).
    pub owned: bool,
    /// Filtering what leaves by a link (Linux 5.16).
    pub egress: bool,
}

impl Abilities {
    /// Tries on a table of its own: one transaction makes and deletes it. `watched`: never owns it, also where it could.
    pub fn find(socket: &mut Socket, watched: bool) -> Self {
        let name = format!("atlantic-try-{}", std::process::id());
        let mut can = |family: Family, owned: bool, more: Vec<Message>| {
            let mut messages = vec![nft::new_table(family, &name, owned)];
            messages.extend(more);
            messages.push(nft::delete_table(family, &name));
            nft::transact(socket, &messages).is_ok()
        };
        let egress = can(Family::Netdev, false, vec![nft::empty_egress_chain(&name, "lo")]);
        Self {
            owned: !watched && can(Family::Inet, true, Vec::new()),
            egress,
        }
    }
}
