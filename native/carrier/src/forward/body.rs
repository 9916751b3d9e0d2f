//! Follows an answer's body through its bytes, exactly as server/src/gateway/http/body-reader.ts does.

use super::fields::{Field, is_unusual};
use super::response::Framing;

/// The framing is broken: what comes behind is in doubt.
#[derive(Debug, PartialEq, Eq)]
pub struct Broken;

pub enum Body {
    Counted(u64),
    Chunked(Chunks),
}

impl Body {
    pub fn new(framing: &Framing) -> Self {
        match framing {
            Framing::Length(length) => Body::Counted(*length),
            Framing::Chunked => Body::Chunked(Chunks::default()),
        }
    }

    pub fn is_done(&self) -> bool {
        match self {
            Body::Counted(left) => *left == 0,
            Body::Chunked(chunks) => chunks.state == State::Done,
        }
    }

    /// Adds to `out` what goes on. Returns how many bytes of `input` belong to the body.
    pub fn read(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, Broken> {
        match self {
            Body::Counted(left) => {
                let count = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                out.extend_from_slice(input.get(..count).unwrap_or_default());
                *left -= count as u64;
                Ok(count)
            }
            Body::Chunked(chunks) => chunks.read(input, out),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum State {
    #[default]
    Size,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    Trailer,
    TrailerLf,
    Done,
}

const MOST_DIGITS: u32 = 13;
const MOST_LINE_BYTES: usize = 8_192;
const MOST_TRAILERS: usize = 50;

/// Chunked coding (RFC 9112 §7.1), read to the letter.
#[derive(Default)]
pub struct Chunks {
    state: State,
    size: u64,
    digits: u32,
    /// Bytes of the extension so far.
    dropped: usize,
    line: Vec<u8>,
    /// Bytes of all trailer lines so far.
    trailer_bytes: usize,
    trailers: usize,
    kept: Vec<u8>,
}

impl Chunks {
    fn read(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, Broken> {
        let mut at = 0;
        while let Some(&byte) = input.get(at) {
            if self.state == State::Done {
                break;
            }
            if self.state == State::Data {
                let rest = input.get(at..).unwrap_or_default();
                let count = usize::try_from(self.size).unwrap_or(usize::MAX).min(rest.len());
                out.extend_from_slice(rest.get(..count).unwrap_or_default());
                self.size -= count as u64;
                at += count;
                if self.size == 0 {
                    self.state = State::DataCr;
                }
                continue;
            }
            self.step(byte, out)?;
            at += 1;
        }
        Ok(at)
    }

    fn step(&mut self, byte: u8, out: &mut Vec<u8>) -> Result<(), Broken> {
        match (self.state, byte) {
            (State::Size, _) => return self.size_byte(byte, out),
            (State::Extension, b'\r') => {
                self.state = State::SizeLf;
                out.push(byte);
            }
            (State::Extension, b'\n') => return Err(Broken),
            (State::Extension, _) => {
                self.dropped += 1;
                if self.dropped > MOST_LINE_BYTES {
                    return Err(Broken);
                }
            }
            (State::SizeLf, b'\n') => {
                out.push(byte);
                self.digits = 0;
                self.state = if self.size == 0 {
                    State::Trailer
                } else {
                    State::Data
                };
            }
            (State::DataCr, b'\r') => {
                out.push(byte);
                self.state = State::DataLf;
            }
            (State::DataLf, b'\n') => {
                out.push(byte);
                self.state = State::Size;
            }
            (State::Trailer, b'\r') => self.state = State::TrailerLf,
            (State::Trailer, b'\n') => return Err(Broken),
            (State::Trailer, _) => {
                self.trailer_bytes += 1;
                if self.trailer_bytes > MOST_LINE_BYTES {
                    return Err(Broken);
                }
                self.line.push(byte);
            }
            (State::TrailerLf, b'\n') => return self.trailer_ends(out),
            _ => return Err(Broken),
        }
        Ok(())
    }

    fn size_byte(&mut self, byte: u8, out: &mut Vec<u8>) -> Result<(), Broken> {
        if let Some(digit) = char::from(byte).to_digit(16) {
            self.digits += 1;
            if self.digits > MOST_DIGITS {
                return Err(Broken);
            }
            self.size = self.size * 16 + u64::from(digit);
            out.push(byte);
            return Ok(());
        }
        if self.digits == 0 {
            return Err(Broken);
        }
        self.dropped = 0;
        match byte {
            b'\r' => {
                out.push(byte);
                self.state = State::SizeLf;
            }
            b';' | b' ' | b'\t' => self.state = State::Extension,
            _ => return Err(Broken),
        }
        Ok(())
    }

    /// Trailers are passed on with the empty line behind them, once it is known that all of them are fields.
    fn trailer_ends(&mut self, out: &mut Vec<u8>) -> Result<(), Broken> {
        if self.line.is_empty() {
            out.append(&mut self.kept);
            out.extend_from_slice(b"\r\n");
            self.state = State::Done;
            return Ok(());
        }
        self.trailers += 1;
        if self.trailers > MOST_TRAILERS {
            return Err(Broken);
        }
        let field = Field::read(&self.line).ok_or(Broken)?;
        if is_trailer(&field) {
            field.write(&mut self.kept);
        }
        self.line.clear();
        self.state = State::Trailer;
        Ok(())
    }
}

/// As in server/src/gateway/http/trailer-fields.ts.
const HEADER_ONLY: [&[u8]; 33] = [
    b"age",
    b"authorization",
    b"cache-control",
    b"connection",
    b"content-encoding",
    b"content-length",
    b"content-range",
    b"content-type",
    b"cookie",
    b"date",
    b"expect",
    b"expires",
    b"host",
    b"if-match",
    b"if-modified-since",
    b"if-none-match",
    b"if-range",
    b"if-unmodified-since",
    b"keep-alive",
    b"location",
    b"max-forwards",
    b"pragma",
    b"range",
    b"retry-after",
    b"set-cookie",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
    b"vary",
    b"via",
    b"warning",
    b"www-authenticate",
    b"http2-settings",
];

fn is_trailer(field: &Field) -> bool {
    // Proxy-* that are no hop fields are rare enough to go with them.
    !is_unusual(field) && !HEADER_ONLY.iter().any(|name| field.is(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(wire: &[u8], cut: usize) -> Result<(Vec<u8>, usize, bool), Broken> {
        let mut body = Body::new(&Framing::Chunked);
        let mut out = Vec::new();
        let (first, second) = wire.split_at_checked(cut).unwrap_or((wire, b""));
        let mut used = body.read(first, &mut out)?;
        used += body.read(second, &mut out)?;
        Ok((out, used, body.is_done()))
    }

    #[test]
    fn chunks_are_followed_to_their_end_however_they_are_cut() {
        let wire =
            b"3;a=b\r\nabc\r\n1 \r\nd\r\n0\r\nX-Sum:  5\r\nSet-Cookie: a\r\nX-Atlantic-A: 1\r\n\r\nbehind";
        let kept = b"3\r\nabc\r\n1\r\nd\r\n0\r\nX-Sum: 5\r\n\r\n";
        for cut in 0..wire.len() {
            assert_eq!(
                read(wire, cut),
                Ok((kept.to_vec(), wire.len() - 6, true)),
                "{cut}"
            );
        }
    }

    #[test]
    fn what_could_be_read_in_another_way_is_broken() {
        for wire in [
            "x\r\n",
            "\r\n",
            "1\nA\r\n",
            "1\r\nAB\r\n",
            "-1\r\n",
            "1\r\rA",
            "ffffffffffffffffffff\r\n",
            "1;a\n",
            "0\r\nno colon\r\n\r\n",
            "0\r\nX : 1\r\n\r\n",
            "0\r\n\n",
        ] {
            for cut in 0..wire.len() {
                assert!(matches!(read(wire.as_bytes(), cut), Err(Broken)), "{wire:?}");
            }
        }
    }

    #[test]
    fn a_counted_body_ends_where_its_length_says() {
        let mut body = Body::new(&Framing::Length(5));
        let mut out = Vec::new();
        assert_eq!(body.read(b"abc", &mut out), Ok(3));
        assert!(!body.is_done());
        assert_eq!(body.read(b"defg", &mut out), Ok(2));
        assert!(body.is_done());
        assert_eq!(out, b"abcde");
    }
}
