//! Servers that are programs: a line a message, both ways. Several questions are under way at once, so one task reads and
//! hands each answer to whoever waits for it.

use crate::World;
use crate::call::Progress;
use crate::failure::Failure;
use crate::limits::Limits;
use crate::line::{Answered, Question, Trouble, heard, subscription, told};
use crate::message::{self, Message, RpcError};
use crate::reading;
use crate::time::within;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Poll;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use types::{BoxFuture, Clock};

/// A program's standard input and output, a line at a time.
pub trait Pipe: Send + Sync + 'static {
    /// Writes a line and its end. The line itself has none.
    fn send<'a>(&'a self, line: &'a str) -> BoxFuture<'a, Result<(), String>>;
    /// The next line without its end; `None` when the program ended. Asked by one reader. Lines longer than
    /// [`Limits::event`] need not be read: an error ends the pipe.
    fn next(&self) -> BoxFuture<'_, Result<Option<String>, String>>;
    /// Ends the program, if it still runs. What [`Pipe::next`] says afterwards is how it ended.
    fn close(&self);
}

/// Starts the program.
pub trait Opener: Send + Sync + 'static {
    fn open(&self) -> BoxFuture<'_, Result<Arc<dyn Pipe>, String>>;
}

/// What waits for an answer hears of.
enum Word {
    Answer(Result<Value, RpcError>),
    Progress(Progress),
}

/// Words that one who waits has not heard yet; progress beyond it is dropped.
const UNHEARD: usize = 64;
/// Lines in a row that are no message.
const NOISE: usize = 1_000;

/// Lines that are read in one go.
const TURN: u32 = 32;

/// How long the end of a program is waited for that takes no input any more, or that was told to end.
const ENDING: Duration = Duration::from_secs(5);

type Waiting = BTreeMap<i64, mpsc::Sender<Word>>;

/// A program that runs.
struct Live {
    pipe: Arc<dyn Pipe>,
    waiting: Mutex<Waiting>,
    over: watch::Sender<Option<String>>,
}

impl Live {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How it ended, if it has.
    fn ended(&self) -> Option<String> {
        self.over.borrow().as_ref().map(|why| format!("the program ended: {why}"))
    }

    /// The same of one that is about to.
    async fn ends(&self, clock: &dyn Clock) -> Option<String> {
        let mut over = self.over.subscribe();
        within(clock, ENDING, over.wait_for(Option::is_some)).await;
        self.ended()
    }
}

pub(crate) struct ProgramLine {
    opener: Arc<dyn Opener>,
    live: tokio::sync::Mutex<Option<Arc<Live>>>,
    limits: Arc<Limits>,
    world: World,
    changed: Arc<AtomicBool>,
}

impl ProgramLine {
    pub fn new(opener: Arc<dyn Opener>, limits: Arc<Limits>, world: World, changed: Arc<AtomicBool>) -> Self {
        Self { opener, live: tokio::sync::Mutex::new(None), limits, world, changed }
    }

    /// Whether the program that was agreed with is still there.
    pub async fn is_open(&self) -> bool {
        self.live.lock().await.as_ref().is_some_and(|live| live.over.borrow().is_none())
    }

    /// Starts the program where none runs.
    pub async fn open(&self) -> Result<(), Failure> {
        let mut live = self.live.lock().await;
        if live.as_ref().is_some_and(|live| live.over.borrow().is_none()) {
            return Ok(());
        }
        let pipe = self.opener.open().await.map_err(Failure::not_sent)?;
        let fresh = Arc::new(Live { pipe, waiting: Mutex::default(), over: watch::Sender::new(None) });
        let reader = read(
            Arc::downgrade(&fresh),
            fresh.pipe.clone(),
            self.limits.event,
            self.limits.values,
            self.changed.clone(),
        );
        self.world.spawn.spawn("mcp program", Box::pin(reader));
        *live = Some(fresh);
        Ok(())
    }

    async fn running(&self) -> Result<Arc<Live>, Failure> {
        let live = self.live.lock().await.clone().ok_or_else(|| Failure::not_sent("the program does not run"))?;
        match live.ended() {
            Some(ended) => Err(Failure::not_sent(ended)),
            None => Ok(live),
        }
    }

    pub async fn ask(&self, question: Question<'_>) -> Result<Answered, Trouble> {
        let line = message::request(question.id, question.method, question.params, question.arguments);
        if line.len() > self.limits.request {
            let most = self.limits.request;
            return Err(Failure::refused(format!("the request is larger than {most} bytes")).into());
        }
        let live = self.running().await?;
        let (sender, mut words) = mpsc::channel(UNHEARD);
        live.waiting().insert(question.id, sender);
        let _gone = Gone { live: &live, id: question.id };
        let mut over = live.over.subscribe();
        question.begun.mark();
        if let Err(why) = live.pipe.send(&line).await {
            // Mostly because it is at its end, and how it ended says more.
            let ended = live.ends(&*self.world.clock).await;
            let told = ended.unwrap_or_else(|| format!("the program cannot be written to: {why}"));
            return Err(Failure::unknown(told).into());
        }
        loop {
            let word = tokio::select! {
                biased;
                word = words.recv() => word,
                _ = over.wait_for(Option::is_some) => None,
            };
            match word {
                Some(Word::Progress(said)) => {
                    if let Some(progress) = question.progress {
                        progress(said);
                    }
                }
                Some(Word::Answer(outcome)) => {
                    let result = outcome.map_err(Trouble::Rpc)?;
                    return Ok(Answered { result, session: None });
                }
                None => {
                    return Err(Failure::unknown(live.ended().unwrap_or_default()).into());
                }
            }
        }
    }

    pub async fn tell(&self, method: &str, params: Option<Value>) -> Result<(), Failure> {
        let live = self.running().await?;
        live.pipe.send(&message::note(method, params)).await.map_err(Failure::unknown)
    }

    /// Asks to be told when tools change; nobody waits for the answer, which comes when that ends.
    pub async fn subscribe(&self, id: i64) {
        if let Ok(live) = self.running().await {
            let _ = live.pipe.send(&subscription(id)).await;
        }
    }

    /// Ends the program and waits for that, but not for long.
    pub async fn close(&self) {
        // Whoever holds it is opening: dropping the last handle closes it then.
        let Some(live) = self.live.try_lock().ok().and_then(|mut live| live.take()) else { return };
        if live.ended().is_none() {
            live.pipe.close();
            live.ends(&*self.world.clock).await;
        }
    }

    /// Whether somebody waits for an answer, or it is being started.
    pub fn is_busy(&self) -> bool {
        self.live.try_lock().map_or(true, |live| live.as_ref().is_some_and(|live| !live.waiting().is_empty()))
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.pipe.close();
    }
}

/// Nobody waits for the answer any more.
struct Gone<'a> {
    live: &'a Live,
    id: i64,
}

impl Drop for Gone<'_> {
    fn drop(&mut self) {
        self.live.waiting().remove(&self.id);
    }
}

/// Lets whatever else is ready run first.
async fn give_way() {
    let mut waited = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

async fn read(live: Weak<Live>, pipe: Arc<dyn Pipe>, limit: usize, most: usize, changed: Arc<AtomicBool>) {
    let mut noise = 0;
    let mut lines = 0_u32;
    let why = loop {
        lines = lines.wrapping_add(1);
        if lines.is_multiple_of(TURN) {
            // Lines that are there already come without a wait: others have their turn in between.
            give_way().await;
        }
        let line = match pipe.next().await {
            Ok(Some(line)) if line.len() > limit => break "it wrote a line that is too long".to_owned(),
            Ok(Some(line)) => line,
            Ok(None) => break "its output is at its end".to_owned(),
            Err(why) => break why,
        };
        let Some(live) = live.upgrade() else { return };
        let Ok(message) = reading::message(line.into_bytes(), most).await else {
            noise += 1;
            if noise > NOISE {
                break "it writes what is no message".to_owned();
            }
            continue;
        };
        noise = 0;
        match message {
            Message::Answer { id: Some(id), outcome } => {
                // Taken out: a second answer to the same question finds nobody.
                let waiting = live.waiting().remove(&id);
                if let Some(sender) = waiting {
                    // Progress may fill the channel; an answer must get through.
                    let _ = sender.send(Word::Answer(outcome)).await;
                }
            }
            Message::Answer { id: None, .. } => {}
            Message::Question { id, method } => {
                if let Err(why) = pipe.send(&message::reply(&id, &method)).await {
                    break why;
                }
            }
            note @ Message::Note { .. } => {
                heard(&note, 0, None, &changed);
                progress(&live, &note);
            }
        }
    };
    if let Some(live) = live.upgrade() {
        live.over.send_replace(Some(why));
        live.waiting().clear();
    }
    pipe.close();
}

fn progress(live: &Live, note: &Message) {
    let Message::Note { method, params } = note else { return };
    let Some(token) = params["progressToken"].as_i64().filter(|_| method == "notifications/progress") else { return };
    if let Some((said, sender)) = told(params, token).zip(live.waiting().get(&token)) {
        let _ = sender.try_send(Word::Progress(said));
    }
}
