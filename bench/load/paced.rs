//! `paced`: requests at a steady rate.

use crate::event_loop::run_blocking;
use crate::http::exchange;
use crate::number;
use crate::tally::{tally_threads, Tally};
use crate::way::Way;
use crate::wire::SMALL_BUFFER_BYTES;
use std::io::Result;
use std::thread;
use std::time::{Duration, Instant};

pub fn paced(arguments: &[String]) -> Result<()> {
    let (way, rest) = Way::parse(arguments)?;
    let (seconds, threads, rate) = (number(rest, 0)?, number(rest, 1)? as usize, number(rest, 2)?);
    let started = Instant::now();
    let tally = tally_threads(threads, |index| {
        let first = started + Duration::from_secs_f64(index as f64 / rate);
        run_blocking(requests_at(&way, first, threads as f64 / rate, seconds))
    })?;
    tally.report(started.elapsed().as_secs_f64());
    Ok(())
}

/// One request every `gap` seconds from `first` on. What comes late counts from when it was due.
async fn requests_at(way: &Way, first: Instant, gap: f64, seconds: f64) -> Tally {
    let mut tally = Tally::default();
    let request = way.request("GET", &way.path, 0);
    let mut wire = match way.open(SMALL_BUFFER_BYTES, None).await {
        Ok(wire) => wire,
        Err(error) => {
            tally.failed(error);
            return tally;
        }
    };
    for turn in 0..(seconds / gap) as u32 {
        let due = first + Duration::from_secs_f64(gap * f64::from(turn));
        thread::sleep(due.saturating_duration_since(Instant::now()));
        match exchange(&mut wire, request.as_bytes()).await {
            Ok(_) => tally.micros.push(due.elapsed().as_micros() as u32),
            Err(error) => {
                tally.failed(error);
                return tally;
            }
        }
    }
    tally
}
