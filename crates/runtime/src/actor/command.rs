//! What a session's actor is asked, and what it says to that.

use crate::handle::RequestKey;
use tokio::sync::oneshot;
use types::{Input, Refusal, Seq, SessionId, SessionView};

pub(crate) enum Command {
    /// Inputs of one request: all or none.
    Submit {
        inputs: Vec<Input>,
        key: Option<RequestKey>,
        reply: oneshot::Sender<Reply>,
    },
    /// Makes the session on another one's records up to a seq.
    Fork {
        base: (SessionId, Seq),
        inputs: Vec<Input>,
        reply: oneshot::Sender<Reply>,
    },
    Delete {
        reply: oneshot::Sender<Reply>,
    },
    /// Load the session and go on with what is pending; look at its deadline.
    Wake {
        reply: oneshot::Sender<Reply>,
    },
}

pub(crate) enum Reply {
    Done(Box<SessionView>),
    Refused(Refusal),
    /// The actor retired before it took the command: ask again.
    Retired,
}

impl Command {
    /// Under an id of its own: one that derives from a request may be there already.
    pub(super) fn makes_a_session(&self) -> bool {
        let Self::Submit { inputs, .. } = self else { return false };
        let derives = |input: &Input| matches!(input, Input::Respond { turn: Some(_), .. });
        matches!(inputs.first(), Some(Input::Create { .. })) && !inputs.iter().any(derives)
    }

    pub(crate) fn answer(self, reply: Reply) {
        let (Self::Submit { reply: to, .. }
        | Self::Fork { reply: to, .. }
        | Self::Delete { reply: to }
        | Self::Wake { reply: to }) = self;
        let _ = to.send(reply);
    }
}
