//! The parts of the suite: one for each door, with areas of its own. A door that a server does not have is left out and
//! named in the report, unless it was asked for.

use crate::client::{Call, Client};
use crate::endpoint::Method::{Get, Post};
use crate::trouble::Trouble;
use serde::Serialize;
use serde_json::json;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    Agents,
    Responses,
    Conversations,
    Chat,
    Embeddings,
    Files,
    Models,
    /// Of sessions of the Agents API; beyond what the original has.
    Fork,
    /// Hosted environments of the Agents API.
    Environments,
}

impl Part {
    pub const ALL: [Self; 9] = [
        Self::Agents,
        Self::Responses,
        Self::Conversations,
        Self::Chat,
        Self::Embeddings,
        Self::Files,
        Self::Models,
        Self::Fork,
        Self::Environments,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Agents => "agents",
            Self::Responses => "responses",
            Self::Conversations => "conversations",
            Self::Chat => "chat",
            Self::Embeddings => "embeddings",
            Self::Files => "files",
            Self::Models => "models",
            Self::Fork => "fork",
            Self::Environments => "environments",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.name() == name)
    }

    /// Whether the server has the door: a request that does nothing finds somebody, be it to refuse it.
    pub async fn is_served(self, client: &Client) -> Result<bool, Trouble> {
        let nothing = |path: &str| Call::new(Post, path).json(json!({}));
        let call = match self {
            Self::Agents => Call::new(Get, "/agents?limit=1"),
            Self::Responses => nothing("/responses"),
            Self::Conversations => Call::new(Post, "/conversations").json(json!({"metadata": 7})),
            Self::Chat => nothing("/chat/completions"),
            Self::Embeddings => nothing("/embeddings"),
            Self::Files => Call::new(Get, "/files?limit=1"),
            Self::Models => Call::new(Get, "/models"),
            Self::Fork => return fork(client).await,
            Self::Environments => return environments(client).await,
        };
        let answer = client.send(&call).await?;
        Ok(!matches!(answer.status, 404 | 405 | 501))
    }
}

/// A server that makes no environments says so of their type, before it looks at the rest.
async fn environments(client: &Client) -> Result<bool, Trouble> {
    let body = json!({"environment": {"type": "openai_hosted", "files": 7}});
    let answer = client.send(&Call::new(Post, "/agents/environments").json(body)).await?;
    Ok(!matches!(answer.status, 404 | 405 | 501) && answer.json["error"]["param"] != "environment.type")
}

/// A session that is not there and a route that is not there are both a 404; their words differ.
async fn fork(client: &Client) -> Result<bool, Trouble> {
    let ask = |last: &str| Call::new(Post, format!("/agents/sessions/sess_that_is_not_there/{last}")).json(json!({}));
    let (fork, other) = (client.send(&ask("fork")).await?, client.send(&ask("spoon")).await?);
    let words = |text: &str| text.replace("fork", "").replace("spoon", "");
    Ok(fork.status != other.status || words(&fork.text) != words(&other.text))
}
