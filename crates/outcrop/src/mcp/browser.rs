//! A visit with a browser: prints the address, and hears on a loopback port what the authorization server sends back.

use crate::terminal;
use anyhow::{Context, Result};
use mcp::oauth::Visitor;
use std::net::Ipv4Addr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use types::BoxFuture;
use url::Url;

/// The longest request that a browser may make here.
const REQUEST: usize = 16 * 1024;
const PATH: &str = "/callback";
const DONE: &str = "You can close this page: the answer has arrived at `outcrop mcp`.\n";

pub struct Browser {
    listener: TcpListener,
    port: u16,
}

impl Browser {
    pub async fn listen() -> Result<Self> {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no loopback port can be listened on")?;
        let port = listener.local_addr().context("the loopback port has no address")?.port();
        Ok(Self { listener, port })
    }

    async fn hear(&self) -> Result<String, String> {
        loop {
            let (stream, _) = self.listener.accept().await.map_err(|error| error.to_string())?;
            // A browser asks for other things too, and may hang up in the middle.
            if let Some(query) = answered(stream).await {
                return Ok(query);
            }
        }
    }
}

impl Visitor for Browser {
    fn redirect_uri(&self) -> String {
        format!("http://127.0.0.1:{}{PATH}", self.port)
    }

    fn visit(&self, address: Url) -> BoxFuture<'_, Result<String, String>> {
        Box::pin(async move {
            terminal::warn(format_args!("open this address in a browser:\n\n  {address}\n"));
            self.hear().await
        })
    }
}

/// The query of a request for the callback; others are told that there is nothing.
async fn answered(mut stream: TcpStream) -> Option<String> {
    let mut request = Vec::new();
    let mut piece = [0; 2048];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        let read = stream.read(&mut piece).await.ok().filter(|read| *read > 0)?;
        request.extend_from_slice(&piece[..read]);
        if request.len() > REQUEST {
            return None;
        }
    }
    let request = String::from_utf8_lossy(&request);
    let target = request.lines().next()?.strip_prefix("GET ")?.split(' ').next()?.to_owned();
    let query = match target.split_once('?') {
        Some((PATH, query)) => Some(query.to_owned()),
        _ => None,
    };
    let (status, body) = if query.is_some() { ("200 OK", DONE) } else { ("404 Not Found", "Nothing is here.\n") };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
    let _ = stream.shutdown().await;
    query
}
