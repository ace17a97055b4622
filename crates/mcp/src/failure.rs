//! Why a request came to nothing, in the words that decide what its caller may do next.

use crate::challenge::Challenge;
use crate::through::{Begun, HttpLost};
use std::fmt;

/// What is known of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It certainly never reached the server: not one byte of it was written.
    NotSent,
    /// The server answered, and did not do it. The code is JSON-RPC's, where it gave one.
    Refused(Option<i64>),
    /// It may have reached the server, and nobody here knows what came of it.
    Unknown,
    /// The server answered, and its answer is larger than may be.
    TooLarge,
    /// The server wants another token, or one at all; it did nothing.
    Unauthorized(Box<Challenge>),
}

/// A request that came to nothing. Its message is for people and models; it never holds a secret of ours.
#[derive(Clone, Debug)]
pub struct Failure {
    pub kind: Kind,
    pub message: String,
}

impl Failure {
    pub(crate) fn not_sent(message: impl Into<String>) -> Self {
        Self { kind: Kind::NotSent, message: message.into() }
    }

    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self { kind: Kind::Refused(None), message: message.into() }
    }

    pub(crate) fn unknown(message: impl Into<String>) -> Self {
        Self { kind: Kind::Unknown, message: message.into() }
    }

    pub(crate) fn too_large(message: impl Into<String>) -> Self {
        Self { kind: Kind::TooLarge, message: message.into() }
    }

    pub(crate) fn of(lost: HttpLost, begun: &Begun) -> Self {
        if lost.forbidden && !begun.is_marked() {
            Self::refused(lost.why)
        } else {
            Self::lost(begun.is_marked(), lost.why)
        }
    }

    /// Unknown, or known not to have been sent.
    pub(crate) fn lost(begun: bool, message: impl Into<String>) -> Self {
        if begun { Self::unknown(message) } else { Self::not_sent(message) }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// The most of a server's words that goes into a message of ours.
const QUOTED: usize = 500;

/// Whether it moves or hides what stands around it: a control character, or one that only says how others are shown.
pub(crate) fn is_hidden(letter: char) -> bool {
    use unicode_general_category::{GeneralCategory, get_general_category};
    let category = get_general_category(letter);
    letter.is_control()
        || matches!(
            category,
            GeneralCategory::Format | GeneralCategory::LineSeparator | GeneralCategory::ParagraphSeparator
        )
}

/// A server's words, short enough and without what would move a terminal.
pub(crate) fn quoted(text: &str) -> String {
    let mut said: String = text.chars().take(QUOTED).map(|c| if is_hidden(c) { ' ' } else { c }).collect();
    if text.chars().nth(QUOTED).is_some() {
        said.push('…');
    }
    said.trim().to_owned()
}
