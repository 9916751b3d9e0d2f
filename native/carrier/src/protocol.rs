//! The numbers that both sides of the language boundary use: see native/src/engine/protocol.ts.
//! From 64 on they are free for further kinds of connections.

/// Orders of JavaScript.
pub mod verb {
    /// flags u32 (1: read on), bytes: says something to a client that is not carried yet.
    pub const WRITE: u32 = 1;
    /// See `dial::Order::read`.
    pub const CARRY: u32 = 2;
    /// linger ms u32, bytes: last words, FIN, and a while for the client to read them.
    pub const REFUSE: u32 = 3;
    /// Closes with RST, whatever it is doing.
    pub const CUT: u32 = 4;
    /// Closes without a word.
    pub const CLOSE: u32 = 5;
    /// Gives the client's descriptor to JavaScript.
    pub const TAKE: u32 = 6;
    /// `index` is an allowance's handle: there is more in it, or it was closed.
    pub const REFILLED: u32 = 7;
    /// `index` is a diverting listener's number: what is decided for its flows in advance, nothing without a body. See
    /// `tunnel::Standing::read`.
    pub const STAND: u32 = 8;
    /// `index` is a listener's number: see `standing_connect`.
    pub const STAND_CONNECT: u32 = 9;
    /// `index` is a listener's number: see `known_logins`.
    pub const KNOW_LOGIN: u32 = 10;
    /// Gives exchanges that are being forwarded back, as soon as none is under way.
    pub const FORWARD_RECALL: u32 = 64;
}

/// What JavaScript is told.
pub mod event {
    /// listener u32, bytes: address (empty but for the first time), rest: what the client said. It says nothing more until WRITE.
    pub const DATA: u32 = 1;
    /// how many orders to CARRY it had come u32; the flow is being carried.
    pub const DIALLED: u32 = 2;
    /// stage u32, reason u32, errno u32, how many orders to CARRY it had come u32, rest: what the proxy answered. The client
    /// waits for CARRY or REFUSE.
    pub const FAILED: u32 = 3;
    /// sent f64, received f64, outcome u32.
    pub const CLOSED: u32 = 4;
    /// fd u32: it is JavaScript's now.
    pub const TAKEN: u32 = 5;
    /// `index` is an allowance's handle.
    pub const LOW: u32 = 6;
    pub const DRY: u32 = 7;
    /// `index` is an allowance's handle: bytes came back while somebody in JavaScript waits for some.
    pub const RETURNED: u32 = 8;
    /// listener u32, standing u32; where it comes from and where it was going to, each port u32 and bytes: address. It is
    /// JavaScript's turn where `standing` is 0; else it is being dialled as was decided in advance.
    pub const DIVERTED: u32 = 9;
    /// listener u32, standing u32, bytes: address, bytes: the request's id, rest: what the client said behind its request.
    /// It is being dialled as was decided in advance.
    pub const STOOD: u32 = 10;
    /// What JavaScript goes on with: see native/src/engine/forwarded-connection.ts.
    pub const FORWARD_BACK: u32 = 64;
    /// fd u32 of the target's idle connection, 2^32 - 1 for none; sent f64, received f64, requests f64, how it ended u32.
    pub const FORWARD_ENDED: u32 = 65;
}

/// How a connection ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Outcome {
    Ended = 0,
    ClientReset = 1,
    UpstreamReset = 2,
    Idle = 3,
    Cut = 4,
    QuotaExhausted = 5,
    HeaderTimeout = 6,
}

/// How far a dial had come when it failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Stage {
    Reach = 0,
    Ask = 1,
}

/// Why a dial failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Reason {
    Errno = 0,
    Timeout = 1,
    /// JavaScript reads the answer again and says what is wrong with it.
    Answer = 2,
    Ended = 3,
    TooLong = 4,
    NoAddress = 5,
}
