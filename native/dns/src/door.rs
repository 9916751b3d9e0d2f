//! One address that is answered on, and its thread.

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::answer::{How, write_blocked, write_known};
use crate::batch::Batch;
use crate::cache::question_of;
use crate::query::read;
use crate::set::{POLICY_BLOCK, Set, Verdict};
use crate::shared::{Shared, Waiting};

/// How long the thread sleeps at most before it looks whether it should stop.
const LOOK: Duration = Duration::from_millis(500);

enum Outcome {
    Answered,
    /// Answered; and a newer answer is wanted.
    Ageing,
    NotOurs,
}

/// Answers until it is told to stop.
pub fn serve(shared: &Shared, socket: &UdpSocket, door: u32) {
    if socket.set_read_timeout(Some(LOOK)).is_err() {
        return;
    }
    let mut batch = Batch::new();
    let mut others = Vec::new();
    while !shared.is_stopping() {
        let received = batch.receive(socket);
        if received == 0 {
            continue;
        }
        shared
            .counts
            .queries
            .fetch_add(received as u64, Ordering::Relaxed);
        let set = shared.current_set();
        let how = How::from_number(shared.how.load(Ordering::Relaxed));
        for index in 0..received {
            let (packet, out) = batch.packet(index);
            let refresh = match answer(shared, set.as_ref(), how, packet, out) {
                Outcome::Answered => continue,
                Outcome::Ageing => true,
                Outcome::NotOurs => false,
            };
            let packet = packet.to_vec();
            others.push(Waiting {
                door,
                refresh,
                from: batch.address(index).to_vec(),
                packet,
            });
        }
        batch.send(socket, received);
        shared.hand_over(&mut others);
    }
}

fn answer(shared: &Shared, set: Option<&Arc<Set>>, how: How, packet: &[u8], out: &mut Vec<u8>) -> Outcome {
    let Some(query) = read(packet) else {
        return Outcome::NotOurs;
    };
    if let Some(set) = set
        && let Verdict::Blocked { list, rank } = set.verdict(query.name.as_bytes())
    {
        set.count(list);
        shared.counts.blocked.fetch_add(1, Ordering::Relaxed);
        write_blocked(out, &query, how, rank == POLICY_BLOCK);
        return Outcome::Answered;
    }
    let Some((entry, age)) = shared.cache.find(&question_of(&query)) else {
        return Outcome::NotOurs;
    };
    shared.counts.cached.fetch_add(1, Ordering::Relaxed);
    write_known(
        out,
        &query,
        &entry,
        u32::try_from(age.as_secs()).unwrap_or(u32::MAX),
    );
    if entry.wants_refresh(age) {
        Outcome::Ageing
    } else {
        Outcome::Answered
    }
}
