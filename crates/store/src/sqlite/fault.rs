//! What can go wrong inside a transaction: the store's answer is no, or SQLite's is. The difference matters to the
//! writer: a refusal leaves the transaction sound.

use crate::{AppendError, Error};

pub(super) enum Fault<E> {
    Refused(E),
    Sqlite(rusqlite::Error),
}

impl<E> From<rusqlite::Error> for Fault<E> {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<Error> for Fault<Error> {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl From<AppendError> for Fault<AppendError> {
    fn from(error: AppendError) -> Self {
        Self::Refused(error)
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

/// A column that held something else than we put there.
pub(super) fn unreadable(what: &str, error: impl std::fmt::Display) -> Error {
    Error::Failed(format!("{what} cannot be read: {error}"))
}
