//! Tells systemd that the rules are there: it lets the network come up after that and not before (`sd_notify(3)`).

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// `socket` is what `NOTIFY_SOCKET` says; none where nobody waits.
pub fn tell(socket: Option<&OsStr>) -> io::Result<()> {
    let Some(socket) = socket else {
        return Ok(());
    };
    let address = match socket.as_bytes().split_first() {
        Some((b'@', name)) => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(socket)?,
    };
    UnixDatagram::unbound()?.send_to_addr(b"READY=1", &address)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_is_told_and_nobody_else_is_needed() -> io::Result<()> {
        tell(None)?;
        let name = format!("atlantic-fw-readiness-{}", std::process::id());
        let waiting = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name)?)?;
        tell(Some(OsStr::new(&format!("@{name}"))))?;
        let mut said = [0; 16];
        let length = waiting.recv(&mut said)?;
        assert_eq!(&said[..length], b"READY=1");

        let path = std::env::temp_dir().join(&name);
        let waiting = UnixDatagram::bind(&path)?;
        let told = tell(Some(path.as_os_str()));
        std::fs::remove_file(&path)?;
        told?;
        let length = waiting.recv(&mut said)?;
        assert_eq!(&said[..length], b"READY=1");
        assert!(tell(Some(path.as_os_str())).is_err());
        Ok(())
    }
}
