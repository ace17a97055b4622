//! One attempt of a model call: asked once, watched for silence. What it says goes to the tail as it is said; what it
//! comes to is an input for the engine.

use crate::World;
use crate::registry::Hold;
use models::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use types::{Clock, Input, ModelError, ModelErrorKind, ModelEvent, ModelFinish, ModelRequest, Origin, Seq};

pub(crate) const NOT_CONFIGURED: &str = "The model is no longer configured on this server.";

pub(crate) struct ModelCall {
    pub(crate) world: World,
    pub(crate) tail: Arc<Hold>,
    pub(crate) entry: Option<Entry>,
    pub(crate) request: ModelRequest,
    pub(crate) origin: Origin,
    pub(crate) context: Seq,
}

impl ModelCall {
    pub(crate) async fn perform(self) -> Input {
        let Origin { effect, attempt } = self.origin;
        let context = self.context;
        let result = match &self.entry {
            Some(entry) => self.ask(entry).await,
            None => Err(ModelError::new(ModelErrorKind::NotFound, NOT_CONFIGURED)),
        };
        let answer = self.tail.answer(self.origin);
        match result {
            Ok(finish) => Input::ModelDone { effect, attempt, context, answer, finish },
            Err(error) => {
                let spoke = answer.has_spoken();
                Input::ModelFailed { effect, attempt, context, error, spoke, retry: true }
            }
        }
    }

    async fn ask(&self, entry: &Entry) -> Result<ModelFinish, ModelError> {
        ask(&self.world, entry, &self.request, &mut |event| self.tail.say(self.origin, event)).await
    }
}

/// Asks once. Nothing that was said counts after an error.
pub(crate) async fn ask(
    world: &World,
    entry: &Entry,
    request: &ModelRequest,
    say: &mut (dyn FnMut(ModelEvent) + Send),
) -> Result<ModelFinish, ModelError> {
    let pulse = Pulse::new(world.clock.clone());
    let mut sink = |event: ModelEvent| {
        pulse.beat();
        types::failpoint!(InStream);
        if event != ModelEvent::Alive {
            say(event);
        }
    };
    let call = entry.model.call(request, &mut sink);
    tokio::select! {
        biased;
        result = call => result,
        error = pulse.silence(entry.first_byte, entry.stall) => Err(error),
    }
}

/// When the upstream was last heard.
pub(crate) struct Pulse {
    clock: Arc<dyn Clock>,
    last: AtomicU64,
    heard: AtomicBool,
}

impl Pulse {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        let last = AtomicU64::new(millis(clock.monotonic()));
        Self { clock, last, heard: AtomicBool::new(false) }
    }

    pub(crate) fn beat(&self) {
        self.last.store(millis(self.clock.monotonic()), Ordering::Relaxed);
        self.heard.store(true, Ordering::Relaxed);
    }

    /// Resolves when nothing was heard for too long.
    pub(crate) async fn silence(&self, first_byte: Duration, stall: Duration) -> ModelError {
        loop {
            let heard = self.heard.load(Ordering::Relaxed);
            let allowed = if heard { stall } else { first_byte };
            let silent = millis(self.clock.monotonic()).saturating_sub(self.last.load(Ordering::Relaxed));
            let left = allowed.saturating_sub(Duration::from_millis(silent));
            if left.is_zero() {
                let seconds = allowed.as_secs_f32();
                return if heard {
                    ModelError::new(ModelErrorKind::Stalled, format!("The model was silent for {seconds} s."))
                } else {
                    ModelError::new(ModelErrorKind::Timeout, format!("The model did not answer within {seconds} s."))
                };
            }
            self.clock.sleep(left).await;
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
