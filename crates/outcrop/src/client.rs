//! A small client of our own server, for the commands that need a live one. It speaks the same wire as everyone else.

use anyhow::{Context, Result, anyhow, bail};
use bytes::BytesMut;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;

pub struct Client {
    http: reqwest::Client,
    base: String,
    key: String,
}

/// An answer larger than this is none of ours.
const MAX_ANSWER: usize = 64 << 20;

impl Client {
    /// `base` is `http://ADDRESS`, without `/v1`.
    pub fn new(base: &str, key: &str) -> Result<Self> {
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(5))
            .no_proxy()
            .build()
            .context("the HTTP client cannot be made")?;
        Ok(Self { http, base: base.to_owned(), key: key.to_owned() })
    }

    pub async fn get(&self, path: &str) -> Result<Value> {
        let answer = self.send(self.request(Method::GET, path)).await?;
        whole(answer).await
    }

    /// Null where the answer has no body.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let request = self.request(Method::POST, path).header("content-type", "application/json");
        let answer = self.send(request.body(body.to_string())).await?;
        whole(answer).await
    }

    /// The events of a session, from now on.
    pub async fn events(&self, session: &str) -> Result<Events> {
        let request = self.request(Method::GET, &format!("/v1/agents/sessions/{session}/events"));
        Ok(Events::of(self.send(request).await?))
    }

    /// The events of a session behind the one with this id: what is in the log, then what happens.
    pub async fn events_after(&self, session: &str, last: &str) -> Result<Events> {
        let request = self.request(Method::GET, &format!("/v1/agents/sessions/{session}/events"));
        Ok(Events::of(self.send(request.header("last-event-id", last)).await?))
    }

    /// Creates a session and streams it until it is idle.
    pub async fn create_streaming(&self, body: &Value) -> Result<Events> {
        let request = self.request(Method::POST, "/v1/agents/sessions").header("content-type", "application/json");
        Ok(Events::of(self.send(request.body(body.to_string())).await?))
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.base))
            .bearer_auth(&self.key)
            .header("openai-beta", "agents=v1")
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response> {
        let answer = request.send().await.with_context(|| format!("{} does not answer", self.base))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let body = whole(answer).await.unwrap_or(Value::Null);
        match body["error"]["message"].as_str() {
            Some(message) => bail!("the server answered {status}: {message}"),
            None => bail!("the server answered {status}"),
        }
    }
}

async fn whole(mut answer: Response) -> Result<Value> {
    let mut body = BytesMut::new();
    while let Some(chunk) = answer.chunk().await.context("the answer broke off")? {
        anyhow::ensure!(body.len() + chunk.len() <= MAX_ANSWER, "the answer is too large");
        body.extend_from_slice(&chunk);
    }
    if body.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&body).context("the answer is not JSON: is this an outcrop server?")
}

/// Server-sent events, one JSON object each.
pub struct Events {
    answer: Response,
    buffer: BytesMut,
}

impl Events {
    fn of(answer: Response) -> Self {
        Self { answer, buffer: BytesMut::new() }
    }

    /// None where the server ended the stream.
    pub async fn next(&mut self) -> Result<Option<Value>> {
        loop {
            while let Some(line) = take_line(&mut self.buffer) {
                let Some(data) = line.strip_prefix(b"data:") else { continue };
                return serde_json::from_slice(data)
                    .map(Some)
                    .map_err(|error| anyhow!("an event is not JSON: {error}"));
            }
            anyhow::ensure!(self.buffer.len() <= MAX_ANSWER, "an event is too large");
            match self.answer.chunk().await.context("the stream broke off")? {
                Some(chunk) => self.buffer.extend_from_slice(&chunk),
                None => return Ok(None),
            }
        }
    }
}

/// Our server writes each event's data in one line.
fn take_line(buffer: &mut BytesMut) -> Option<BytesMut> {
    let end = buffer.iter().position(|byte| *byte == b'\n')?;
    let mut line = buffer.split_to(end + 1);
    while line.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
        line.truncate(line.len() - 1);
    }
    Some(line)
}

/// Where this machine itself reaches a server that listens on `address`.
pub fn local_url(mut address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() });
    }
    format!("http://{address}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_taken_whole() {
        let mut buffer = BytesMut::from(&b"data: {}\r\n\r\ndata: {\"a\""[..]);
        assert_eq!(take_line(&mut buffer).unwrap(), &b"data: {}"[..]);
        assert_eq!(take_line(&mut buffer).unwrap(), &b""[..]);
        assert_eq!(take_line(&mut buffer), None);
        buffer.extend_from_slice(b":1}\n");
        assert_eq!(take_line(&mut buffer).unwrap(), &b"data: {\"a\":1}"[..]);
    }

    #[test]
    fn every_address_is_reached_from_here() {
        for (address, expected) in [
            ("127.0.0.1:80", "http://127.0.0.1:80"),
            ("0.0.0.0:81", "http://127.0.0.1:81"),
            ("[::]:82", "http://[::1]:82"),
            ("10.0.0.7:83", "http://10.0.0.7:83"),
        ] {
            assert_eq!(local_url(address.parse().unwrap()), expected);
        }
    }
}
