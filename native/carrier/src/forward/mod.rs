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

/// A request's header section as it would go to the target; None when it is not plain.
#[cfg_attr(test, allow(dead_code))]
pub fn rewritten_request(head: &[u8], order: &Order) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    match request::read_request(head, order, &mut out) {
        fields::Reading::Plain(request) if request.head_bytes == head.len() => Some(out),
        _ => None,
    }
}

/// An answer's header section as it would go to the client; None when it is not plain.
#[cfg_attr(test, allow(dead_code))]
pub fn rewritten_response(head: &[u8], to_head: bool) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    match response::read_response(head, to_head, &mut out) {
        fields::Reading::Plain(response) if response.head_bytes == head.len() => Some(out),
        _ => None,
    }
}
