//! Time and chance, as values: what the pure core is given instead of a clock and a random source.

use crate::hex::hex;
use crate::world::Entropy;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Milliseconds since the Unix epoch.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// Whole seconds, as the wire shows times.
    pub fn seconds(self) -> u64 {
        self.0 / 1000
    }

    /// The moment that lies `duration` later.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }

    /// The moment that lies `duration` earlier.
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }

    /// Time left until `later`; zero if it has passed.
    pub fn until(self, later: Self) -> Duration {
        Duration::from_millis(later.0.saturating_sub(self.0))
    }
}

/// One reading of clock and chance, made by the runtime for one decision of the engine.
pub struct Stamp<'a> {
    pub now: Timestamp,
    entropy: &'a dyn Entropy,
}

impl<'a> Stamp<'a> {
    pub fn new(now: Timestamp, entropy: &'a dyn Entropy) -> Self {
        Self { now, entropy }
    }

    /// A fresh id: `prefix`, an underscore and 24 hex digits (96 bits).
    pub fn id(&mut self, prefix: &str) -> String {
        let mut bytes = [0_u8; 12];
        self.entropy.fill(&mut bytes);
        format!("{prefix}_{}", hex(&bytes))
    }

    /// A number from 0 to 999, for jitter.
    pub fn permille(&mut self) -> u64 {
        let mut bytes = [0_u8; 8];
        self.entropy.fill(&mut bytes);
        u64::from_le_bytes(bytes) % 1000
    }
}
