//! The load generator and the origin of the benches: blocking sockets, one thread a connection, nothing but the
//! standard library, so that neither is the bottleneck while both share one core. Built by bench/src/load/build.ts.
//!
//!     load origin      [connections]               prints its port, then serves until it is killed
//!     load requests    <via> <seconds> <threads>   keep-alive requests
//!     load connections <via> <seconds> <threads>   a new connection, or tunnel, and one request each
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

use std::collections::VecDeque;
use std::env;
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let done = match arguments.first().map(String::as_str) {
        Some("origin") => origin(&arguments),
        Some("requests") | Some("connections") => timed(&arguments),
        Some("paced") => paced(&arguments),
        Some("bulk") => bulk(&arguments),
        Some("hold") => hold(&arguments),
        Some("turnover") => turnover(&arguments),
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

// ---- the origin ----

const BODY: &[u8] = b"{\"site\":\"origin\",\"answer\":\"the same for everybody, and small as most answers of an interface are\"}";

/// More than the load's connections and those that the proxies keep for later, all at once.
const ORIGIN_THREADS: usize = 512;

fn origin(arguments: &[String]) -> Result<()> {
    let threads = match arguments.get(1) {
        Some(text) => text.parse().map_err(|_| bad("the connections are a number"))?,
        None => ORIGIN_THREADS,
    };
    let listener = Arc::new(TcpListener::bind("127.0.0.1:0")?);
    println!("{}", listener.local_addr()?.port());
    small_thread(end_with_parent)?;
    let workers: Vec<_> = (0..threads)
        .map(|_| {
            let listener = Arc::clone(&listener);
            small_thread(move || {
                let mut buffer = vec![0; 64 * 1024];
                while let Ok((socket, _)) = listener.accept() {
                    buffer = serve(Wire::over(socket, buffer));
                }
            })
        })
        .collect::<Result<_>>()?;
    for worker in workers {
        let _ = worker.join();
    }
    Ok(())
}

/// The parent holds the other end of standard input: when it is gone, however it went, so is this process.
fn end_with_parent() {
    let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    std::process::exit(0);
}

/// Serves one connection to its end and gives the buffer back.
fn serve(mut wire: Wire) -> Vec<u8> {
    let _ = wire.socket.set_nodelay(true);
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        BODY.len()
    );
    let small = [head.as_bytes(), BODY].concat();
    while answer(&mut wire, &small).is_ok() {}
    wire.buffer
}

fn answer(wire: &mut Wire, small: &[u8]) -> Result<()> {
    let head = wire.head()?;
    let target = head.split(' ').nth(1).unwrap_or("");
    // Absolute-form too: haproxy passes it on as it came.
    if let Some((_, bytes)) = target.split_once("/bytes/") {
        let bytes: u64 = bytes.parse().map_err(|_| bad("bytes are a number"))?;
        wire.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {bytes}\r\n\r\n").as_bytes())?;
        return wire.pour(bytes);
    }
    wire.discard(content_length(&head))?;
    wire.write(small)?;
    match field(&head, "connection") {
        Some("close") => Err(bad("that was the last one")),
        _ => Ok(()),
    }
}

fn small_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<thread::JoinHandle<T>> {
    thread::Builder::new().stack_size(256 * 1024).spawn(work)
}

// ---- the wire ----

/// A socket with what was read ahead.
struct Wire {
    socket: TcpStream,
    buffer: Vec<u8>,
    from: usize,
    to: usize,
}

impl Wire {
    fn over(socket: TcpStream, buffer: Vec<u8>) -> Wire {
        Wire {
            socket,
            buffer,
            from: 0,
            to: 0,
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.socket.write_all(bytes)
    }

    fn fill(&mut self) -> Result<()> {
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
        let count = self.socket.read(&mut self.buffer[self.to..])?;
        if count == 0 {
            return Err(Error::new(ErrorKind::UnexpectedEof, "the connection ended"));
        }
        self.to += count;
        Ok(())
    }

    /// The head of a request or a response, up to and with the empty line.
    fn head(&mut self) -> Result<String> {
        loop {
            let held = &self.buffer[self.from..self.to];
            if let Some(end) = held.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&held[..end + 4]).into_owned();
                self.from += end + 4;
                return Ok(head);
            }
            self.fill()?;
        }
    }

    fn line(&mut self) -> Result<String> {
        loop {
            let held = &self.buffer[self.from..self.to];
            if let Some(end) = held.windows(2).position(|two| two == b"\r\n") {
                let line = String::from_utf8_lossy(&held[..end]).into_owned();
                self.from += end + 2;
                return Ok(line);
            }
            self.fill()?;
        }
    }

    fn exactly(&mut self, count: usize) -> Result<Vec<u8>> {
        while self.to - self.from < count {
            self.fill()?;
        }
        let taken = self.buffer[self.from..self.from + count].to_vec();
        self.from += count;
        Ok(taken)
    }

    fn discard(&mut self, mut bytes: u64) -> Result<()> {
        while bytes > 0 {
            if self.from == self.to {
                self.fill()?;
            }
            let part = bytes.min((self.to - self.from) as u64);
            self.from += part as usize;
            bytes -= part;
        }
        Ok(())
    }

    /// Waits until the other side has ended the connection, with nothing more to say.
    fn ended(&mut self) -> Result<()> {
        match self.fill() {
            Ok(()) => Err(bad("more was said than an answer")),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn pour(&mut self, mut bytes: u64) -> Result<()> {
        let block = vec![b'a'; BUFFER_BYTES];
        while bytes > 0 {
            let part = bytes.min(block.len() as u64);
            self.socket.write_all(&block[..part as usize])?;
            bytes -= part;
        }
        Ok(())
    }
}

fn content_length(head: &str) -> u64 {
    field(head, "content-length")
        .and_then(|value| value.parse().ok())
        .unwrap_or(0)
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.split("\r\n").skip(1).find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

// ---- the ways to the origin ----

#[derive(Clone)]
enum Via {
    Direct { origin: String },
    Forward { proxy: String, name: String },
    Connect { proxy: String, name: String },
    Socks5 { proxy: String, name: String },
}

#[derive(Clone)]
struct Way {
    via: Via,
    username: String,
    password: String,
    path: String,
    /// Header fields besides the usual ones, each with its line end.
    fields: String,
}

impl Way {
    fn parse(arguments: &[String]) -> Result<(Way, &[String])> {
        let text = |at: usize| {
            arguments
                .get(at)
                .cloned()
                .ok_or_else(|| bad("an argument is missing"))
        };
        let (via, used) = match text(0)?.as_str() {
            "direct" => (Via::Direct { origin: text(1)? }, 2),
            "forward" => (
                Via::Forward {
                    proxy: text(1)?,
                    name: text(2)?,
                },
                3,
            ),
            "connect" => (
                Via::Connect {
                    proxy: text(1)?,
                    name: text(2)?,
                },
                3,
            ),
            "socks5" => (
                Via::Socks5 {
                    proxy: text(1)?,
                    name: text(2)?,
                },
                3,
            ),
            _ => return Err(bad("the way is direct, forward, connect or socks5")),
        };
        let variable = |name: &str| env::var(name).unwrap_or_default();
        let way = Way {
            via,
            username: variable("LOAD_USERNAME"),
            password: variable("LOAD_PASSWORD"),
            path: Some(variable("LOAD_PATH"))
                .filter(|path| !path.is_empty())
                .unwrap_or_else(|| "/".to_string()),
            fields: variable("LOAD_FIELDS")
                .lines()
                .map(|line| format!("{line}\r\n"))
                .collect(),
        };
        Ok((way, &arguments[used..]))
    }

    /// A connection that is ready for requests.
    fn open(&self, buffer: Vec<u8>) -> Result<Wire> {
        let first = match &self.via {
            Via::Direct { origin } => origin,
            Via::Forward { proxy, .. } | Via::Connect { proxy, .. } | Via::Socks5 { proxy, .. } => proxy,
        };
        let socket = TcpStream::connect(first)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(Duration::from_secs(10)))?;
        let mut wire = Wire::over(socket, buffer);
        match &self.via {
            Via::Connect { name, .. } => self.connect(&mut wire, name)?,
            Via::Socks5 { name, .. } => self.socks5(&mut wire, name)?,
            _ => {}
        }
        Ok(wire)
    }

    fn connect(&self, wire: &mut Wire, name: &str) -> Result<()> {
        let request = format!(
            "CONNECT {name} HTTP/1.1\r\nHost: {name}\r\n{}\r\n",
            self.authorization()
        );
        wire.write(request.as_bytes())?;
        let head = wire.head()?;
        if status(&head) != 200 {
            return Err(bad(&format!(
                "CONNECT was answered: {}",
                head.lines().next().unwrap_or("")
            )));
        }
        Ok(())
    }

    /// RFC 1928 with RFC 1929 when there is a user name.
    fn socks5(&self, wire: &mut Wire, name: &str) -> Result<()> {
        let method = if self.username.is_empty() { 0 } else { 2 };
        wire.write(&[5, 1, method])?;
        if wire.exactly(2)? != [5, method] {
            return Err(bad("the SOCKS5 method was refused"));
        }
        if method == 2 {
            let (user, password) = (self.username.as_bytes(), self.password.as_bytes());
            wire.write(&[&[1, user.len() as u8], user, &[password.len() as u8], password].concat())?;
            if wire.exactly(2)?[1] != 0 {
                return Err(bad("the SOCKS5 credential was refused"));
            }
        }
        let (host, port) = name.rsplit_once(':').ok_or_else(|| bad("a name is HOST:PORT"))?;
        let port: u16 = port.parse().map_err(|_| bad("a port is a number"))?;
        wire.write(
            &[
                &[5, 1, 0, 3, host.len() as u8],
                host.as_bytes(),
                &port.to_be_bytes(),
            ]
            .concat(),
        )?;
        let reply = wire.exactly(4)?;
        if reply[1] != 0 {
            return Err(bad(&format!("SOCKS5 answered {}", reply[1])));
        }
        let rest = match reply[3] {
            1 => 6,
            4 => 18,
            _ => wire.exactly(1)?[0] as usize + 2,
        };
        wire.exactly(rest).map(|_| ())
    }

    fn authorization(&self) -> String {
        if self.username.is_empty() {
            return String::new();
        }
        let token = base64(format!("{}:{}", self.username, self.password).as_bytes());
        format!("Proxy-Authorization: Basic {token}\r\n")
    }

    /// The head of a request for `path`.
    fn request(&self, method: &str, path: &str, length: u64) -> String {
        if length == 0 {
            return self.request_with(method, path, "");
        }
        self.request_with(method, path, &format!("Content-Length: {length}\r\n"))
    }

    /// The same with more fields.
    fn request_with(&self, method: &str, path: &str, fields: &str) -> String {
        let body = format!("{}{fields}", self.fields);
        match &self.via {
            Via::Direct { origin: name } | Via::Connect { name, .. } | Via::Socks5 { name, .. } => {
                format!("{method} {path} HTTP/1.1\r\nHost: {name}\r\n{body}\r\n")
            }
            Via::Forward { name, .. } => {
                let authorization = self.authorization();
                format!("{method} http://{name}{path} HTTP/1.1\r\nHost: {name}\r\n{authorization}{body}\r\n")
            }
        }
    }
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let number = three
            .iter()
            .enumerate()
            .fold(0u32, |sum, (at, byte)| sum | (*byte as u32) << (16 - 8 * at));
        for at in 0..4 {
            let letter = LETTERS[(number >> (18 - 6 * at) & 63) as usize] as char;
            text.push(if at <= three.len() { letter } else { '=' });
        }
    }
    text
}

fn status(head: &str) -> u16 {
    head.split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .unwrap_or(0)
}

// ---- the runs ----

const BUFFER_BYTES: usize = 256 * 1024;
const SMALL_BUFFER_BYTES: usize = 4 * 1024;

/// One request and its whole answer. Returns the length of the body.
fn exchange(wire: &mut Wire, request: &[u8]) -> Result<u64> {
    wire.write(request)?;
    let head = wire.head()?;
    if status(&head) == 200 && field(&head, "transfer-encoding") == Some("chunked") {
        return discard_chunks(wire);
    }
    let length = content_length(&head);
    if status(&head) != 200 || length == 0 {
        return Err(bad(&format!(
            "the answer was: {}",
            head.lines().next().unwrap_or("")
        )));
    }
    wire.discard(length)?;
    Ok(length)
}

/// A body in chunks (RFC 9112 section 7.1). Returns its length.
fn discard_chunks(wire: &mut Wire) -> Result<u64> {
    let mut length = 0;
    loop {
        let line = wire.line()?;
        let size = line.split(';').next().unwrap_or("").trim();
        let size = u64::from_str_radix(size, 16).map_err(|_| bad("a chunk has no size"))?;
        wire.discard(size + 2)?;
        length += size;
        if size == 0 {
            return Ok(length);
        }
    }
}

#[derive(Default)]
struct Tally {
    micros: Vec<u32>,
    failures: u64,
    last: String,
}

fn timed(arguments: &[String]) -> Result<()> {
    let keep = arguments[0] == "requests";
    let (way, rest) = Way::parse(&arguments[1..])?;
    let (seconds, threads) = (number(rest, 0)?, number(rest, 1)? as usize);
    let way = Arc::new(way);
    let started = Instant::now();
    let end = started + Duration::from_secs_f64(seconds);
    let workers: Vec<_> = (0..threads)
        .map(|_| {
            let way = Arc::clone(&way);
            small_thread(move || {
                if keep {
                    requests(&way, end)
                } else {
                    connections(&way, end)
                }
            })
        })
        .collect::<Result<_>>()?;
    report(joined(workers)?, started.elapsed().as_secs_f64());
    Ok(())
}

fn number(rest: &[String], at: usize) -> Result<f64> {
    rest.get(at)
        .and_then(|text| text.parse::<f64>().ok())
        .ok_or_else(|| bad("a number is missing"))
}

fn joined(workers: Vec<thread::JoinHandle<Tally>>) -> Result<Tally> {
    let mut all = Tally::default();
    for worker in workers {
        let tally = worker.join().map_err(|_| bad("a worker panicked"))?;
        all.micros.extend(tally.micros);
        all.failures += tally.failures;
        if !tally.last.is_empty() {
            all.last = tally.last;
        }
    }
    Ok(all)
}

impl Tally {
    fn failed(&mut self, error: Error) {
        self.failures += 1;
        self.last = error.to_string();
    }
}

fn paced(arguments: &[String]) -> Result<()> {
    let (way, rest) = Way::parse(&arguments[1..])?;
    let (seconds, threads, rate) = (number(rest, 0)?, number(rest, 1)? as usize, number(rest, 2)?);
    let way = Arc::new(way);
    let started = Instant::now();
    let workers: Vec<_> = (0..threads)
        .map(|index| {
            let way = Arc::clone(&way);
            small_thread(move || {
                let first = started + Duration::from_secs_f64(index as f64 / rate);
                paced_requests(&way, first, threads as f64 / rate, seconds)
            })
        })
        .collect::<Result<_>>()?;
    report(joined(workers)?, started.elapsed().as_secs_f64());
    Ok(())
}

/// One request every `gap` seconds from `first` on. What comes late counts from when it was due.
fn paced_requests(way: &Way, first: Instant, gap: f64, seconds: f64) -> Tally {
    let mut tally = Tally::default();
    let request = way.request("GET", &way.path, 0);
    let mut wire = match way.open(vec![0; SMALL_BUFFER_BYTES]) {
        Ok(wire) => wire,
        Err(error) => {
            tally.failed(error);
            return tally;
        }
    };
    for turn in 0..(seconds / gap) as u32 {
        let due = first + Duration::from_secs_f64(gap * f64::from(turn));
        thread::sleep(due.saturating_duration_since(Instant::now()));
        match exchange(&mut wire, request.as_bytes()) {
            Ok(_) => tally.micros.push(due.elapsed().as_micros() as u32),
            Err(error) => {
                tally.failed(error);
                return tally;
            }
        }
    }
    tally
}

fn hold(arguments: &[String]) -> Result<()> {
    let (way, rest) = Way::parse(&arguments[1..])?;
    let request = way.request("GET", &way.path, 0);
    let mut held = Vec::new();
    for _ in 0..number(rest, 0)? as usize {
        let mut wire = way.open(vec![0; SMALL_BUFFER_BYTES])?;
        exchange(&mut wire, request.as_bytes())?;
        held.push(wire);
    }
    println!("{}", held.len());
    let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    Ok(())
}

fn turnover(arguments: &[String]) -> Result<()> {
    let (way, rest) = Way::parse(&arguments[1..])?;
    let (seconds, count, rate) = (number(rest, 0)?, number(rest, 1)? as usize, number(rest, 2)?);
    let request = way.request("GET", &way.path, 0);
    let started = Instant::now();
    let mut tally = Tally::default();
    let mut held = VecDeque::new();
    for turn in 0..(seconds * rate) as u32 {
        let due = started + Duration::from_secs_f64(f64::from(turn) / rate);
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let begun = Instant::now();
        match open_and_ask(&way, &request) {
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
            if let Err(error) = exchange(&mut oldest, request.as_bytes()) {
                tally.failed(error);
            }
        }
    }
    report(tally, started.elapsed().as_secs_f64());
    Ok(())
}

fn open_and_ask(way: &Way, request: &str) -> Result<Wire> {
    let mut wire = way.open(vec![0; SMALL_BUFFER_BYTES])?;
    exchange(&mut wire, request.as_bytes())?;
    Ok(wire)
}

fn requests(way: &Way, end: Instant) -> Tally {
    let mut tally = Tally::default();
    let request = way.request("GET", &way.path, 0);
    while Instant::now() < end && tally.failures < 100 {
        let mut wire = match way.open(vec![0; BUFFER_BYTES]) {
            Ok(wire) => wire,
            Err(error) => {
                tally.failed(error);
                continue;
            }
        };
        while Instant::now() < end {
            let begun = Instant::now();
            if let Err(error) = exchange(&mut wire, request.as_bytes()) {
                tally.failed(error);
                break;
            }
            tally.micros.push(begun.elapsed().as_micros() as u32);
        }
    }
    tally
}

/// The origin closes first: who closes first keeps the connection's ports for a while (TIME_WAIT), and a client that has
/// kept thousands spends its time in looking for one that is free.
fn connections(way: &Way, end: Instant) -> Tally {
    let mut tally = Tally::default();
    let request = way.request_with("GET", &way.path, "Connection: close\r\n");
    while Instant::now() < end && tally.failures < 100 {
        let begun = Instant::now();
        let ended = open_and_ask(way, &request).and_then(|mut wire| {
            tally.micros.push(begun.elapsed().as_micros() as u32);
            wire.ended()
        });
        if let Err(error) = ended {
            tally.failed(error);
        }
    }
    tally
}

fn report(mut tally: Tally, seconds: f64) {
    tally.micros.sort_unstable();
    let count = tally.micros.len();
    let quantile = |part: f64| {
        if count == 0 {
            0
        } else {
            tally.micros[((count - 1) as f64 * part) as usize]
        }
    };
    let last = tally
        .last
        .replace('\\', " ")
        .replace('"', " ")
        .replace(|c: char| c.is_control(), " ");
    println!(
        "{{\"count\":{count},\"failures\":{},\"lastFailure\":\"{last}\",\"seconds\":{seconds:.6},\"p50Micros\":{},\"p99Micros\":{}}}",
        tally.failures,
        quantile(0.5),
        quantile(0.99)
    );
}

fn bulk(arguments: &[String]) -> Result<()> {
    let (way, rest) = Way::parse(&arguments[1..])?;
    let bytes: u64 = rest
        .first()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| bad("the bytes are missing"))?;
    let mut wire = way.open(vec![0; BUFFER_BYTES])?;
    wire.socket.set_read_timeout(Some(Duration::from_secs(60)))?;
    let started = Instant::now();
    if rest.get(1).map(String::as_str) == Some("up") {
        wire.write(way.request("PUT", "/", bytes).as_bytes())?;
        wire.pour(bytes)?;
        let head = wire.head()?;
        wire.discard(content_length(&head))?;
    } else {
        let request = way.request("GET", &format!("/bytes/{bytes}"), 0);
        if exchange(&mut wire, request.as_bytes())? != bytes {
            return Err(bad("the answer had another length"));
        }
    }
    println!(
        "{{\"bytes\":{bytes},\"seconds\":{:.6}}}",
        started.elapsed().as_secs_f64()
    );
    Ok(())
}
