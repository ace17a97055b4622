//! Money in whole numbers: a sum of floats is not the same on every machine, and a log lives for ever.

use crate::model::Usage;
use serde::{Deserialize, Serialize};

/// Millionths of a US dollar.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MicroUsd(pub u64);

impl MicroUsd {
    pub const ZERO: Self = Self(0);

    /// From the wire's unit, whole US cents.
    pub fn from_cents(cents: u64) -> Self {
        Self(cents.saturating_mul(10_000))
    }

    /// Floored to whole cents, as the wire shows spend.
    pub fn cents(self) -> u64 {
        self.0 / 10_000
    }

    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

/// What tokens cost, in nano-dollars a token (1 USD per million tokens = 1,000).
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Price {
    pub input: u64,
    pub cached_input: u64,
    pub output: u64,
}

impl Price {
    /// The cost of `usage`, rounded up to a micro-dollar.
    pub fn cost(&self, usage: &Usage) -> MicroUsd {
        let cached = usage.cached_tokens.min(usage.input_tokens);
        let nano = (usage.input_tokens - cached)
            .saturating_mul(self.input)
            .saturating_add(cached.saturating_mul(self.cached_input))
            .saturating_add(usage.output_tokens.saturating_mul(self.output));
        MicroUsd(nano.div_ceil(1000))
    }

    pub fn is_free(&self) -> bool {
        *self == Self::default()
    }
}
