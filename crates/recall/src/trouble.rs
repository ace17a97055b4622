//! What can go wrong, with as much as a client may know of it.

use store::Error;

/// Why something was not done. Nothing of it was written.
#[derive(thiserror::Error, Clone, PartialEq, Eq, Debug)]
pub enum Trouble {
    /// The request cannot be done as it stands; the path of what is at fault, where there is one.
    #[error("{message}")]
    Wrong { reason: Reason, message: String, at: Option<&'static str> },
    /// No such thing in this project.
    #[error("{0}")]
    Missing(String),
    /// There are as many as there may be.
    #[error("{0}")]
    Full(String),
    /// The server cannot take it now.
    #[error("The server cannot take this now. Try again shortly.")]
    Unavailable,
    /// A defect, or a damaged row.
    #[error("{0}")]
    Internal(String),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// A field does not fit.
    Field,
    /// A token came again with another request.
    Repeated,
    /// The event that is named is one of another session.
    Elsewhere,
    /// It does not fit what is there.
    Conflict,
}

impl Trouble {
    pub(crate) fn wrong(at: &'static str, message: impl Into<String>) -> Self {
        Self::Wrong { reason: Reason::Field, message: message.into(), at: Some(at) }
    }

    pub(crate) fn because(reason: Reason, message: impl Into<String>) -> Self {
        Self::Wrong { reason, message: message.into(), at: None }
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        match error {
            Error::Damaged { .. } => Self::Internal("What is stored is damaged.".to_owned()),
            _ => {
                tracing::error!(%error, "the store did not answer");
                Self::Unavailable
            }
        }
    }
}
