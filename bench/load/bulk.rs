//! `bulk`: one connection, or tunnel, that carries much.

use crate::bad;
use crate::http::{content_length, exchange};
use crate::way::Way;
use crate::wire::BUFFER_BYTES;
use std::io::Result;
use std::time::{Duration, Instant};

pub async fn bulk(arguments: &[String]) -> Result<()> {
    let (way, rest) = Way::parse(arguments)?;
    let bytes: u64 = rest
        .first()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| bad("the bytes are missing"))?;
    let mut wire = way.open(BUFFER_BYTES, None).await?;
    wire.socket.set_read_timeout(Some(Duration::from_secs(60)))?;
    let started = Instant::now();
    if rest.get(1).map(String::as_str) == Some("up") {
        wire.write(way.request("PUT", "/", bytes).as_bytes()).await?;
        wire.pour(bytes).await?;
        let head = wire.head().await?;
        wire.discard(content_length(&head)).await?;
    } else {
        let request = way.request("GET", &format!("/bytes/{bytes}"), 0);
        if exchange(&mut wire, request.as_bytes()).await? != bytes {
            return Err(bad("the answer had another length"));
        }
    }
    println!(
        "{{\"bytes\":{bytes},\"seconds\":{:.6}}}",
        started.elapsed().as_secs_f64()
    );
    Ok(())
}
