//! Asks the kernel who is at the other end of a Unix socket (SO_PEERCRED).

use std::io;
use std::os::fd::{AsFd, BorrowedFd, RawFd};

use napi::bindgen_prelude::{Error, Result};
use napi_derive::napi;
use nix::sys::socket::{getsockopt, sockopt};

/// The process that opened the other end, as it was when it connected.
#[napi(object)]
pub struct PeerCredentials {
    pub pid: i32,
    pub uid: u32,
    pub gid: u32,
}

/// Who is at the other end of the Unix socket with this descriptor.
/// Throws when the descriptor is no open Unix socket.
#[napi]
pub fn peer_credentials(fd: i32) -> Result<PeerCredentials> {
    let socket = borrow(fd)?;
    credentials_of(&socket).map_err(|cause| failure(fd, cause))
}

fn borrow(fd: RawFd) -> Result<BorrowedFd<'static>> {
    if fd < 0 {
        return Err(failure(fd, io::Error::from_raw_os_error(nix::libc::EBADF)));
    }
    // SAFETY: -1 is excluded above. The descriptor is used for one getsockopt within this call, during which
    // JavaScript, which owns it, cannot run and close it; a closed one makes the kernel answer EBADF.
    Ok(unsafe { BorrowedFd::borrow_raw(fd) })
}

fn credentials_of(socket: &impl AsFd) -> io::Result<PeerCredentials> {
    let peer = getsockopt(socket, sockopt::PeerCredentials)?;
    Ok(PeerCredentials {
        pid: peer.pid(),
        uid: peer.uid(),
        gid: peer.gid(),
    })
}

fn failure(fd: RawFd, cause: io::Error) -> Error {
    Error::from_reason(format!("Descriptor {fd} has no peer to ask about: {cause}"))
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;
    use std::os::unix::net::UnixStream;

    #[test]
    fn the_peer_of_a_socket_pair_is_this_process() {
        let (one, _other) = UnixStream::pair().expect("a socket pair");
        let peer = credentials_of(&one).expect("its peer");
        assert_eq!(peer.pid, std::process::id() as i32);
        let own = std::fs::metadata("/proc/self").expect("/proc");
        assert_eq!((peer.uid, peer.gid), (own.uid(), own.gid()));
    }

    #[test]
    fn what_is_no_unix_socket_is_refused() {
        let file = std::fs::File::open("/dev/null").expect("/dev/null");
        assert!(credentials_of(&file).is_err());
        assert!(borrow(-1).is_err());
    }
}
