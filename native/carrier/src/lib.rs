//! The native part of Atlantic Proxy: carries flows on a thread of its own, asks who is at the other end of a Unix
//! socket, and tells the service manager how the process is. JavaScript decides; see native/src/engine/.

mod allowance;
mod canary;
mod client;
mod counters;
mod dial;
mod driver;
mod engine;
mod forward;
mod greeting;
mod id;
mod interface;
mod known_logins;
pub mod peer_credentials;
mod pipes;
mod protocol;
mod rate;
mod relay;
mod request_id;
pub mod service_manager;
mod shared;
mod slice;
mod sockets;
mod standing_connect;
mod tunnel;
mod wheel;
mod wire;
