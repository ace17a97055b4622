//! A WebSocket on which JSON goes both ways, with limits of time and size. It does not know what the events mean.

use crate::client::{MAX_ANSWER, broken, short};
use crate::trouble::{Trouble, within};
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use std::time::Duration;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

/// No turn of this suite is longer.
const MAX_MESSAGES: usize = 20_000;

#[derive(Debug)]
pub struct Socket {
    line: WebSocketStream<reqwest::Upgraded>,
    pub asked: String,
    patience: Duration,
    read: usize,
}

impl Socket {
    pub async fn new(line: reqwest::Upgraded, asked: String, patience: Duration) -> Self {
        let limits = WebSocketConfig::default().max_message_size(Some(MAX_ANSWER)).max_frame_size(Some(MAX_ANSWER));
        let line = WebSocketStream::from_raw_socket(line, Role::Client, Some(limits)).await;
        Self { line, asked, patience, read: 0 }
    }

    pub async fn send(&mut self, body: &Value) -> Result<(), Trouble> {
        self.send_text(body.to_string()).await
    }

    pub async fn send_text(&mut self, text: String) -> Result<(), Trouble> {
        self.asked = format!("WebSocket /responses: {}", short(&text));
        let sent = within(self.patience, &self.asked, self.line.send(Message::text(text))).await?;
        sent.map_err(|error| broken(&self.asked, &error))
    }

    /// The next event; None where the server closed.
    pub async fn next(&mut self) -> Result<Option<Value>, Trouble> {
        self.read += 1;
        if self.read > MAX_MESSAGES {
            let why = format!("the socket goes on and on; {MAX_MESSAGES} messages were read");
            return Err(Trouble::Broken { asked: self.asked.clone(), why });
        }
        let asked = format!("{} (its next event)", self.asked);
        within(self.patience, &asked, self.pull()).await?
    }

    async fn pull(&mut self) -> Result<Option<Value>, Trouble> {
        while let Some(message) = self.line.next().await {
            let text = match message.map_err(|error| broken(&self.asked, &error))? {
                Message::Text(text) => text,
                Message::Close(_) => return Ok(None),
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => continue,
                Message::Binary(_) => {
                    let why = "a binary message came".to_owned();
                    return Err(Trouble::Broken { asked: self.asked.clone(), why });
                }
            };
            let parsed = serde_json::from_str(&text).map_err(|error| Trouble::Broken {
                asked: self.asked.clone(),
                why: format!("a message is no JSON ({error}): {}", short(&text)),
            });
            return parsed.map(Some);
        }
        Ok(None)
    }

    pub async fn close(mut self) {
        // Whether the other end still hears it changes nothing.
        _ = within(self.patience, &self.asked, self.line.close(None)).await;
    }
}
