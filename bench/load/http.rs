//! As much of HTTP/1.1 as the load and its origin speak.

use crate::bad;
use crate::wire::Wire;
use std::io::Result;

pub fn status(head: &str) -> u16 {
    head.split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .unwrap_or(0)
}

pub fn content_length(head: &str) -> u64 {
    field(head, "content-length")
        .and_then(|value| value.parse().ok())
        .unwrap_or(0)
}

pub fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.split("\r\n").skip(1).find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// One request and its whole answer. Returns the length of the body.
pub async fn exchange(wire: &mut Wire, request: &[u8]) -> Result<u64> {
    wire.write(request).await?;
    wire.turn().await?;
    let head = wire.head().await?;
    if status(&head) == 200 && field(&head, "transfer-encoding") == Some("chunked") {
        return discard_chunks(wire).await;
    }
    let length = content_length(&head);
    if status(&head) != 200 || length == 0 {
        return Err(bad(&format!(
            "the answer was: {}",
            head.lines().next().unwrap_or("")
        )));
    }
    wire.discard(length).await?;
    Ok(length)
}

/// A body in chunks (RFC 9112 section 7.1). Returns its length.
async fn discard_chunks(wire: &mut Wire) -> Result<u64> {
    let mut length = 0;
    loop {
        let line = wire.line().await?;
        let size = line.split(';').next().unwrap_or("").trim();
        let size = u64::from_str_radix(size, 16).map_err(|_| bad("a chunk has no size"))?;
        wire.discard(size + 2).await?;
        length += size;
        if size == 0 {
            return Ok(length);
        }
    }
}
