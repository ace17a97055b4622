//! HTTP from within a session's environment: its executor makes the request, under the environment's own rules of reach.

use environments::machine::{Fault, HttpCall};
use environments::workbench::Machines;
use mcp::{HttpAnswer, HttpBody, HttpLost, HttpRequest, HttpThrough};
use std::sync::Arc;
use std::time::Duration;
use types::{BoxFuture, ProjectId, SessionId};
use url::Url;

/// How long the environment may take to be there.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Inside {
    pub machines: Arc<dyn Machines>,
    pub project: ProjectId,
    pub session: SessionId,
}

impl Inside {
    async fn ask(&self, request: HttpRequest) -> Result<HttpAnswer, HttpLost> {
        let found = self.machines.find(&self.project, &self.session, PATIENCE).await;
        let station = found.ok_or_else(|| HttpLost::new("the environment is not connected"))?;
        let call = HttpCall {
            method: request.method.word().to_owned(),
            url: request.url.to_string(),
            headers: request.headers,
            body: request.body.to_vec(),
        };
        request.begun.mark();
        let reply = station.machine.http(call).await.map_err(|fault| lost(&fault, &request.url))?;
        let headers = reply.headers.into_iter().map(|(name, value)| (name.to_lowercase(), value)).collect();
        Ok(HttpAnswer { status: reply.status, headers, body: Box::new(Whole(Some(reply.body))) })
    }
}

/// What went wrong, without the URL: its query may be somebody's secret.
fn lost(fault: &Fault, url: &Url) -> HttpLost {
    let host = url.host_str().unwrap_or_default();
    HttpLost::new(match fault {
        Fault::Refused(why) => format!("from the environment: {}", why.replace(url.as_str(), host)),
        fault => fault.to_string(),
    })
}

impl HttpThrough for Inside {
    fn send(&self, request: HttpRequest) -> BoxFuture<'_, Result<HttpAnswer, HttpLost>> {
        Box::pin(self.ask(request))
    }
}

/// A body that came with its head.
struct Whole(Option<Vec<u8>>);

impl HttpBody for Whole {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<bytes::Bytes>, HttpLost>> {
        let body = self.0.take().map(Into::into);
        Box::pin(async { Ok(body) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_executors_error_says_nothing_of_a_path_or_a_query() {
        let url = Url::parse("https://a.example/mcp/x?key=hidden").expect("a URL");
        let told = lost(&Fault::Refused(format!("error sending request for url ({url}): refused")), &url);
        assert_eq!(told.why, "from the environment: error sending request for url (a.example): refused");
    }
}
