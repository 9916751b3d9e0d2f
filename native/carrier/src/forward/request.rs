//! Requests, rewritten for the next hop exactly as server/src/gateway/http/request.ts does.

use std::io::Write;

use super::fields::{Field, Lines, Reading, is_unusual, read_head};
use super::order::Order;

/// As REQUEST_HEAD_LIMITS in JavaScript.
const MOST_BYTES: usize = 16_384;
const MOST_FIELDS: usize = 100;
const MOST_LINE_BYTES: usize = 8_192;

pub struct Request {
    /// Bytes of its header section.
    pub head_bytes: usize,
    pub body_bytes: u64,
    /// Whether it is HEAD, whose answer has no body.
    pub is_head: bool,
    /// Whether it may be asked again when a kept connection turns out to be closed.
    pub may_repeat: bool,
}

/// Reads the request at the front of `input`; when it is plain, its header section for the target is added to `out`.
pub fn read_request(input: &[u8], order: &Order, out: &mut Vec<u8>) -> Reading<Request> {
    read_head(input, MOST_BYTES, out, |head, out| rewrite(head, order, out))
}

fn rewrite(head: &[u8], order: &Order, out: &mut Vec<u8>) -> Option<Request> {
    let mut lines = Lines::new(head);
    let method = write_request_line(lines.next()?, order, out)?;
    let mut hosts = 0;
    let mut authorized = false;
    let mut length: Option<u64> = None;
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
            4 if field.is(b"host") => {
                hosts += 1;
                if field.value != order.authority {
                    return None;
                }
            }
            19 if field.is(b"proxy-authorization") => {
                if authorized || order.authorization.as_deref() != Some(field.value) {
                    return None;
                }
                authorized = true;
            }
            14 if field.is(b"content-length") => {
                if length.is_some() {
                    return None;
                }
                length = Some(field.number()?);
            }
            10 if field.is(b"connection") || field.is(b"keep-alive") => {
                if field.is(b"connection") && !field.says(b"keep-alive") {
                    return None;
                }
            }
            16 if field.is(b"proxy-connection") => {
                if !field.says(b"keep-alive") {
                    return None;
                }
            }
            6 if field.is(b"expect") => return None,
            7 if field.is(b"upgrade") => return None,
            12 if field.is(b"max-forwards") => return None,
            17 if field.is(b"transfer-encoding") => return None,
            _ if is_unusual(&field) => return None,
            _ => field.write(out),
        }
    }
    if hosts != 1 || authorized != order.authorization.is_some() {
        return None;
    }
    if let Some(length) = length {
        let _ = write!(out, "Content-Length: {length}\r\n");
    }
    out.extend_from_slice(b"\r\n");
    Some(Request {
        head_bytes: head.len(),
        body_bytes: length.unwrap_or(0),
        is_head: method == b"HEAD",
        may_repeat: length.unwrap_or(0) == 0,
    })
}

/// Writes the request line in origin form and Host. Returns the method.
fn write_request_line<'a>(line: &'a [u8], order: &Order, out: &mut Vec<u8>) -> Option<&'a [u8]> {
    if line.len() > MOST_LINE_BYTES {
        return None;
    }
    let space = line.iter().position(|&byte| byte == b' ')?;
    let (method, rest) = line.split_at_checked(space)?;
    if !matches!(method, b"GET" | b"HEAD" | b"POST" | b"PUT" | b"DELETE" | b"PATCH") {
        return None;
    }
    let path = rest
        .strip_prefix(b" http://")?
        .strip_prefix(order.authority.as_slice())?
        .strip_suffix(b" HTTP/1.1")?;
    if path.first() != Some(&b'/') || !path.iter().all(|&byte| byte.is_ascii_graphic() && byte != b'#') {
        return None;
    }
    out.extend_from_slice(method);
    out.push(b' ');
    out.extend_from_slice(path);
    out.extend_from_slice(b" HTTP/1.1\r\nHost: ");
    out.extend_from_slice(&order.authority);
    out.extend_from_slice(b"\r\n");
    Some(method)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> Order {
        Order {
            authority: b"a.example:8080".to_vec(),
            authorization: Some(b"Basic eDp5".to_vec()),
            idle_ms: 0,
            keep_alive_ms: 0,
            body_ms: 0,
            lives_ms: u64::MAX,
        }
    }

    fn read(fields: &str) -> Option<(String, u64)> {
        let text = format!(
            "POST http://a.example:8080/b?c HTTP/1.1\r\nHost: a.example:8080\r\nProxy-Authorization: Basic eDp5\r\n{fields}\r\n"
        );
        let mut out = Vec::new();
        match read_request(text.as_bytes(), &order(), &mut out) {
            Reading::Plain(request) if request.head_bytes == text.len() => {
                Some((String::from_utf8_lossy(&out).into_owned(), request.body_bytes))
            }
            _ => {
                assert!(out.is_empty());
                None
            }
        }
    }

    #[test]
    fn a_plain_request_goes_on_in_origin_form_without_what_is_for_this_hop() {
        let plain = read(
            "X-A:  1 \r\nConnection: Keep-Alive\r\nProxy-Connection: keep-alive\r\nKeep-Alive: 5\r\nContent-Length: 07\r\nAccept: */*\r\n",
        );
        let head = "POST /b?c HTTP/1.1\r\nHost: a.example:8080\r\nX-A: 1\r\nAccept: */*\r\nContent-Length: 7\r\n\r\n";
        assert_eq!(plain, Some((head.to_owned(), 7)));
    }

    #[test]
    fn whatever_is_not_plain_is_left_to_javascript() {
        for fields in [
            "Host: a.example:8080\r\n",
            "Proxy-Authorization: Basic eDp5\r\n",
            "Connection: close\r\n",
            "Connection: X-A\r\n",
            "Proxy-Connection: close\r\n",
            "Upgrade: websocket\r\n",
            "Expect: 100-continue\r\n",
            "Max-Forwards: 3\r\n",
            "Transfer-Encoding: chunked\r\n",
            "TE: trailers\r\n",
            "X-Atlantic-Country: de\r\n",
            "Proxy-Status: x\r\n",
            "Content-Length: 1\r\nContent-Length: 1\r\n",
            "Content-Length: +1\r\n",
            "Content-Length: 1234567890123456\r\n",
            "X-A : 1\r\n",
            " folded\r\n",
            "X-A: \x01\r\n",
            "X-A: 1\nX-B: 2\r\n",
            "no colon\r\n",
        ] {
            assert_eq!(read(fields), None, "{fields:?}");
        }
        assert_eq!(read(&"X-A: 1\r\n".repeat(99)), None);
        assert_eq!(read(&format!("X-A: {}\r\n", "a".repeat(17_000))), None);
    }

    #[test]
    fn another_target_credential_method_version_or_form_is_left_to_javascript() {
        let good = "GET http://a.example:8080/ HTTP/1.1\r\nHost: a.example:8080\r\nProxy-Authorization: Basic eDp5\r\n\r\n";
        let outcome = |text: &str| read_request(text.as_bytes(), &order(), &mut Vec::new());
        assert!(matches!(outcome(good), Reading::Plain(_)));
        for (from, to) in [
            ("eDp5", "eDp6"),
            ("Basic eDp5", ""),
            ("http://a.example:8080", "http://b.example:8080"),
            ("http://a.example:8080/", "http://a.example:80801/"),
            ("http://a.example:8080/", "HTTP://a.example:8080/"),
            ("http://a.example:8080/", "http://a.example:8080"),
            ("http://a.example:8080/", "/"),
            ("8080/ ", "8080/#f "),
            ("8080/ ", "8080/a b "),
            ("HTTP/1.1", "HTTP/1.0"),
            ("GET", "OPTIONS"),
            ("GET", "CONNECT"),
            ("GET", "get"),
            ("Host: a.example:8080", "Host: x"),
            ("Host: a.example:8080\r\n", ""),
            ("GET", "\r\nGET"),
        ] {
            let text = good.replacen(from, to, 1);
            assert_ne!(text, good);
            assert!(matches!(outcome(&text), Reading::Unusual), "{text:?}");
        }
        for end in 0..good.len() {
            assert!(matches!(
                outcome(good.get(..end).unwrap_or_default()),
                Reading::More
            ));
        }
    }
}
