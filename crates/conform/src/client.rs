//! Sends requests as any client would and takes answers apart, within limits of time and size. It judges nothing.

use crate::endpoint::Method;
use crate::frames::Frames;
use crate::socket::Socket;
use crate::trouble::{Trouble, within};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use std::time::Duration;

/// An answer larger than this is none of this API's. Bytes.
pub const MAX_ANSWER: usize = 32 << 20;
/// How much of a body is shown in a report. Characters.
const SHOWN: usize = 600;

#[derive(Clone, Debug)]
pub enum Body {
    None,
    Json(Value),
    Raw(Vec<u8>),
}

/// One request; headers override those that every request has, and None takes one out.
#[derive(Clone, Debug)]
pub struct Call {
    pub method: Method,
    /// Below the base URL, with its query.
    pub path: String,
    pub body: Body,
    headers: Vec<(&'static str, Option<String>)>,
}

impl Call {
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), body: Body::None, headers: Vec::new() }
    }

    pub fn json(self, body: Value) -> Self {
        Self { body: Body::Json(body), ..self }
    }

    pub fn raw(self, body: impl Into<Vec<u8>>) -> Self {
        Self { body: Body::Raw(body.into()), ..self }
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, Some(value.into())));
        self
    }

    pub fn without(mut self, name: &'static str) -> Self {
        self.headers.push((name, None));
        self
    }

    fn path_is_socket(&self) -> bool {
        self.headers.iter().any(|(name, _)| *name == "upgrade")
    }

    fn shown(&self) -> String {
        let start = format!("{} {}", self.method.word(), self.path);
        match &self.body {
            Body::None => start,
            Body::Json(body) => format!("{start} {}", short(&body.to_string())),
            Body::Raw(body) => format!("{start} {}", short(&String::from_utf8_lossy(body))),
        }
    }
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    /// Null where it is no JSON.
    pub json: Value,
    pub text: String,
    pub bytes: Vec<u8>,
    /// The request and the answer, shortened.
    pub evidence: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub fn is_good(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// What the next step needs of it: a text at this JSON pointer.
    pub fn need(&self, pointer: &str) -> Result<String, Trouble> {
        let found = self.json.pointer(pointer).and_then(Value::as_str);
        found.map(str::to_owned).ok_or_else(|| Trouble::Useless(format!("no text at {pointer}: {}", self.evidence)))
    }
}

#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    /// Speaks HTTP/1.1 alone.
    old: reqwest::Client,
    base: String,
    key: String,
    /// For one answer, or one event.
    pub patience: Duration,
}

impl Client {
    /// `base` is what an SDK is given, with `/v1`. The error says what is wrong with it.
    pub fn new(base: &str, key: &str, patience: Duration) -> Result<Self, String> {
        let base = base.trim_end_matches('/').to_owned();
        let address = reqwest::Url::parse(&base).map_err(|error| format!("the base URL {base}: {error}"))?;
        if !matches!(address.scheme(), "http" | "https") || address.query().is_some() {
            return Err(format!("the base URL {base}: http or https and no query"));
        }
        HeaderValue::from_str(key).map_err(|_| "the key cannot be sent in a header".to_owned())?;
        let client = || {
            let client = reqwest::Client::builder().connect_timeout(patience).user_agent("outcrop-conform");
            client.redirect(reqwest::redirect::Policy::none())
        };
        let http = client().build().map_err(|error| error.to_string())?;
        let old = client().http1_only().build().map_err(|error| error.to_string())?;
        Ok(Self { http, old, base, key: key.to_owned(), patience })
    }

    /// The whole answer.
    pub async fn send(&self, call: &Call) -> Result<Answer, Trouble> {
        let asked = call.shown();
        let answer = within(self.patience, &asked, async { whole(self.begin(call, &asked).await?, &asked).await });
        answer.await?
    }

    /// An answer that is read event by event, or whole where it is no stream.
    pub async fn open(&self, call: &Call) -> Result<Result<Frames, Answer>, Trouble> {
        let asked = call.shown();
        let response = within(self.patience, &asked, self.begin(call, &asked)).await??;
        let kind = response.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if kind.starts_with("text/event-stream") && response.status().is_success() {
            return Ok(Ok(Frames::of(response, asked, self.patience)));
        }
        Ok(Err(within(self.patience, &asked, whole(response, &asked)).await??))
    }

    /// A WebSocket at this path, with the key or without.
    pub async fn socket(&self, path: &str, known: bool) -> Result<Result<Socket, Answer>, Trouble> {
        let asked = format!("WebSocket {path}");
        let call = Call::new(Method::Get, path)
            .with("connection", "Upgrade")
            .with("upgrade", "websocket")
            .with("sec-websocket-version", "13")
            .with("sec-websocket-key", "b3V0Y3JvcC1jb25mb3JtIQ==");
        let call = if known { call } else { call.without("authorization") };
        let response = within(self.patience, &asked, self.begin(&call, &asked)).await??;
        if response.status().as_u16() != 101 {
            return Ok(Err(within(self.patience, &asked, whole(response, &asked)).await??));
        }
        let line = within(self.patience, &asked, response.upgrade()).await?.map_err(|error| broken(&asked, &error))?;
        Ok(Ok(Socket::new(line, asked, self.patience).await))
    }

    async fn begin(&self, call: &Call, asked: &str) -> Result<reqwest::Response, Trouble> {
        let method = match call.method {
            Method::Delete => reqwest::Method::DELETE,
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
        };
        // Over HTTP/2 nothing is upgraded.
        let http = if call.path_is_socket() { &self.old } else { &self.http };
        let request = http.request(method, format!("{}{}", self.base, call.path)).headers(self.headers(call));
        let request = match &call.body {
            Body::None => request,
            Body::Json(body) => request.body(body.to_string()),
            Body::Raw(body) => request.body(body.clone()),
        };
        request.send().await.map_err(|error| broken(asked, &error))
    }

    fn headers(&self, call: &Call) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let mut put = |name: &'static str, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        };
        put("authorization", &format!("Bearer {}", self.key));
        put("openai-beta", "agents=v1");
        put("accept", "*/*");
        if !matches!(call.body, Body::None) {
            put("content-type", "application/json");
        }
        for (name, value) in &call.headers {
            match value {
                Some(value) => put(name, value),
                None => put(name, ""),
            }
        }
        for (name, value) in &call.headers {
            if value.is_none() {
                headers.remove(*name);
            }
        }
        headers
    }
}

async fn whole(mut response: reqwest::Response, asked: &str) -> Result<Answer, Trouble> {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| broken(asked, &error))? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(Trouble::TooLarge { asked: asked.to_owned(), limit: MAX_ANSWER });
        }
        body.extend_from_slice(&chunk);
    }
    let text = String::from_utf8_lossy(&body).into_owned();
    let json = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let evidence = format!("{asked}\n-> {status} {}", short(&text));
    Ok(Answer { status, headers, json, text, bytes: body, evidence })
}

/// An error with what is behind it.
pub fn broken(asked: &str, error: &(dyn std::error::Error + 'static)) -> Trouble {
    let mut why = error.to_string();
    let mut behind = error.source();
    while let Some(cause) = behind {
        why = format!("{why}: {cause}");
        behind = cause.source();
    }
    Trouble::Broken { asked: asked.to_owned(), why }
}

/// The beginning of a text that may be long.
pub fn short(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text.to_owned(),
    }
}
