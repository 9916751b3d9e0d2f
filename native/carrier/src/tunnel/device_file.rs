//! Makes the device: a TUN interface whose file gives and takes IP packets, with a `virtio_net_hdr` in front of each, so
//! that the kernel hands over, and takes, many segments as one (TSO, USO) and leaves checksums to be filled in.

use std::fs::OpenOptions;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;

use nix::libc;
use rustix::io::{self, Errno};

/// Of `linux/if_tun.h`.
const TUNSETIFF: libc::c_ulong = 0x4004_54ca;
const TUNSETOFFLOAD: libc::c_ulong = 0x4004_54d0;
const IFF_TUN: i16 = 0x0001;
const IFF_NO_PI: i16 = 0x1000;
const IFF_VNET_HDR: i16 = 0x4000;
const TUN_F_CSUM: libc::c_ulong = 0x01;
const TUN_F_TSO4: libc::c_ulong = 0x02;
const TUN_F_TSO6: libc::c_ulong = 0x04;
const TUN_F_USO4: libc::c_ulong = 0x20;
const TUN_F_USO6: libc::c_ulong = 0x40;

/// `struct ifreq`, as far as TUNSETIFF reads and writes it.
#[repr(C)]
struct Request {
    name: [u8; libc::IFNAMSIZ],
    flags: i16,
    rest: [u8; 22],
}

pub struct DeviceFile {
    pub file: OwnedFd,
    /// Datagrams of one flow may be given and taken as one packet (Linux 6.2).
    pub joins_datagrams: bool,
}

/// Makes the device and opens it; it goes when the file is closed, and its addresses and routes with it.
/// Fails with EBUSY when somebody else has it, EINVAL when a link of another kind has its name.
pub fn open_device(name: &str) -> io::Result<DeviceFile> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
        .open("/dev/net/tun")
        .map_err(|error| Errno::from_raw_os_error(error.raw_os_error().unwrap_or(libc::EIO)))?;
    let file = OwnedFd::from(file);
    let mut request = Request {
        name: [0; libc::IFNAMSIZ],
        flags: IFF_TUN | IFF_NO_PI | IFF_VNET_HDR,
        rest: [0; 22],
    };
    if name.is_empty() || name.len() >= libc::IFNAMSIZ {
        return Err(Errno::INVAL);
    }
    for (place, byte) in request.name.iter_mut().zip(name.bytes()) {
        *place = byte;
    }
    // SAFETY: TUNSETIFF reads and writes one `struct ifreq`, which `Request` is laid out as.
    told(unsafe { libc::ioctl(file.as_raw_fd(), TUNSETIFF, &mut request) })?;
    let segments = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
    let offload = |flags: libc::c_ulong| {
        // SAFETY: TUNSETOFFLOAD takes a number and no pointer.
        told(unsafe { libc::ioctl(file.as_raw_fd(), TUNSETOFFLOAD, flags) })
    };
    let joins_datagrams = offload(segments | TUN_F_USO4 | TUN_F_USO6).is_ok();
    if !joins_datagrams {
        offload(segments)?;
    }
    Ok(DeviceFile {
        file,
        joins_datagrams,
    })
}

fn told(result: libc::c_int) -> io::Result<()> {
    if result >= 0 {
        return Ok(());
    }
    let error = std::io::Error::last_os_error();
    Err(Errno::from_raw_os_error(
        error.raw_os_error().unwrap_or(libc::EIO),
    ))
}
