//! How much one environment may ask of the proxy, and how long it may take.

use std::time::Duration;

/// The bounds of one proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time; one more is answered with 503.
    pub connections: usize,
    /// Bytes of a message's head.
    pub head: usize,
    /// From the first byte that is waited for to the last byte of a head or of TLS's handshake.
    pub head_time: Duration,
    /// For the name and the connection together.
    pub connect_time: Duration,
    /// Without a byte in either direction.
    pub idle_time: Duration,
    /// From a connection's beginning to its end.
    pub life_time: Duration,
    /// Bytes of one connection, both directions together.
    pub bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            head: 64 * 1024,
            head_time: Duration::from_secs(15),
            connect_time: Duration::from_secs(15),
            idle_time: Duration::from_secs(300),
            life_time: Duration::from_secs(4 * 3600),
            bytes: 32 << 30,
        }
    }
}
