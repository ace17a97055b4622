//! `outcrop executor`: turns the command line into an executor and its transport, and runs it until it is told to end.
//! What it does is the crate `executor`.

use crate::signals::Signals;
use crate::{MISUSED, cli, terminal};
use anyhow::{Context, Result};
use executor::transport::{stdio, websocket};
use executor::{Executor, Machine};
use std::collections::BTreeMap;
use std::ffi::OsString;
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
    // What it starts is of the same user, and must not read or write this process's memory.
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
        .context("this process's memory cannot be closed to others")?;
    let mut signals = Signals::new()?;
    let machine = Machine {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        cwd: std::env::current_dir().context("the current folder is not there")?,
        variables: for_commands(std::env::vars_os()),
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

/// What commands inherit: this process's own variables, and over them those that were handed in for commands alone.
fn for_commands(own: impl Iterator<Item = (OsString, OsString)>) -> Vec<(OsString, OsString)> {
    let for_command = |name: &OsString| name.to_str()?.strip_prefix(hosting::HANDED).map(OsString::from);
    let (mut all, mut handed) = (BTreeMap::new(), Vec::new());
    for (name, value) in own {
        match for_command(&name) {
            Some(name) => handed.push((name, value)),
            None => _ = all.insert(name, value),
        }
    }
    all.extend(handed);
    all.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_handed_in_for_commands_prevails_under_its_own_name() {
        let pair = |name: &str, value: &str| (OsString::from(name), OsString::from(value));
        let handed = |name: &str| format!("{}{name}", hosting::HANDED);
        let own = [
            pair(&handed("TMPDIR"), "/workspace/tmp"),
            pair("PATH", "/bin"),
            pair("TMPDIR", "/tmp"),
            pair(&handed("LD_X"), "x"),
        ];
        let expected = [pair("LD_X", "x"), pair("PATH", "/bin"), pair("TMPDIR", "/workspace/tmp")];
        assert_eq!(for_commands(own.into_iter()), expected);
    }
}
