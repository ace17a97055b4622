//! Why a sandbox was not started, or was lost.

use crate::isolation::Layer;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The sandbox would be weaker than a full one, and the plan does not allow that.
    #[error("the sandbox would lack {}; allow a weak sandbox, or see `outcrop doctor`", words(.missing))]
    Weak { missing: Vec<Layer> },
    /// This machine lacks what no sandbox can be without, weak or not.
    #[error("this machine can have no sandbox: it lacks {}; see `outcrop doctor`", words(.missing))]
    Unable { missing: Vec<Layer> },
    /// The plan itself is wrong; nothing was started.
    #[error("{0}")]
    Plan(String),
    /// A step of building the sandbox failed; nothing of it is left.
    #[error("the sandbox could not be built ({step}): {error}")]
    Build { step: String, error: String },
    /// The command could not be run in the sandbox that was built for it.
    #[error("the command could not be run: {0}")]
    Command(String),
    /// The keeper could not be started, or ended without a word.
    #[error("the sandbox's keeper: {0}")]
    Keeper(String),
    /// The sandbox may well run, but this server has let go of it, or another has taken it.
    #[error("this server has let go of the sandbox, or another has taken it")]
    Parted,
}

impl Error {
    pub(crate) fn build(step: &str, error: impl std::fmt::Display) -> Self {
        Self::Build { step: step.to_owned(), error: error.to_string() }
    }
}

fn words(layers: &[Layer]) -> String {
    layers.iter().map(|layer| layer.word()).collect::<Vec<_>>().join(", ")
}
