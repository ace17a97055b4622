//! What a pause keeps: everything. Each step of these programs is another process.

use crate::{begin, interpreter, run};
use code::{Call, Limits, Outcome, Step, StepError};
use serde_json::{Value, json};

/// The first pause of a program.
async fn paused(code: &str) -> (Vec<u8>, Vec<Call>) {
    match interpreter(Limits::default()).step("p", begin(code)).await.expect("a step") {
        Outcome::Paused { snapshot, calls, .. } => (snapshot, calls),
        other => panic!("no pause: {other:?}"),
    }
}

async fn resumed(snapshot: &[u8], results: Vec<(u32, Result<Value, String>)>) -> Result<Outcome, StepError> {
    interpreter(Limits::default()).step("p", Step::Resume { snapshot: snapshot.to_vec(), results }).await
}

const KEPT: &str = "\
import json
from collections import Counter, defaultdict, deque
from dataclasses import dataclass
@dataclass
class Point:
    x: int
    y: float = 1.5
class Account:
    def __init__(self):
        self.seen = {}
    def visit(self, key):
        result = add(key, len(self.seen))
        self.seen[key] = result
        return self.seen
counter, groups, line = Counter('aab'), defaultdict(list), deque([1, 2])
account, point, big, shared = Account(), Point(1), 7 ** 300, ['shared']
alias, unordered, text = shared, {'x', 'y'}, 'ü😀'
def outer():
    inside = ['closure']
    def inner(value):
        inside.append(value)
        return inside
    return inner
inner = outer()
for number in range(3):
    try:
        try:
            account.visit(f'k{number}')
        finally:
            print('visited', number)
    except RuntimeError as error:
        print('failed', error)
    inner(number)
    groups[number % 2].append(number)
    shared.append(number)
    line.append(number)
(account.seen, inner('end'), dict(counter), dict(groups), list(line), point, big % 1000, alias is shared, alias, \
sorted(unordered), text)";

#[tokio::test]
async fn everything_that_a_program_has_survives_a_pause() {
    let answer =
        |call: &Call| if call.arguments["a"] == "k1" { Err("k1".to_owned()) } else { Ok(call.arguments.clone()) };
    let ran = run(KEPT, answer).await;
    assert_eq!(ran.pauses.len(), 3);
    assert_eq!(ran.printed, "visited 0\nvisited 1\nfailed k1\nvisited 2\n");
    let expected = "({'k0': {'a': 'k0', 'b': 0}, 'k2': {'a': 'k2', 'b': 1}}, ['closure', 0, 1, 2, 'end'], \
                    {'a': 2, 'b': 1}, {0: [0, 2], 1: [1]}, [1, 2, 0, 1, 2], Point(x=1, y=1.5), 1, True, \
                    ['shared', 0, 1, 2], ['x', 'y'], 'ü😀')";
    assert_eq!(ran.value(), expected);
}

#[tokio::test]
async fn a_hundred_calls_and_as_many_processes() {
    let code = "total = 0\nseen = []\nfor i in range(100):\n    total = add(total, i)\n    seen.append(total)\n(total, len(seen))";
    let answer = |call: &Call| {
        let number = |name: &str| call.arguments[name].as_i64().ok_or_else(|| "no number".to_owned());
        Ok(json!(number("a")? + number("b")?))
    };
    let ran = run(code, answer).await;
    assert_eq!((ran.pauses.len(), ran.value()), (100, "(4950, 100)"));
}

#[tokio::test]
async fn the_same_snapshot_goes_on_alike_as_often_as_it_is_asked_to() {
    let (snapshot, calls) = paused("x = add(1, 2)\nprint(x)\nadd(x, x)\n'end'").await;
    let id = calls[0].id;
    let mut seen = Vec::new();
    for _ in 0..3 {
        match resumed(&snapshot, vec![(id, Ok(json!(5)))]).await.expect("a step") {
            Outcome::Paused { printed, calls, snapshot } => {
                let last = resumed(&snapshot, vec![(calls[0].id, Ok(json!(0)))]).await.expect("a step");
                seen.push((printed, calls, last));
            }
            other => panic!("no pause: {other:?}"),
        }
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "{seen:?}");
    assert_eq!(seen[0].1[0].arguments, json!({"a": 5, "b": 5}));
    assert_ne!(seen[0].1[0].id, id);
    // And otherwise where the result is another one.
    match resumed(&snapshot, vec![(id, Ok(json!("other")))]).await.expect("a step") {
        Outcome::Paused { calls, .. } => assert_eq!(calls[0].arguments, json!({"a": "other", "b": "other"})),
        other => panic!("no pause: {other:?}"),
    }
}

#[tokio::test]
async fn results_must_be_those_of_the_calls() {
    let (snapshot, calls) = paused("import asyncio\nawait asyncio.gather(add(1, 2), add(3, 4))").await;
    let ok = |id: u32| (id, Ok(json!(1)));
    let (first, second) = (calls[0].id, calls[1].id);
    for wrong in [vec![], vec![ok(first)], vec![ok(first), ok(first)], vec![ok(first), ok(second), ok(second + 1)]] {
        let refused = resumed(&snapshot, wrong).await;
        assert!(matches!(refused, Err(StepError::Damaged(_))), "{refused:?}");
    }
    let outcome = resumed(&snapshot, vec![ok(second), ok(first)]).await.expect("in any order");
    assert!(matches!(outcome, Outcome::Done { .. }), "{outcome:?}");
}

#[tokio::test]
async fn a_snapshot_of_another_version_is_stale() {
    let (snapshot, calls) = paused("add(1, 2)").await;
    let end = snapshot.iter().position(|byte| *byte == b'\n').expect("a first line");
    let mut other = b"outcrop program 1 0.0.99\n".to_vec();
    other.extend_from_slice(&snapshot[end + 1..]);
    let refused = resumed(&other, vec![(calls[0].id, Ok(json!(1)))]).await.expect_err("stale");
    assert!(matches!(refused, StepError::Stale));
    assert!(refused.to_string().contains("another version"));
}

#[tokio::test]
async fn bytes_that_are_no_snapshot_end_nothing_but_their_step() {
    let (snapshot, calls) = paused("x = [1, 2, 3]\nadd(1, 2)\nx").await;
    let mut torn: Vec<Vec<u8>> = vec![Vec::new(), b"hello".to_vec(), snapshot[..snapshot.len() / 2].to_vec()];
    torn.push(snapshot[..snapshot.len() - 1].to_vec());
    torn.push([snapshot.as_slice(), b"x"].concat());
    for bytes in torn {
        let refused = resumed(&bytes, vec![(calls[0].id, Ok(json!(1)))]).await;
        assert!(matches!(refused, Err(StepError::Damaged(_))), "{refused:?}");
    }
    // What was changed may go on wrongly, or break the interpreter; this process lives, and knows how it ended.
    for at in (0..snapshot.len()).step_by(13) {
        let mut changed = snapshot.clone();
        changed[at] ^= 0x41;
        let _ = resumed(&changed, vec![(calls[0].id, Ok(json!(1)))]).await;
    }
}
