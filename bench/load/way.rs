//! The ways to the origin.

use crate::bad;
use crate::event_loop::EventLoop;
use crate::http::status;
use crate::wire::Wire;
use std::env;
use std::io::Result;
use std::net::TcpStream;
use std::time::Duration;

/// How long a connection waits for the other side.
pub const PATIENCE: Duration = Duration::from_secs(10);

enum Via {
    Direct { origin: String },
    Forward { proxy: String, name: String },
    Connect { proxy: String, name: String },
    Socks5 { proxy: String, name: String },
}

/// How the load gets to the origin, and what it asks for there.
pub struct Way {
    via: Via,
    username: String,
    password: String,
    pub path: String,
    /// Header fields besides the usual ones, each with its line end.
    fields: String,
}

impl Way {
    pub fn parse(arguments: &[String]) -> Result<(Way, &[String])> {
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

    /// A connection that is ready for requests and waits in the loop, or in its system calls where there is none.
    pub async fn open(&self, buffer_bytes: usize, event_loop: Option<&EventLoop>) -> Result<Wire> {
        let first = match &self.via {
            Via::Direct { origin } => origin,
            Via::Forward { proxy, .. } | Via::Connect { proxy, .. } | Via::Socks5 { proxy, .. } => proxy,
        };
        // In the loop too: on the loopback it does not wait for the other side.
        let socket = TcpStream::connect(first)?;
        if event_loop.is_none() {
            socket.set_read_timeout(Some(PATIENCE))?;
        }
        let mut wire = Wire::over(socket, buffer_bytes, event_loop.cloned())?;
        match &self.via {
            Via::Connect { name, .. } => self.connect(&mut wire, name).await?,
            Via::Socks5 { name, .. } => self.socks5(&mut wire, name).await?,
            _ => {}
        }
        Ok(wire)
    }

    async fn connect(&self, wire: &mut Wire, name: &str) -> Result<()> {
        let request = format!(
            "CONNECT {name} HTTP/1.1\r\nHost: {name}\r\n{}\r\n",
            self.authorization()
        );
        wire.write(request.as_bytes()).await?;
        let head = wire.head().await?;
        if status(&head) != 200 {
            return Err(bad(&format!(
                "CONNECT was answered: {}",
                head.lines().next().unwrap_or("")
            )));
        }
        Ok(())
    }

    /// RFC 1928 with RFC 1929 when there is a user name.
    async fn socks5(&self, wire: &mut Wire, name: &str) -> Result<()> {
        let method = if self.username.is_empty() { 0 } else { 2 };
        wire.write(&[5, 1, method]).await?;
        if wire.exactly(2).await? != [5, method] {
            return Err(bad("the SOCKS5 method was refused"));
        }
        if method == 2 {
            let (user, password) = (self.username.as_bytes(), self.password.as_bytes());
            wire.write(&[&[1, user.len() as u8], user, &[password.len() as u8], password].concat())
                .await?;
            if wire.exactly(2).await?[1] != 0 {
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
        )
        .await?;
        let reply = wire.exactly(4).await?;
        if reply[1] != 0 {
            return Err(bad(&format!("SOCKS5 answered {}", reply[1])));
        }
        let rest = match reply[3] {
            1 => 6,
            4 => 18,
            _ => wire.exactly(1).await?[0] as usize + 2,
        };
        wire.exactly(rest).await.map(|_| ())
    }

    fn authorization(&self) -> String {
        if self.username.is_empty() {
            return String::new();
        }
        let token = base64(format!("{}:{}", self.username, self.password).as_bytes());
        format!("Proxy-Authorization: Basic {token}\r\n")
    }

    /// The head of a request for `path`.
    pub fn request(&self, method: &str, path: &str, length: u64) -> String {
        let mut body = self.fields.clone();
        if length > 0 {
            body += &format!("Content-Length: {length}\r\n");
        }
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
