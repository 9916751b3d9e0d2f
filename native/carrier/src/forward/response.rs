//! Answers, rewritten for the client exactly as server/src/gateway/http/response.ts does.

use super::date::write_now;
use super::fields::{Field, Lines, Reading, is_text, is_unusual, read_head};

/// As RESPONSE_HEAD_LIMITS in JavaScript.
const MOST_BYTES: usize = 65_536;
const MOST_FIELDS: usize = 256;

#[derive(Debug, PartialEq, Eq)]
pub enum Framing {
    Length(u64),
    Chunked,
}

pub struct Response {
    /// Bytes of its header section.
    pub head_bytes: usize,
    pub framing: Framing,
    /// Whether the target keeps the connection.
    pub keep_alive: bool,
}

/// Reads the answer at the front of `input`; when it is plain, its header section for the client is added to `out`.
pub fn read_response(input: &[u8], to_head: bool, out: &mut Vec<u8>) -> Reading<Response> {
    read_head(input, MOST_BYTES, out, |head, out| rewrite(head, to_head, out))
}

fn rewrite(head: &[u8], to_head: bool, out: &mut Vec<u8>) -> Option<Response> {
    let mut lines = Lines::new(head);
    let status = write_status_line(lines.next()?, out)?;
    let mut length: Option<u64> = None;
    let mut coding: Option<&[u8]> = None;
    let mut keep_alive = true;
    let mut dated = false;
    let mut fields = 0;
    loop {
        let line = lines.next()?;
        if line.is_empty() {
            break;
        }
        fields += 1;
        if fields > MOST_FIELDS {
            return None;
        }
        let field = Field::read(line)?;
        match field.name.len() {
            14 if field.is(b"content-length") => {
                if length.is_some() || status == 204 {
                    return None;
                }
                length = Some(field.number()?);
                field.write(out);
            }
            17 if field.is(b"transfer-encoding") => {
                if coding.is_some() || !field.says(b"chunked") {
                    return None;
                }
                coding = Some(field.value);
            }
            10 if field.is(b"connection") => {
                if field.says(b"close") {
                    keep_alive = false;
                } else if !field.says(b"keep-alive") {
                    return None;
                }
            }
            10 if field.is(b"keep-alive") => {}
            4 if field.is(b"date") => {
                dated = true;
                field.write(out);
            }
            7 if field.is(b"upgrade") => {}
            _ if is_unusual(&field) => return None,
            _ => field.write(out),
        }
    }
    if !dated {
        out.extend_from_slice(b"Date: ");
        write_now(out);
        out.extend_from_slice(b"\r\n");
    }
    let framing = match (coding, length) {
        _ if to_head || status == 204 || status == 304 => Framing::Length(0),
        (Some(coding), None) => {
            out.extend_from_slice(b"Transfer-Encoding: ");
            out.extend_from_slice(coding);
            out.extend_from_slice(b"\r\n");
            Framing::Chunked
        }
        (None, Some(length)) => Framing::Length(length),
        // Its end is the connection's, or in doubt.
        _ => return None,
    };
    out.extend_from_slice(b"Via: 1.1 atlantic\r\n\r\n");
    Some(Response {
        head_bytes: head.len(),
        framing,
        keep_alive,
    })
}

/// Returns the status. Interim answers, and questions for a proxy's password, are not plain.
fn write_status_line(line: &[u8], out: &mut Vec<u8>) -> Option<u16> {
    let rest = line.strip_prefix(b"HTTP/1.1 ")?;
    let (digits, reason) = rest.split_at_checked(3)?;
    let status: u16 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    let readable = digits.iter().all(u8::is_ascii_digit) && reason.iter().all(|&byte| is_text(byte));
    if !readable
        || !(200..600).contains(&status)
        || status == 407
        || !(reason.is_empty() || reason.starts_with(b" "))
    {
        return None;
    }
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(digits);
    if reason.is_empty() {
        out.push(b' ');
    }
    out.extend_from_slice(reason);
    out.extend_from_slice(b"\r\n");
    Some(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, to_head: bool) -> Option<(String, Framing, bool)> {
        let mut out = Vec::new();
        match read_response(text.as_bytes(), to_head, &mut out) {
            Reading::Plain(response) => {
                let written = String::from_utf8_lossy(&out).into_owned();
                Some((written, response.framing, response.keep_alive))
            }
            _ => {
                assert!(out.is_empty());
                None
            }
        }
    }

    #[test]
    fn a_plain_answer_goes_to_the_client_with_via_and_without_what_is_for_this_hop() {
        let counted = read(
            "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\nContent-Length: 5\r\nX-A:1\r\nDate: D\r\n\r\nhello",
            false,
        );
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: 1\r\nDate: D\r\nVia: 1.1 atlantic\r\n\r\n";
        assert_eq!(counted, Some((head.to_owned(), Framing::Length(5), true)));
        let chunked = read(
            "HTTP/1.1 404\r\nTransfer-Encoding: Chunked\r\nDate: D\r\nX-A: 1\r\nConnection: close\r\n\r\n",
            false,
        );
        let head =
            "HTTP/1.1 404 \r\nDate: D\r\nX-A: 1\r\nTransfer-Encoding: Chunked\r\nVia: 1.1 atlantic\r\n\r\n";
        assert_eq!(chunked, Some((head.to_owned(), Framing::Chunked, false)));
    }

    #[test]
    fn answers_without_a_body_have_none_whatever_their_length_says() {
        let to_head = read("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", true);
        assert!(matches!(to_head, Some((_, Framing::Length(0), true))));
        for status in ["204 No Content", "304 Not Modified"] {
            let answer = read(&format!("HTTP/1.1 {status}\r\nX-A: 1\r\n\r\n"), false);
            assert!(matches!(answer, Some((_, Framing::Length(0), true))));
        }
    }

    #[test]
    fn whatever_is_not_plain_is_left_to_javascript() {
        for text in [
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\n",
            "HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n",
            "HTTP/1.1 407 No\r\nContent-Length: 1\r\n\r\n",
            "HTTP/1.1 +20 No\r\nContent-Length: 1\r\n\r\n",
            "HTTP/1.1 2000 No\r\nContent-Length: 1\r\n\r\n",
            "HTTP/1.1 204 No\r\nContent-Length: 1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: X-A\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nProxy-Status: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nX-Atlantic-A: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nbad name: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\nX: y\r\n\r\n",
        ] {
            assert_eq!(read(text, false), None, "{text:?}");
        }
    }
}
