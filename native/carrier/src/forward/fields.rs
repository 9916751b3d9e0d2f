//! Header sections, strictly as RFC 9112 §2–5 has them. What is not plain is left to JavaScript, which says what is wrong.

/// Takes lines that end with CRLF off the front.
pub struct Lines<'a> {
    rest: &'a [u8],
}

/// What became of reading a header section.
pub enum Reading<Message> {
    /// It is not all there.
    More,
    /// JavaScript has to read it.
    Unusual,
    Plain(Message),
}

/// Reads the header section at the front of `input`, of at most `most` bytes. When `rewrite` finds it plain, what it
/// added to `out` stays there; otherwise `out` is as it was.
pub fn read_head<Message>(
    input: &[u8],
    most: usize,
    out: &mut Vec<u8>,
    rewrite: impl FnOnce(&[u8], &mut Vec<u8>) -> Option<Message>,
) -> Reading<Message> {
    let Some(head_bytes) = find_end(input, most) else {
        return if input.len() >= most {
            Reading::Unusual
        } else {
            Reading::More
        };
    };
    let begun = out.len();
    match rewrite(input.get(..head_bytes).unwrap_or_default(), out) {
        Some(message) => Reading::Plain(message),
        None => {
            out.truncate(begun);
            Reading::Unusual
        }
    }
}

/// Where the header section that begins at 0 ends, its empty line included.
fn find_end(input: &[u8], most: usize) -> Option<usize> {
    let input = input.get(..most).unwrap_or(input);
    let mut from = 0;
    loop {
        // The last byte of the pattern is rarer than its first ones at line ends of short fields.
        let at = from + input.get(from..)?.iter().position(|&byte| byte == b'\n')?;
        if input.get(at.checked_sub(3).unwrap_or(usize::MAX)..=at) == Some(b"\r\n\r\n") {
            return Some(at + 1);
        }
        from = at + 1;
    }
}

impl<'a> Lines<'a> {
    /// `section` with its final empty line.
    pub fn new(section: &'a [u8]) -> Self {
        Lines { rest: section }
    }

    /// None at a line that ends in another way.
    pub fn next(&mut self) -> Option<&'a [u8]> {
        let end = self.rest.iter().position(|&byte| byte == b'\n')?;
        let (line, rest) = self.rest.split_at_checked(end + 1)?;
        self.rest = rest;
        line.strip_suffix(b"\r\n")
    }
}

pub struct Field<'a> {
    pub name: &'a [u8],
    /// Without the white space around it.
    pub value: &'a [u8],
}

impl<'a> Field<'a> {
    /// None when it is not one that may be passed on.
    pub fn read(line: &'a [u8]) -> Option<Self> {
        let colon = line.iter().position(|&byte| byte == b':')?;
        let (name, rest) = line.split_at_checked(colon)?;
        let value = trim(rest.get(1..)?);
        let readable = !name.is_empty()
            && name.iter().all(|&byte| is_token(byte))
            && value.iter().all(|&byte| is_text(byte));
        readable.then_some(Field { name, value })
    }

    pub fn is(&self, lower: &[u8]) -> bool {
        self.name.eq_ignore_ascii_case(lower)
    }

    pub fn starts_with(&self, lower: &[u8]) -> bool {
        self.name
            .get(..lower.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(lower))
    }

    pub fn says(&self, lower: &[u8]) -> bool {
        self.value.eq_ignore_ascii_case(lower)
    }

    /// A decimal number that JavaScript holds exactly.
    pub fn number(&self) -> Option<u64> {
        if self.value.is_empty() || self.value.len() > 15 || !self.value.iter().all(u8::is_ascii_digit) {
            return None;
        }
        std::str::from_utf8(self.value).ok()?.parse().ok()
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.name);
        out.extend_from_slice(b": ");
        out.extend_from_slice(self.value);
        out.extend_from_slice(b"\r\n");
    }
}

fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

const fn token_table() -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let marks = b"!#$%&'*+-.^_`|~";
    let mut at = 0;
    while at < marks.len() {
        table[marks[at] as usize] = true;
        at += 1;
    }
    table
}

static TOKEN: [bool; 256] = token_table();

/// RFC 9110 §5.6.2.
pub fn is_token(byte: u8) -> bool {
    TOKEN.get(usize::from(byte)).copied().unwrap_or(false)
}

/// Everything but control characters; the tab is none here (RFC 9110 §5.5).
pub fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

/// Fields by which a proxy speaks in its own name, or that are for one hop and rare: JavaScript decides about them.
pub fn is_unusual(field: &Field) -> bool {
    field.starts_with(b"proxy-")
        || field.starts_with(b"x-atlantic-")
        || field.is(b"te")
        || field.is(b"http2-settings")
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn a_section_ends_with_its_empty_line_and_not_before() {
        assert_eq!(find_end(b"a: b\r\n\r\nrest", 100), Some(8));
        assert_eq!(find_end(b"a: b\r\n\n\r\n", 100), None);
        assert_eq!(find_end(b"\n", 100), None);
        assert_eq!(find_end(b"a: b\r\n\r\n", 7), None);
    }

    #[test]
    fn a_field_is_a_name_a_colon_and_a_value_without_control_characters() {
        let field = Field::read(b"X-A: \t b c \t").expect("a field");
        assert_eq!((field.name, field.value), (&b"X-A"[..], &b"b c"[..]));
        for bad in [
            "",
            ":",
            ": x",
            "X A: b",
            "X-A : b",
            " X: y",
            "X: \0",
            "X: a\rb",
            "no colon",
            "\u{e9}: x",
        ] {
            assert!(Field::read(bad.as_bytes()).is_none(), "{bad:?}");
        }
    }
}
