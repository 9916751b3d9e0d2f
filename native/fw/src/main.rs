//! Holds the firewall's tables and nothing else, so that whatever becomes of the daemon touches no rule.

mod abilities;
mod control_groups;
mod holder;
mod links;
mod netlink;
mod nft;
mod protocol;
mod readiness;
mod rules;
mod server;
mod settings;
mod state;
mod trouble;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use holder::{Holder, Options};
use rules::RuleSet;
use server::Server;

const USAGE: &str = "atlantic-fw --socket PATH --state PATH [--table NAME] [--watched] [--block]

Holds the firewall's tables for the daemon, which speaks to it at the socket.
  --socket PATH  where to listen
  --state PATH   where the rules in force are kept, to be put back after this process was killed
  --table NAME   default atlantic
  --watched      never own the tables: watch them, and put them back when others change them
  --block        block everything at once when no rules are known, as before the network comes up";

/// Blocks everything but loopback and what a link itself needs; compiled from the same policy as all rules are.
const BLOCKED: &str = include_str!("blocked.json");

struct Arguments {
    socket: PathBuf,
    options: Options,
    block: bool,
}

fn main() -> ExitCode {
    match arguments(std::env::args().skip(1)).and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}

fn run(
    Arguments {
        socket,
        options,
        block,
    }: Arguments,
) -> Result<(), String> {
    let mut blocked: RuleSet =
        serde_json::from_str(BLOCKED).map_err(|error| format!("blocked.json does not fit: {error}"))?;
    blocked.table.clone_from(&options.table);
    let server = Server::listen(&socket, &options.table)
        .map_err(|error| format!("Cannot listen at {}: {error}", socket.display()))?;
    let mut holder = Holder::open(options).map_err(|error| format!("Cannot speak to the kernel: {error}"))?;
    let troubles = holder.take_over(block, blocked);
    let _ = writeln!(io::stdout(), "ready");
    server
        .run(&mut holder, troubles)
        .map_err(|error| format!("Cannot wait for what happens: {error}"))
}

fn arguments(mut given: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let (mut socket, mut state, mut table) = (None, None, "atlantic".to_owned());
    let (mut watched, mut block) = (false, false);
    while let Some(word) = given.next() {
        let mut value = || {
            given
                .next()
                .ok_or_else(|| format!("{word} needs a value\n\n{USAGE}"))
        };
        match word.as_str() {
            "--socket" => socket = Some(PathBuf::from(value()?)),
            "--state" => state = Some(PathBuf::from(value()?)),
            "--table" => table = value()?,
            "--watched" => watched = true,
            "--block" => block = true,
            _ => return Err(USAGE.to_owned()),
        }
    }
    match (socket, state) {
        (Some(socket), Some(state)) => Ok(Arguments {
            socket,
            options: Options {
                table,
                state,
                watched,
            },
            block,
        }),
        _ => Err(USAGE.to_owned()),
    }
}
