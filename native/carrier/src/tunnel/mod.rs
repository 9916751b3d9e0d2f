//! What a tunnel of the whole machine needs: sockets that carry a mark, flows that the firewall diverts, and the device
//! for everything that is not TCP. See docs/tunnel.md.

mod association;
mod associations;
mod device;
mod device_file;
mod diverted;
mod diverts;
mod interface;
mod mark;
mod meter;
mod names;
mod network_watch;
mod packet;
mod protocol;
mod refusal;
mod socks_datagram;
mod standing;
mod waiting;

pub use diverted::Diverted;
pub use diverts::Diverts;
pub use mark::mark;
pub use socks_datagram::put_address;
pub use standing::Standing;
