//! A turn is told in many ways: from its records, or while it is said, in chunks of any size. The stream is one.

use super::*;
use serde_json::Value;
use types::{
    AgentId, AgentSettings, Attempt, CallId, EffectId, Phase, Timestamp, TokenLogprob, TurnRequest, TurnStatus,
};

const SESSION: &str = "sess_ab";
const TURN: &str = "turn_1";

/// What a model says in one attempt.
enum Said {
    Message(&'static str),
    Reasoning(&'static [&'static str]),
    Call(&'static str),
}

const ANSWER: &[Said] = &[
    Said::Reasoning(&["First this, then that. ", "So be it: überall."]),
    Said::Reasoning(&[]),
    Said::Message("The answer is   42, and nothing-else-that-is-longer-than-a-piece-may-be."),
    Said::Call("{\"n\":1}"),
    Said::Message("漢字"),
];

fn origin(attempt: u32) -> Origin {
    Origin { effect: EffectId(1), attempt: Attempt(attempt) }
}

fn view(status: TurnStatus) -> TurnView {
    TurnView {
        id: TurnId::new(TURN),
        agent_id: AgentId::new("agent_1"),
        status,
        error: None,
        usage: None,
        prompt_cache: None,
        created_at: Timestamp(1000),
        started_at: None,
        completed_at: (status == TurnStatus::Completed).then_some(Timestamp(2000)),
    }
}

fn facts(request: TurnRequest) -> Arc<Facts> {
    let (agent, request) = (AgentSettings::new("m"), Arc::new(request));
    Arc::new(Facts { id: "resp_abt2".to_owned(), agent, request, conversation: None, store: true, encrypted: false })
}

fn item(said: &Said, origin: Origin, index: u32) -> Arc<Item> {
    let (prefix, body) = match said {
        Said::Message(text) => {
            let logprob = TokenLogprob { token: "x".to_owned(), logprob: -0.5, bytes: None, top: Vec::new() };
            let (text, phase, complete) = ((*text).to_owned(), Phase::FinalAnswer, true);
            (
                "msg",
                ItemBody::AssistantMessage { text, phase, complete, logprobs: vec![logprob], annotations: Vec::new() },
            )
        }
        Said::Reasoning(parts) => {
            let summary = parts.iter().map(|part| (*part).to_owned()).collect();
            ("rs", ItemBody::Reasoning { summary, opaque: None })
        }
        Said::Call(arguments) => {
            let (effect, call_id, name) = (EffectId(9), CallId::new("call_1"), "f".to_owned());
            (
                "fc",
                ItemBody::FunctionCall {
                    effect,
                    call_id,
                    name,
                    arguments: (*arguments).to_owned(),
                    custom: false,
                    told: types::Told::InPlace,
                    expires: None,
                },
            )
        }
    };
    let (session, turn) = (SessionId::new(SESSION), TurnId::new(TURN));
    let id = origin.item_id(&session, prefix, index);
    Arc::new(Item { id, turn, output_index: Some(index), origin: Some(origin), body })
}

fn streamed(said: &Said) -> Option<(ItemKind, Vec<&'static str>)> {
    match said {
        Said::Message(text) => Some((ItemKind::Message, vec![text])),
        Said::Reasoning(parts) if !parts.is_empty() => Some((ItemKind::Reasoning, parts.to_vec())),
        Said::Reasoning(_) | Said::Call(_) => None,
    }
}

/// Pseudo-random numbers, below a bound.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

/// Drafts of an attempt, in chunks of chance, up to `stop` bytes of everything.
fn drafted(said: &[Said], origin: Origin, dice: &mut Dice, mut stop: usize) -> Vec<EventBody> {
    let (session, turn) = (SessionId::new(SESSION), TurnId::new(TURN));
    let mut events = Vec::new();
    for (said, output_index) in said.iter().zip(0..) {
        let Some((kind, texts)) = streamed(said) else { continue };
        if stop == 0 {
            break;
        }
        let item = origin.item_id(&session, kind.id_prefix(), output_index);
        events.push(EventBody::DraftAdded { item: item.clone(), kind, turn: turn.clone(), output_index });
        for (text, part) in texts.iter().zip(0..) {
            if stop == 0 {
                break;
            }
            events.push(EventBody::PartAdded { item: item.clone(), kind, turn: turn.clone(), output_index, part });
            let mut rest: &str = text;
            while !rest.is_empty() && stop > 0 {
                let mut end = (1 + dice.below(12)).min(rest.len()).min(stop);
                while !rest.is_char_boundary(end) {
                    end += 1;
                }
                stop = stop.saturating_sub(end);
                let text = rest[..end].to_owned();
                rest = &rest[end..];
                events.push(EventBody::Delta {
                    item: item.clone(),
                    kind,
                    turn: turn.clone(),
                    output_index,
                    part,
                    text,
                });
            }
        }
    }
    events
}

/// Events of an attempt's records, without what `drafts` told of them.
fn recorded(said: &[Said], origin: Origin, drafts: &[EventBody]) -> Vec<EventBody> {
    let mut events = Vec::new();
    for (said, output_index) in said.iter().zip(0..) {
        let whole = item(said, origin, output_index);
        let told = |wanted: u32| -> Option<usize> {
            let lengths = drafts.iter().filter_map(|event| match event {
                EventBody::PartAdded { item, part, .. } if *item == whole.id && *part == wanted => Some(0),
                EventBody::Delta { item, part, text, .. } if *item == whole.id && *part == wanted => Some(text.len()),
                _ => None,
            });
            lengths.fold(None, |sum, length| Some(sum.unwrap_or(0) + length))
        };
        let is_begun =
            drafts.iter().any(|event| matches!(event, EventBody::DraftAdded { item, .. } if *item == whole.id));
        if !is_begun {
            events.push(EventBody::ItemAdded(Arc::clone(&whole)));
        }
        if let Some((kind, texts)) = streamed(said) {
            let (id, turn) = (whole.id.clone(), whole.turn.clone());
            for (text, part) in texts.iter().zip(0..) {
                let told = told(part);
                if told.is_none() {
                    let (item, turn) = (id.clone(), turn.clone());
                    events.push(EventBody::PartAdded { item, kind, turn, output_index, part });
                }
                let text = text[told.unwrap_or(0)..].to_owned();
                if !text.is_empty() {
                    let (item, turn) = (id.clone(), turn.clone());
                    events.push(EventBody::Delta { item, kind, turn, output_index, part, text });
                }
                events.push(EventBody::TextDone { item: Arc::clone(&whole), kind, part });
                events.push(EventBody::PartDone { item: Arc::clone(&whole), kind, part });
            }
        }
        events.push(EventBody::ItemDone(whole));
    }
    events
}

fn told(events: &[EventBody], after: Option<u64>) -> Vec<Line> {
    let mut stream =
        Stream::new(facts(TurnRequest::default()), SessionId::new(SESSION), TurnId::new(TURN), after, true);
    let lines = events.iter().flat_map(|event| stream.read(event)).collect();
    assert!(stream.is_over());
    lines
}

fn whole(middle: Vec<EventBody>) -> Vec<EventBody> {
    let mut events =
        vec![EventBody::TurnCreated(view(TurnStatus::Queued)), EventBody::TurnInProgress(view(TurnStatus::InProgress))];
    events.extend(middle);
    events.push(EventBody::TurnCompleted(view(TurnStatus::Completed)));
    events
}

fn numbers(lines: &[Line]) -> Vec<u64> {
    lines.iter().map(|line| line.number).collect()
}

#[test]
fn every_way_of_telling_gives_the_same_events() {
    let replay = told(&whole(recorded(ANSWER, origin(1), &[])), None);
    assert_eq!(numbers(&replay), (0..replay.len() as u64).collect::<Vec<_>>());
    for seed in 0..300 {
        let mut dice = Dice(seed);
        let stop = dice.below(200);
        let drafts = drafted(ANSWER, origin(1), &mut dice, stop);
        let mut events = drafts.clone();
        events.extend(recorded(ANSWER, origin(1), &drafts));
        assert_eq!(told(&whole(events), None), replay, "seed {seed}");
    }
}

#[test]
fn whoever_comes_back_is_told_the_rest() {
    let events = whole(recorded(ANSWER, origin(1), &[]));
    let replay = told(&events, None);
    for after in 0..replay.len() as u64 {
        let rest: Vec<Line> = replay.iter().filter(|line| line.number > after).cloned().collect();
        assert_eq!(told(&events, Some(after)), rest);
    }
}

#[test]
fn after_a_dropped_attempt_the_numbers_go_on_higher() {
    let dropped = EventBody::AttemptDropped { origin: origin(1), turn: TurnId::new(TURN) };
    let mut unseen = vec![dropped.clone()];
    unseen.extend(recorded(ANSWER, origin(2), &[]));
    let replay = told(&whole(unseen), None);
    assert_eq!(numbers(&replay)[..3], [0, 1, (1 << 24) | 2]);
    for seed in 0..100 {
        let mut dice = Dice(seed);
        let mut events = drafted(ANSWER, origin(1), &mut dice, 1 + seed as usize);
        events.push(dropped.clone());
        events.extend(recorded(ANSWER, origin(2), &[]));
        let live = told(&whole(events), None);
        let numbers = numbers(&live);
        assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "seed {seed}: {numbers:?}");
        // The rest is that of the replay, but for the places of its items.
        let names = |lines: &[Line], from: u64| -> Vec<(u64, &str)> {
            lines.iter().filter(|line| line.number >= from).map(|line| (line.number, line.name)).collect()
        };
        assert_eq!(names(&live, 1 << 24), names(&replay, 1 << 24), "seed {seed}");
        announced_once(&live);
    }
}

/// Every place is given to one item, and every item that was begun is closed.
fn announced_once(lines: &[Line]) {
    let of = |name: &str| -> Vec<Value> {
        let json = lines.iter().filter(|line| line.name == name).map(|line| serde_json::from_str(&line.json).unwrap());
        json.collect()
    };
    let (added, done) = (of("response.output_item.added"), of("response.output_item.done"));
    let places: Vec<u64> = added.iter().map(|event| event["output_index"].as_u64().unwrap()).collect();
    assert_eq!(places, (0..added.len() as u64).collect::<Vec<_>>());
    for event in &added {
        let id = &event["item"]["id"];
        assert_eq!(done.iter().filter(|event| event["item"]["id"] == *id).count(), 1, "{id}");
    }
}

#[test]
fn events_say_what_was_said() {
    let lines = told(&whole(recorded(&[Said::Message("Hi there"), Said::Call("{}")], origin(1), &[])), None);
    let names: Vec<&str> = lines.iter().map(|line| line.name.strip_prefix("response.").unwrap()).collect();
    let wanted = [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ];
    assert_eq!(names, wanted);
    let last: Value = serde_json::from_str(&lines.last().unwrap().json).unwrap();
    assert_eq!(last["response"]["output"].as_array().unwrap().len(), 2);
    assert_eq!(last["response"]["status"], "completed");
    assert_eq!(last["sequence_number"], 13);
    let delta: Value = serde_json::from_str(&lines[4].json).unwrap();
    assert_eq!((&delta["delta"], delta["obfuscation"].as_str().unwrap().len()), (&"Hi ".into(), 13));
}

#[test]
fn a_background_response_is_queued_first() {
    let request = TurnRequest { background: true, ..TurnRequest::default() };
    let mut stream = Stream::new(facts(request), SessionId::new(SESSION), TurnId::new(TURN), None, false);
    let lines = stream.read(&EventBody::TurnCreated(view(TurnStatus::Queued)));
    let names: Vec<&str> = lines.iter().map(|line| line.name).collect();
    assert_eq!(names, ["response.created", "response.queued"]);
    assert!(lines[0].json.contains("\"status\":\"queued\""));
}

#[test]
fn a_long_text_is_told_in_parts_that_say_the_same() {
    let words: String = (0..2000).map(|number| format!("wörd{number} ")).collect();
    let text: &'static str = Box::leak(words.into_boxed_str());
    let said = [Said::Reasoning(Box::leak(Box::new([text, "and", text]))), Said::Message(text)];
    let records = recorded(&said, origin(1), &[]);
    let only_done = records.iter().filter(|event| matches!(event, EventBody::ItemDone(_))).cloned().collect();
    for events in [whole(records), whole(only_done)] {
        let mut stream =
            Stream::new(facts(TurnRequest::default()), SessionId::new(SESSION), TurnId::new(TURN), None, false);
        let (mut lines, mut most) = (Vec::new(), 0);
        for event in &events {
            let mut part = stream.read_first(event);
            loop {
                most = most.max(part.iter().filter(|line| line.name.ends_with(".delta")).count());
                lines.append(&mut part);
                if !stream.is_behind() {
                    break;
                }
                part = stream.read_on();
            }
        }
        assert!(stream.is_over() && most > 1 && most < SLICE);
        let json = |lines: &[Line]| lines.iter().map(|line| line.json.clone()).collect::<Vec<_>>();
        let mut stream =
            Stream::new(facts(TurnRequest::default()), SessionId::new(SESSION), TurnId::new(TURN), None, false);
        let at_once: Vec<Line> = events.iter().flat_map(|event| stream.read(event)).collect();
        assert_eq!(json(&lines), json(&at_once));
        assert!(lines.len() > 6000);
    }
}
