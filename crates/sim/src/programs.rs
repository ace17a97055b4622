//! Programs of models, run by an interpreter that is outside of the process which may die: its snapshot is a counter, and
//! what it calls next is decided by that alone, as a program's next step is.

use crate::random::Random;
use store::Stored;
use types::{
    Became, CallOutput, CommandResult, EffectId, ItemBody, Pause, ProgramCall, ProgramPaused, Record, RecordBody,
    ToolOutcome, ToolRequest,
};

/// After so many steps a program comes to its end.
const STEPS: u64 = 4;
/// What programs call: tools of every class, functions of the client's, and what there is not.
const NAMES: [&str; 12] =
    ["read", "put", "pay", "run", "launch", "list", "send", "f", "g", "later", "nobody", "search"];

/// The next step of a program.
pub(crate) fn step(request: &ToolRequest) -> ToolOutcome {
    let counter = request.resume.as_ref().map_or(0, |resume| resume.snapshot.parse().unwrap_or(0));
    let mut random = Random::new((request.call.effect.0 << 8) ^ counter);
    if counter == STEPS || random.chance(250) {
        let told = format!("ended after {counter}");
        let result = CommandResult { told, output: Some(String::new()), exit_code: Some(0), ..Default::default() };
        return ToolOutcome::Ran(result);
    }
    let call = |number: u64| ProgramCall {
        number: number as u32,
        name: NAMES[random.below(NAMES.len() as u64) as usize].to_owned(),
        arguments: if random.chance(50) { "[]".to_owned() } else { format!("{{\"n\":{counter}}}") },
    };
    let many = 1 + request.call.effect.0.wrapping_add(counter) % 3;
    let calls = (0..many).map(call).collect();
    ToolOutcome::Paused(Pause { snapshot: (counter + 1).to_string().into(), printed: String::new(), calls })
}

/// What is wrong with how a program goes on, by the durable log: it must go on from its newest pause, and with what its
/// calls came to, in the order in which it made them.
pub(crate) fn check_step(records: &[Stored], request: &ToolRequest) -> Option<String> {
    let program = request.call.effect;
    let records: Vec<Record> = records.iter().filter_map(|stored| Record::decode(&stored.record).ok()).collect();
    let newest = records.iter().rev().find_map(|record| match &record.body {
        RecordBody::ProgramPaused(paused) if paused.effect == program => Some(paused),
        _ => None,
    });
    match (newest, &request.resume) {
        (None, None) => None,
        (None, Some(_)) => Some("a program goes on that has not paused".to_owned()),
        (Some(_), None) => Some("a program that has paused begins anew".to_owned()),
        (Some(newest), Some(resume)) if newest.snapshot != resume.snapshot => {
            Some(format!("a program goes on from {}; its newest pause is {}", resume.snapshot, newest.snapshot))
        }
        (Some(newest), Some(resume)) => {
            let expected: Vec<_> = results(&records, newest).collect();
            (expected != resume.results)
                .then(|| format!("a program goes on with {:?}; its calls came to {expected:?}", resume.results))
        }
    }
}

type Results = (u32, Result<CallOutput, String>);

fn results<'a>(records: &'a [Record], paused: &'a ProgramPaused) -> impl Iterator<Item = Results> + 'a {
    paused.calls.iter().map(|call| {
        let came_to = match &call.became {
            Became::Refused(why) => Err(why.clone()),
            Became::Effect(effect) => {
                outcome(records, *effect).unwrap_or_else(|| Err("nothing that the log has".to_owned()))
            }
        };
        (call.number, came_to)
    })
}

fn outcome(records: &[Record], effect: EffectId) -> Option<Result<CallOutput, String>> {
    let mut call = None;
    for record in records {
        let RecordBody::Item(item) = &record.body else { continue };
        match &item.body {
            ItemBody::FunctionCall { effect: of, call_id, .. } if *of == effect => call = Some(call_id),
            ItemBody::FunctionCallOutput { call_id, result, .. } if call == Some(call_id) => {
                return Some(match result {
                    types::CallResult::Success(output) => Ok(output.clone().unwrap_or(CallOutput::Text(String::new()))),
                    types::CallResult::Failure { error, .. } => Err(error.clone().unwrap_or_default()),
                });
            }
            ItemBody::ToolOutcome { call, outcome, .. } if call.effect == effect => {
                return Some(match outcome {
                    ToolOutcome::Done(output) => Ok(output.clone()),
                    ToolOutcome::Ran(result) => Ok(CallOutput::Text(result.told.clone())),
                    other => Err(other.error().unwrap_or_default()),
                });
            }
            _ => {}
        }
    }
    None
}
