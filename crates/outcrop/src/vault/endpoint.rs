//! Token endpoints over the client of MCP servers, so that both may reach the same addresses.

use mcp::{Http, Kind};
use std::sync::Arc;
use types::BoxFuture;
use vaults::{Answer, TokenEndpoint, TokenRequest, Unanswered};

pub struct Endpoint(pub Arc<Http>);

impl TokenEndpoint for Endpoint {
    fn post<'a>(&'a self, request: &'a TokenRequest) -> BoxFuture<'a, Result<Answer, Unanswered>> {
        Box::pin(async {
            let url = url::Url::parse(&request.url).map_err(|error| Unanswered::Forbidden(error.to_string()))?;
            let form: Vec<(&str, &str)> = request.form.iter().map(|(name, value)| (*name, value.reveal())).collect();
            let basic = request.basic.as_ref().map(|(client, secret)| (client.as_str(), secret.reveal()));
            match self.0.post_form(&url, &form, basic).await {
                Ok(reply) => Ok(Answer { status: reply.status, body: reply.body.to_vec().into() }),
                Err(failure) if matches!(failure.kind, Kind::Refused(_)) => Err(Unanswered::Forbidden(failure.message)),
                Err(failure) if matches!(failure.kind, Kind::NotSent) => Err(Unanswered::NotSent(failure.message)),
                Err(failure) => Err(Unanswered::Network(failure.message)),
            }
        })
    }
}
