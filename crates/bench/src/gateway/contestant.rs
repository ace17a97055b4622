//! A server that is measured: where it is, how it names things, what it serves.

use super::shape::{Request, Shape};
use crate::client::Target;
use crate::server::Server;
use anyhow::Result;
use std::time::Duration;

/// What the aims say of whom.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// What all are compared with.
    Bare,
    /// Ours; whether the journal is on, and waits for a disk.
    Ours {
        journal: bool,
        disk: bool,
    },
    TensorZero,
    LiteLlm,
}

pub struct Contestant {
    pub name: &'static str,
    pub role: Role,
    target: Target,
    /// None for the mock, which outlives this.
    server: Option<Server>,
}

impl Contestant {
    pub fn bare(mock: &Server) -> Self {
        Self { name: "bare mock", role: Role::Bare, target: mock.target.clone(), server: None }
    }

    pub fn outcrop(name: &'static str, server: Server, journal: bool) -> Self {
        let role = Role::Ours { journal, disk: name.ends_with("disk") };
        Self { name, role, target: server.target.clone(), server: Some(server) }
    }

    pub fn other(name: &'static str, role: Role, server: Server) -> Self {
        Self { name, role, target: server.target.clone(), server: Some(server) }
    }

    pub fn target(&self) -> &Target {
        &self.target
    }

    /// TensorZero speaks no Responses, and nobody but us Bedrock's words.
    pub fn serves(&self, shape: Shape) -> bool {
        let is_ours = matches!(self.role, Role::Ours { .. });
        (is_ours || shape.operation().is_none()) && (self.role != Role::TensorZero || shape.is_chat())
    }

    pub fn request(&self, shape: Shape) -> Request {
        match self.role {
            Role::Bare | Role::LiteLlm => Request::new(shape, "", None, None),
            Role::Ours { journal, .. } => Request::new(shape, "", None, Some(journal)),
            Role::TensorZero => Request::new(shape, "/openai", Some("tensorzero::model_name::mock"), None),
        }
    }

    /// Processor time so far, of the server alone.
    pub fn cpu(&self) -> Result<Duration> {
        self.server.as_ref().map_or(Ok(Duration::ZERO), Server::cpu)
    }
}
