//! Connections that stay: `hold` and `turnover`.

use crate::event_loop::{run_blocking, EventLoop};
use crate::http::exchange;
use crate::number;
use crate::tally::Tally;
use crate::way::Way;
use crate::wire::{Wire, SMALL_BUFFER_BYTES};
use std::collections::VecDeque;
use std::io::Result;
use std::thread;
use std::time::{Duration, Instant};

pub fn hold(arguments: &[String]) -> Result<()> {
    let (way, rest) = Way::parse(arguments)?;
    let request = way.request("GET", &way.path, 0);
    let mut held = Vec::new();
    for _ in 0..number(rest, 0)? as usize {
        held.push(run_blocking(open_and_ask(&way, &request, None))?);
    }
    println!("{}", held.len());
    let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    Ok(())
}

pub fn turnover(arguments: &[String]) -> Result<()> {
    let (way, rest) = Way::parse(arguments)?;
    let (seconds, count, rate) = (number(rest, 0)?, number(rest, 1)? as usize, number(rest, 2)?);
    let request = way.request("GET", &way.path, 0);
    let started = Instant::now();
    let mut tally = Tally::default();
    let mut held = VecDeque::new();
    for turn in 0..(seconds * rate) as u32 {
        let due = started + Duration::from_secs_f64(f64::from(turn) / rate);
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let begun = Instant::now();
        match run_blocking(open_and_ask(&way, &request, None)) {
            Ok(wire) => {
                tally.micros.push(begun.elapsed().as_micros() as u32);
                held.push_back(wire);
            }
            Err(error) => tally.failed(error),
        }
        if held.len() <= count {
            continue;
        }
        if let Some(mut oldest) = held.pop_front() {
            if let Err(error) = run_blocking(exchange(&mut oldest, request.as_bytes())) {
                tally.failed(error);
            }
        }
    }
    tally.report(started.elapsed().as_secs_f64());
    Ok(())
}

pub async fn open_and_ask(way: &Way, request: &str, event_loop: Option<&EventLoop>) -> Result<Wire> {
    let mut wire = way.open(SMALL_BUFFER_BYTES, event_loop).await?;
    exchange(&mut wire, request.as_bytes()).await?;
    Ok(wire)
}
