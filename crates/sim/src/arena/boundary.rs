//! The boundaries of a run: wherever a process may die with a difference.

/// Where a crash may strike.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Boundary {
    WriteAsked,
    WriteUnderWay,
    WriteCommitted,
    WriteAnswered,
    ModelBegun,
    ModelSpeaks,
    ModelEnded,
    ToolBegun,
    ToolRuns,
    ToolEnded,
    Reply,
    Event,
}

impl Boundary {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::WriteAsked => "a write asked",
            Self::WriteUnderWay => "a write under way",
            Self::WriteCommitted => "a write committed",
            Self::WriteAnswered => "a write answered",
            Self::ModelBegun => "a model call begun",
            Self::ModelSpeaks => "a model in the middle",
            Self::ModelEnded => "a model call ended",
            Self::ToolBegun => "a tool call begun",
            Self::ToolRuns => "a tool in the middle",
            Self::ToolEnded => "a tool call ended",
            Self::Reply => "a reply to a client",
            Self::Event => "an event to a client",
        }
    }
}
