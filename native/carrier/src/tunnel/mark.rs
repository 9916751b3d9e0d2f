//! The mark (SO_MARK) that tells the machine's own traffic from the tunnel's: set before anything is sent.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, IntoRawFd};

use napi::bindgen_prelude::{Error, Result};
use napi_derive::napi;
use nix::sys::socket::{setsockopt, sockopt};
use rustix::io::{self, Errno};

use crate::sockets::new_socket;

/// How long what was sent may stay unacknowledged before the connection is given up, in milliseconds: an address or
/// a link that went away tells nobody.
const UNACKNOWLEDGED_MS: u32 = 20_000;

/// How long a flow may be silent before it is looked whether the other side is still there.
const SILENT_SECONDS: u32 = 30;

/// Marks a socket; 0 is no mark. Whoever cannot mark it must not use it.
pub fn mark(socket: &impl AsFd, value: u32) -> io::Result<()> {
    if value == 0 {
        return Ok(());
    }
    let failure = |error: nix::Error| Errno::from_raw_os_error(error as i32);
    setsockopt(socket, sockopt::Mark, &value).map_err(failure)?;
    // Only TCP has these.
    let _ = setsockopt(socket, sockopt::TcpUserTimeout, &UNACKNOWLEDGED_MS);
    let _ = setsockopt(socket, sockopt::TcpKeepIdle, &SILENT_SECONDS);
    let _ = setsockopt(socket, sockopt::TcpKeepInterval, &SILENT_SECONDS);
    let _ = setsockopt(socket, sockopt::KeepAlive, &true);
    Ok(())
}

/// An unconnected TCP socket of the address's family that carries a mark: JavaScript's from now on.
/// Throws with the system's error number when it cannot be had.
#[cfg_attr(test, allow(dead_code))]
#[napi(catch_unwind)]
pub fn marked_socket(address: String, value: u32) -> Result<i32> {
    let failure = |error: Errno| Error::from_reason(error.raw_os_error().to_string());
    let ip: IpAddr = address.parse().map_err(|_| failure(Errno::INVAL))?;
    let socket = new_socket(&SocketAddr::new(ip, 0)).map_err(failure)?;
    mark(&socket, value).map_err(failure)?;
    Ok(socket.into_raw_fd())
}
