//! HTTP from inside the environment, for a client that cannot reach what the environment can. Proxies of the
//! environment's variables are used.

use serde_json::Value;
use std::error::Error;
use std::sync::OnceLock;
use std::time::Duration;
use tokio::sync::mpsc;
use wire::executor::{
    Base64, BodyDelta, Failure, Header, HttpRequest, HttpResponse, Message, RedirectPolicy, code, method,
};

use crate::connection::answer;
use crate::world;

/// Bytes of a body that comes within the answer; a larger one has to be streamed.
const WHOLE_BODY: usize = 32 * 1024 * 1024;
/// Until the answer has come, if the request does not say; of a streamed one its head.
const TIME: Duration = Duration::from_secs(120);
const LONGEST_TIME: Duration = Duration::from_secs(3600);

/// Made when the first request comes: an executor without one needs no certificates.
#[derive(Default)]
pub struct Clients {
    follows: OnceLock<reqwest::Client>,
    stops: OnceLock<reqwest::Client>,
}

/// A body that is sent piece by piece, after the answer.
pub struct Body {
    request_id: String,
    response: reqwest::Response,
}

impl Clients {
    pub async fn perform(&self, wanted: HttpRequest) -> Result<(Value, Option<Body>), Failure> {
        let time = wanted.timeout_ms.map_or(TIME, Duration::from_millis).min(LONGEST_TIME);
        tokio::select! {
            biased;
            done = self.ask(wanted) => done,
            () = world::sleep(time) => {
                let message = format!("the request took longer than {} ms", time.as_millis());
                Err(Failure::new(code::INTERNAL, message))
            }
        }
    }

    async fn ask(&self, wanted: HttpRequest) -> Result<(Value, Option<Body>), Failure> {
        let HttpRequest { method, url, headers, body_base64, redirect_policy, request_id, stream_response, .. } =
            wanted;
        let bad = |error: &dyn Error| Failure::new(code::INVALID_PARAMS, told(error));
        let method = reqwest::Method::from_bytes(method.as_bytes()).map_err(|error| bad(&error))?;
        let url = reqwest::Url::parse(&url).map_err(|error| Failure::new(code::INVALID_PARAMS, error.to_string()))?;
        let mut request = self.client(redirect_policy)?.request(method, url);
        for Header { name, value } in headers {
            request = request.header(name, value);
        }
        if let Some(Base64(body)) = body_base64 {
            request = request.body(body);
        }
        let request = request.build().map_err(|error| bad(&error))?;
        let response = self.client(redirect_policy)?.execute(request).await.map_err(|error| failure(&error))?;
        let mut head = HttpResponse {
            status: response.status().as_u16(),
            headers: response.headers().iter().map(|(name, value)| header(name.as_str(), value.as_bytes())).collect(),
            body_base64: Base64::default(),
        };
        if stream_response {
            return Ok((answer(head)?, Some(Body { request_id, response })));
        }
        head.body_base64 = Base64(whole(response).await?);
        Ok((answer(head)?, None))
    }

    fn client(&self, policy: RedirectPolicy) -> Result<&reqwest::Client, Failure> {
        let (place, redirects) = match policy {
            RedirectPolicy::Follow => (&self.follows, reqwest::redirect::Policy::limited(10)),
            RedirectPolicy::Stop => (&self.stops, reqwest::redirect::Policy::none()),
        };
        if let Some(client) = place.get() {
            return Ok(client);
        }
        // It fails where there is one already, which serves as well.
        _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().redirect(redirects).build().map_err(|error| failure(&error))?;
        Ok(place.get_or_init(|| client))
    }
}

impl Body {
    /// Sends it to its end, as fast as it is taken.
    pub async fn send(mut self, outgoing: mpsc::Sender<String>) {
        let mut seq = 0;
        loop {
            let (delta, done, error) = match self.response.chunk().await {
                Ok(Some(bytes)) => (bytes.to_vec(), false, None),
                Ok(None) => (Vec::new(), true, None),
                Err(error) => (Vec::new(), true, Some(told(&error))),
            };
            seq += 1;
            let delta =
                BodyDelta { request_id: self.request_id.clone(), seq, delta_base64: Base64(delta), done, error };
            let sent = outgoing.send(Message::notification(method::HTTP_BODY_DELTA, &delta).text()).await;
            if done || sent.is_err() {
                return;
            }
        }
    }
}

async fn whole(mut response: reqwest::Response) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    while let Some(bytes) = response.chunk().await.map_err(|error| failure(&error))? {
        if body.len() + bytes.len() > WHOLE_BODY {
            let message = format!("the body has more than {WHOLE_BODY} bytes: ask for it with streamResponse");
            return Err(Failure::new(code::INTERNAL, message));
        }
        body.extend_from_slice(&bytes);
    }
    Ok(body)
}

fn header(name: &str, value: &[u8]) -> Header {
    Header { name: name.to_owned(), value: String::from_utf8_lossy(value).into_owned() }
}

fn failure(error: &reqwest::Error) -> Failure {
    Failure::new(code::INTERNAL, told(error))
}

/// An error and what is behind it: the first alone says only that something failed.
fn told(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut behind = error.source();
    while let Some(cause) = behind {
        text = format!("{text}: {cause}");
        behind = cause.source();
    }
    text
}
