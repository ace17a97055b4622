//! The Python of a session: one process, which takes pieces of code one after the other and keeps what they left in memory.
//! One that an earlier server started is found by its number. A piece whose client has gone away is interrupted.

use super::cell::Cell;
use super::tools::{Structured, ToolResult};
use crate::ear::{self, Ear};
use crate::guests::Unserved;
use crate::live::Live;
use crate::record::CodeSession;
use environments::machine::{Command, Fault, Machine as _, Written};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::oneshot;

const DRIVER: &str = include_str!("driver.py");
/// How long a Python of an earlier server may be at something before that is interrupted, and how long an interrupt may
/// take before it is ended.
const LEFT: Duration = Duration::from_secs(2);
const INTERRUPT: Duration = Duration::from_secs(5);

/// Of sessions that this server knows. Whoever has the lock runs code.
#[derive(Default)]
pub(crate) struct Pythons(Mutex<BTreeMap<String, Slot>>);

type Slot = Arc<tokio::sync::Mutex<Option<Python>>>;

impl Pythons {
    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Slot>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, id: &str) -> Slot {
        self.all().entry(id.to_owned()).or_default().clone()
    }

    pub(crate) fn forget(&self, id: &str) {
        self.all().remove(id);
    }
}

/// One that runs, as far as is known.
struct Python {
    live: Weak<Live>,
    process: String,
    ear: Ear,
    /// An earlier server's, which may be at something.
    is_left: bool,
}

/// How a piece of code came out.
enum Outcome {
    Ended(i32),
    /// Its Python has ended with it.
    Died(Option<i32>),
    Interrupted,
}

impl super::Desk {
    /// Runs code, in a task of its own: what it has begun is seen to its end, or interrupted where nobody waits any more.
    pub(super) async fn python(self, code: String, clear: bool) -> Result<ToolResult, Unserved> {
        let (told, heard) = oneshot::channel();
        // Dropped with whoever waits.
        let (_alive, gone) = oneshot::channel::<()>();
        let spawn = self.hosting.inner.around.spawn.clone();
        let running = async move {
            let _ = told.send(self.run(&code, clear, gone).await);
        };
        spawn.spawn("code", Box::pin(running));
        heard.await.unwrap_or_else(|_| Err(lost("the server ends")))
    }

    async fn run(&self, code: &str, clear: bool, mut gone: oneshot::Receiver<()>) -> Result<ToolResult, Unserved> {
        let slot = self.hosting.inner.pythons.of(&self.visit.seat.id);
        let mut slot = tokio::select! {
            biased;
            _ = &mut gone => return Err(lost("its client has gone away")),
            slot = slot.lock() => slot,
        };
        let live = self.live()?;
        let is_there =
            slot.as_ref().is_some_and(|python| python.live.upgrade().is_some_and(|own| Arc::ptr_eq(&own, &live)));
        if !is_there {
            *slot = match self.found(&live).await? {
                Some(found) => Some(found),
                None => match self.started(&live, clear).await? {
                    Ok(started) => Some(started),
                    Err(told) => return Ok(told),
                },
            };
        }
        let Some(python) = slot.as_mut() else { return Err(lost("there is no Python")) };
        let clock = &self.hosting.inner.around.clock;
        let began = clock.monotonic();
        let mark = ear::name("mark", &*self.hosting.inner.around.entropy);
        let mut cell = Cell::new(&mark);
        let outcome = self.performed(python, &live, (&mark, code, clear), &mut cell, gone).await;
        if !matches!(outcome, Ok(Outcome::Ended(_) | Outcome::Interrupted)) {
            *slot = None;
        }
        let outcome = outcome?;
        let time = (clock.monotonic() - began).as_secs_f64();
        let [stdout, mut stderr] = cell.said();
        let exit_code = match outcome {
            Outcome::Ended(code) => code,
            Outcome::Interrupted => 130,
            Outcome::Died(code) => {
                self.change(|session| session.has_python = false).await?;
                let how = code.map_or_else(|| "was ended".to_owned(), |code| format!("ended with exit code {code}"));
                stderr.push_str(&format!("The interpreter {how}. Its variables are gone, its files are there.\n"));
                code.filter(|code| *code != 0).unwrap_or(1)
            }
        };
        Ok(Structured { stdout, stderr, exit_code: Some(exit_code), time: Some(time), task: None }.told())
    }

    /// The one that an earlier server started, if it runs.
    async fn found(&self, live: &Arc<Live>) -> Result<Option<Python>, Unserved> {
        let session = self.row().await?;
        if session.starts == 0 {
            return Ok(None);
        }
        let process = process(session.starts);
        let Ok(output) = live.client.read(&process, 0, Duration::ZERO).await else { return Ok(None) };
        if output.exit_code.is_some() || output.closed || output.failure.is_some() {
            return Ok(None);
        }
        let mut ear = Ear::new(live.client.clone(), self.hosting.inner.around.clock.clone(), process.clone());
        ear.skip().await.map_err(|why| lost(&why))?;
        Ok(Some(Python { live: Arc::downgrade(live), process, ear, is_left: true }))
    }

    /// A new one; or what is to be told in its place, where its client believes that there is one with all that it knew.
    async fn started(&self, live: &Arc<Live>, clear: bool) -> Result<Result<Python, ToolResult>, Unserved> {
        if self.row().await?.has_python && !clear {
            self.change(|session| session.has_python = false).await?;
            let message = "The interpreter of this session has ended, and its variables are gone; its files are there. \
                           Nothing was run. Run it again in a new interpreter.";
            return Ok(Err(ToolResult::error(message)));
        }
        let row = self.change(|session| {
            session.starts += 1;
            session.has_python = true;
        });
        let process = process(row.await?.starts);
        let variables = [("MPLBACKEND", "Agg"), ("PYTHONPYCACHEPREFIX", "/tmp/.python")];
        let command = Command {
            process: process.clone(),
            argv: ["python3", "-c", DRIVER].map(str::to_owned).to_vec(),
            working_directory: "/workspace".to_owned(),
            variables: variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            input: true,
            ..Command::default()
        };
        let (live_weak, clock) = (Arc::downgrade(live), self.hosting.inner.around.clock.clone());
        match live.client.start(command).await {
            Ok(()) => {
                let ear = Ear::new(live.client.clone(), clock, process.clone());
                Ok(Ok(Python { live: live_weak, process, ear, is_left: false }))
            }
            Err(Fault::Refused(why)) => {
                self.change(|session| session.has_python = false).await?;
                Ok(Err(ToolResult::error(format!("Python cannot be started: {}.", environments::client::plain(&why)))))
            }
            Err(fault) => Err(lost(&ear::words(&fault))),
        }
    }

    async fn performed(
        &self,
        python: &mut Python,
        live: &Live,
        (mark, code, clear): (&str, &str, bool),
        cell: &mut Cell,
        mut gone: oneshot::Receiver<()>,
    ) -> Result<Outcome, Unserved> {
        let clock = &self.hosting.inner.around.clock;
        let mut text = format!("{mark} {} {}\n", code.len(), u8::from(clear)).into_bytes();
        text.extend_from_slice(code.as_bytes());
        // In one write: no server leaves half of a piece behind.
        match live.client.write(&python.process, text).await {
            // That it takes no more is heard of below, as its end.
            Ok(Written::Accepted | Written::Closed) => {}
            Err(fault) => return Err(lost(&ear::words(&fault))),
        }
        let left = std::mem::take(&mut python.is_left);
        let (mut is_heard, mut is_interrupted) = (true, false);
        let mut limit = left.then(|| clock.monotonic() + LEFT);
        loop {
            let pause = limit.map_or(Duration::from_secs(3600), |limit| limit.saturating_sub(clock.monotonic()));
            tokio::select! {
                biased;
                _ = &mut gone, if is_heard => {
                    (is_heard, is_interrupted) = (false, true);
                    let _ = live.client.interrupt(&python.process).await;
                    limit = Some(clock.monotonic() + INTERRUPT);
                }
                news = python.ear.news() => {
                    let news = news.map_err(|why| lost(&why))?;
                    if news.lost {
                        cell.note_gap();
                    }
                    for chunk in &news.chunks {
                        cell.push(chunk.error_stream, &chunk.bytes);
                    }
                    if let Some(status) = cell.status() {
                        return Ok(if is_heard { Outcome::Ended(status) } else { Outcome::Interrupted });
                    }
                    if let Some(code) = news.exit_code {
                        return Ok(Outcome::Died(Some(code)));
                    }
                }
                () = clock.sleep(pause), if limit.is_some() => {
                    if is_heard && cell.has_begun() {
                        limit = None;
                    } else if is_heard && !is_interrupted {
                        // It is still at what nobody waits for.
                        is_interrupted = true;
                        let _ = live.client.interrupt(&python.process).await;
                        limit = Some(clock.monotonic() + INTERRUPT);
                    } else {
                        let _ = live.client.terminate(&python.process).await;
                        return Ok(Outcome::Died(None));
                    }
                }
            }
        }
    }

    pub(super) async fn row(&self) -> Result<CodeSession, Unserved> {
        let seat = &self.visit.seat;
        let row = self.hosting.inner.environment(&seat.project, &seat.id).await?;
        row.code_session.ok_or_else(|| lost("it is no session of an interpreter"))
    }

    pub(super) async fn change(
        &self,
        change: impl Fn(&mut CodeSession) + Send + Sync,
    ) -> Result<CodeSession, Unserved> {
        let seat = &self.visit.seat;
        let row = self.hosting.inner.change(&seat.project, &seat.id, |row| {
            if let Some(session) = row.code_session.as_mut() {
                change(session);
            }
        });
        row.await?.code_session.ok_or_else(|| lost("it is no session of an interpreter"))
    }

    pub(super) fn live(&self) -> Result<Arc<Live>, Unserved> {
        self.visit.seat.live().ok_or_else(|| lost(ear::GONE))
    }
}

fn process(starts: u32) -> String {
    format!("code-{starts}")
}

/// What was asked may have been done, or not.
pub(super) fn lost(why: &str) -> Unserved {
    Unserved::Program(format!("What came of it is not known: {why}."))
}
