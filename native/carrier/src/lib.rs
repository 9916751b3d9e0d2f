//! The native part of Atlantic Proxy: carries flows on a thread of its own, and asks who is at the other end of a Unix
//! socket. JavaScript decides; see native/src/engine/.

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
mod shared;
mod slice;
mod sockets;
mod standing_connect;
mod tunnel;
mod wheel;
mod wire;
