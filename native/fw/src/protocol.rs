//! What the daemon asks and is answered: JSON, each piece after its length in bytes (32 bits, in the machine's own order).

use serde::{Deserialize, Serialize};

use crate::abilities::Abilities;
use crate::holder::Inspection;
use crate::rules::{NamedSet, RuleSet};
use crate::trouble::Trouble;

/// The longest piece that is read.
pub const LONGEST: usize = 1_000_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    pub id: u32,
    pub order: Order,
}

#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Order {
    Apply { rules: Box<RuleSet> },
    Swap { sets: Vec<NamedSet> },
    Open {},
    Inspect {},
}

#[derive(Serialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Said {
    /// The first that a daemon hears.
    Hello {
        version: &'static str,
        table: String,
        #[serde(flatten)]
        abilities: Abilities,
        blocking: bool,
        pid: u32,
    },
    Done {
        id: u32,
    },
    Refused {
        id: u32,
        reason: String,
    },
    State {
        id: u32,
        #[serde(flatten)]
        inspection: Inspection,
    },
    Trouble {
        trouble: Trouble,
    },
}

impl Said {
    pub fn hello(table: &str, abilities: Abilities, blocking: bool) -> Self {
        Self::Hello {
            version: env!("CARGO_PKG_VERSION"),
            table: table.to_owned(),
            abilities,
            blocking,
            pid: std::process::id(),
        }
    }

    pub fn frame(&self) -> Vec<u8> {
        let body = serde_json::to_vec(self).unwrap_or_default();
        let mut frame = (body.len() as u32).to_ne_bytes().to_vec();
        frame.extend(body);
        frame
    }
}

/// Whether there is something to take, be it an error.
pub fn is_whole(bytes: &[u8]) -> bool {
    bytes.first_chunk::<4>().is_some_and(|head| {
        let length = u32::from_ne_bytes(*head) as usize;
        length > LONGEST || bytes.len() >= 4 + length
    })
}

/// Takes the first whole piece from what has come so far. An error: the peer does not speak this.
pub fn take_piece(bytes: &mut Vec<u8>) -> Result<Option<Vec<u8>>, String> {
    let Some(head) = bytes.first_chunk::<4>() else {
        return Ok(None);
    };
    let length = u32::from_ne_bytes(*head) as usize;
    if length > LONGEST {
        return Err(format!("a piece of {length} bytes is longer than {LONGEST}"));
    }
    if bytes.len() < 4 + length {
        return Ok(None);
    }
    let piece = bytes[4..4 + length].to_vec();
    bytes.drain(..4 + length);
    Ok(Some(piece))
}
