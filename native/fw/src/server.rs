//! Waits for daemons and for the kernel, on one thread.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::Mode;
use rustix::net::sockopt;
use rustix::process::{geteuid, umask};

use crate::holder::Holder;
use crate::protocol::{LONGEST, Order, Request, Said, is_whole, take_piece};
use crate::readiness;
use crate::trouble::Trouble;

const MOST_CLIENTS: usize = 16;
/// How often settings are looked at, which the kernel tells of only in part.
const LOOK_AROUND: Duration = Duration::from_millis(500);
/// Of troubles that nobody was there to hear, this many of the last are kept.
const MOST_UNHEARD: usize = 100;

/// How long one that was killed may be there yet.
const DYING: Duration = Duration::from_secs(1);
/// Above all other descriptors: the kernel closes them in their order.
const LAST: i32 = 64;

struct Client {
    stream: UnixStream,
    bytes: Vec<u8>,
    /// What could not be written yet.
    waiting: Vec<u8>,
    /// It has asked something: it is a daemon that hears what it is told.
    has_asked: bool,
    /// A whole order is here that was not obeyed yet.
    has_more: bool,
    has_ended: bool,
}

/// Takes the place that one holder at a time may have. One that was killed has it for a moment yet, until the kernel has
/// put it away, with all that it held.
fn take_place(path: &Path) -> io::Result<OwnedFd> {
    let file: File = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    let until = Instant::now() + DYING;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(rustix::io::fcntl_dupfd_cloexec(&file, LAST)?),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if Instant::now() < until => thread::sleep(DYING / 20),
            Err(TryLockError::WouldBlock) => {
                return Err(io::Error::new(
                    ErrorKind::AddrInUse,
                    "another holder listens there",
                ));
            }
        }
    }
}

pub struct Server {
    listener: UnixListener,
    clients: Vec<Client>,
    unheard: Vec<Trouble>,
    table: String,
    /// As long as this is there no other holder listens.
    _place: OwnedFd,
}

impl Server {
    /// Listens at `path`, which only its owner may use. Fails when another holder listens there.
    pub fn listen(path: &Path, table: &str) -> io::Result<Self> {
        let place = take_place(&path.with_extension("lock"))?;
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let before = umask(Mode::RWXG | Mode::RWXO);
        let listener = UnixListener::bind(path);
        umask(before);
        let listener = listener?;
        listener.set_nonblocking(true)?;
        Ok(Self {
            listener,
            clients: Vec::new(),
            unheard: Vec::new(),
            table: table.to_owned(),
            _place: place,
        })
    }

    /// Tells systemd as soon as the rules are there: the network waits for that.
    pub fn run(mut self, holder: &mut Holder, first: Vec<Trouble>) -> io::Result<()> {
        self.tell(first);
        let mut looked = Instant::now();
        let mut is_awaited = true;
        loop {
            if is_awaited && holder.is_settled() {
                is_awaited = false;
                if let Err(error) = readiness::tell(std::env::var_os("NOTIFY_SOCKET").as_deref()) {
                    let _ = writeln!(
                        io::stderr(),
                        "systemd cannot be told that the rules are there: {error}"
                    );
                }
            }
            let longest = if self.clients.iter().any(|client| client.has_more) {
                Duration::ZERO
            } else {
                LOOK_AROUND.saturating_sub(looked.elapsed())
            };
            let ready = self.wait(holder, longest)?;
            let mut troubles = Vec::new();
            if ready.rules {
                troubles.extend(holder.rules_changed());
            }
            if ready.links {
                troubles.extend(holder.links_changed());
            }
            if ready.groups {
                troubles.extend(holder.groups_changed());
            }
            let mut is_ready = ready.clients.into_iter();
            self.clients.retain_mut(|client| {
                !is_ready.next().unwrap_or(false) || client.serve(holder, &mut troubles).is_ok()
            });
            if self.is_heard() {
                self.unheard.clear();
            }
            // Also while there is no pause.
            if looked.elapsed() >= LOOK_AROUND {
                troubles.extend(holder.look_around());
                looked = Instant::now();
            }
            self.tell(troubles);
            if ready.listener {
                self.accept(holder);
            }
        }
    }

    fn wait(&self, holder: &Holder, longest: Duration) -> io::Result<Ready> {
        let longest = Timespec::try_from(longest).map_err(io::Error::other)?;
        let mut fds = vec![
            PollFd::new(&holder.rule_events, PollFlags::IN),
            PollFd::new(&holder.link_events, PollFlags::IN),
            PollFd::new(&holder.groups.events, PollFlags::IN),
            PollFd::new(&self.listener, PollFlags::IN),
        ];
        fds.extend(self.clients.iter().map(|client| {
            let writes = if client.waiting.is_empty() {
                PollFlags::empty()
            } else {
                PollFlags::OUT
            };
            PollFd::new(&client.stream, PollFlags::IN | writes)
        }));
        match poll(&mut fds, Some(&longest)) {
            Ok(_) => Ok(Ready {
                rules: !fds[0].revents().is_empty(),
                links: !fds[1].revents().is_empty(),
                groups: !fds[2].revents().is_empty(),
                listener: !fds[3].revents().is_empty(),
                clients: self
                    .clients
                    .iter()
                    .zip(&fds[4..])
                    .map(|(client, fd)| client.has_more || !fd.revents().is_empty())
                    .collect(),
            }),
            Err(rustix::io::Errno::INTR) => Ok(Ready::default()),
            Err(error) => Err(error.into()),
        }
    }

    fn accept(&mut self, holder: &Holder) {
        let Ok((stream, _)) = self.listener.accept() else {
            return;
        };
        if self.clients.len() >= MOST_CLIENTS || !is_trusted(&stream) || stream.set_nonblocking(true).is_err()
        {
            return;
        }
        let mut client = Client {
            stream,
            bytes: Vec::new(),
            waiting: Vec::new(),
            has_asked: false,
            has_more: false,
            has_ended: false,
        };
        let mut said = vec![Said::hello(&self.table, holder.abilities, holder.is_blocking())];
        // Kept until it asks something: it may only want to know whether somebody listens.
        let unheard = self.unheard.iter().cloned();
        said.extend(unheard.map(|trouble| Said::Trouble { trouble }));
        if said.iter().all(|each| client.say(each).is_ok()) {
            self.clients.push(client);
        }
    }

    fn tell(&mut self, troubles: Vec<Trouble>) {
        for trouble in troubles {
            // Nobody may be there to read it.
            let _ = writeln!(io::stderr(), "{}", trouble.message);
            let said = Said::Trouble {
                trouble: trouble.clone(),
            };
            self.clients.retain_mut(|client| client.say(&said).is_ok());
            if !self.is_heard() {
                if self.unheard.len() == MOST_UNHEARD {
                    self.unheard.remove(0);
                }
                self.unheard.push(trouble);
            }
        }
    }

    fn is_heard(&self) -> bool {
        self.clients.iter().any(|client| client.has_asked)
    }
}

#[derive(Default)]
struct Ready {
    rules: bool,
    links: bool,
    groups: bool,
    listener: bool,
    clients: Vec<bool>,
}

impl Client {
    /// Obeys one order, so that nobody is kept waiting by one who has many. An error ends the conversation.
    fn serve(&mut self, holder: &mut Holder, troubles: &mut Vec<Trouble>) -> io::Result<()> {
        self.flush()?;
        self.receive()?;
        if let Some(piece) = take_piece(&mut self.bytes).map_err(io::Error::other)? {
            let request: Request = serde_json::from_slice(&piece)?;
            self.has_asked = true;
            let (answer, more) = obey(request, holder);
            troubles.extend(more);
            self.say(&answer)?;
        }
        self.has_more = is_whole(&self.bytes);
        if self.has_ended && !self.has_more {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }

    /// Reads what is there, but not far beyond the longest piece.
    fn receive(&mut self) -> io::Result<()> {
        let mut buffer = [0; 16 << 10];
        while !self.has_ended && self.bytes.len() <= LONGEST + 4 {
            match self.stream.read(&mut buffer) {
                Ok(0) => self.has_ended = true,
                Ok(length) => self.bytes.extend_from_slice(&buffer[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn say(&mut self, said: &Said) -> io::Result<()> {
        self.waiting.extend(said.frame());
        if self.waiting.len() > LONGEST {
            return Err(io::Error::other("the peer does not read"));
        }
        self.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        while !self.waiting.is_empty() {
            match self.stream.write(&self.waiting) {
                Ok(length) => drop(self.waiting.drain(..length)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn obey(Request { id, order }: Request, holder: &mut Holder) -> (Said, Vec<Trouble>) {
    let outcome = match order {
        Order::Apply { rules } => holder.apply(*rules),
        Order::Swap { sets } => holder.swap(sets),
        Order::Open {} => holder.open_up(),
        Order::Inspect {} => match holder.inspect() {
            Ok((inspection, troubles)) => return (Said::State { id, inspection }, troubles),
            Err(reason) => Err(reason),
        },
    };
    match outcome {
        Ok(troubles) => (Said::Done { id }, troubles),
        Err(reason) => (Said::Refused { id, reason }, Vec::new()),
    }
}

/// The same user as this process, or root. The socket's permissions say the same; this outlives a mistake in them.
fn is_trusted(stream: &UnixStream) -> bool {
    sockopt::socket_peercred(stream.as_fd()).is_ok_and(|peer| peer.uid.is_root() || peer.uid == geteuid())
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn one_that_is_there_for_a_moment_yet_is_waited_for_and_one_that_stays_is_not_displaced() {
        let path = std::env::temp_dir().join(format!("atlantic-holder-{}", std::process::id()));
        let dying = take_place(&path.with_extension("lock")).expect("a place");
        let end = thread::spawn(move || {
            thread::sleep(DYING / 4);
            drop(dying);
        });
        let living = Server::listen(&path, "test").expect("the place is free in the end");
        end.join().expect("it has ended");
        let refused = Server::listen(&path, "test").map(|_| ());
        assert_eq!(refused.map_err(|error| error.kind()), Err(ErrorKind::AddrInUse));
        drop(living);
        std::fs::remove_file(&path).expect("it was there");
        std::fs::remove_file(path.with_extension("lock")).expect("it was there");
    }
}
