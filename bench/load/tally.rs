//! What a run did.

use crate::{bad, small_stack};
use std::io::{Error, Result};
use std::thread;

#[derive(Default)]
pub struct Tally {
    pub micros: Vec<u32>,
    pub failures: u64,
    last: String,
}

impl Tally {
    pub fn failed(&mut self, error: Error) {
        self.failures += 1;
        self.last = error.to_string();
    }

    pub fn add(&mut self, other: Tally) {
        self.micros.extend(other.micros);
        self.failures += other.failures;
        if !other.last.is_empty() {
            self.last = other.last;
        }
    }

    /// Prints the line of JSON.
    pub fn report(mut self, seconds: f64) {
        self.micros.sort_unstable();
        let count = self.micros.len();
        let quantile = |part: f64| {
            if count == 0 {
                0
            } else {
                self.micros[((count - 1) as f64 * part) as usize]
            }
        };
        let last = self
            .last
            .replace(['\\', '"'], " ")
            .replace(|c: char| c.is_control(), " ");
        println!(
            "{{\"count\":{count},\"failures\":{},\"lastFailure\":\"{last}\",\"seconds\":{seconds:.6},\"p50Micros\":{},\"p99Micros\":{}}}",
            self.failures,
            quantile(0.5),
            quantile(0.99)
        );
    }
}

/// What so many threads do at once; each is given its number.
pub fn tally_threads(count: usize, work: impl Fn(usize) -> Tally + Sync) -> Result<Tally> {
    let work = &work;
    thread::scope(|scope| {
        let threads: Vec<_> = (0..count)
            .map(|index| small_stack().spawn_scoped(scope, move || work(index)))
            .collect::<Result<_>>()?;
        let mut all = Tally::default();
        for thread in threads {
            all.add(thread.join().map_err(|_| bad("a thread panicked"))?);
        }
        Ok(all)
    })
}
