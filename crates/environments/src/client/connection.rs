//! One line from its greeting to its end: the session is begun or resumed, answers and notifications find whom they are
//! for, and silence is questioned.

use super::heard::{Described, Greeting};
use super::{Shared, heard, plain};
use crate::line::Line;
use crate::machine::Info;
use serde::de::DeserializeOwned;
use serde_json::json;
use serde_json::value::RawValue;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use wire::executor::{
    Envelope, Failure, FileUri, Id, Initialize, Message, ProcessClosed, ProcessExited, ProcessOutput, code, method,
};

const CLIENT_NAME: &str = "outcrop";
/// How often, and after what time, a session is asked for whose old connection the executor has not given up yet.
const RESUMES: u32 = 60;
const RESUME_AGAIN: Duration = Duration::from_millis(250);

/// Bytes of a path that the executor speaks of.
const PATH_LIMIT: usize = 4096;

pub(super) async fn run(shared: Arc<Shared>, number: u64, mut line: Line, mut stopped: oneshot::Receiver<()>) {
    tokio::select! {
        biased;
        _ = &mut stopped => {}
        () = serve(&shared, number, &mut line) => {}
    }
    let mut state = shared.state();
    if state.lines == number {
        shared.close(&mut state);
    }
}

async fn serve(shared: &Shared, number: u64, line: &mut Line) {
    let greeting = shared.within(shared.settings.answer, greet(shared, line)).await;
    let Some(Some(session)) = greeting else { return };
    if !shared.listener.begun(&session).await || !shared.open(number, session, line.outgoing.clone()) {
        return;
    }
    let mut asked = 0;
    let mut silence = shared.world.clock.sleep(shared.settings.silence);
    loop {
        let bytes = tokio::select! {
            biased;
            bytes = line.incoming.recv() => bytes,
            () = &mut silence => {
                asked += 1;
                if asked > 2 || !ask(shared, line) {
                    return;
                }
                silence = shared.world.clock.sleep(shared.settings.silence);
                continue;
            }
        };
        let Some(bytes) = bytes else { return };
        let Some(message) = shared.heard(&bytes) else { return };
        // Whatever it says, it is there.
        asked = 0;
        silence = shared.world.clock.sleep(shared.settings.silence);
        shared.take(message, line);
    }
}

/// Whether the executor is there; what it answers is heard like anything else.
fn ask(shared: &Shared, line: &Line) -> bool {
    let id = {
        let mut state = shared.state();
        let id = state.next_request;
        state.next_request += 1;
        id
    };
    let message = Message::request(Id::Number(id), method::ENVIRONMENT_STATUS, &json!({}));
    line.outgoing.try_send(message.text().into_bytes()).is_ok()
}

/// The id of the session that this line serves.
async fn greet(shared: &Shared, line: &mut Line) -> Option<String> {
    let mut tries = 0;
    loop {
        let resume = shared.state().session.clone();
        match initialize(shared, line, resume.clone()).await? {
            Ok(session) => {
                let done = Message::notification(method::INITIALIZED, &json!({}));
                line.outgoing.send(done.text().into_bytes()).await.ok()?;
                return Some(session);
            }
            Err(failure) if failure.code == code::ALREADY_ATTACHED && tries < RESUMES => {
                tries += 1;
                shared.world.clock.sleep(RESUME_AGAIN).await;
            }
            Err(failure) if resume.is_some() && is_unknown_session(&failure) => {
                tracing::warn!("an executor does not know its session any more; its processes are lost");
                shared.forget_session();
            }
            Err(failure) => {
                tracing::warn!(%failure, "an executor refuses to begin");
                return None;
            }
        }
    }
}

fn is_unknown_session(failure: &Failure) -> bool {
    failure.code == code::INVALID_REQUEST && failure.message.starts_with("unknown session")
}

async fn initialize(
    shared: &Shared,
    line: &mut Line,
    resume_session_id: Option<String>,
) -> Option<Result<String, Failure>> {
    let id = {
        let mut state = shared.state();
        let id = state.next_request;
        state.next_request += 1;
        Id::Number(id)
    };
    let params = Initialize { client_name: CLIENT_NAME.to_owned(), resume_session_id };
    let request = Message::request(id.clone(), method::INITIALIZE, &params);
    line.outgoing.send(request.text().into_bytes()).await.ok()?;
    loop {
        let bytes = line.incoming.recv().await?;
        match shared.heard(&bytes)? {
            Envelope::Response { id: answered, result } if answered == id => {
                let greeting: Greeting = serde_json::from_str(result.get()).ok()?;
                if !heard::is_session(&greeting.session_id) {
                    tracing::warn!("an executor gives its session a name that is none");
                    return None;
                }
                let info = greeting.environment_info.and_then(|info| serde_json::from_str(info.get()).ok());
                shared.state().info = info.map(describe);
                return Some(Ok(greeting.session_id));
            }
            Envelope::Failed { id: answered, error } if answered == id => return Some(Err(heard::failure(error))),
            other => shared.take(other, line),
        }
    }
}

/// What is longer than a path can be is not believed: it would be kept, and shown to a model.
pub(super) fn describe(info: Described) -> Info {
    let text = |text: Option<String>| text.filter(|text| text.len() <= PATH_LIMIT);
    let path = |uri: Option<FileUri>| text(uri.map(|uri| uri.path().to_string_lossy().into_owned()));
    Info {
        shell: text(info.shell.map(|shell| shell.path)),
        working_directory: path(info.cwd),
        home: path(info.user_home_dir),
        temporary: path(info.temp_dir),
        platform: text(info.platform_os),
        executor_version: text(info.executor_version),
    }
}

impl Shared {
    /// A message finds whom it is for. An answer that nobody waits for any more is passed over.
    fn take(&self, message: Envelope<'_>, line: &Line) {
        match message {
            Envelope::Response { id: Id::Number(id), result } => self.answered(id, Ok(result)),
            Envelope::Failed { id: Id::Number(id), error } => self.answered(id, Err(heard::failure(error))),
            Envelope::Notification { method, params } => self.notified(&method, params),
            Envelope::Request { id, method, .. } => {
                let text = format!("`{}` is not offered", plain(&method));
                let refusal = Message::failed(id, Failure::new(code::METHOD_NOT_FOUND, text));
                let _ = line.outgoing.try_send(refusal.text().into_bytes());
            }
            Envelope::Response { .. } | Envelope::Failed { .. } => {}
        }
    }

    fn answered(&self, id: i64, result: Result<&RawValue, Failure>) {
        let waiting = self.state().waiting.remove(&id);
        if let Some(waiting) = waiting {
            let _ = waiting.answer.send(result.map(ToOwned::to_owned));
        }
    }

    fn notified(&self, method: &str, params: Option<&RawValue>) {
        let mut state = self.state();
        let known = match method {
            method::PROCESS_OUTPUT => parse(params).and_then(|said: ProcessOutput| {
                let process = state.processes.get_mut(&said.process_id)?;
                process.output(said.seq, said.stream, said.chunk.0);
                Some(())
            }),
            method::PROCESS_EXITED => parse(params).and_then(|said: ProcessExited| {
                let process = state.processes.get_mut(&said.process_id)?;
                process.exited(said.seq, said.exit_code);
                Some(())
            }),
            method::PROCESS_CLOSED => parse(params).and_then(|said: ProcessClosed| {
                let process = state.processes.get_mut(&said.process_id)?;
                process.closed(said.seq);
                Some(())
            }),
            _ => None,
        };
        drop(state);
        if known.is_some() {
            self.changed();
        }
    }
}

fn parse<T: DeserializeOwned>(params: Option<&RawValue>) -> Option<T> {
    serde_json::from_str(params?.get()).ok()
}
