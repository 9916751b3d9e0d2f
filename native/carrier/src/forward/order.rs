//! What JavaScript decided about a client's requests, for as long as they are alike.

/// The requests that may go on: those with the same target and the same credential as the first.
pub struct Order {
    /// The target's authority, as it stands in the request line and goes into Host.
    pub authority: Vec<u8>,
    /// The value of `Proxy-Authorization`; None when there must be none.
    pub authorization: Option<Vec<u8>>,
    /// How long nothing may move while an exchange is under way, in milliseconds.
    pub idle_ms: u64,
    /// How long the client may wait with its next request.
    pub keep_alive_ms: u64,
    /// How long a request's body may take here; then JavaScript measures its pace.
    pub body_ms: u64,
    /// How long requests may begin; u64::MAX for ever.
    pub lives_ms: u64,
}
