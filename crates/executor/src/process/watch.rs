//! The task that stands beside each process: it reads what the process says, sees it end, and tells the client who is
//! there. All that a process has to say goes through here one by one, so that its numbers come in order.

use super::group::Group;
use super::output::Output;
use super::side::Side;
use crate::session::Attachment;
use crate::world;
use serde::Serialize;
use std::sync::Arc;
use tokio::signal::unix::Signal;
use tokio::sync::{oneshot, watch};
use wire::executor::{Message, ProcessClosed, ProcessExited, ProcessOutput, Stream, method};

const CHUNK: usize = 32 * 1024;
const PIPE: usize = 1024 * 1024;

pub struct Watched {
    pub id: String,
    pub group: Arc<Group>,
    pub output: Arc<Output>,
    pub streams: Vec<(Stream, Side)>,
    pub ends: Signal,
    pub attachment: watch::Receiver<Attachment>,
    /// Dropped with the watch.
    pub _here: oneshot::Sender<()>,
}

pub async fn watch(mut watched: Watched) {
    let mut streams = std::mem::take(&mut watched.streams).into_iter();
    let (mut first, mut second) = (streams.next(), streams.next());
    let (mut one, mut other) = (vec![0; CHUNK], vec![0; CHUNK]);
    let mut exited = false;
    while first.is_some() || second.is_some() || !exited {
        let Watched { group, ends, .. } = &mut watched;
        let step = tokio::select! {
            biased;
            length = read(first.as_ref(), &mut one) => Step::First(length),
            length = read(second.as_ref(), &mut other) => Step::Second(length),
            exit_code = ended(group, ends), if !exited => Step::Exited(exit_code),
        };
        match step {
            Step::First(length) => {
                watched.say(&mut first, &one[..length]).await;
                // Whoever talks much must not keep the other from being heard.
                std::mem::swap(&mut first, &mut second);
            }
            Step::Second(length) => watched.say(&mut second, &other[..length]).await,
            Step::Exited(exit_code) => {
                exited = true;
                // What was said before the end is told before the end.
                watched.say_what_is_there(&mut first, &mut one).await;
                watched.say_what_is_there(&mut second, &mut other).await;
                watched.exit(exit_code).await;
            }
        }
    }
    watched.close().await;
}

enum Step {
    First(usize),
    Second(usize),
    Exited(i32),
}

impl Watched {
    /// Nothing more comes from a stream that has nothing to say.
    async fn say(&self, from: &mut Option<(Stream, Side)>, bytes: &[u8]) {
        let Some((stream, _)) = from.as_ref() else { return };
        if bytes.is_empty() {
            *from = None;
            return;
        }
        let chunk = self.output.say(*stream, bytes.to_vec());
        let said =
            ProcessOutput { process_id: self.id.clone(), seq: chunk.seq, stream: chunk.stream, chunk: chunk.chunk };
        self.tell(method::PROCESS_OUTPUT, &said).await;
    }

    /// At most as much as a pipe holds: what others go on to say comes in its time.
    async fn say_what_is_there(&self, from: &mut Option<(Stream, Side)>, buffer: &mut [u8]) {
        let mut said = 0;
        while said < PIPE
            && let Some((_, side)) = from.as_ref()
            && let Some(length) = side.read_now(buffer)
        {
            said += length;
            self.say(from, &buffer[..length]).await;
        }
    }

    async fn exit(&self, exit_code: i32) {
        let seq = self.output.exit(exit_code);
        let exited = ProcessExited { process_id: self.id.clone(), seq, exit_code, sandbox_denied: false };
        self.tell(method::PROCESS_EXITED, &exited).await;
    }

    async fn close(&self) {
        let seq = self.output.close();
        self.tell(method::PROCESS_CLOSED, &ProcessClosed { process_id: self.id.clone(), seq }).await;
        // It looks at every process of the machine: nobody should wait for that.
        let group = Arc::clone(&self.group);
        _ = world::blocking(move || {
            group.release();
            Ok(())
        })
        .await;
    }

    /// Waits for a client that reads slowly, and so does the process. Who is not there reads it later.
    async fn tell(&self, method: &str, body: &impl Serialize) {
        let listener = self.attachment.borrow().listener.clone();
        if let Some(listener) = listener {
            _ = listener.send(Message::notification(method, body).text()).await;
        }
    }
}

/// How much a stream says next; 0 at its end. Waits for ever for a stream that is not there.
async fn read(stream: Option<&(Stream, Side)>, buffer: &mut [u8]) -> usize {
    match stream {
        Some((_, side)) => side.read(buffer).await,
        None => std::future::pending().await,
    }
}

async fn ended(group: &Group, ends: &mut Signal) -> i32 {
    loop {
        if let Some(exit_code) = group.exit_code() {
            return exit_code;
        }
        _ = ends.recv().await;
    }
}
