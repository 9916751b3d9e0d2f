//! The site: one thread for all of its connections, and one for each that carries much.

use crate::bad;
use crate::event_loop::{done, run_blocking, EventLoop, Pause, READABLE};
use crate::http::{content_length, field};
use crate::small_stack;
use crate::wire::{Wire, BUFFER_BYTES, SMALL_BUFFER_BYTES};
use std::io::{ErrorKind, Result};
use std::net::{TcpListener, TcpStream};
use std::os::unix::io::AsRawFd;
use std::sync::Arc;

const BODY: &[u8] = b"{\"site\":\"origin\",\"answer\":\"the same for everybody, and small as most answers of an interface are\"}";

/// A body of more has a thread and a large buffer of its own: the others would wait for it.
const SMALL_BODY_BYTES: u64 = 64 * 1024;

/// Prints its port and serves until the process ends.
pub fn origin() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    defer_accept(&listener)?;
    println!("{}", listener.local_addr()?.port());
    small_stack().spawn(end_with_parent)?;
    let event_loop = EventLoop::new(None)?;
    let accepting = accept(listener, event_loop.clone());
    event_loop.start(async {
        if let Err(error) = accepting.await {
            eprintln!("The origin takes no more connections: {error}");
            std::process::exit(1);
        }
    });
    event_loop.run()
}

extern "C" {
    fn setsockopt(fd: i32, level: i32, name: i32, value: *const i32, length: u32) -> i32;
}

const IPPROTO_TCP: i32 = 6;
const TCP_DEFER_ACCEPT: i32 = 9;
const DEFER_SECONDS: i32 = 10;

/// The kernel keeps a connection to itself until its first bytes are there: the loop awakes once for both.
fn defer_accept(listener: &TcpListener) -> Result<()> {
    // SAFETY: the descriptor is open, for its owner lives, and the kernel reads one int.
    let result = unsafe {
        setsockopt(
            listener.as_raw_fd(),
            IPPROTO_TCP,
            TCP_DEFER_ACCEPT,
            &DEFER_SECONDS,
            4,
        )
    };
    done(result).map(drop)
}

/// The parent holds the other end of standard input: when it is gone, however it went, so is this process.
fn end_with_parent() {
    let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    std::process::exit(0);
}

async fn accept(listener: TcpListener, event_loop: EventLoop) -> Result<()> {
    let answer = Answer::new();
    event_loop.watch(&listener, 0, READABLE)?;
    loop {
        match listener.accept() {
            Ok((socket, _)) => {
                let serving = serve(socket, event_loop.clone(), answer.clone());
                // However a connection ends, it is the client that counts.
                event_loop.start(async { drop(serving.await) });
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Pause::default().await,
            Err(error) => return Err(error),
        }
    }
}

/// Serves one connection to its end.
async fn serve(socket: TcpStream, event_loop: EventLoop, answer: Answer) -> Result<()> {
    let mut wire = Wire::over(socket, SMALL_BUFFER_BYTES, Some(event_loop))?;
    loop {
        let request = Request::parse(&wire.head().await?)?;
        if request.carries_much() {
            let (socket, ahead) = wire.into_parts()?;
            return small_stack()
                .spawn(|| run_blocking(serve_blocking(socket, ahead, request, answer)))
                .map(drop);
        }
        answer.give(&mut wire, &request).await?;
        wire.turn().await?;
    }
}

/// The same in a thread of its own, from a request on whose head was read.
async fn serve_blocking(
    socket: TcpStream,
    ahead: Vec<u8>,
    mut request: Request,
    answer: Answer,
) -> Result<()> {
    let mut wire = Wire::over(socket, BUFFER_BYTES, None)?.with_ahead(&ahead);
    loop {
        answer.give(&mut wire, &request).await?;
        request = Request::parse(&wire.head().await?)?;
    }
}

struct Request {
    /// How many bytes the answer has; none: the usual answer.
    bytes: Option<u64>,
    body_bytes: u64,
    is_last: bool,
}

impl Request {
    fn parse(head: &str) -> Result<Request> {
        let target = head.split(' ').nth(1).unwrap_or("");
        // Absolute-form too: haproxy passes it on as it came.
        let bytes = match target.split_once("/bytes/") {
            Some((_, bytes)) => Some(bytes.parse().map_err(|_| bad("bytes are a number"))?),
            None => None,
        };
        let is_last = field(head, "connection") == Some("close");
        Ok(Request {
            bytes,
            body_bytes: content_length(head),
            is_last,
        })
    }

    fn carries_much(&self) -> bool {
        self.bytes.unwrap_or(0).max(self.body_bytes) > SMALL_BODY_BYTES
    }
}

/// The usual answer, with its head.
#[derive(Clone)]
struct Answer(Arc<[u8]>);

impl Answer {
    fn new() -> Answer {
        let length = BODY.len();
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n");
        Answer([head.as_bytes(), BODY].concat().into())
    }

    /// Fails after the last request of a connection.
    async fn give(&self, wire: &mut Wire, request: &Request) -> Result<()> {
        wire.discard(request.body_bytes).await?;
        if let Some(bytes) = request.bytes {
            wire.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {bytes}\r\n\r\n").as_bytes())
                .await?;
            wire.pour(bytes).await?;
        } else {
            wire.write(&self.0).await?;
        }
        if request.is_last {
            return Err(bad("that was the last one"));
        }
        Ok(())
    }
}
