//! The numbers that the device and JavaScript use of each other: see native/src/tunnel/device.ts.

/// Orders of JavaScript.
pub mod verb {
    /// what becomes of datagrams u32, see `Datagrams`; associations end.
    pub const DATAGRAMS: u32 = 1;
    /// mark u32, port u32, bytes: address. An association's relay.
    pub const RELAY: u32 = 2;
    /// An association that could not be had, or is over.
    pub const REFUSE: u32 = 3;
    /// bytes: address; bytes: the name that it stands for, empty for none.
    pub const NAME: u32 = 4;
}

/// What JavaScript is told.
pub mod event {
    /// An association is wanted.
    pub const ASSOCIATE: u32 = 1;
    /// An association is over.
    pub const ENDED: u32 = 2;
    /// bytes: a fake address, whose name is wanted.
    pub const NAME: u32 = 3;
    /// Link, address, route or rule of the machine changed.
    pub const NETWORK: u32 = 4;
}

/// What becomes of datagrams.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Datagrams {
    Refused,
    Carried,
    /// Dropped: there will be an upstream again.
    Held,
}

impl Datagrams {
    pub fn read(number: u32) -> Datagrams {
        match number {
            1 => Datagrams::Carried,
            2 => Datagrams::Held,
            _ => Datagrams::Refused,
        }
    }
}
