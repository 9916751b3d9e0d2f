//! Load for the tunnel's bench: the site, the applications, and a SOCKS5 proxy that takes datagrams and counts them.
//! Compiled with rustc alone. Every mode prints lines of JSON.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

extern "C" {
    fn setsockopt(fd: i32, level: i32, name: i32, value: *const i32, length: u32) -> i32;
    fn socket(family: i32, kind: i32, protocol: i32) -> i32;
    fn connect(fd: i32, address: *const u8, length: u32) -> i32;
}

const SOL_SOCKET: i32 = 1;
const SO_MARK: i32 = 36;
const SO_RCVBUFFORCE: i32 = 33;
const SOL_UDP: i32 = 17;
const UDP_SEGMENT: i32 = 103;
const UDP_GRO: i32 = 104;
const BLOCK: usize = 256 << 10;

fn set(fd: i32, level: i32, name: i32, value: i32) -> bool {
    // SAFETY: the kernel reads one int.
    unsafe { setsockopt(fd, level, name, &value, 4) == 0 }
}

/// Where an application connects, and how.
#[derive(Clone)]
struct Way {
    targets: Vec<SocketAddr>,
    /// A SOCKS5 proxy to ask; none: the target itself, or whatever takes its place.
    socks5: Option<SocketAddr>,
    mark: i32,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let text = |at: usize| arguments.get(at).cloned().unwrap_or_default();
    let number = |at: usize| text(at).parse::<u64>().unwrap_or(0);
    match text(0).as_str() {
        "origin" => origin(),
        "sink" => sink(),
        "connections" => connections(way(&text(1)), number(2), number(3) as usize, number(4)),
        "bulk" => bulk(way(&text(1)), number(2), text(3) == "down", number(4) as usize),
        "datagrams" => datagrams(&text(1), number(2), number(3) as usize, number(4) as usize),
        other => panic!("no such mode: {other}"),
    }
}

/// `mark/socks5 address or -/target,target,…`
fn way(text: &str) -> Way {
    let mut parts = text.splitn(3, '/');
    let mark = parts.next().unwrap_or("0").parse().expect("a mark");
    let socks5 = parts.next().filter(|one| *one != "-").map(|one| one.parse().expect("an address"));
    let targets = parts.next().unwrap_or("").split(',').map(|one| one.parse().expect("an address"));
    Way { mark, socks5, targets: targets.collect() }
}

fn dial(way: &Way, at: usize) -> std::io::Result<TcpStream> {
    let target = way.targets[at % way.targets.len()];
    let first = way.socks5.unwrap_or(target);
    let mut stream = if way.mark == 0 { TcpStream::connect(first)? } else { marked(first, way.mark)? };
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    if way.socks5.is_some() {
        let IpAddr::V4(ip) = target.ip() else { panic!("IPv4 only") };
        stream.write_all(&[5, 1, 0])?;
        let mut answer = [0; 10];
        stream.read_exact(&mut answer[..2])?;
        let mut request = vec![5, 1, 0, 1];
        request.extend_from_slice(&ip.octets());
        request.extend_from_slice(&target.port().to_be_bytes());
        stream.write_all(&request)?;
        stream.read_exact(&mut answer)?;
        if answer[1] != 0 {
            return Err(std::io::Error::other(format!("SOCKS5 reply {}", answer[1])));
        }
    }
    Ok(stream)
}

/// Beside the tunnel.
fn marked(target: SocketAddr, mark: i32) -> std::io::Result<TcpStream> {
    let IpAddr::V4(ip) = target.ip() else { panic!("IPv4 only") };
    let mut address = vec![2, 0];
    address.extend_from_slice(&target.port().to_be_bytes());
    address.extend_from_slice(&ip.octets());
    address.extend_from_slice(&[0; 8]);
    // SAFETY: a new socket, which the stream owns from here on; the address is a `sockaddr_in`.
    unsafe {
        let fd = socket(2, 1, 0);
        if fd < 0 {
            return Err(std::io::Error::last_os_error());
        }
        let stream = TcpStream::from_raw_fd(fd);
        // Without it what is measured beside the tunnel would go through it.
        if !set(fd, SOL_SOCKET, SO_MARK, mark) || connect(fd, address.as_ptr(), 16) != 0 {
            return Err(std::io::Error::last_os_error());
        }
        Ok(stream)
    }
}

/// More than the load has connections at once.
const ORIGIN_THREADS: usize = 128;

/// C: one byte back, and closes. D n: sends n bytes. U n: reads n bytes, and says so. The threads are there before the
/// connections: to start one for each would cost more than most relays do.
fn origin() {
    let listener = Arc::new(TcpListener::bind("0.0.0.0:0").expect("a port"));
    println!("{{\"port\":{}}}", listener.local_addr().expect("its port").port());
    let workers: Vec<_> = (0..ORIGIN_THREADS)
        .map(|_| {
            let listener = Arc::clone(&listener);
            thread::Builder::new().stack_size(128 << 10).spawn(move || {
                for stream in listener.incoming().flatten() {
                    serve(stream);
                }
            })
        })
        .collect();
    for worker in workers.into_iter().flatten() {
        let _ = worker.join();
    }
}

fn serve(mut stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let mut order = [0; 9];
    if stream.read_exact(&mut order).is_err() {
        return;
    }
    let bytes = u64::from_be_bytes(order[1..].try_into().expect("eight bytes"));
    let _ = match order[0] {
        b'D' => send(&mut stream, bytes),
        b'U' => receive(&mut stream, bytes),
        _ => stream.write_all(b"c"),
    };
}

fn send(stream: &mut TcpStream, mut left: u64) -> std::io::Result<()> {
    let block = vec![7; BLOCK];
    while left > 0 {
        let part = left.min(BLOCK as u64) as usize;
        stream.write_all(&block[..part])?;
        left -= part as u64;
    }
    Ok(())
}

fn receive(stream: &mut TcpStream, mut left: u64) -> std::io::Result<()> {
    let mut block = vec![0; BLOCK];
    while left > 0 {
        match stream.read(&mut block)? {
            0 => return Ok(()),
            count => left -= count as u64,
        }
    }
    stream.write_all(b"u")
}

fn order(kind: u8, bytes: u64) -> [u8; 9] {
    let mut order = [kind; 9];
    order[1..].copy_from_slice(&bytes.to_be_bytes());
    order
}

/// New connections, each with one byte back; for so many seconds, or so many of them where that is not 0.
fn connections(way: Way, seconds: u64, threads: usize, most: u64) {
    let began = Instant::now();
    let left = Arc::new(AtomicU64::new(if most == 0 { u64::MAX } else { most }));
    let failures = Arc::new(Mutex::new((0u64, String::new())));
    let workers: Vec<_> = (0..threads)
        .map(|worker| {
            let (way, left, failures) = (way.clone(), Arc::clone(&left), Arc::clone(&failures));
            thread::spawn(move || {
                let mut micros: Vec<(u32, u32)> = Vec::new();
                let mut at = worker;
                while most > 0 || began.elapsed().as_secs() < seconds {
                    if left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_err() {
                        break;
                    }
                    let start = Instant::now();
                    at += threads;
                    let result = dial(&way, at).and_then(|mut stream| {
                        stream.write_all(&order(b'C', 0))?;
                        let mut all = Vec::new();
                        stream.read_to_end(&mut all)?;
                        Ok(all.len())
                    });
                    match result {
                        Ok(1) => {
                            micros.push((began.elapsed().as_secs() as u32, start.elapsed().as_micros() as u32));
                        }
                        other => {
                            let mut failures = failures.lock().expect("no panic");
                            failures.0 += 1;
                            failures.1 = format!("{other:?}");
                        }
                    }
                }
                micros
            })
        })
        .collect();
    let mut all: Vec<(u32, u32)> = workers.into_iter().flat_map(|one| one.join().expect("a worker")).collect();
    let seconds = began.elapsed().as_secs_f64();
    let last = all.iter().map(|one| one.0).max().unwrap_or(0);
    let per_second: Vec<String> =
        (0..=last).map(|second| all.iter().filter(|one| one.0 == second).count().to_string()).collect();
    all.sort_by_key(|one| one.1);
    let at = |part: f64| all.get(((all.len().max(1) - 1) as f64 * part) as usize).map_or(0, |one| one.1);
    let (failed, why) = failures.lock().expect("no panic").clone();
    println!(
        "{{\"count\":{},\"failures\":{failed},\"lastFailure\":{why:?},\"seconds\":{seconds},\"p50Micros\":{},\"p99Micros\":{},\"perSecond\":[{}]}}",
        all.len(), at(0.5), at(0.99), per_second.join(",")
    );
}

/// So many bytes in all over so many connections at once.
fn bulk(way: Way, bytes: u64, down: bool, streams: usize) {
    let each = bytes / streams as u64;
    let began = Instant::now();
    let workers: Vec<_> = (0..streams)
        .map(|at| {
            let way = way.clone();
            thread::spawn(move || {
                let mut stream = dial(&way, at).expect("a connection");
                let mut block = vec![7; BLOCK];
                stream.write_all(&order(if down { b'D' } else { b'U' }, each)).expect("an order");
                let mut left = each;
                while down && left > 0 {
                    match stream.read(&mut block) {
                        Ok(count) if count > 0 => left -= count as u64,
                        other => panic!("{left} bytes are missing: {other:?}"),
                    }
                }
                while !down && left > 0 {
                    let part = left.min(BLOCK as u64) as usize;
                    stream.write_all(&block[..part]).expect("room");
                    left -= part as u64;
                }
                if !down {
                    stream.read_exact(&mut block[..1]).expect("an answer");
                }
            })
        })
        .collect();
    for worker in workers {
        worker.join().expect("a stream");
    }
    println!("{{\"bytes\":{},\"seconds\":{}}}", each * streams as u64, began.elapsed().as_secs_f64());
}

/// Datagrams of one length for so many seconds, `joined` at a time as one call (UDP_SEGMENT), as QUIC does it.
fn datagrams(target: &str, seconds: u64, length: usize, joined: usize) {
    let target = target.to_socket_addrs().expect("an address").next().expect("an address");
    let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
    socket.connect(target).expect("a way");
    if joined > 1 && !set(socket.as_raw_fd(), SOL_UDP, UDP_SEGMENT, length as i32) {
        panic!("the kernel has no UDP_SEGMENT");
    }
    let block = vec![9; length * joined.max(1)];
    let began = Instant::now();
    let mut sent = 0u64;
    while began.elapsed().as_secs() < seconds {
        for _ in 0..16 {
            // Refused now and then while the association is being made.
            if socket.send(&block).is_ok() {
                sent += joined.max(1) as u64;
            }
        }
    }
    println!("{{\"sent\":{sent},\"seconds\":{}}}", began.elapsed().as_secs_f64());
}

/// SOCKS5 with UDP ASSOCIATE and nothing else: counts what comes, and tells when it is asked (a line of input).
fn sink() {
    let listener = TcpListener::bind("0.0.0.0:0").expect("a port");
    let relay = UdpSocket::bind("0.0.0.0:0").expect("a port");
    let fd = relay.as_raw_fd();
    set(fd, SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20);
    set(fd, SOL_UDP, UDP_GRO, 1);
    let relay_port = relay.local_addr().expect("its port").port();
    println!("{{\"port\":{}}}", listener.local_addr().expect("its port").port());
    let bytes = Arc::new(AtomicU64::new(0));
    let counting = Arc::clone(&bytes);
    thread::spawn(move || {
        let mut buffer = vec![0; 65_536];
        while let Ok(count) = relay.recv(&mut buffer) {
            counting.fetch_add(count as u64, Ordering::Relaxed);
        }
    });
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut said = [0; 64];
                let _ = client.read(&mut said);
                let _ = client.write_all(&[5, 0]);
                let _ = client.read(&mut said);
                let [high, low] = relay_port.to_be_bytes();
                let _ = client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, high, low]);
                let _ = client.read(&mut said);
            });
        }
    });
    for _ in std::io::stdin().lines() {
        println!("{{\"bytes\":{}}}", bytes.load(Ordering::Relaxed));
    }
}
