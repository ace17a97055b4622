//! KMS over the client of MCP servers. Its address is the operator's word alone, so it may be a private one.

use crate::configuration::Kms as Settings;
use crate::world::{KernelEntropy, TokioClock, TokioSpawn};
use anyhow::{Result, anyhow};
use mcp::{Http, Kind};
use std::sync::Arc;
use std::time::Duration;
use types::BoxFuture;
use vaults::{Answer, KeyService, Kms, KmsWorld, ServiceRequest, Unanswered};

/// Until a connection stands, and until an answer is there.
const CONNECT: Duration = Duration::from_secs(3);
const ANSWER: Duration = Duration::from_secs(6);

/// Makes no connection.
pub fn connect(settings: &Settings, world: mcp::World) -> Result<Kms> {
    let reach = mcp::Reach { allow_private: true, ..mcp::Reach::default() };
    let limits = mcp::Limits { connect: CONNECT, opening: ANSWER, ..mcp::Limits::default() };
    let mcp::World { clock, entropy, spawn } = world.clone();
    let http = Http::new(reach, limits, world).map_err(|why| anyhow!(why))?;
    let around = KmsWorld { clock, entropy, spawn, service: Arc::new(Service(http)) };
    Ok(Kms::new(settings.keys.clone(), settings.endpoint.clone(), settings.access.clone(), around))
}

/// For commands: this machine's own time and chance.
pub fn world() -> mcp::World {
    mcp::World { clock: Arc::new(TokioClock::start()), entropy: Arc::new(KernelEntropy), spawn: Arc::new(TokioSpawn) }
}

struct Service(Http);

impl KeyService for Service {
    fn post<'a>(&'a self, request: &'a ServiceRequest) -> BoxFuture<'a, Result<Answer, Unanswered>> {
        Box::pin(async {
            let url = url::Url::parse(&request.url).map_err(|error| Unanswered::Forbidden(error.to_string()))?;
            let headers: Vec<(&str, &str)> =
                request.headers.iter().map(|(name, value)| (*name, value.reveal())).collect();
            match self.0.post(&url, &headers, request.body.to_vec().into()).await {
                Ok(reply) => Ok(Answer { status: reply.status, body: reply.body.to_vec().into() }),
                Err(failure) if matches!(failure.kind, Kind::Refused(_)) => Err(Unanswered::Forbidden(failure.message)),
                Err(failure) if matches!(failure.kind, Kind::NotSent) => Err(Unanswered::NotSent(failure.message)),
                Err(failure) => Err(Unanswered::Network(failure.message)),
            }
        })
    }
}
