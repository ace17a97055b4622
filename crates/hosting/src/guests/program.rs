//! The program of a session: started in its sandbox, waited for until it answers, heard to its end. One that an earlier
//! server started is found by its number.

use super::{Host, Unserved, way_in};
use crate::hosting::Hosting;
use crate::live::Live;
use crate::plan::CODE;
use crate::record::Guest;
use crate::runtimes::Version;
use crate::seat::Seat;
use bytes::Bytes;
use environments::machine::{Command, Fault, Machine as _};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::http;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::watch;
use types::{Refusal, RefusalKind};

/// How long a program may take until it answers, and one question may.
const READY: Duration = Duration::from_secs(120);
const PING: Duration = Duration::from_secs(5);
/// Before it is asked again.
const PAUSE: Duration = Duration::from_millis(30);
/// The longest that the executor is asked to wait for what it says.
const WAIT: Duration = Duration::from_secs(10);
/// Bytes of the end of what it said: kept for an error, and said in one.
const KEPT: usize = 64 << 10;
const SAID: usize = 2 << 10;
/// Bytes of an answer to a ping.
const PONG: usize = 4 << 10;
/// What a program that is busy says.
const BUSY: &str = "HealthyBusy";

/// A program that runs, as far as is known.
#[derive(Clone)]
pub(crate) struct Program {
    live: Weak<Live>,
    /// How it ended, in words.
    ended: watch::Receiver<Option<String>>,
    said: Arc<Mutex<Vec<u8>>>,
}

impl Program {
    fn runs_in(&self, live: &Arc<Live>) -> bool {
        self.ended.borrow().is_none() && self.live.upgrade().is_some_and(|own| Arc::ptr_eq(&own, live))
    }
}

impl Hosting {
    /// The caller has the host's turn.
    pub(super) async fn program(
        &self,
        seat: &Arc<Seat>,
        host: &Host,
        live: &Arc<Live>,
        version: &Version,
    ) -> Result<Guest, Unserved> {
        let row = self.inner.environment(&seat.project, &seat.id).await?;
        let guest = row.guest.ok_or_else(|| Refusal::new(RefusalKind::Internal, "a session of no runtime"))?;
        if host.program().as_ref().is_some_and(|program| program.runs_in(live)) {
            return Ok(guest);
        }
        if let Some(found) = self.found_program(live, &guest).await {
            *host.program() = Some(found);
            return Ok(guest);
        }
        self.started_program(seat, host, live, version).await
    }

    /// The program of a session that runs does not listen: another is started in its place, unless somebody has done so.
    pub(super) async fn began_anew(&self, seat: &Arc<Seat>, version: &Version) -> Result<(), Unserved> {
        let host = self.inner.guests.of(&seat.id);
        let _turn = host.turn.lock().await;
        let ended = || Unserved::Program("The session ended while it was asked.".to_owned());
        let live = seat.live().ok_or_else(ended)?;
        if self.ping(&seat.id).await.is_some() {
            return Ok(());
        }
        let row = self.inner.environment(&seat.project, &seat.id).await?;
        let starts = row.guest.map(|guest| guest.starts).unwrap_or_default();
        // Mostly it has ended already.
        let _ = live.client.terminate(&process(starts)).await;
        self.started_program(seat, &host, &live, version).await.map(|_| ())
    }

    /// One that an earlier server started, if it runs.
    async fn found_program(&self, live: &Arc<Live>, guest: &Guest) -> Option<Program> {
        if guest.starts == 0 {
            return None;
        }
        let process = process(guest.starts);
        let output = live.client.read(&process, 0, Duration::ZERO).await.ok()?;
        let runs = output.exit_code.is_none() && !output.closed && output.failure.is_none();
        runs.then(|| self.heard(live, process))
    }

    async fn started_program(
        &self,
        seat: &Arc<Seat>,
        host: &Host,
        live: &Arc<Live>,
        version: &Version,
    ) -> Result<Guest, Unserved> {
        let row = self.inner.change(&seat.project, &seat.id, |row| {
            if let Some(guest) = row.guest.as_mut() {
                guest.starts += 1;
            }
        });
        let guest = row.await?.guest.ok_or_else(|| Refusal::new(RefusalKind::Internal, "a session of no runtime"))?;
        let process = process(guest.starts);
        let command = Command {
            process: process.clone(),
            argv: argv(version),
            working_directory: CODE.to_owned(),
            variables: variables(version),
            ..Command::default()
        };
        let started = live.client.start(command).await;
        started.map_err(|fault| match fault {
            Fault::Disconnected | Fault::Lost => {
                Unserved::Program("The session ended while it was started.".to_owned())
            }
            fault => Unserved::Program(format!("The runtime could not be started: {}", words(&fault.to_string()))),
        })?;
        let program = self.heard(live, process.clone());
        match self.ready(&seat.id, program.clone()).await {
            Ok(()) => {
                *host.program() = Some(program);
                Ok(guest)
            }
            Err(why) => {
                let _ = live.client.terminate(&process).await;
                Err(Unserved::Program(why))
            }
        }
    }

    /// Hears a program to its end.
    fn heard(&self, live: &Arc<Live>, process: String) -> Program {
        let (end, ended) = watch::channel(None);
        let said = Arc::new(Mutex::new(Vec::new()));
        let (client, clock, kept) = (live.client.clone(), self.inner.around.clock.clone(), said.clone());
        let hearing = async move {
            let mut after = 0;
            let why = loop {
                match client.read(&process, after, WAIT).await {
                    Ok(output) => {
                        let is_news = output.next > after;
                        for chunk in output.chunks.iter().filter(|chunk| chunk.seq > after) {
                            keep(&kept, &chunk.bytes);
                        }
                        after = after.max(output.next);
                        if let Some(why) = output.failure {
                            break words(&why);
                        }
                        if let Some(code) = output.exit_code {
                            break format!("it ended with exit code {code}");
                        }
                        if !is_news {
                            clock.sleep(PAUSE).await;
                        }
                    }
                    Err(Fault::Disconnected) => clock.sleep(PAUSE).await,
                    Err(fault) => break words(&fault.to_string()),
                }
            };
            end.send_replace(Some(why));
        };
        self.inner.around.spawn.spawn("agent", Box::pin(hearing));
        Program { live: Arc::downgrade(live), ended, said }
    }

    /// Returns when it answers, or why it does not.
    async fn ready(&self, id: &str, program: Program) -> Result<(), String> {
        let clock = &self.inner.around.clock;
        let mut ended = program.ended.clone();
        let asking = async {
            while self.ping(id).await.is_none() {
                clock.sleep(PAUSE).await;
            }
        };
        let why = tokio::select! {
            biased;
            () = asking => return Ok(()),
            ended = ended.wait_for(Option::is_some) => {
                ended.map(|why| why.clone().unwrap_or_default()).unwrap_or_else(|_| "it was lost".to_owned())
            }
            () = clock.sleep(READY) => format!("it did not answer /ping within {} seconds", READY.as_secs()),
        };
        let said = program.said.lock().unwrap_or_else(PoisonError::into_inner);
        let said = String::from_utf8_lossy(&said[said.len().saturating_sub(SAID)..]).into_owned();
        Err(format!("The runtime could not be started: {why}. It said last: {said}"))
    }

    /// Whether it is busy; None where it does not answer as it should.
    pub(super) async fn ping(&self, id: &str) -> Option<bool> {
        let asking = async {
            let mut sender = way_in::open(&self.inner, id).await.ok()?;
            let request = http::Request::get("/ping").header(hyper::header::HOST, "127.0.0.1:8080");
            let answered = sender.send_request(request.body(Full::new(Bytes::new())).ok()?).await.ok()?;
            if !answered.status().is_success() {
                return None;
            }
            let body = Limited::new(answered.into_body(), PONG).collect().await.ok()?.to_bytes();
            let said: Option<serde_json::Value> = serde_json::from_slice(&body).ok();
            Some(said.is_some_and(|said| said.get("status").and_then(|status| status.as_str()) == Some(BUSY)))
        };
        tokio::select! {
            biased;
            busy = asking => busy,
            () = self.inner.around.clock.sleep(PING) => None,
        }
    }
}

fn process(starts: u32) -> String {
    format!("agent-{starts}")
}

fn argv(version: &Version) -> Vec<String> {
    let (file, before) = match version.details.entry_point.as_slice() {
        [before, file] => (file, Some(before.clone())),
        [file] => (file, None),
        _ => return Vec::new(),
    };
    let program = version.details.language.program().to_owned();
    before.into_iter().chain([program, format!("{CODE}/{file}")]).collect()
}

/// The client's come last: they are its own program's.
pub(super) fn variables(version: &Version) -> BTreeMap<String, String> {
    let own = [
        ("PYTHONPATH", CODE),
        ("PYTHONUNBUFFERED", "1"),
        ("PYTHONPYCACHEPREFIX", "/workspace/.cache/python"),
        ("NODE_PATH", "/run/code/node_modules"),
        ("PATH", "/run/code/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    ];
    let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
    own.into_iter().chain(version.details.variables.clone()).collect()
}

fn keep(kept: &Mutex<Vec<u8>>, bytes: &[u8]) {
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    kept.extend_from_slice(bytes);
    let over = kept.len().saturating_sub(KEPT);
    kept.drain(..over);
}

/// A machine's own, short and plain.
fn words(text: &str) -> String {
    environments::client::plain(text)
}
