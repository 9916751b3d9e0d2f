//! Tells the service manager how the process is (`sd_notify(3)`): Node has no Unix datagram sockets.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use napi_derive::napi;

/// How long a manager that does not read its socket is waited for: the event loop stands still meanwhile.
const PATIENCE: Duration = Duration::from_millis(500);

/// Sends one datagram to the socket that `NOTIFY_SOCKET` names: a path, or an abstract name after `@`.
/// Says whether it was sent; that nobody is there is no error.
#[cfg_attr(test, allow(dead_code))]
#[napi(catch_unwind)]
pub fn tell_service_manager(socket: String, message: String) -> bool {
    send(&socket, &message).is_ok()
}

fn send(socket: &str, message: &str) -> io::Result<()> {
    let address = match socket.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(socket)?,
    };
    let sender = UnixDatagram::unbound()?;
    sender.set_write_timeout(Some(PATIENCE))?;
    sender.send_to_addr(message.as_bytes(), &address)?;
    Ok(())
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;

    fn received(manager: &UnixDatagram) -> String {
        let mut said = [0; 128];
        let length = manager.recv(&mut said).expect("a datagram");
        String::from_utf8_lossy(&said[..length]).into_owned()
    }

    fn own_name(of: &str) -> String {
        format!("atlantic-manager-{of}-{}", std::process::id())
    }

    #[test]
    fn an_abstract_name_is_told_whole_messages() {
        let name = own_name("abstract");
        let address = SocketAddr::from_abstract_name(&name).expect("a name");
        let manager = UnixDatagram::bind_addr(&address).expect("a socket");
        send(&format!("@{name}"), "READY=1\nSTATUS=Open").expect("it is there");
        send(&format!("@{name}"), "WATCHDOG=1").expect("it is there");
        assert_eq!(received(&manager), "READY=1\nSTATUS=Open");
        assert_eq!(received(&manager), "WATCHDOG=1");
    }

    #[test]
    fn a_path_is_told_until_nobody_listens_there() {
        let path = std::env::temp_dir().join(own_name("path"));
        let socket = path.to_str().expect("a path").to_owned();
        assert!(
            !tell_service_manager(socket.clone(), "READY=1".into()),
            "it is not there"
        );
        let manager = UnixDatagram::bind(&path).expect("a socket");
        assert!(tell_service_manager(socket.clone(), "READY=1".into()));
        assert_eq!(received(&manager), "READY=1");
        drop(manager);
        let told = tell_service_manager(socket, "READY=1".into());
        std::fs::remove_file(&path).expect("its file");
        assert!(!told, "it is dead");
    }

    #[test]
    fn what_is_no_address_is_no_panic() {
        for socket in ["", "a\0b", &"x".repeat(200), &format!("@{}", "x".repeat(200))] {
            assert!(!tell_service_manager(socket.to_owned(), "READY=1".into()));
        }
    }

    #[test]
    fn a_manager_that_does_not_read_holds_nobody_up_for_long() {
        let name = own_name("full");
        let address = SocketAddr::from_abstract_name(&name).expect("a name");
        let _manager = UnixDatagram::bind_addr(&address).expect("a socket");
        let full = (0..10_000).find(|_| send(&format!("@{name}"), "WATCHDOG=1").is_err());
        assert!(full.is_some(), "its queue has an end");
    }
}
