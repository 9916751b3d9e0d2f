//! A netlink socket: sends requests and batches, reads answers and events.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, sendto, socket_with,
    sockopt,
};

use super::message::{HEADER, Message, NLM_F_ACK, NLM_F_DUMP};

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_DUMP_INTR: u16 = 0x10;
/// Larger than any rule set that is accepted, in one transaction.
const BUFFER: usize = 4 << 20;
/// A refusal quotes the message that it is about, and lists come in pieces of half of that.
const READ_AT_ONCE: usize = 128 << 10;
/// Others may change what is listed while it is listed.
const ATTEMPTS: usize = 20;
/// The kernel answers at once, or the answer was lost: whoever waited on would wait for ever.
const PATIENCE: Duration = Duration::from_secs(10);
/// Messages that are heard in one go: whoever never stops making some does not keep the holder from all else.
const MOST_AT_ONCE: usize = 100_000;

/// The kernel refused a request.
#[derive(Debug)]
pub struct Failure {
    pub error: io::Error,
    /// Which message of a batch it refused, from 0, where it says so.
    pub index: Option<usize>,
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self { error, index: None }
    }
}

impl From<Errno> for Failure {
    fn from(error: Errno) -> Self {
        io::Error::from(error).into()
    }
}

/// A message from the kernel.
pub struct Reply {
    pub kind: u16,
    pub sequence: u32,
    /// What follows the netlink header.
    pub body: Vec<u8>,
    /// Something changed while this was listed: the list does not tell how it is.
    interrupted: bool,
}

pub struct Socket {
    fd: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Socket {
    /// `protocol` is rtnetlink where it is None; `groups` are the multicast groups to hear, a bit for each.
    pub fn open(protocol: Option<Protocol>, groups: u32) -> io::Result<Self> {
        let fd = socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            protocol,
        )?;
        bind(&fd, &SocketAddrNetlink::new(0, groups))?;
        // Without the privilege for the forced size the ordinary one must do.
        let _ = sockopt::set_socket_send_buffer_size_force(&fd, BUFFER);
        let _ = sockopt::set_socket_recv_buffer_size_force(&fd, BUFFER);
        sockopt::set_socket_timeout(&fd, sockopt::Timeout::Recv, Some(PATIENCE))?;
        Ok(Self {
            fd,
            sequence: 0,
            buffer: vec![0; READ_AT_ONCE],
        })
    }

    /// Sends one request and returns all that is answered to it.
    pub fn ask(&mut self, request: &Message, flags: u16) -> Result<Vec<Reply>, Failure> {
        let sequence = self.next_sequence();
        self.send(&request.finish(sequence, flags))?;
        self.drained(|socket| socket.answers(sequence))
    }

    /// Lists what is asked for; again when something changed meanwhile.
    pub fn list(&mut self, request: &Message) -> Result<Vec<Reply>, Failure> {
        for _ in 1..ATTEMPTS {
            match self.ask(request, NLM_F_DUMP) {
                Err(failure) if failure.error.kind() == io::ErrorKind::Interrupted => {}
                done => return done,
            }
        }
        self.ask(request, NLM_F_DUMP)
    }

    /// Sends messages as one transaction, between `begin` and `end`: all of them happen, or none.
    pub fn transact(&mut self, begin: &Message, messages: &[Message], end: &Message) -> Result<(), Failure> {
        if messages.is_empty() {
            // Nothing would be acknowledged.
            return Ok(());
        }
        if let Some(index) = messages.iter().position(Message::is_too_long) {
            let error = io::Error::new(io::ErrorKind::InvalidInput, "it is too long for netlink");
            let index = Some(index);
            return Err(Failure { error, index });
        }
        let first = self.next_sequence();
        let mut bytes = begin.finish(first, 0);
        for (index, message) in messages.iter().enumerate() {
            // One acknowledgement, of the last, tells that the whole is done; errors come for each.
            let flags = if index + 1 == messages.len() { NLM_F_ACK } else { 0 };
            bytes.extend(message.finish(self.next_sequence(), flags));
        }
        let last = self.sequence;
        bytes.extend(end.finish(self.next_sequence(), 0));
        self.send(&bytes)?;
        self.drained(|socket| socket.acknowledged(first, last))
    }

    /// Hears what has come by itself and is there now. An error: some of it was lost.
    pub fn events(&mut self, mut hear: impl FnMut(Reply)) -> io::Result<()> {
        let mut outcome = Ok(());
        for _ in 0..MOST_AT_ONCE {
            match self.receive(RecvFlags::DONTWAIT) {
                Ok(Some(replies)) => replies.into_iter().for_each(&mut hear),
                Ok(None) => break,
                Err(error) => outcome = Err(error),
            }
        }
        outcome
    }

    /// After a failure nothing that was answered is of use, and while the socket is full nothing more is answered.
    fn drained<T>(&mut self, wait: impl FnOnce(&mut Self) -> Result<T, Failure>) -> Result<T, Failure> {
        let outcome = wait(self);
        if outcome.is_err() {
            let _ = self.events(drop);
        }
        outcome
    }

    /// `first` is the number of what begins the transaction: what is refused as a whole is refused under it.
    fn acknowledged(&mut self, first: u32, last: u32) -> Result<(), Failure> {
        loop {
            let replies = match self.wait() {
                // More was refused than there is room to say; what is there says enough.
                Err(error) if error.raw_os_error() == Some(Errno::NOBUFS.raw_os_error()) => continue,
                replies => replies?,
            };
            for reply in replies.iter().filter(|reply| reply.kind == NLMSG_ERROR) {
                let place = reply.sequence.wrapping_sub(first);
                if place > last.wrapping_sub(first) {
                    // About a transaction before this one.
                    continue;
                }
                if let Some(error) = error_of(reply) {
                    let index = (place as usize).checked_sub(1);
                    return Err(Failure { error, index });
                }
                if reply.sequence == last {
                    return Ok(());
                }
            }
        }
    }

    /// Reads to the end also where the list is of no use: what is left of it would be in the way of the next question.
    fn answers(&mut self, sequence: u32) -> Result<Vec<Reply>, Failure> {
        let mut all = Vec::new();
        let mut interrupted = false;
        loop {
            for reply in self
                .wait()?
                .into_iter()
                .filter(|reply| reply.sequence == sequence)
            {
                interrupted |= reply.interrupted;
                match reply.kind {
                    NLMSG_DONE if interrupted => {
                        return Err(io::Error::from(io::ErrorKind::Interrupted).into());
                    }
                    // The end of a list says whether it is whole.
                    NLMSG_DONE | NLMSG_ERROR => match error_of(&reply) {
                        Some(error) => return Err(error.into()),
                        None => return Ok(all),
                    },
                    _ => all.push(reply),
                }
            }
        }
    }

    fn send(&self, bytes: &[u8]) -> Result<(), Failure> {
        sendto(&self.fd, bytes, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
        Ok(())
    }

    fn wait(&mut self) -> io::Result<Vec<Reply>> {
        self.receive(RecvFlags::empty())?
            .ok_or_else(|| io::Error::new(io::ErrorKind::TimedOut, "the kernel does not answer"))
    }

    fn receive(&mut self, flags: RecvFlags) -> io::Result<Option<Vec<Reply>>> {
        let length = match recv(&self.fd, &mut self.buffer[..], flags | RecvFlags::TRUNC) {
            // Whoever waited for what it said would wait for ever.
            Ok((length, whole)) if whole > length => {
                return Err(io::Error::other("the kernel says more at once than is read"));
            }
            Ok((length, _)) => length,
            Err(Errno::AGAIN) => return Ok(None),
            Err(Errno::INTR) => return Ok(Some(Vec::new())),
            Err(error) => return Err(error.into()),
        };
        Ok(Some(split(&self.buffer[..length])))
    }

    fn next_sequence(&mut self) -> u32 {
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence
    }
}

fn split(mut bytes: &[u8]) -> Vec<Reply> {
    let mut replies = Vec::new();
    while let Some(head) = bytes.get(..HEADER) {
        let word = |at: usize| u32::from_ne_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let length = word(0) as usize;
        let half = |at: usize| u16::from_ne_bytes([head[at], head[at + 1]]);
        let Some(body) = bytes.get(HEADER..length) else {
            break;
        };
        replies.push(Reply {
            kind: half(4),
            sequence: word(8),
            body: body.to_vec(),
            interrupted: half(6) & NLM_F_DUMP_INTR != 0,
        });
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or(&[]);
    }
    replies
}

/// None for an acknowledgement.
fn error_of(reply: &Reply) -> Option<io::Error> {
    let code = i32::from_ne_bytes(reply.body.get(..4)?.try_into().ok()?);
    (code != 0).then(|| io::Error::from_raw_os_error(-code))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTED: u16 = 16;

    /// A socket, and the kernel's end of it.
    fn pair() -> io::Result<(Socket, OwnedFd)> {
        let (fd, kernel) = rustix::net::socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )?;
        let socket = Socket {
            fd,
            sequence: 0,
            buffer: vec![0; 1024],
        };
        Ok((socket, kernel))
    }

    fn say(kernel: &OwnedFd, kind: u16, flags: u16, sequence: u32) -> io::Result<()> {
        let message = Message::new(kind, flags, &[0; 4]).finish(sequence, 0);
        rustix::net::send(kernel, &message, SendFlags::empty())?;
        Ok(())
    }

    #[test]
    fn a_list_that_was_interrupted_is_no_list_and_not_in_the_way_of_what_is_asked_next() -> io::Result<()> {
        let (mut socket, kernel) = pair()?;
        for _ in 0..3 {
            say(&kernel, LISTED, NLM_F_DUMP_INTR, 1)?;
        }
        say(&kernel, NLMSG_DONE, NLM_F_DUMP_INTR, 1)?;
        let refused = socket.answers(1).err().map(|failure| failure.error.kind());
        assert_eq!(refused, Some(io::ErrorKind::Interrupted));
        say(&kernel, LISTED, 0, 2)?;
        say(&kernel, NLMSG_DONE, 0, 2)?;
        assert_eq!(socket.answers(2).map(|replies| replies.len()).ok(), Some(1));
        Ok(())
    }

    #[test]
    fn an_answer_that_is_cut_short_is_an_error_and_not_waited_for_again() -> io::Result<()> {
        let (mut socket, kernel) = pair()?;
        let message = Message::new(LISTED, 0, &[0; 2048]).finish(1, 0);
        rustix::net::send(&kernel, &message, SendFlags::empty())?;
        assert!(socket.answers(1).is_err());
        Ok(())
    }

    #[test]
    fn a_transaction_is_done_when_its_last_message_is_whatever_was_listed_before() -> io::Result<()> {
        let (mut socket, kernel) = pair()?;
        say(&kernel, LISTED, NLM_F_DUMP_INTR, 1)?;
        say(&kernel, NLMSG_ERROR, 0, 5)?;
        assert!(socket.acknowledged(3, 5).is_ok());
        Ok(())
    }

    /// As the kernel does: an error's number comes first.
    fn refuse(kernel: &OwnedFd, kind: u16, code: i32, sequence: u32) -> io::Result<()> {
        let message = Message::new(kind, 0, &(-code).to_ne_bytes()).finish(sequence, 0);
        rustix::net::send(kernel, &message, SendFlags::empty())?;
        Ok(())
    }

    #[test]
    fn a_refusal_of_what_was_asked_before_refuses_nothing_now_also_where_the_numbers_begin_anew()
    -> io::Result<()> {
        let (mut socket, kernel) = pair()?;
        refuse(&kernel, NLMSG_ERROR, 1, u32::MAX - 2)?;
        say(&kernel, NLMSG_ERROR, 0, 1)?;
        assert!(socket.acknowledged(u32::MAX, 1).is_ok());
        refuse(&kernel, NLMSG_ERROR, 1, 3)?;
        let refused = socket.acknowledged(3, 5).err();
        assert!(
            refused.is_some_and(|failure| failure.index.is_none()),
            "as a whole"
        );
        refuse(&kernel, NLMSG_ERROR, 1, 5)?;
        let refused = socket.acknowledged(3, 5).err();
        assert_eq!(refused.and_then(|failure| failure.index), Some(1));
        Ok(())
    }

    #[test]
    fn a_list_that_ends_with_an_error_is_no_list_and_the_rest_is_put_away() -> io::Result<()> {
        let (mut socket, kernel) = pair()?;
        say(&kernel, LISTED, 0, 1)?;
        refuse(&kernel, NLMSG_DONE, Errno::MSGSIZE.raw_os_error(), 1)?;
        say(&kernel, LISTED, 0, 1)?;
        let outcome = socket.drained(|socket| socket.answers(1));
        let refused = outcome.err().and_then(|failure| failure.error.raw_os_error());
        assert_eq!(refused, Some(Errno::MSGSIZE.raw_os_error()));
        assert!(socket.receive(RecvFlags::DONTWAIT)?.is_none());
        Ok(())
    }
}
