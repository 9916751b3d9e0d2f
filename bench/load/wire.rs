//! A connection with what was read ahead.

use crate::bad;
use crate::event_loop::{EventLoop, Pause, READABLE, WRITABLE};
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

pub const BUFFER_BYTES: usize = 256 * 1024;
pub const SMALL_BUFFER_BYTES: usize = 4 * 1024;

pub struct Wire {
    pub socket: TcpStream,
    buffer: Vec<u8>,
    from: usize,
    to: usize,
    /// The loop that the wire waits in; none: it waits in its system calls.
    event_loop: Option<EventLoop>,
    /// What the loop watches the socket for.
    watched: u32,
    waiting_since: Option<Instant>,
}

impl Wire {
    /// Waits in the loop if there is one, and otherwise in its calls, as long as the socket's time-outs say.
    pub fn over(socket: TcpStream, buffer_bytes: usize, event_loop: Option<EventLoop>) -> Result<Wire> {
        socket.set_nodelay(true)?;
        socket.set_nonblocking(event_loop.is_some())?;
        let buffer = vec![0; buffer_bytes];
        Ok(Wire {
            socket,
            buffer,
            from: 0,
            to: 0,
            event_loop,
            watched: 0,
            waiting_since: None,
        })
    }

    /// The socket, which no loop watches any more, and what was read ahead.
    pub fn into_parts(self) -> Result<(TcpStream, Vec<u8>)> {
        if let Some(event_loop) = self.event_loop.filter(|_| self.watched != 0) {
            event_loop.forget(&self.socket)?;
        }
        Ok((self.socket, self.buffer[self.from..self.to].to_vec()))
    }

    /// Gives a new wire what was read ahead over another one.
    pub fn with_ahead(mut self, ahead: &[u8]) -> Wire {
        self.buffer[..ahead.len()].copy_from_slice(ahead);
        self.to = ahead.len();
        self
    }

    pub async fn write(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            match self.socket.write(bytes) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => {
                    bytes = &bytes[count..];
                    self.waiting_since = None;
                }
                Err(error) => self.wait(WRITABLE, error).await?,
            }
        }
        Ok(())
    }

    async fn fill(&mut self) -> Result<()> {
        if self.from == self.to {
            self.from = 0;
            self.to = 0;
        }
        if self.to == self.buffer.len() && self.from > 0 {
            self.buffer.copy_within(self.from..self.to, 0);
            self.to -= self.from;
            self.from = 0;
        }
        if self.to == self.buffer.len() {
            return Err(bad("a head of more than the buffer"));
        }
        loop {
            match self.socket.read(&mut self.buffer[self.to..]) {
                Ok(0) => return Err(Error::new(ErrorKind::UnexpectedEof, "the connection ended")),
                Ok(count) => {
                    self.to += count;
                    self.waiting_since = None;
                    return Ok(());
                }
                Err(error) => self.wait(READABLE, error).await?,
            }
        }
    }

    /// Pauses until the socket may be ready, if that is what the error is about and the wire has a loop to wait in.
    async fn wait(&mut self, interest: u32, error: Error) -> Result<()> {
        let event_loop = match &self.event_loop {
            _ if error.kind() == ErrorKind::Interrupted => return Ok(()),
            Some(event_loop) if error.kind() == ErrorKind::WouldBlock => event_loop,
            _ => return Err(error),
        };
        let since = *self.waiting_since.get_or_insert_with(Instant::now);
        let patience = event_loop.patience().unwrap_or(Duration::MAX);
        if since.elapsed() > patience {
            return Err(error);
        }
        if self.watched & interest != interest {
            event_loop.watch(&self.socket, self.watched, self.watched | interest)?;
            self.watched |= interest;
        }
        Pause::default().await;
        Ok(())
    }

    /// In a loop: until something came, and all those have had their turn to whom something came before. Whoever looks at
    /// once starves the others: a quick peer has answered by then, each time.
    pub async fn turn(&mut self) -> Result<()> {
        if let Some(event_loop) = self.event_loop.as_ref().filter(|_| self.from == self.to) {
            event_loop.watch(&self.socket, self.watched, READABLE)?;
            self.watched = READABLE;
            Pause::default().await;
        }
        Ok(())
    }

    /// The head of a request or a response, up to and with the empty line.
    pub async fn head(&mut self) -> Result<String> {
        self.up_to(b"\r\n\r\n").await
    }

    /// With its end.
    pub async fn line(&mut self) -> Result<String> {
        self.up_to(b"\r\n").await
    }

    async fn up_to(&mut self, mark: &[u8]) -> Result<String> {
        loop {
            let held = &self.buffer[self.from..self.to];
            if let Some(at) = held.windows(mark.len()).position(|part| part == mark) {
                let text = String::from_utf8_lossy(&held[..at + mark.len()]).into_owned();
                self.from += at + mark.len();
                return Ok(text);
            }
            self.fill().await?;
        }
    }

    pub async fn exactly(&mut self, count: usize) -> Result<Vec<u8>> {
        while self.to - self.from < count {
            self.fill().await?;
        }
        let taken = self.buffer[self.from..self.from + count].to_vec();
        self.from += count;
        Ok(taken)
    }

    pub async fn discard(&mut self, mut bytes: u64) -> Result<()> {
        while bytes > 0 {
            if self.from == self.to {
                self.fill().await?;
            }
            let part = bytes.min((self.to - self.from) as u64);
            self.from += part as usize;
            bytes -= part;
        }
        Ok(())
    }

    pub async fn pour(&mut self, mut bytes: u64) -> Result<()> {
        let block = vec![b'a'; BUFFER_BYTES];
        while bytes > 0 {
            let part = bytes.min(block.len() as u64);
            self.write(&block[..part as usize]).await?;
            bytes -= part;
        }
        Ok(())
    }
}
