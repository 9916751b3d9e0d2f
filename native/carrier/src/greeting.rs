//! The first word of a SOCKS5 client (RFC 1928 section 3), which needs no decision where every client shows a credential.

const VERSION: u8 = 5;
const USERNAME_PASSWORD: u8 = 2;

/// The answer to a greeting that offers user name and password: what JavaScript would answer.
pub const WELCOME: &[u8] = &[VERSION, USERNAME_PASSWORD];

/// Whether this is a whole greeting, nothing behind it, that is answered so. Everything else is for JavaScript.
pub fn is_plain(said: &[u8]) -> bool {
    match said {
        [VERSION, count, methods @ ..] => {
            methods.len() == usize::from(*count) && methods.contains(&USERNAME_PASSWORD)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_greeting_that_offers_a_login_is_plain() {
        assert!(is_plain(&[5, 1, 2]));
        assert!(is_plain(&[5, 3, 0, 1, 2]));
        for other in [
            &[][..],
            &[5],
            &[5, 0],
            &[5, 1],
            &[5, 1, 0],
            &[5, 2, 2],
            &[5, 1, 2, 1],
            &[4, 1, 2],
            b"CONNECT",
        ] {
            assert!(!is_plain(other), "{other:?}");
        }
    }
}
