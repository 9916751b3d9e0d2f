//! As much as the other side gives, for so many seconds: `requests` and `connections`.

use crate::event_loop::{run_blocking, EventLoop};
use crate::held::open_and_ask;
use crate::http::exchange;
use crate::number;
use crate::tally::{tally_threads, Tally};
use crate::way::{Way, PATIENCE};
use crate::wire::BUFFER_BYTES;
use std::cell::RefCell;
use std::io::Result;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Each connection has a thread of its own.
pub fn requests(arguments: &[String]) -> Result<()> {
    let (way, rest) = Way::parse(arguments)?;
    let (seconds, threads) = (number(rest, 0)?, number(rest, 1)? as usize);
    let started = Instant::now();
    let end = started + Duration::from_secs_f64(seconds);
    let tally = tally_threads(threads, |_| run_blocking(requests_until(&way, end)))?;
    tally.report(started.elapsed().as_secs_f64());
    Ok(())
}

async fn requests_until(way: &Way, end: Instant) -> Tally {
    let mut tally = Tally::default();
    let request = way.request("GET", &way.path, 0);
    while Instant::now() < end && tally.failures < MOST_FAILURES {
        let mut wire = match way.open(BUFFER_BYTES, None).await {
            Ok(wire) => wire,
            Err(error) => {
                tally.failed(error);
                continue;
            }
        };
        while Instant::now() < end {
            let begun = Instant::now();
            if let Err(error) = exchange(&mut wire, request.as_bytes()).await {
                tally.failed(error);
                break;
            }
            tally.micros.push(begun.elapsed().as_micros() as u32);
        }
    }
    tally
}

/// Of one connection after the other.
const MOST_FAILURES: u64 = 100;

/// All of the connections are in one thread: to change between threads would cost more than a connection.
pub fn connections(arguments: &[String]) -> Result<()> {
    let (way, rest) = Way::parse(arguments)?;
    let (seconds, at_once) = (number(rest, 0)?, number(rest, 1)? as usize);
    let started = Instant::now();
    let end = started + Duration::from_secs_f64(seconds);
    let all = Rc::new(RefCell::new(Tally::default()));
    let way = Rc::new(way);
    let event_loop = EventLoop::new(Some(PATIENCE))?;
    for _ in 0..at_once {
        let (way, all, own_loop) = (way.clone(), all.clone(), event_loop.clone());
        event_loop.start(async move {
            let tally = connections_until(&way, end, &own_loop).await;
            all.borrow_mut().add(tally);
        });
    }
    event_loop.run()?;
    all.take().report(started.elapsed().as_secs_f64());
    Ok(())
}

/// The client closes first, as programs do that have their answer.
async fn connections_until(way: &Way, end: Instant, event_loop: &EventLoop) -> Tally {
    let mut tally = Tally::default();
    let request = way.request("GET", &way.path, 0);
    while Instant::now() < end && tally.failures < MOST_FAILURES {
        let begun = Instant::now();
        match open_and_ask(way, &request, Some(event_loop)).await {
            Ok(_) => tally.micros.push(begun.elapsed().as_micros() as u32),
            Err(error) => tally.failed(error),
        }
    }
    tally
}
