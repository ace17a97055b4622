//! The language of the cases. One step a line:
//!
//! ```text
//! create [TEXT]       message TEXT        cancel      deadline      recover      limit CENTS|none
//! says TEXT           the model answers            unheard TEXT    without having heard the newest message
//! calls ID NAME JSON [& ID NAME JSON]      stops tokens|filter TEXT
//! fails KIND          torn TEXT           fails after it spoke
//! result ID TEXT      failure ID TEXT     other turn's result: result ID TEXT @TURN
//! intent AMOUNT       deny CODE           over budget
//! offer NAME CLASS [command] [& …]        what this server performs; `command`: in the environment
//! offer … | TEXT      what the model is told of it
//! begin N             refuse N            the gate lets the tool call with effect N through, or not
//! done N TEXT         broke N TEXT        lost N TEXT         its outcome: done, failed, unknown
//! overdue N           its time is over
//! offer NAME pure program|search|web|deferred     tools of other kinds
//! paused N NAME JSON [& NAME JSON]    a program calls; `found N NAME…` what a search found; `saw N URL` a page
//! offer NAME CLASS asks [PIN]         a person must agree to its calls; `pin PIN`: or only where it changed
//! ask N               the gate wants consent      consent DECISION N      a person's word
//! judged N TEXT       a model's word              unjudged N KIND         the review failed
//! review auto|none    who is asked from the next turn on
//! later HOURS         time passes                 expire                  it may be too late for some
//! within HOURS        callers are waited for so long, from the next call on
//! settle N committed|failed TEXT      an operator's word on what nobody knew
//! ```
//!
//! respond ITEM [& ITEM]   follows SEQ ITEM [& ITEM]   import ITEM [& ITEM]     see `doors`
//! remove ITEM         unlist TURN         stop TURN
//!
//! create self TEXT    the same with an environment         create hosted TEXT
//! create tools TEXT   the same with an async function `a`, a deferred one `d`, one of free text `c`, and a search
//! environment STATUS [CODE]           environment STATUS reset COUNT
//! ran N EXIT TEXT     its outcome is that of a command
//!
//! `N.A` names another attempt than the one that is open.
//!
//! What comes out is a line for each record with its events after it; runs that stand in nearly every case are phrases.

use super::phrases::shortened;
use crate::state::{OpenTool, State};
use crate::{admit, apply, head};
use expect_test::Expect;
use std::fmt::Write;
use std::sync::atomic::{AtomicU8, Ordering};
use types::*;

pub(super) struct Script {
    pub(super) state: State,
    pub(super) rules: Rules,
    pub(super) log: Vec<Record>,
    out: String,
    now: u64,
    entropy: Counting,
    heard: Seq,
}

/// Counts up, so that ids can be read in the expectations.
#[derive(Default)]
struct Counting(AtomicU8);

impl Entropy for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(0);
        if let Some(last) = bytes.last_mut() {
            *last = self.0.fetch_add(1, Ordering::Relaxed) + 1;
        }
    }
}

fn lines(steps: &str) -> Vec<&str> {
    steps.lines().map(str::trim).filter(|step| !step.is_empty()).collect()
}

pub(super) fn run(steps: &str) -> Script {
    let mut script = Script::new();
    for step in lines(steps) {
        if let Err(refusal) = script.step(step) {
            panic!("{step}: refused: {refusal}");
        }
    }
    script
}

pub(super) fn check(steps: &str, expected: Expect) {
    expected.assert_eq(&shortened(&run(steps).out));
}

/// The last step is refused, and nothing of it is left.
pub(super) fn refused(steps: &str, expected: Expect) {
    let steps = lines(steps);
    let (last, first) = steps.split_last().expect("a step");
    let mut script = run(&first.join("\n"));
    let before = script.state.clone();
    let refusal = script.step(last).expect_err("the last step is refused");
    assert_eq!(before, script.state);
    expected.assert_eq(&format!("{:?}: {}", refusal.kind, refusal.message));
}

impl Script {
    pub(super) fn new() -> Self {
        let mut rules = Rules::default();
        let entry = |fallback: &[&str], price| ModelRules {
            fallback: fallback.iter().map(|name| (*name).to_owned()).collect(),
            price,
            ..ModelRules::default()
        };
        rules.models.insert("m".to_owned(), entry(&["spare"], Price { input: 1000, cached_input: 100, output: 2000 }));
        rules.models.insert("spare".to_owned(), entry(&[], Price::default()));
        let (log, out) = (Vec::new(), String::new());
        let state = State::new(SessionId::new("sess_1"));
        Self { state, rules, log, out, now: 0, entropy: Counting::default(), heard: Seq(0) }
    }

    /// The model answers with reasoning that its provider wants back.
    pub(super) fn think(&mut self, opaque: serde_json::Value) {
        let said = Said::Reasoning { parts: Vec::new(), opaque: Some(opaque) };
        let call = self.state.turn.as_ref().and_then(|turn| turn.call.as_ref()).expect("a call");
        let input = Input::ModelDone {
            effect: call.effect,
            attempt: call.attempt,
            context: self.state.seq,
            answer: Answer { items: vec![said] },
            finish: ModelFinish { usage: None, stop: Stop::End },
        };
        self.take("thinks", input).expect("taken");
    }

    /// The records from the one at `first` on, without their numbers.
    pub(super) fn told(&self, first: usize) -> Vec<String> {
        self.log.iter().skip(first).map(|record| describe(&record.body)).collect()
    }

    pub(super) fn step(&mut self, step: &str) -> Result<(), Refusal> {
        if let Some(hours) = step.strip_prefix("later ") {
            self.now += hours.parse::<u64>().expect("hours") * 3_600_000;
            return Ok(());
        }
        if let Some(hours) = step.strip_prefix("within ") {
            let seconds = hours.parse::<u64>().expect("hours") * 3600;
            self.rules.limits.function_call_time = Some(std::time::Duration::from_secs(seconds));
            return Ok(());
        }
        let input = self.input(step);
        self.take(step, input)
    }

    pub(super) fn take(&mut self, step: &str, input: Input) -> Result<(), Refusal> {
        self.now += 1000;
        let mut stamp = Stamp::new(Timestamp(self.now), &self.entropy);
        let records = admit(&self.state, &self.rules, input, &mut stamp)?;
        writeln!(self.out, "{step}").expect("memory");
        for record in records {
            let seq = self.state.seq.next();
            // What comes back from the store is what is applied.
            let record = Record::decode(&record.encode()).expect("what was written can be read");
            let events = apply(&mut self.state, seq, &record);
            let events: Vec<_> = events.iter().map(|event| name(&event.body)).collect();
            writeln!(self.out, "  {} {}: {}", seq.0, describe(&record.body), events.join(", ")).expect("memory");
            self.log.push(record);
        }
        if !step.starts_with("message") && !step.starts_with("settle") {
            self.heard = self.state.seq;
        }
        self.sound();
        Ok(())
    }

    /// What holds after every step.
    fn sound(&self) {
        let mut again = State::new(SessionId::new("sess_1"));
        for (record, seq) in self.log.iter().zip(1..) {
            apply(&mut again, Seq(seq), record);
        }
        assert_eq!(self.state, again, "a fold of the log gives the state");
        let head = head(&self.state);
        let waits = !head.required_actions.is_empty();
        assert_eq!(waits, head.status == SessionStatus::RequiresAction, "a call waits when the session says so");
        assert_eq!(
            self.state.turn.is_some(),
            matches!(head.status, SessionStatus::InProgress | SessionStatus::RequiresAction)
        );
        let performs = self.state.turn.as_ref().is_some_and(|turn| {
            let apart = turn.open.iter().any(|open| open.told == Told::Apart);
            turn.tools.iter().any(OpenTool::is_worked_on) || (apart && turn.call.is_some())
        });
        assert_eq!(
            head.needs_work,
            head.status == SessionStatus::InProgress || performs || self.state.is_held(),
            "nobody works, or it is in progress, or calls that this server performs run beside those that wait"
        );
    }

    fn input(&self, step: &str) -> Input {
        let (verb, rest) = step.split_once(' ').unwrap_or((step, ""));
        let call = self.state.turn.as_ref().and_then(|turn| turn.call.as_ref());
        let (effect, attempt) = call.map_or((EffectId(0), Attempt(0)), |call| (call.effect, call.attempt));
        let done = |answer: Answer, stop, context| {
            let usage = Some(Usage { input_tokens: 100, cached_tokens: 0, output_tokens: 10, reasoning_tokens: 0 });
            Input::ModelDone { effect, attempt, context, answer, finish: ModelFinish { usage, stop } }
        };
        let text = |text: &str| Answer { items: vec![Said::Message { text: text.to_owned(), logprobs: Vec::new() }] };
        let context = self.state.seq;
        match verb {
            "create" => self.create(rest),
            "message" => Input::Message(vec![Message::text(rest)]),
            "cancel" => Input::Cancel,
            "deadline" => Input::Deadline { turn: self.turn() },
            "recover" => Input::Recover { epoch: Epoch(2) },
            "limit" => {
                let limit = rest.parse().ok().map(MicroUsd::from_cents);
                Input::Update(SessionChange { spend_limit: Some(limit), ..SessionChange::default() })
            }
            "says" => done(text(rest), Stop::End, context),
            "unheard" => done(text(rest), Stop::End, self.heard),
            "stops" => match rest.split_once(' ').expect("why and what") {
                ("tokens", said) => done(text(said), Stop::MaxTokens, context),
                (_, said) => done(text(said), Stop::Filtered, context),
            },
            "thinks" => {
                let reasoning = Said::Reasoning { parts: vec![rest.to_owned()], opaque: Some("secret".into()) };
                done(
                    Answer { items: vec![reasoning, Said::Message { text: "so".to_owned(), logprobs: Vec::new() }] },
                    Stop::End,
                    context,
                )
            }
            "calls" => done(Answer { items: rest.split(" & ").map(said_call).collect() }, Stop::End, context),
            "fails" => self.failed(effect, attempt, rest, false),
            "torn" => self.failed(effect, attempt, "torn", true),
            "result" | "failure" => self.tool_result(verb == "result", rest),
            "intent" => {
                let amount = MicroUsd(rest.parse().expect("an amount"));
                let reserve = vec![Reservation { account: "session:sess_1".to_owned(), amount }];
                Input::Verdict { effect, attempt, context, verdict: Verdict::Permit { reserve } }
            }
            "deny" => {
                let verdict = Verdict::Deny { code: rest.to_owned(), message: "no".to_owned() };
                Input::Verdict { effect, attempt, context, verdict }
            }
            "over" => Input::OverBudget { effect, attempt },
            "offer" => Input::Offer(offer(rest)),
            "environment" => Input::Environment(change(rest)),
            "begin" | "refuse" | "ask" | "overdue" | "done" | "broke" | "lost" | "ran" | "paused" | "found" | "saw" => {
                self.tool(verb, rest)
            }
            "consent" | "judged" | "unjudged" | "review" | "expire" | "settle" => {
                super::approvals::input(&self.state, verb, rest)
            }
            "late" => {
                let finish = ModelFinish { usage: None, stop: Stop::End };
                Input::ModelDone { effect: EffectId(1), attempt: Attempt(1), context, answer: text(rest), finish }
            }
            "respond" | "follows" | "import" | "remove" | "unlist" | "stop" => {
                super::doors::input(&self.state, verb, rest)
            }
            other => panic!("no step {other}"),
        }
    }

    fn create(&self, text: &str) -> Input {
        let mut settings = (*self.state.settings).clone();
        let (kind, more) = text.split_once(' ').unwrap_or((text, ""));
        let (environment, text) = match kind {
            "self" => (self_hosted(), more),
            "hosted" => (hosted("env_1"), more),
            _ => (EnvironmentSettings::None, text),
        };
        settings.environment = environment;
        settings.agent = AgentSettings::new("m");
        settings.agent_id = AgentId::new("agent_1");
        settings.agent.tools = ["f", "g"].map(function).to_vec();
        let text = match text.strip_prefix("tools ") {
            Some(text) => {
                settings.agent.tools.extend(later_tools());
                text
            }
            None => text,
        };
        let input = if text.is_empty() { Vec::new() } else { vec![Message::text(text)] };
        Input::Create { session: SessionId::new("sess_1"), settings: Box::new(settings), input }
    }

    fn tool(&self, verb: &str, rest: &str) -> Input {
        let (place, said) = rest.split_once(' ').unwrap_or((rest, ""));
        let (effect, attempt) =
            place.split_once('.').map_or((place, None), |(effect, attempt)| (effect, Some(attempt)));
        let effect = EffectId(effect.parse().expect("an effect"));
        let attempt = match attempt {
            Some(attempt) => Attempt(attempt.parse().expect("an attempt")),
            None => self.state.tool(effect).map_or(Attempt(1), |open| open.attempt),
        };
        let said = said.to_owned();
        let done = |outcome| Input::ToolDone { effect, attempt, outcome };
        let verdict = |verdict| Input::Verdict { effect, attempt, context: self.state.seq, verdict };
        match verb {
            "begin" => verdict(Verdict::Permit { reserve: Vec::new() }),
            "ask" => verdict(Verdict::Ask),
            "refuse" => verdict(Verdict::Deny { code: "no".to_owned(), message: "not permitted".to_owned() }),
            "overdue" => Input::ToolOverdue { effect, attempt },
            "done" => done(ToolOutcome::Done(CallOutput::Text(said))),
            "broke" => done(ToolOutcome::Failed(said)),
            "paused" => {
                let printed = self.state.tool(effect).and_then(|open| open.program.as_ref());
                let printed = format!("{}{}\n", printed.map_or("", |program| &program.printed), attempt.0);
                let snapshot = format!("after {}", attempt.0).into();
                done(ToolOutcome::Paused(Pause { snapshot, printed, calls: program_calls(&said) }))
            }
            "found" => {
                let names = said.split(' ').map(str::to_owned).collect();
                done(ToolOutcome::Found(Found { told: "found".to_owned(), names }))
            }
            "saw" => {
                let sources = vec![Source { url: said.clone(), title: "T".to_owned() }];
                let action = WebAction::OpenPage { url: said };
                done(ToolOutcome::Web(WebResult { action, told: "a page".to_owned(), sources }))
            }
            "ran" => {
                let (exit, told) = said.split_once(' ').unwrap_or((&said, ""));
                let (exit_code, told) = (exit.parse().ok(), told.to_owned());
                done(ToolOutcome::Ran(CommandResult { told, exit_code, ..CommandResult::default() }))
            }
            _ => done(ToolOutcome::Unknown(said)),
        }
    }

    fn turn(&self) -> TurnId {
        self.state.turn.as_ref().map_or(TurnId::new("turn_none"), |turn| turn.id.clone())
    }

    fn failed(&self, effect: EffectId, attempt: Attempt, kind: &str, spoke: bool) -> Input {
        let kind: ModelErrorKind = serde_json::from_value(kind.into()).expect("a kind");
        let error = ModelError::new(kind, "broken");
        Input::ModelFailed { effect, attempt, context: self.state.seq, error, spoke, retry: true }
    }

    fn tool_result(&self, success: bool, rest: &str) -> Input {
        let (rest, turn) = match rest.split_once(" @") {
            Some((rest, turn)) => (rest, TurnId::new(turn)),
            None => (rest, self.state.calls.get(&call_id(rest)).map_or(TurnId::new("?"), |call| call.turn.clone())),
        };
        let said = rest.split_once(' ').map_or("", |(_, said)| said).to_owned();
        let (output, error) = if success { (Some(CallOutput::Text(said)), None) } else { (None, Some(said)) };
        Input::ToolResult { turn, call_id: call_id(rest), success, output, error }
    }
}

fn self_hosted() -> EnvironmentSettings {
    EnvironmentSettings::SelfHosted {
        id: EnvironmentId::new("env_1"),
        workspace_directory: "/workspace".to_owned(),
        capability_directories: Vec::new(),
    }
}

pub(super) fn hosted(id: &str) -> EnvironmentSettings {
    EnvironmentSettings::OpenaiHosted(Box::new(HostedSettings {
        id: EnvironmentId::new(id),
        container_size: ContainerSize::default(),
        network: NetworkSettings::default(),
        capability_directories: Vec::new(),
        files: Vec::new(),
        packages: Packages::default(),
        plugins: Vec::new(),
        skills: Vec::new(),
    }))
}

fn function(name: &str) -> Tool {
    Tool::Function {
        name: name.to_owned(),
        description: String::new(),
        parameters: serde_json::Map::new(),
        defer_loading: false,
        is_async: None,
        strict: None,
    }
}

fn later_tools() -> [Tool; 4] {
    let (mut later, mut deferred) = (function("a"), function("d"));
    if let Tool::Function { is_async, .. } = &mut later {
        *is_async = Some(true);
    }
    if let Tool::Function { defer_loading, .. } = &mut deferred {
        *defer_loading = true;
    }
    let custom = Tool::Custom { name: "c".to_owned(), description: String::new(), format: CustomFormat::Text };
    [later, deferred, custom, Tool::ToolSearch]
}

fn program_calls(said: &str) -> Vec<ProgramCall> {
    let call = |(call, number): (&str, u32)| {
        let (name, arguments) = call.split_once(' ').unwrap_or((call, "{}"));
        ProgramCall { number, name: name.to_owned(), arguments: arguments.to_owned() }
    };
    said.split(" & ").filter(|call| !call.is_empty()).zip(1..).map(call).collect()
}

/// Tools, and behind a bar what is told of them.
fn offer(rest: &str) -> Offer {
    let (tools, told) = rest.split_once('|').unwrap_or((rest, ""));
    let tools = tools.trim_end().split(" & ").filter(|tool| !tool.is_empty()).map(offered).collect();
    Offer { tools, instructions: Some(told.trim_start().to_owned()).filter(|told| !told.is_empty()) }
}

fn offered(tool: &str) -> OfferedTool {
    let (name, class) = tool.split_once(' ').expect("a name and a class");
    let (class, more) = class.split_once(' ').unwrap_or((class, ""));
    let label = if matches!(more, "command" | "program" | "search" | "web") { "" } else { "s" };
    let kind = match more {
        "program" => ToolKind::Program,
        "search" => ToolKind::ToolSearch,
        "web" => ToolKind::WebSearch,
        _ => ToolKind::Remote,
    };
    let asks = more.strip_prefix("asks").map(str::trim);
    let vouched = more.starts_with("vouched ");
    let pin = asks
        .or(more.strip_prefix("pin "))
        .or(more.strip_prefix("vouched "))
        .filter(|pin| !pin.is_empty())
        .map(str::to_owned);
    OfferedTool {
        name: name.to_owned(),
        description: String::new(),
        parameters: std::sync::Arc::default(),
        class: serde_json::from_value(class.into()).expect("a class"),
        server_label: label.to_owned(),
        kind,
        deferred: more == "deferred",
        approval: if asks.is_some() { Approval::Person } else { Approval::None },
        pin,
        vouched,
        ..OfferedTool::default()
    }
}

fn change(rest: &str) -> EnvironmentChange {
    let (status, more) = rest.split_once(' ').map_or((rest, None), |(status, more)| (status, Some(more)));
    let reset = more.and_then(|more| more.strip_prefix("reset ")).map(|count| count.parse().expect("a count"));
    let code = more.filter(|_| reset.is_none());
    let error = code.map(|code| EnvironmentError { code: code.to_owned(), message: "it broke".to_owned() });
    EnvironmentChange { status: serde_json::from_value(status.into()).expect("a status"), error, reset }
}

fn call_id(rest: &str) -> CallId {
    CallId::new(rest.split(' ').next().unwrap_or_default())
}

fn said_call(call: &str) -> Said {
    let mut words = call.splitn(3, ' ');
    let mut next = || words.next().unwrap_or_default().to_owned();
    Said::Call { call_id: CallId::new(next()), name: next(), arguments: next() }
}

fn describe(body: &RecordBody) -> String {
    match body {
        RecordBody::Item(item) => match &item.body {
            ItemBody::UserMessage { .. } => "user message".to_owned(),
            ItemBody::Compaction { .. } => "compaction".to_owned(),
            ItemBody::AssistantMessage { phase, complete, .. } => {
                format!("answer {} {phase:?}{}", item.id, if *complete { "" } else { " (cut off)" })
            }
            ItemBody::Reasoning { .. } => format!("reasoning {}", item.id),
            ItemBody::FunctionCall { effect, call_id, name, .. } => {
                format!("call {call_id} {name} effect {}", effect.0)
            }
            ItemBody::FunctionCallOutput { call_id, .. } => format!("output {call_id}"),
            ItemBody::MalformedCall { call_id, error, .. } => format!("malformed {call_id}: {error}"),
            ItemBody::ClosedCall { call_id, .. } => format!("closed {call_id}"),
            ItemBody::Settled { effect, outcome, .. } => format!("settled {} {outcome:?}", effect.0),
            ItemBody::ToolCall(call) => {
                format!("tool call {} {} effect {} {:?}", item.id, call.name, call.effect.0, call.class)
            }
            ItemBody::ToolOutcome { call, attempt, cause, outcome, .. } => {
                format!("outcome {}.{} {cause:?} {outcome:?}", call.effect.0, attempt.0)
            }
        },
        RecordBody::Intended(Intended { effect, attempt, class, verdict, .. }) if *class != Class::Repeatable => {
            let refused = if matches!(verdict, Verdict::Deny { .. }) { " refused" } else { "" };
            format!("intended {}.{} {class:?}{refused}", effect.0, attempt.0)
        }
        RecordBody::Intended(intended) => {
            format!("intended {}.{} {}", intended.effect.0, intended.attempt.0, intended.model)
        }
        RecordBody::ApprovalAsked(asked) => {
            let changed = if asked.changed { " changed" } else { "" };
            let review = asked.review.as_ref().map(|review| format!(" review {} {}", review.effect.0, review.model));
            format!("asked {} {:?}{changed}{}", asked.effect.0, asked.by, review.unwrap_or_default())
        }
        RecordBody::ApprovalAnswered(answered) => {
            let ApprovalAnswered { effect, decision, by, reason, .. } = answered;
            let reason = reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
            format!("answered {} {decision:?} {by:?}{reason}", effect.0)
        }
        RecordBody::ProgramPaused(paused) => {
            let calls = paused.calls.iter().map(|call| match &call.became {
                Became::Effect(effect) => format!("{} is {}", call.number, effect.0),
                Became::Refused(why) => format!("{} refused: {why}", call.number),
            });
            let calls = calls.collect::<Vec<_>>().join(", ");
            format!("paused {}.{} {:?}: {calls}", paused.effect.0, paused.attempt.0, paused.snapshot)
        }
        RecordBody::Late(late) => format!("late {}.{} {:?}", late.effect.0, late.attempt.0, late.outcome),
        RecordBody::Abandoned(abandoned) => format!(
            "abandoned {}.{} charged {}{}{}",
            abandoned.effect.0,
            abandoned.attempt.0,
            abandoned.charged.0,
            if abandoned.unmeasured { " unmeasured" } else { "" },
            abandoned.next.as_ref().map_or(String::new(), |next| format!(", next {} tried {}", next.model, next.tried)),
        ),
        RecordBody::Committed(committed) => {
            let rests = if committed.rests { ", rests" } else { "" };
            format!("committed {}.{} charged {}{rests}", committed.effect.0, committed.attempt.0, committed.charged.0)
        }
        RecordBody::TurnEnded(ended) => match &ended.ending {
            Ending::Failed { code, .. } => format!("turn failed {code}"),
            ending => format!("turn {ending:?}"),
        },
        other => Record { at: Timestamp(0), body: other.clone() }.encode().kind.replace('_', " "),
    }
}

fn name(body: &EventBody) -> String {
    let session = |what: &str, view: &SessionView| {
        let actions = view.head.required_actions.len();
        let actions = if actions > 0 { format!("({actions})") } else { String::new() };
        format!("session.{what}{actions}")
    };
    match body {
        EventBody::SessionCreated(view) => format!("{}[{:?}]", session("created", view), view.head.status),
        EventBody::SessionInProgress(view) => session("in_progress", view),
        EventBody::SessionIdle(view) => session("idle", view),
        EventBody::SessionRequiresAction(view) => session("requires_action", view),
        EventBody::SessionBudgetReached(view) => session("budget_reached", view),
        EventBody::SessionFailed(view) => session("failed", view),
        EventBody::TurnCreated(view) => format!("turn.created[{:?}]", view.status),
        EventBody::TurnInProgress(view) => format!("turn.in_progress[{:?}]", view.status),
        EventBody::TurnCompleted(_) => "turn.completed".to_owned(),
        EventBody::TurnFailed(_) => "turn.failed".to_owned(),
        EventBody::TurnCancelled(_) => "turn.cancelled".to_owned(),
        EventBody::Error(_) => "error".to_owned(),
        EventBody::ItemAdded(_) => "item.added".to_owned(),
        EventBody::ItemDone(_) => "item.done".to_owned(),
        EventBody::CommandOutput { .. } => "output".to_owned(),
        EventBody::Environment(view) => {
            let known = view.head.environment.as_ref().expect("an environment");
            format!("environment[{:?}]", known.status)
        }
        EventBody::EnvironmentReset { count, .. } => format!("environment.reset({count})"),
        EventBody::PartAdded { .. } => "part.added".to_owned(),
        EventBody::Delta { .. } => "delta".to_owned(),
        EventBody::TextDone { .. } => "text.done".to_owned(),
        EventBody::PartDone { .. } => "part.done".to_owned(),
        EventBody::DraftAdded { .. } | EventBody::DraftDropped { .. } => "draft".to_owned(),
        EventBody::AttemptDropped { .. } => "attempt.dropped".to_owned(),
    }
}
