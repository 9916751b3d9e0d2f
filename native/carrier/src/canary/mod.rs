//! Canaries: packets without a mark that the firewall must refuse, sent on one link, and a tap on the same link that
//! sees what really leaves it. The tap stands behind every hook of the kernel's firewall, so it needs no trust in what
//! a sender is told.

mod packet;
mod sending;
mod tap;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use napi::bindgen_prelude::{AsyncTask, Env, Error, Result, Task};
use napi_derive::napi;

use sending::Sent;
use tap::Tap;

/// One packet to try.
#[napi(object)]
#[derive(Clone)]
pub struct CanaryTarget {
    /// `tcp`, `udp`, or `raw`: a frame handed to the link itself, past the machine's IP layer.
    pub kind: String,
    /// A literal address where nobody answers.
    pub address: String,
    pub port: u16,
}

/// What became of it.
#[napi(object)]
pub struct CanaryOutcome {
    /// It was seen leaving the link.
    pub escaped: bool,
    /// Why sending it failed, the system's error number; 0: it was handed over, or is on its way.
    pub errno: i32,
}

pub struct CanaryRound {
    link: String,
    targets: Vec<CanaryTarget>,
    wait: Duration,
}

impl Task for CanaryRound {
    type Output = Vec<CanaryOutcome>;
    type JsValue = Vec<CanaryOutcome>;

    fn compute(&mut self) -> Result<Self::Output> {
        std::panic::catch_unwind(|| run(&self.link, &self.targets, self.wait))
            .unwrap_or_else(|_| Err(std::io::Error::other("the canaries' code panicked")))
            .map_err(|cause| Error::from_reason(cause.to_string()))
    }

    fn resolve(&mut self, _env: Env, output: Self::Output) -> Result<Self::JsValue> {
        Ok(output)
    }
}

/// Sends these on a link and watches it for `wait_ms`. Takes CAP_NET_RAW.
/// Rejects when the link cannot be watched: then nothing is known.
#[cfg_attr(test, allow(dead_code))]
#[napi]
pub fn send_canaries(link: String, targets: Vec<CanaryTarget>, wait_ms: u32) -> AsyncTask<CanaryRound> {
    let wait = Duration::from_millis(u64::from(wait_ms));
    AsyncTask::new(CanaryRound { link, targets, wait })
}

fn run(link: &str, targets: &[CanaryTarget], wait: Duration) -> std::io::Result<Vec<CanaryOutcome>> {
    let addresses: Vec<IpAddr> = targets.iter().map(address_of).collect::<std::io::Result<_>>()?;
    let tap = Tap::open(link, &addresses)?;
    let sent: Vec<Sent> = targets
        .iter()
        .zip(&addresses)
        .map(|(target, address)| Sent::send(link, &target.kind, *address, target.port))
        .collect::<std::io::Result<_>>()?;
    let mut escaped = vec![false; sent.len()];
    let until = Instant::now() + wait;
    while !escaped.iter().all(|each| *each) {
        let Some(frame) = tap.next(until)? else { break };
        for (seen, each) in escaped.iter_mut().zip(&sent) {
            *seen |= each.is(&frame);
        }
    }
    let outcome = |(escaped, sent): (bool, &Sent)| CanaryOutcome {
        escaped,
        errno: sent.errno,
    };
    Ok(escaped.into_iter().zip(&sent).map(outcome).collect())
}

fn address_of(target: &CanaryTarget) -> std::io::Result<IpAddr> {
    target
        .address
        .parse()
        .map_err(|_| std::io::Error::other(format!("{} is no address", target.address)))
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;

    /// The loopback link lets everything through: there the tap must see every kind. The address is nobody else's: much
    /// to the same one at the same time would fill the tap.
    #[test]
    fn every_kind_that_is_not_refused_is_seen_leaving() {
        let target = |kind: &str, address: &str, port| CanaryTarget {
            kind: kind.into(),
            address: address.into(),
            port,
        };
        let targets = [
            target("udp", "127.53.8.9", 53),
            target("tcp", "127.53.8.9", 853),
            target("raw", "127.53.8.9", 9),
            target("udp", "::1", 53),
            target("tcp", "::1", 853),
            target("raw", "::1", 9),
        ];
        let outcome = match run("lo", &targets, Duration::from_secs(5)) {
            // Whoever is not root cannot watch a link.
            Err(cause) if cause.raw_os_error() == Some(nix::libc::EPERM) => return,
            other => other.expect("a watched link"),
        };
        let escaped: Vec<bool> = outcome.iter().map(|each| each.escaped).collect();
        assert_eq!(escaped, [true; 6]);
    }

    #[test]
    fn a_link_that_is_not_there_is_an_error() {
        assert!(run("no-such-link", &[], Duration::ZERO).is_err());
    }
}
