//! `outcrop executor`: turns the command line into an executor and its transport, and runs it until it is told to end.
//! What it does is the crate `executor`.

use crate::signals::Signals;
use crate::{MISUSED, cli, terminal};
use anyhow::{Context, Result};
use executor::transport::{stdio, websocket};
use executor::{Executor, Machine};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// 0 where it was told to end or its input ended, 1 where it cannot listen, 2 for a place that makes no sense.
pub async fn run(wanted: &cli::Executor) -> ExitCode {
    let Some(place) = Place::read(&wanted.listen) else {
        let said = terminal::tame(&wanted.listen);
        terminal::warn(format_args!(
            "error: --listen {said}: write ws://ADDRESS:PORT, such as ws://127.0.0.1:0, stdio or inherited"
        ));
        return ExitCode::from(MISUSED);
    };
    match serve(place, Duration::from_secs(wanted.keep_detached)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            terminal::warn(format_args!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

enum Place {
    Stdio,
    Inherited,
    WebSocket(SocketAddr),
}

impl Place {
    fn read(text: &str) -> Option<Self> {
        match text {
            "stdio" => Some(Self::Stdio),
            "inherited" => Some(Self::Inherited),
            _ => text.strip_prefix("ws://")?.trim_end_matches('/').parse().ok().map(Self::WebSocket),
        }
    }
}

async fn serve(place: Place, kept_detached: Duration) -> Result<()> {
    let mut signals = Signals::new()?;
    let machine = Machine {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        cwd: std::env::current_dir().context("the current folder is not there")?,
        variables: std::env::vars_os().collect(),
    };
    let executor = Executor::new(machine, kept_detached);
    let served = async {
        match place {
            Place::Stdio => stdio::serve(Arc::clone(&executor)).await,
            Place::WebSocket(address) => {
                let listener = websocket::Listener::bind(address).await;
                let listener = listener.with_context(|| format!("cannot listen on ws://{address}"))?;
                terminal::say(listener.url().unwrap_or_default());
                listener.serve(Arc::clone(&executor)).await;
            }
            Place::Inherited => {
                let listener = websocket::Listener::standard_input();
                let listener = listener.context("--listen inherited: the standard input")?;
                listener.serve(Arc::clone(&executor)).await;
            }
        }
        Ok(())
    };
    let done = tokio::select! {
        biased;
        () = signals.next() => Ok(()),
        done = served => done,
    };
    executor.end().await;
    done
}
