//! What a connection is called, on both sides of the language boundary.

/// A place in the table of connections, and which of the connections that held it in turn.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Id {
    pub index: u32,
    pub generation: u32,
}

/// Connections that the engine accepted are numbered from 0; those that JavaScript hands over from here.
pub const FIRST_ADOPTED: u32 = 1 << 20;
/// Indices have 24 bits in what the kernel is told to report.
pub const INDEX_LIMIT: u32 = 1 << 24;

/// Which socket of which connection a report of the kernel is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Token {
    pub id: Id,
    pub socket: u8,
}

impl Token {
    pub fn encode(self) -> u64 {
        u64::from(self.id.generation) << 32 | u64::from(self.socket) << 24 | u64::from(self.id.index)
    }

    pub fn decode(word: u64) -> Token {
        let id = Id {
            index: (word & 0xff_ffff) as u32,
            generation: (word >> 32) as u32,
        };
        Token {
            id,
            socket: (word >> 24 & 0xff) as u8,
        }
    }
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_the_same_after_the_kernel_had_it() {
        for (index, generation, socket) in [(0, 0, 0), (INDEX_LIMIT - 1, u32::MAX, 255), (77, 3, 1)] {
            let token = Token {
                id: Id { index, generation },
                socket,
            };
            assert_eq!(Token::decode(token.encode()), token);
        }
    }
}
