//! The HTTP layer that all upstream providers share: one client an entry, one POST a call, the answer read as
//! server-sent events or as one JSON body, within bounds.
//!
//! It asks once: it never retries, never follows a redirect (the key would travel with it) and sets no time limit but
//! the one for connecting; the runtime watches silence by the `Alive` events. What goes wrong becomes a
//! [`ModelError`] here and nowhere else, so that no message leaves with a key or an address of ours in it.

mod body;
mod events;
mod failure;
mod redaction;
mod tls;

pub(crate) use failure::Fault;

use crate::Sink;
use crate::secret::Secret;
use body::{Body, MAX_ERROR_BYTES};
use events::EventReader;
use redaction::Redaction;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Response, Url, redirect};
use serde_json::Value;
use std::time::Duration;
use types::{ModelError, ModelErrorKind, ModelEvent, ModelFinish};

/// How to reach one upstream.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `http` or `https`; the paths of the API are appended to it. A query is kept.
    pub base_url: String,
    /// Sent as a bearer token. None for an upstream that wants none.
    pub api_key: Option<Secret>,
    /// How long making a connection may take, TLS included.
    pub connect_timeout: Duration,
}

/// Why an upstream cannot be used as it is configured.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("base_url is not a URL: {0}")]
    BaseUrl(String),
    #[error("base_url must begin with http:// or https://")]
    Scheme,
    #[error("base_url must not hold a user name or password: name a variable with api_key_env")]
    Credentials,
    #[error("the API key holds characters that a header cannot carry")]
    Key,
    #[error("no TLS root certificates were found: install the system's CA certificates or set SSL_CERT_FILE")]
    Roots,
    #[error("the HTTP client could not be made: {0}")]
    Client(String),
}

/// One upstream, with its pool of connections. `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` are honoured; loopback
/// addresses never go through a proxy.
pub struct Upstream {
    client: Client,
    base: Url,
    authorization: Option<HeaderValue>,
    redaction: Redaction,
}

/// What a provider makes of an answer. Its faults carry the upstream's own words raw; the layer cleans them.
pub(crate) trait Reader: Send {
    /// Takes one server-sent event; Some when it was the last.
    fn event(&mut self, data: &str, sink: Sink<'_>) -> Result<Option<ModelFinish>, Fault>;
    /// Takes an answer that came as one JSON body although a stream was asked for.
    fn whole(&mut self, answer: Value, sink: Sink<'_>) -> Result<ModelFinish, Fault>;
}

impl Upstream {
    /// Reads the system's root certificates; makes no connection.
    pub fn new(settings: Settings) -> Result<Self, Error> {
        let base = Url::parse(&settings.base_url).map_err(|error| Error::BaseUrl(error.to_string()))?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(Error::Scheme);
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(Error::Credentials);
        }
        let authorization = match &settings.api_key {
            None => None,
            Some(key) => {
                let mut value = HeaderValue::from_str(&format!("Bearer {}", key.reveal())).map_err(|_| Error::Key)?;
                value.set_sensitive(true);
                Some(value)
            }
        };
        let tls = tls::client_config(base.scheme() == "https")?;
        let mut builder = Client::builder()
            .use_preconfigured_tls(tls)
            .user_agent(concat!("outcrop/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(settings.connect_timeout)
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never());
        if is_loopback(&base) {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|error| Error::Client(error.to_string()))?;
        let redaction = Redaction::new(settings.api_key, &base);
        Ok(Self { client, base, authorization, redaction })
    }

    /// Whether this is OpenAI itself, which alone knows some of its newer fields; others may refuse what they do not
    /// know.
    pub(crate) fn is_openai(&self) -> bool {
        let host = self.base.host_str().unwrap_or_default();
        ["openai.com", "openai.azure.com"]
            .iter()
            .any(|owner| host.strip_suffix(owner).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
    }

    /// Posts `question` to `path` below the base and feeds the answer to `reader` until it is complete.
    pub(crate) async fn ask(
        &self,
        path: &str,
        question: &Value,
        reader: &mut dyn Reader,
        sink: Sink<'_>,
    ) -> Result<ModelFinish, ModelError> {
        match self.exchange(path, question, reader, sink).await {
            Ok(finish) => Ok(finish),
            Err(fault) => {
                let error = fault.into_error(&self.redaction);
                tracing::debug!(kind = ?error.kind, message = %error.message, "a model call failed");
                Err(error)
            }
        }
    }

    async fn exchange(
        &self,
        path: &str,
        question: &Value,
        reader: &mut dyn Reader,
        sink: Sink<'_>,
    ) -> Result<ModelFinish, Fault> {
        let mut request = self
            .client
            .post(self.address(path))
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "text/event-stream, application/json")
            .body(question.to_string());
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        let response = request.send().await.map_err(|error| Fault::of_transport(&error))?;
        receive(response, reader, sink).await
    }

    fn address(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        let joined = format!("{}/{path}", self.base.path().trim_end_matches('/'));
        url.set_path(&joined);
        url
    }
}

async fn receive(response: Response, reader: &mut dyn Reader, sink: Sink<'_>) -> Result<ModelFinish, Fault> {
    sink(ModelEvent::Alive);
    if !response.status().is_success() {
        return Err(refused(response, sink).await);
    }
    match media_type(&response).as_str() {
        "application/json" => {
            let bytes = Body::new(response).whole(sink).await?;
            let answer = serde_json::from_slice(&bytes).map_err(|_| not_json())?;
            reader.whole(answer, sink)
        }
        "text/html" => Err(Fault::new(
            ModelErrorKind::Protocol,
            "the upstream answered with an HTML page: base_url does not lead to its API",
        )),
        _ => stream(Body::new(response), reader, sink).await,
    }
}

/// An answer that came from nowhere.
#[cfg(feature = "fuzz")]
pub(crate) async fn received(
    response: Response,
    reader: &mut dyn Reader,
    sink: Sink<'_>,
) -> Result<ModelFinish, ModelError> {
    receive(response, reader, sink).await.map_err(|fault| fault.into_error(&Redaction::default()))
}

async fn stream(mut body: Body, reader: &mut dyn Reader, sink: Sink<'_>) -> Result<ModelFinish, Fault> {
    let mut events = EventReader::default();
    while let Some(chunk) = body.chunk(sink).await? {
        let mut complete = Vec::new();
        let pushed = events.push(&chunk, &mut complete);
        // What came before a fault counts, wherever the network cut: it may have been the end.
        for data in complete {
            if let Some(finish) = reader.event(&data, sink)? {
                return Ok(finish);
            }
        }
        pushed?;
    }
    // Some upstreams leave out the empty line after the last event. Half an event does not parse and counts as torn.
    if let Some(data) = events.rest() {
        match reader.event(&data, sink) {
            Ok(Some(finish)) => return Ok(finish),
            Err(fault) if fault.kind() != ModelErrorKind::Protocol => return Err(fault),
            Ok(None) | Err(_) => {}
        }
    }
    Err(Fault::torn())
}

/// What an answer with another status than 2xx means.
async fn refused(response: Response, sink: Sink<'_>) -> Fault {
    let status = response.status().as_u16();
    let retry_after = failure::retry_after(response.headers());
    let body = Body::new(response).at_most(MAX_ERROR_BYTES, sink).await;
    Fault::of_answer(status, &body, retry_after)
}

fn media_type(response: &Response) -> String {
    let value = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The words of both providers for what is no JSON.
pub(crate) fn not_json() -> Fault {
    Fault::new(ModelErrorKind::Protocol, "the upstream's answer is not valid JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openai_is_known_by_its_host() {
        let cases = [
            ("http://api.openai.com/v1", true),
            ("http://eu.api.openai.com/v1", true),
            ("http://mine.openai.azure.com/openai/v1", true),
            ("http://notopenai.com/v1", false),
            ("http://openai.com.example.org/v1", false),
            ("http://127.0.0.1:9000/openai.com", false),
        ];
        for (base_url, expected) in cases {
            let settings =
                Settings { base_url: base_url.into(), api_key: None, connect_timeout: Duration::from_secs(1) };
            assert_eq!(Upstream::new(settings).unwrap().is_openai(), expected, "{base_url}");
        }
    }
}
