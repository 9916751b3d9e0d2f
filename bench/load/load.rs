//! The load generator and the origin of the benches, with the standard library and epoll, so that neither is the
//! bottleneck while both share one core. Built by bench/src/load/build.ts.
//!
//!     load origin                                  prints its port, then serves until it is killed
//!     load requests    <via> <seconds> <threads>   keep-alive requests
//!     load connections <via> <seconds> <at once>   a new connection, or tunnel, and one request each
//!     load paced       <via> <seconds> <threads> <per second>   keep-alive requests at a steady rate; a request's
//!                                                  latency is counted from the moment when it was due
//!     load bulk        <via> <bytes> <down|up>     one connection, or tunnel, that carries so many bytes
//!     load hold        <via> <count>               opens so many, says so, and holds them until its input ends
//!     load turnover    <via> <seconds> <count> <per second>   opens so many a second and keeps the latest `count`;
//!                                                  each carries a request when it is opened and before it is closed
//!
//! `<via>` is `direct ORIGIN`, `forward PROXY NAME`, `connect PROXY NAME` or `socks5 PROXY NAME`: PROXY and ORIGIN as
//! ADDRESS:PORT, NAME as HOST:PORT, which the proxy resolves. LOAD_USERNAME and LOAD_PASSWORD are the proxy's credential.
//! LOAD_PATH is the path that is asked for, `/` by default; LOAD_FIELDS are more header fields, one a line.
//! Each run prints one line of JSON.

mod bulk;
mod event_loop;
mod held;
mod http;
mod origin;
mod paced;
mod tally;
mod timed;
mod way;
mod wire;

use std::env;
use std::io::{Error, ErrorKind, Result};
use std::thread;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let run = arguments.first().map_or("", String::as_str);
    let rest = arguments.get(1..).unwrap_or_default();
    let done = match run {
        "origin" => origin::origin(),
        "requests" => timed::requests(rest),
        "connections" => timed::connections(rest),
        "paced" => paced::paced(rest),
        "bulk" => event_loop::run_blocking(bulk::bulk(rest)),
        "hold" => held::hold(rest),
        "turnover" => held::turnover(rest),
        _ => Err(bad("the first argument names no run")),
    };
    if let Err(error) = done {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

fn bad(what: &str) -> Error {
    Error::new(ErrorKind::InvalidData, what)
}

fn number(rest: &[String], at: usize) -> Result<f64> {
    rest.get(at)
        .and_then(|text| text.parse::<f64>().ok())
        .ok_or_else(|| bad("a number is missing"))
}

fn small_stack() -> thread::Builder {
    thread::Builder::new().stack_size(256 * 1024)
}
