//! Forwards plain HTTP/1.1 exchanges of one kind between a client and a target, once JavaScript has decided about the
//! first of them: server/src/gateway/http/ says what the same means there, and does everything that is unusual.

mod body;
mod date;
mod driver;
mod fields;
mod order;
mod request;
mod response;

pub use driver::Forward;
pub use order::Order;
