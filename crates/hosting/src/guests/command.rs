//! A command in a session: a shell beside its program, on the same disk and with the same variables. What it says goes
//! through as it comes; it ends with whoever hears it, or with its time.

use super::{Call, Unserved, Visit, program};
use crate::ear::{self, Ear, Ending, Text};
use crate::hosting::Hosting;
use environments::machine::{Command, Machine as _};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use types::{Clock, ProjectId};

/// Bytes of what one command says.
const MOST: usize = 32 << 20;
const MISSING: &str = "[some output is missing here: it came faster than it was taken]\n";

/// A command that runs.
pub struct Run {
    pub session: String,
    ear: Ear,
    ending: Ending,
    /// Monotonic.
    until: Duration,
    clock: Arc<dyn Clock>,
    texts: [Text; 2],
    bytes: usize,
    next: VecDeque<Piece>,
    is_over: bool,
    _visit: Visit,
}

/// What comes of a command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Piece {
    Output(String),
    Error(String),
    /// The last. None: its time was over.
    End(Option<i32>),
}

impl Hosting {
    /// Runs a command in a session, which is started where it does not run. `time`: how long it may take.
    pub async fn command(
        &self,
        project: &ProjectId,
        call: Call,
        command: String,
        time: Duration,
    ) -> Result<Run, Unserved> {
        let (visit, guest, version) = self.visit(project, &call).await?;
        let live = visit.seat.live().ok_or_else(|| Unserved::Program(ear::GONE.to_owned()))?;
        let around = &self.inner.around;
        let (client, clock) = (live.client.clone(), around.clock.clone());
        let process = ear::name("command", &*around.entropy);
        let command = Command {
            process: process.clone(),
            argv: vec![ear::shell(&*client).await.to_owned(), "-c".to_owned(), command],
            working_directory: "/workspace".to_owned(),
            variables: program::variables(&version),
            ..Command::default()
        };
        let ending = Ending::new(client.clone(), around.spawn.clone(), process.clone());
        let until = clock.monotonic() + time;
        let started = client.start(command).await;
        started.map_err(|fault| Unserved::Program(format!("The command was not run: {}.", ear::words(&fault))))?;
        Ok(Run {
            session: guest.session,
            ear: Ear::new(client, clock.clone(), process),
            ending,
            until,
            clock,
            texts: Default::default(),
            bytes: 0,
            next: VecDeque::new(),
            is_over: false,
            _visit: visit,
        })
    }
}

impl Run {
    /// What comes next; nothing after the end.
    pub async fn next(&mut self) -> Option<Result<Piece, Unserved>> {
        while self.next.is_empty() && !self.is_over {
            if let Err(why) = self.hear().await {
                self.is_over = true;
                return Some(Err(Unserved::Program(why)));
            }
        }
        self.next.pop_front().map(Ok)
    }

    async fn hear(&mut self) -> Result<(), String> {
        let left = self.until.saturating_sub(self.clock.monotonic());
        let news = tokio::select! {
            biased;
            news = self.ear.news(), if !left.is_zero() => news.map_err(|why| format!("The command was lost: {why}."))?,
            () = self.clock.sleep(left) => {
                // What it has begun of a character never ends. Dropped, it is ended.
                self.end(None);
                return Ok(());
            }
        };
        if news.lost {
            self.next.push_back(Piece::Error(MISSING.to_owned()));
        }
        for chunk in &news.chunks {
            self.bytes += chunk.bytes.len();
            let text = self.texts[usize::from(chunk.error_stream)].push(&chunk.bytes);
            self.say(text, chunk.error_stream);
        }
        if self.bytes > MOST {
            return Err(format!("The command said more than {MOST} bytes, and was ended."));
        }
        if let Some(code) = news.exit_code {
            self.ending.spare();
            self.end(Some(code));
        }
        Ok(())
    }

    fn end(&mut self, code: Option<i32>) {
        for is_error in [false, true] {
            let rest = self.texts[usize::from(is_error)].finish();
            self.say(rest, is_error);
        }
        self.next.push_back(Piece::End(code));
        self.is_over = true;
    }

    /// Goes on with what was said last, where that is not too long by then.
    fn say(&mut self, text: String, is_error: bool) {
        const LONG: usize = 64 << 10;
        match self.next.back_mut() {
            _ if text.is_empty() => {}
            Some(Piece::Output(last)) if !is_error && last.len() < LONG => last.push_str(&text),
            Some(Piece::Error(last)) if is_error && last.len() < LONG => last.push_str(&text),
            _ => self.next.push_back(if is_error { Piece::Error(text) } else { Piece::Output(text) }),
        }
    }
}
