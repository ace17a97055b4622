//! What was done in the session, counted in the server's own lists after everything: what should be there one time is
//! looked for one by one.

use super::follow::Listener;
use super::stage::Stage;
use super::talk::FUNCTION;
use crate::client::Client;
use anyhow::{Result, ensure};
use serde_json::Value;
use std::collections::BTreeMap;

/// More than a talk of two turns ever has.
const MOST: usize = 100;

#[derive(PartialEq, Eq, Debug)]
pub struct Tally {
    turns: usize,
    questions: usize,
    answers: usize,
    calls: usize,
    events: usize,
    connections: u32,
    broken_off: u32,
}

/// Counts, and says what is missing, is there twice or has a state that it should not have.
pub async fn count(client: &Client, session: &str, listener: &Listener<'_>) -> Result<Tally> {
    let path = format!("/v1/agents/sessions/{session}");
    let status = client.get(&path).await?["status"].clone();
    ensure!(status == "idle", "the session is {status} after its turns, and should be idle");
    let turns = client.get(&format!("{path}/turns?limit={MOST}")).await?;
    let items = client.get(&format!("{path}/items?limit={MOST}&order=asc")).await?;
    let read = Read {
        events: listener.events(),
        ran: listener.ran(),
        connections: listener.connections(),
        broken_off: listener.broken_off(),
    };
    check(list(&turns), list(&items), &read)
}

/// What the client saw and did.
struct Read<'a> {
    events: &'a BTreeMap<String, u32>,
    ran: &'a BTreeMap<String, u32>,
    connections: u32,
    broken_off: u32,
}

fn list(page: &Value) -> &[Value] {
    page["data"].as_array().map_or(&[], Vec::as_slice)
}

fn check(turns: &[Value], items: &[Value], read: &Read<'_>) -> Result<Tally> {
    let completed = turns.iter().filter(|turn| turn["status"] == "completed").count();
    ensure!(
        turns.len() == 2 && completed == 2,
        "{completed} of {} turns are completed, and 2 of 2 should be",
        turns.len()
    );
    let kinds = |kind: &str| items.iter().filter(move |item| item["type"] == kind).collect::<Vec<_>>();
    let said = |role: &str| {
        kinds("message").into_iter().filter(|item| item["role"] == role && item["status"] == "completed").count()
    };
    let (questions, answers) = (said("user"), said("assistant"));
    ensure!(questions == 2, "{questions} questions are in the log, and 2 were asked");
    for turn in turns {
        let answered = kinds("message")
            .into_iter()
            .any(|item| item["role"] == "assistant" && item["status"] == "completed" && item["turn_id"] == turn["id"]);
        ensure!(answered, "the turn {} has no answer", turn["id"]);
    }
    let calls = kinds("function_call");
    for call in &calls {
        let id = call["call_id"].as_str().unwrap_or_default();
        let same = |items: Vec<&Value>| items.into_iter().filter(|item| item["call_id"] == id).count();
        let (calls, results) = (same(kinds("function_call")), same(kinds("function_call_output")));
        ensure!((calls, results) == (1, 1), "the call {id} is there {calls} times and has {results} results");
        let ran = read.ran.get(id).copied().unwrap_or(0);
        ensure!(ran == 1, "{FUNCTION} ran {ran} times for the call {id}");
    }
    ensure!(calls.len() == read.ran.len(), "{FUNCTION} ran for a call that is not in the log");
    let twice = read.events.iter().find(|(_, times)| **times > 1);
    ensure!(twice.is_none(), "the event {} was sent more than one time", twice.map_or("", |(id, _)| id));
    Ok(Tally {
        turns: completed,
        questions,
        answers,
        calls: calls.len(),
        events: read.events.len(),
        connections: read.connections,
        broken_off: read.broken_off,
    })
}

impl Tally {
    pub fn show(&self, stage: &Stage) {
        let Self { turns, questions, answers, calls, events, connections, broken_off } = self;
        stage.good(&format!("{turns} turns, both completed; {questions} questions and {answers} answers"));
        match calls {
            0 => stage.line("  The model called no function; it may, and did not want to."),
            1 => {
                stage.good(&format!("1 call of {FUNCTION} with 1 result; it ran 1 time, and not again after the kill"))
            }
            _ => stage.good(&format!(
                "{calls} calls of {FUNCTION}, each with 1 result; it ran 1 time for each, and not again after the kill"
            )),
        }
        stage.good(&format!("{events} events came over {connections} connections, and none of them twice"));
        match broken_off {
            0 => stage.line("  No answer was broken off: this model is faster than the kill."),
            _ => stage.good("One answer was broken off and said to be so; another was asked for in its place"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn turns() -> Vec<Value> {
        vec![json!({ "id": "t1", "status": "completed" }), json!({ "id": "t2", "status": "completed" })]
    }

    fn items() -> Vec<Value> {
        let message =
            |role: &str, turn: &str| json!({ "type": "message", "role": role, "status": "completed", "turn_id": turn });
        vec![
            message("user", "t1"),
            json!({ "type": "function_call", "call_id": "c1" }),
            json!({ "type": "function_call_output", "call_id": "c1" }),
            message("assistant", "t1"),
            message("user", "t2"),
            message("assistant", "t2"),
        ]
    }

    fn checked(turns: &[Value], items: &[Value], ran: &[(&str, u32)], events: &[(&str, u32)]) -> Result<Tally> {
        let map = |pairs: &[(&str, u32)]| pairs.iter().map(|(id, times)| ((*id).to_owned(), *times)).collect();
        let (ran, events) = (map(ran), map(events));
        check(turns, items, &Read { events: &events, ran: &ran, connections: 3, broken_off: 1 })
    }

    #[test]
    fn what_is_there_once_is_counted() {
        let tally = checked(&turns(), &items(), &[("c1", 1)], &[("e1", 1), ("e2", 1)]).unwrap();
        let expected = Tally { turns: 2, questions: 2, answers: 2, calls: 1, events: 2, connections: 3, broken_off: 1 };
        assert_eq!(tally, expected);
    }

    #[test]
    fn whatever_is_missing_or_there_twice_is_named() {
        let ran = [("c1", 1)];
        let mut failed = turns();
        failed[1]["status"] = json!("failed");
        let without = |index: usize| [&items()[..index], &items()[index + 1..]].concat();
        let doubled = |index: usize| [items(), vec![items()[index].clone()]].concat();
        for (result, expected) in [
            (checked(&failed, &items(), &ran, &[]), "1 of 2 turns are completed"),
            (checked(&turns()[..1], &items(), &ran, &[]), "1 of 1 turns are completed"),
            (checked(&turns(), &without(0), &ran, &[]), "1 questions are in the log"),
            (checked(&turns(), &doubled(0), &ran, &[]), "3 questions are in the log"),
            (checked(&turns(), &without(5), &ran, &[]), "the turn \"t2\" has no answer"),
            (checked(&turns(), &doubled(1), &ran, &[]), "the call c1 is there 2 times"),
            (checked(&turns(), &without(2), &ran, &[]), "the call c1 is there 1 times and has 0 results"),
            (checked(&turns(), &items(), &[("c1", 2)], &[]), "get_weather ran 2 times for the call c1"),
            (checked(&turns(), &items(), &[], &[]), "get_weather ran 0 times for the call c1"),
            (checked(&turns(), &items(), &[("c1", 1), ("c2", 1)], &[]), "get_weather ran for a call that is not"),
            (checked(&turns(), &items(), &ran, &[("e1", 2)]), "the event e1 was sent more than one time"),
        ] {
            let said = result.unwrap_err().to_string();
            assert!(said.starts_with(expected), "{expected}: {said}");
        }
    }
}
