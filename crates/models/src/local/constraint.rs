//! What an answer may say, token by token: the line between sampling, which picks a token, and a grammar, which says
//! which ones may be picked. Sampling picks among allowed tokens only; it never bends a logit to forbid one.

/// A rule that one answer follows from its first token to its last.
pub(super) trait Constraint: Send {
    /// The token ids that are allowed next, as a bit mask over the vocabulary: bit `id % 32` of word `id / 32`. Ids
    /// behind the mask's end are not allowed. None: anything.
    fn mask(&mut self) -> Result<Option<&[u32]>, ConstraintError>;

    /// Takes the token that was chosen. Ok(true): the answer is complete and must stop.
    fn take(&mut self, token: u32) -> Result<bool, ConstraintError>;
}

/// The rule broke: no token is allowed, or one came that was not. A defect, never the client's fault.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct ConstraintError(pub String);
