//! Which revisions of the protocol are spoken, and what differs between them.

/// A revision that this client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Revision {
    /// Still answered by older servers; read as the next one.
    R2024_11_05,
    R2025_03_26,
    R2025_06_18,
    R2025_11_25,
    /// Without handshake and without sessions: every request says who asks.
    R2026_07_28,
}

impl Revision {
    /// What is asked of a server that wants a handshake.
    pub const NEWEST_WITH_HANDSHAKE: Self = Self::R2025_11_25;
    pub const NEWEST: Self = Self::R2026_07_28;

    const ALL: [Self; 5] =
        [Self::R2024_11_05, Self::R2025_03_26, Self::R2025_06_18, Self::R2025_11_25, Self::R2026_07_28];

    #[must_use]
    pub fn date(self) -> &'static str {
        match self {
            Self::R2024_11_05 => "2024-11-05",
            Self::R2025_03_26 => "2025-03-26",
            Self::R2025_06_18 => "2025-06-18",
            Self::R2025_11_25 => "2025-11-25",
            Self::R2026_07_28 => "2026-07-28",
        }
    }

    #[must_use]
    pub fn of(date: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|revision| revision.date() == date)
    }

    #[must_use]
    pub fn is_stateless(self) -> bool {
        self == Self::R2026_07_28
    }

    /// Whether requests carry the revision in a header; older servers do not know it.
    pub(crate) fn has_header(self) -> bool {
        self >= Self::R2025_06_18
    }
}
