//! A netlink socket: sends requests and batches, reads answers and events.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, sendto, socket_with,
    sockopt,
};

use super::message::{Message, NLM_F_ACK, NLM_F_DUMP, header_length};

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_DUMP_INTR: u16 = 0x10;
/// Larger than any rule set that is accepted, in one transaction.
const BUFFER: usize = 4 << 20;
/// A refusal quotes the message that it is about, and lists come in pieces of half of that.
const READ_AT_ONCE: usize = 128 << 10;
/// Others may change what is listed while it is listed.
const ATTEMPTS: usize = 20;

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

impl From<rustix::io::Errno> for Failure {
    fn from(error: rustix::io::Errno) -> Self {
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
        self.answers(sequence)
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
        let mut bytes = begin.finish(self.next_sequence(), 0);
        let first = self.sequence + 1;
        for (index, message) in messages.iter().enumerate() {
            // One acknowledgement, of the last, tells that the whole is done; errors come for each.
            let flags = if index + 1 == messages.len() { NLM_F_ACK } else { 0 };
            bytes.extend(message.finish(self.next_sequence(), flags));
        }
        let last = self.sequence;
        bytes.extend(end.finish(self.next_sequence(), 0));
        self.send(&bytes)?;
        self.acknowledged(first, last)
    }

    /// Messages that have come by themselves; empty when there are none now.
    pub fn events(&mut self) -> io::Result<Vec<Reply>> {
        let mut all = Vec::new();
        while let Some(replies) = self.receive(RecvFlags::DONTWAIT)? {
            all.extend(replies);
        }
        Ok(all)
    }

    fn acknowledged(&mut self, first: u32, last: u32) -> Result<(), Failure> {
        loop {
            let Some(replies) = self.receive(RecvFlags::empty())? else {
                continue;
            };
            for reply in replies.iter().filter(|reply| reply.kind == NLMSG_ERROR) {
                if let Some(error) = error_of(reply) {
                    // The others' answers are of no use any more.
                    let _ = self.events();
                    let index = reply.sequence.checked_sub(first).map(|index| index as usize);
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
            let Some(replies) = self.receive(RecvFlags::empty())? else {
                continue;
            };
            for reply in replies.into_iter().filter(|reply| reply.sequence == sequence) {
                interrupted |= reply.interrupted;
                match reply.kind {
                    NLMSG_DONE if interrupted => {
                        return Err(io::Error::from(io::ErrorKind::Interrupted).into());
                    }
                    NLMSG_DONE => return Ok(all),
                    NLMSG_ERROR => match error_of(&reply) {
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

    fn receive(&mut self, flags: RecvFlags) -> io::Result<Option<Vec<Reply>>> {
        let length = match recv(&self.fd, &mut self.buffer[..], flags | RecvFlags::TRUNC) {
            // Whoever waited for what it said would wait for ever.
            Ok((length, whole)) if whole > length => {
                return Err(io::Error::other("the kernel says more at once than is read"));
            }
            Ok((length, _)) => length,
            Err(rustix::io::Errno::AGAIN) => return Ok(None),
            Err(rustix::io::Errno::INTR) => return Ok(Some(Vec::new())),
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
    while let Some(head) = bytes.get(..header_length()) {
        let word = |at: usize| u32::from_ne_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let length = word(0) as usize;
        let half = |at: usize| u16::from_ne_bytes([head[at], head[at + 1]]);
        let Some(body) = bytes.get(header_length()..length) else {
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
        assert!(socket.acknowledged(4, 5).is_ok());
        Ok(())
    }
}
