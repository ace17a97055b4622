//! A process in a sandbox, heard as it speaks, and ended when nobody hears it any more. It starts nothing.

use environments::client::{Client, plain};
use environments::machine::{Chunk, Fault, Machine};
use std::sync::Arc;
use std::time::Duration;
use types::{Clock, Entropy, Spawn};

/// The longest that an executor is asked to wait for news, and how much longer its answer may take.
const WAIT: Duration = Duration::from_secs(10);
const SLACK: Duration = Duration::from_secs(10);
/// How long the output of a process that ended may still come. What it started may hold it open for ever.
const AFTER_EXIT: Duration = Duration::from_secs(1);
/// Before an executor is asked again that had nothing new.
const PAUSE: Duration = Duration::from_millis(20);

/// What is said of a process whose sandbox is gone.
pub(crate) const GONE: &str = "the session ended while it ran";

/// Where somebody is in what a process says.
pub(crate) struct Ear {
    client: Arc<Client>,
    clock: Arc<dyn Clock>,
    process: String,
    after: u64,
    code: Option<i32>,
}

/// What came.
pub(crate) struct News {
    pub(crate) chunks: Vec<Chunk>,
    /// Before them there was more, which is not kept any more.
    pub(crate) lost: bool,
    /// It has ended, and nothing more will come.
    pub(crate) exit_code: Option<i32>,
}

impl Ear {
    /// From the beginning of what it says.
    pub(crate) fn new(client: Arc<Client>, clock: Arc<dyn Clock>, process: String) -> Self {
        Self { client, clock, process, after: 0, code: None }
    }

    /// Goes on with what comes now: what was said until then is heard by nobody.
    pub(crate) async fn skip(&mut self) -> Result<(), String> {
        loop {
            match self.client.read(&self.process, self.after, Duration::ZERO).await {
                Ok(output) if output.next > self.after => self.after = output.next,
                Ok(_) => return Ok(()),
                Err(fault) => return Err(words(&fault)),
            }
        }
    }

    /// Waits for something to come. Err: it could not be run, or its sandbox is gone.
    pub(crate) async fn news(&mut self) -> Result<News, String> {
        loop {
            let wait = if self.code.is_some() { AFTER_EXIT } else { WAIT };
            let output = tokio::select! {
                biased;
                output = self.client.read(&self.process, self.after, wait) => match output {
                    Ok(output) => Some(output),
                    // The line is away; the process does not mind.
                    Err(Fault::Disconnected) => None,
                    Err(fault) => return Err(words(&fault)),
                },
                () = self.clock.sleep(wait + SLACK) => None,
            };
            let is_news = output.as_ref().is_some_and(|output| output.next > self.after);
            if let Some(mut output) = output {
                output.chunks.retain(|chunk| chunk.seq > self.after);
                self.after = self.after.max(output.next);
                self.code = self.code.or(output.exit_code);
                if let Some(why) = output.failure {
                    return Err(plain(&why));
                }
                let exit_code = self.code.filter(|_| output.closed || !is_news);
                if !output.chunks.is_empty() || exit_code.is_some() {
                    return Ok(News { chunks: output.chunks, lost: output.lost, exit_code });
                }
            }
            if !is_news {
                self.clock.sleep(PAUSE).await;
            }
        }
    }
}

/// In the machine's words.
pub(crate) fn words(fault: &Fault) -> String {
    match fault {
        Fault::Disconnected | Fault::Lost => GONE.to_owned(),
        fault => plain(&fault.to_string()),
    }
}

/// Ends a process when it is dropped, unless it was told not to.
pub(crate) struct Ending {
    client: Arc<Client>,
    spawn: Arc<dyn Spawn>,
    process: Option<String>,
}

impl Ending {
    pub(crate) fn new(client: Arc<Client>, spawn: Arc<dyn Spawn>, process: String) -> Self {
        Self { client, spawn, process: Some(process) }
    }

    /// It has ended.
    pub(crate) fn spare(&mut self) {
        self.process = None;
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        let Some(process) = self.process.take() else { return };
        let client = self.client.clone();
        let ending = async move {
            if let Err(fault) = client.terminate(&process).await {
                tracing::debug!(%fault, process, "a process that nobody hears is not ended");
            }
        };
        self.spawn.spawn("process's end", Box::pin(ending));
    }
}

/// Bash where it is, else the POSIX one.
pub(crate) async fn shell(machine: &dyn Machine) -> &'static str {
    const BASH: &str = "/bin/bash";
    if machine.metadata(BASH).await.is_ok() { BASH } else { "/bin/sh" }
}

/// A name that no other process of the sandbox has.
pub(crate) fn name(kind: &str, entropy: &dyn Entropy) -> String {
    let mut bytes = [0; 12];
    entropy.fill(&mut bytes);
    format!("{kind}-{}", types::hex(&bytes))
}

/// Bytes as text, piece by piece: a character that is cut waits for its rest, and what is none is replaced.
#[derive(Default, Debug)]
pub(crate) struct Text(Vec<u8>);

impl Text {
    pub(crate) fn push(&mut self, bytes: &[u8]) -> String {
        self.0.extend_from_slice(bytes);
        let end = match self.0.utf8_chunks().last() {
            // The beginning of a character, and not something that is none.
            Some(last) if std::str::from_utf8(last.invalid()).is_err_and(|error| error.error_len().is_none()) => {
                self.0.len() - last.invalid().len()
            }
            _ => self.0.len(),
        };
        let rest = self.0.split_off(end);
        String::from_utf8_lossy(&std::mem::replace(&mut self.0, rest)).into_owned()
    }

    /// What is left of a character that never came.
    pub(crate) fn finish(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.0)).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_does_not_hang_on_how_it_is_cut() {
        let bytes = "aü→😀z".as_bytes();
        for size in 1..=bytes.len() {
            let mut text = Text::default();
            let said: String = bytes.chunks(size).map(|piece| text.push(piece)).collect();
            assert_eq!((said.as_str(), text.finish().as_str()), ("aü→😀z", ""), "{size}");
        }
    }

    #[test]
    fn what_is_no_text_is_replaced_and_holds_nothing_up() {
        let mut text = Text::default();
        assert_eq!(text.push(b"a\xff\xfe"), "a\u{fffd}\u{fffd}");
        assert_eq!(text.push(b"b\xe2\x82"), "b");
        assert_eq!(text.push(b"c"), "\u{fffd}c");
        assert_eq!((text.push(b"\xf0\x9f").as_str(), text.finish().as_str()), ("", "\u{fffd}"));
    }
}
