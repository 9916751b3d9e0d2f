//! Netlink as far as it is needed: messages are written and read by hand (RFC 3549, linux/netlink.h).

mod attributes;
mod message;
mod socket;

pub use attributes::Attributes;
pub use message::{Message, NLM_F_ACK, NLM_F_APPEND, NLM_F_CREATE, NLM_F_REQUEST};
pub use socket::{Failure, Reply, Socket};
