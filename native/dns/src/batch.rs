//! Many packets by one call of the system, where it has such a call.

use std::net::UdpSocket;

/// No query is longer: what is, is cut and so fails to be read.
const PACKET_BYTES: usize = 4_096;

#[cfg(target_os = "linux")]
pub use linux::Batch;
#[cfg(not(target_os = "linux"))]
pub use plain::Batch;

#[cfg(target_os = "linux")]
pub use linux::send_to;
#[cfg(not(target_os = "linux"))]
pub use plain::send_to;

#[cfg(target_os = "linux")]
mod linux {
    use super::{PACKET_BYTES, UdpSocket};
    use std::io::{Error, ErrorKind};
    use std::os::fd::AsRawFd;
    use std::ptr;
    use std::thread::sleep;
    use std::time::Duration;

    /// Packets in one call.
    const COUNT: usize = 64;
    /// After an error that is none of a packet, lest the thread runs for nothing.
    const PAUSE: Duration = Duration::from_millis(10);

    const ADDRESS_BYTES: usize = size_of::<libc::sockaddr_storage>();

    pub struct Batch {
        packets: Vec<[u8; PACKET_BYTES]>,
        lengths: Vec<usize>,
        addresses: Vec<[u8; ADDRESS_BYTES]>,
        address_lengths: Vec<usize>,
        answers: Vec<Vec<u8>>,
    }

    impl Batch {
        pub fn new() -> Batch {
            Batch {
                packets: vec![[0; PACKET_BYTES]; COUNT],
                lengths: vec![0; COUNT],
                addresses: vec![[0; ADDRESS_BYTES]; COUNT],
                address_lengths: vec![0; COUNT],
                answers: (0..COUNT).map(|_| Vec::with_capacity(512)).collect(),
            }
        }

        /// Waits for packets, as long as the socket's time-out says; 0 when none came.
        pub fn receive(&mut self, socket: &UdpSocket) -> usize {
            let mut parts: Vec<libc::iovec> = self
                .packets
                .iter_mut()
                .map(|packet| libc::iovec {
                    iov_base: packet.as_mut_ptr().cast(),
                    iov_len: PACKET_BYTES,
                })
                .collect();
            let mut headers: Vec<libc::mmsghdr> = parts
                .iter_mut()
                .zip(&mut self.addresses)
                .map(|(part, address)| message(part, address.as_mut_ptr(), ADDRESS_BYTES))
                .collect();
            // SAFETY: each header points to a buffer and an address of this batch, which outlive the call and are as
            // long as they say; there are COUNT of them.
            let received = unsafe {
                libc::recvmmsg(
                    socket.as_raw_fd(),
                    headers.as_mut_ptr(),
                    COUNT as libc::c_uint,
                    libc::MSG_WAITFORONE,
                    ptr::null_mut(),
                )
            };
            if received < 0
                && !matches!(
                    Error::last_os_error().kind(),
                    ErrorKind::WouldBlock | ErrorKind::Interrupted
                )
            {
                sleep(PAUSE);
            }
            let received = usize::try_from(received).unwrap_or(0).min(COUNT);
            for (index, header) in headers.iter().take(received).enumerate() {
                self.lengths[index] = (header.msg_len as usize).min(PACKET_BYTES);
                self.address_lengths[index] = (header.msg_hdr.msg_namelen as usize).min(ADDRESS_BYTES);
                self.answers[index].clear();
            }
            received
        }

        /// A packet, and where its answer goes; an empty answer is not sent.
        pub fn packet(&mut self, index: usize) -> (&[u8], &mut Vec<u8>) {
            let packet = &self.packets[index][..self.lengths[index]];
            (packet, &mut self.answers[index])
        }

        pub fn address(&self, index: usize) -> &[u8] {
            &self.addresses[index][..self.address_lengths[index]]
        }

        /// Sends the answers of the first `count` packets; one that the system does not take is lost, as packets are.
        pub fn send(&mut self, socket: &UdpSocket, count: usize) {
            let full: Vec<usize> = (0..count)
                .filter(|&index| !self.answers[index].is_empty())
                .collect();
            let mut parts: Vec<libc::iovec> = full
                .iter()
                .map(|&index| libc::iovec {
                    iov_base: self.answers[index].as_mut_ptr().cast(),
                    iov_len: self.answers[index].len(),
                })
                .collect();
            let mut headers: Vec<libc::mmsghdr> = parts
                .iter_mut()
                .zip(&full)
                .map(|(part, &index)| {
                    message(
                        part,
                        self.addresses[index].as_mut_ptr(),
                        self.address_lengths[index],
                    )
                })
                .collect();
            let mut sent = 0;
            while sent < headers.len() {
                let rest = &mut headers[sent..];
                // SAFETY: each header points to an answer and an address of this batch, which outlive the call and are
                // as long as they say; `rest` is as long as is said.
                let done = unsafe {
                    libc::sendmmsg(
                        socket.as_raw_fd(),
                        rest.as_mut_ptr(),
                        libc::c_uint::try_from(rest.len()).unwrap_or(0),
                        0,
                    )
                };
                // The first of them was refused: the ones behind it need not be.
                sent += usize::try_from(done).unwrap_or(0).max(1);
            }
        }
    }

    fn message(part: &mut libc::iovec, address: *mut u8, address_bytes: usize) -> libc::mmsghdr {
        // SAFETY: all zeros are a valid mmsghdr: null pointers with length 0.
        let mut header: libc::mmsghdr = unsafe { std::mem::zeroed() };
        header.msg_hdr.msg_name = address.cast();
        header.msg_hdr.msg_namelen = libc::socklen_t::try_from(address_bytes).unwrap_or(0);
        header.msg_hdr.msg_iov = part;
        header.msg_hdr.msg_iovlen = 1;
        header
    }

    /// Sends one packet to an address as the system gave it.
    pub fn send_to(socket: &UdpSocket, address: &[u8], packet: &[u8]) {
        let length = address.len().min(ADDRESS_BYTES);
        // SAFETY: both pointers are of slices that outlive the call, with their lengths; the system checks the address.
        unsafe {
            libc::sendto(
                socket.as_raw_fd(),
                packet.as_ptr().cast(),
                packet.len(),
                libc::MSG_DONTWAIT,
                address.as_ptr().cast(),
                libc::socklen_t::try_from(length).unwrap_or(0),
            );
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod plain {
    use super::{PACKET_BYTES, UdpSocket};
    use std::net::SocketAddr;

    /// One packet at a time.
    pub struct Batch {
        packet: Vec<u8>,
        length: usize,
        from: Vec<u8>,
        answer: Vec<u8>,
    }

    impl Batch {
        pub fn new() -> Batch {
            Batch {
                packet: vec![0; PACKET_BYTES],
                length: 0,
                from: Vec::new(),
                answer: Vec::new(),
            }
        }

        pub fn receive(&mut self, socket: &UdpSocket) -> usize {
            self.answer.clear();
            match socket.recv_from(&mut self.packet) {
                Ok((length, from)) => {
                    self.length = length;
                    self.from = from.to_string().into_bytes();
                    1
                }
                Err(_) => 0,
            }
        }

        pub fn packet(&mut self, _index: usize) -> (&[u8], &mut Vec<u8>) {
            (&self.packet[..self.length], &mut self.answer)
        }

        pub fn address(&self, _index: usize) -> &[u8] {
            &self.from
        }

        pub fn send(&mut self, socket: &UdpSocket, _count: usize) {
            if !self.answer.is_empty() {
                send_to(socket, &self.from, &self.answer);
            }
        }
    }

    pub fn send_to(socket: &UdpSocket, address: &[u8], packet: &[u8]) {
        let parsed = std::str::from_utf8(address)
            .ok()
            .and_then(|text| text.parse::<SocketAddr>().ok());
        if let Some(address) = parsed {
            let _ = socket.send_to(packet, address);
        }
    }
}
