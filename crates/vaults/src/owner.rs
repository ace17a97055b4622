//! Whose a data key is.

use crate::seal::joined;
use types::ProjectId;

/// The vault of a data key: as another's it does not open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Owner<'a> {
    pub project: &'a ProjectId,
    pub vault: &'a str,
}

impl Owner<'_> {
    /// No two owners come to the same bytes.
    pub(crate) fn place(&self) -> Vec<u8> {
        joined(&["outcrop data key 1", self.project.as_str(), self.vault])
    }
}
