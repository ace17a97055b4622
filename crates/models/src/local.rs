//! Provider `local`: a small model inside this process, on the processor, from one GGUF file.
//!
//! Text in, text or calls of functions out, several conversations side by side. What comes out fits the schemas of the
//! functions and of the format (`grammar`). Who asks while all places are taken waits in a
//! bounded queue and hears the model's pulse meanwhile. The same conversation always gets the same answer: alone or
//! beside others, on any number of threads, on every processor (`kernel` says how), sampled or not.
//!
//! Not yet: images. It never fetches a file and never touches the disk after loading.
//!
//! The way of a call: [`Local::call`] puts the turns into the queue; the thread `local-reader` (`reader`) writes them
//! down in the model's template (`conversation`), cuts them into tokens (`vocabulary`) and makes the answer's grammar; the
//! thread `local-model`
//! (`worker`) gives the question a place and memory (`memory`), reads what it does not remember (`forward` over
//! `network` and `cache`, by the arithmetic of `kernel`) and lets each sequence say one token after another (`sequence`,
//! `sampling`, `stop`, `text`).

mod cache;
mod constraint;
mod conversation;
mod element;
pub mod embedding;
mod error;
mod forward;
mod gguf;
mod grammar;
mod kernel;
mod likelihood;
mod matrix;
mod memory;
mod network;
mod reader;
mod sampling;
mod sequence;
#[cfg(test)]
mod tests;
mod text;
mod vocabulary;
mod worker;

pub use error::LoadError;
#[cfg(feature = "fuzz")]
pub use grammar::spell;
pub use kernel::Kernel;

use crate::stop::StopTexts;
use crate::{Model, SchemaRefusal, Sink, custom};
use conversation::Template;
use futures_util::future::{Either, select};
use gguf::Gguf;
use grammar::Wish;
use grammar::speech::{Call as Spoken, call_id};
use kernel::Arithmetic;
use memory::Memory;
use network::{Network, Sizes};
use reader::{Call, Reader};
use sampling::Sampler;
use sequence::Said;
use std::collections::VecDeque;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::thread;
use tokio::sync::{Semaphore, mpsc, watch};
use types::{
    BoxFuture, ContextItem, FunctionTool, ModelError, ModelErrorKind, ModelEvent, ModelFinish, ModelRequest,
    TextFormat, ToolChoice, TurnRequest,
};
use vocabulary::Vocabulary;
use worker::Worker;

/// Threads by default, where there are as many cores. More than the server can spare would not make it faster.
const THREADS: usize = 2;
/// Tokens by default of conversations beside one as long as the context.
const BESIDE: usize = 8192;

/// How to run a model.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Threads that compute; never more than there are cores. None: 2.
    pub threads: Option<usize>,
    /// Conversations that are answered side by side: 1 to 64.
    pub sequences: usize,
    /// Calls that may wait beside those; one more is [`ModelErrorKind::Overloaded`].
    pub queue: usize,
    /// Tokens of one conversation, answer included; never more than the model was trained for. None: as many as that.
    pub context: Option<usize>,
    /// Tokens of all conversations together, those included that are only remembered; never fewer than `context`. Memory
    /// is taken as conversations grow: for SmolLM2-135M 45 KiB a token. None: a context and 8192 more, or fewer where
    /// there is not as much memory.
    pub memory: Option<usize>,
    /// How to compute; all kernels give the same bits. None, or one that this processor lacks: the fastest.
    pub kernel: Option<Kernel>,
    /// Whether an agent with functions must begin its turn with a call.
    pub first_call: FirstCall,
}

/// What the first answer after a user's message must be, where the agent has functions.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub enum FirstCall {
    /// What the model says.
    #[default]
    Auto,
    /// A call; which one, and with which arguments, is the model's own.
    Required,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            threads: None,
            sequences: 8,
            queue: 64,
            context: None,
            memory: None,
            kernel: None,
            first_call: FirstCall::Auto,
        }
    }
}

/// A loaded model. Dropping it ends its threads.
#[derive(Debug)]
pub struct Local {
    calls: mpsc::UnboundedSender<Call>,
    /// A permit for each call that is answered or waits: what bounds the channel.
    places: Semaphore,
    most_calls: usize,
    pulse: watch::Receiver<u64>,
    context: usize,
    first_call: FirstCall,
}

impl Local {
    /// Reads the file and starts the threads. Takes a second or so for each 100 million parameters and blocks for
    /// as long: not for an executor's thread.
    pub fn load(path: &Path, options: Options) -> Result<Self, LoadError> {
        let (pulse_sender, pulse) = watch::channel(0);
        let (reader, worker) = read(path, options, pulse_sender)?;
        let context = reader.context;
        let (calls, calls_taken) = mpsc::unbounded_channel();
        let (questions, questions_taken) = mpsc::unbounded_channel();
        start("local-reader", move || reader.run(calls_taken, &questions))?;
        start("local-model", move || worker.run(questions_taken))?;
        let most_calls = options.queue.saturating_add(places(options)).min(Semaphore::MAX_PERMITS);
        Ok(Self {
            calls,
            places: Semaphore::new(most_calls),
            most_calls,
            pulse,
            context,
            first_call: options.first_call,
        })
    }

    /// Tokens that one conversation may have, answer included.
    pub fn context_tokens(&self) -> usize {
        self.context
    }

    /// Whether answers can be held to these schemas. The same for every model, so it needs none to be loaded. The path
    /// of a refusal begins with `tools[0].parameters` or `text.format.schema`.
    pub fn check_schemas(tools: &[FunctionTool], format: &TextFormat) -> Result<(), SchemaRefusal> {
        grammar::check(tools, format)
    }

    /// Whether the answer may or must call, with what this model was told of first calls.
    fn tool_choice(&self, request: &ModelRequest) -> ToolChoice {
        let is_first = matches!(request.context.last(), Some(ContextItem::User { .. }));
        match request.tool_choice {
            ToolChoice::Auto if is_first && self.first_call == FirstCall::Required => ToolChoice::Required,
            ref choice => choice.clone(),
        }
    }

    async fn ask(&self, request: &ModelRequest, sink: Sink<'_>) -> Result<ModelFinish, ModelError> {
        Sampler::check(&request.sampling)?;
        StopTexts::check(&request.sampling)?;
        let (listener, mut said) = mpsc::unbounded_channel();
        let call = Call {
            turns: conversation::turns(request)?,
            cache_key: request.cache_key.clone(),
            max_output_tokens: request.max_output_tokens,
            sampling: request.sampling.clone(),
            top_logprobs: request.top_logprobs,
            wish: Wish::of(request, self.tool_choice(request)),
            listener,
        };
        let gone = || ModelError::new(ModelErrorKind::Internal, "the local model has stopped: restart the server");
        let _place = self.places.try_acquire().map_err(|_| {
            let message = format!("the local model has {} calls to answer already", self.most_calls);
            ModelError::new(ModelErrorKind::Overloaded, message)
        })?;
        let may_call = call.wish.may_call();
        self.calls.send(call).map_err(|_| gone())?;
        let mut pulse = self.pulse.clone();
        pulse.mark_unchanged();
        loop {
            // What is said comes first; a pulse without words is a sign of life.
            let heard = match select(pin!(said.recv()), pin!(pulse.changed())).await {
                Either::Left((heard, _)) => heard,
                Either::Right((Ok(()), _)) => {
                    sink(ModelEvent::Alive);
                    continue;
                }
                Either::Right((Err(_), recv)) => recv.await,
            };
            match heard {
                // It may be that nothing but calls follows.
                Some(Said::Begun) if may_call => sink(ModelEvent::Alive),
                Some(Said::Begun) => sink(ModelEvent::MessageStarted),
                Some(Said::Text(delta, logprobs)) => sink(ModelEvent::Text { delta, logprobs }),
                Some(Said::Calls(calls)) => {
                    for (index, call) in calls.into_iter().enumerate() {
                        let call_id = call_id(request, index, &call);
                        let Spoken { name, arguments } = call;
                        let is_custom = custom::is_named(&request.tools, &name);
                        let arguments = if is_custom { custom::read(arguments) } else { arguments };
                        sink(ModelEvent::Call { call_id, name, arguments });
                    }
                }
                Some(Said::Ended(ending)) => return ending,
                None => return Err(gone()),
            }
        }
    }
}

impl Model for Local {
    fn call<'a>(&'a self, request: &'a ModelRequest, sink: Sink<'a>) -> BoxFuture<'a, Result<ModelFinish, ModelError>> {
        Box::pin(self.ask(request, sink))
    }

    fn check(&self, tools: &[FunctionTool], format: &TextFormat) -> Result<(), SchemaRefusal> {
        Self::check_schemas(tools, format)
    }

    fn check_turn(&self, request: &TurnRequest) -> Result<(), SchemaRefusal> {
        let sampling = &request.sampling;
        Sampler::check(sampling).map_err(|error| SchemaRefusal::new("sampling", error.message))?;
        StopTexts::check(sampling).map_err(|error| SchemaRefusal::new("stop", error.message))
    }
}

fn start(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), LoadError> {
    let thread = thread::Builder::new().name(name.to_owned()).spawn(work);
    thread.map(drop).map_err(|error| LoadError::Threads(error.to_string()))
}

/// More side by side would only make each of them slower.
fn places(options: Options) -> usize {
    options.sequences.clamp(1, 64)
}

/// Reads the file: what the two threads work with.
fn read(path: &Path, options: Options, pulse: watch::Sender<u64>) -> Result<(Reader, Worker), LoadError> {
    let mut gguf = Gguf::open(path)?;
    let sizes = Sizes::read(&gguf)?;
    let context = options.context.unwrap_or(sizes.context).clamp(1, sizes.context);
    let memory = memory_tokens(&gguf, &sizes, context, options.memory)?;
    let vocabulary = Arc::new(Vocabulary::read(&gguf)?);
    let template = Template::read(&gguf)?;
    let tokens = Arc::new(vocabulary.tokens());
    let cores = thread::available_parallelism().map_or(1, |cores| cores.get());
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(options.threads.unwrap_or(THREADS).clamp(1, cores))
        .thread_name(|i| format!("local-model-{i}"))
        .build()
        .map_err(|error| LoadError::Threads(error.to_string()))?;
    let network = pool.install(|| Network::read(&mut gguf, sizes, Arithmetic::new(options.kernel)))?;
    let sequences = places(options);
    let worker = Worker {
        network,
        vocabulary: Arc::clone(&vocabulary),
        pool,
        memory: Memory::new(sizes, memory, 2 * sequences),
        sequences,
        pulse,
        waiting: VecDeque::new(),
        running: VecDeque::new(),
    };
    Ok((Reader { template, vocabulary, tokens, context }, worker))
}

/// Tokens for which there shall be memory: what was asked for, or what fits. Refuses a model that this machine could not
/// hold, rather than to be killed half-way through a conversation. Where the kernel does not say what is free, nothing
/// is refused.
fn memory_tokens(gguf: &Gguf, sizes: &Sizes, context: usize, asked: Option<usize>) -> Result<usize, LoadError> {
    let usual = context + BESIDE.min(context);
    let least = asked.unwrap_or(context).max(context);
    let weights = sizes.weight_bytes(gguf.tensors.contains_key("output.weight"));
    let available = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
        Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? << 10)
    });
    let Some(available) = available else { return Ok(asked.map_or(usual, |_| least)) };
    let needed = weights + sizes.cache_bytes(least);
    if available < needed {
        let (needed_mib, available_mib) = (needed >> 20, available >> 20);
        return Err(LoadError::Memory { context: least, needed_mib, available_mib });
    }
    // Half of what is left, at most: others live here too.
    let spare = (available - needed) / 2 / sizes.cache_bytes(1).max(1);
    let beside = usize::try_from(spare).map_or(BESIDE, |spare| spare.min(usual - context));
    Ok(if asked.is_some() { least } else { context + beside })
}
