//! Characters whose bytes are still coming.

/// What is written of a character.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Partial {
    #[default]
    Nothing,
    /// A backslash.
    Escape,
    /// Some of its bytes: the bits of the code that they hold, how many bytes are missing, and which may be the next.
    Bytes { bits: u32, missing: u8, first: u8, last: u8 },
}

/// What one more byte makes of it.
pub(super) enum Next {
    Partial(Partial),
    Character(u32),
}

impl Partial {
    /// None: no character is spelled so. Escapes are not spelled here.
    pub fn after(self, byte: u8) -> Option<Next> {
        let bytes =
            |bits: u8, missing, first, last| Next::Partial(Self::Bytes { bits: u32::from(bits), missing, first, last });
        match self {
            Self::Escape => None,
            Self::Nothing => Some(match byte {
                0..0x80 => Next::Character(u32::from(byte)),
                0xc2..0xe0 => bytes(byte & 0x1f, 1, 0x80, 0xbf),
                0xe0 => bytes(0, 2, 0xa0, 0xbf),
                0xed => bytes(0x0d, 2, 0x80, 0x9f),
                0xe1..0xf0 => bytes(byte & 0x0f, 2, 0x80, 0xbf),
                0xf0 => bytes(0, 3, 0x90, 0xbf),
                0xf4 => bytes(4, 3, 0x80, 0x8f),
                0xf1..0xf4 => bytes(byte & 0x07, 3, 0x80, 0xbf),
                _ => return None,
            }),
            Self::Bytes { bits, missing, first, last } => (first..=last).contains(&byte).then(|| {
                let bits = bits << 6 | u32::from(byte & 0x3f);
                match missing {
                    1 => Next::Character(bits),
                    _ => Next::Partial(Self::Bytes { bits, missing: missing - 1, first: 0x80, last: 0xbf }),
                }
            }),
        }
    }

    /// The bytes that are missing to a character.
    pub fn missing(self) -> u32 {
        match self {
            Self::Nothing => 0,
            Self::Escape => 1,
            Self::Bytes { missing, .. } => u32::from(missing),
        }
    }

    /// The same, where it does not matter which character it will be.
    pub fn coarse(self) -> Self {
        match self {
            Self::Bytes { missing, first, last, .. } => Self::Bytes { bits: 0, missing, first, last },
            other => other,
        }
    }

    /// The first and the last character that begin so.
    pub fn span(self) -> (u32, u32) {
        let Self::Bytes { bits, missing, first, last } = self else { return (0, 0x10_ffff) };
        let below = 6 * u32::from(missing.saturating_sub(1));
        let with = |byte: u8| (bits << 6 | u32::from(byte & 0x3f)) << below;
        (with(first), with(last) | ((1 << below) - 1))
    }
}
