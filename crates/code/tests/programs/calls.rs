//! What programs compute and how they call.

use crate::{alone, run};
use code::Call;
use serde_json::{Value, json};

fn echo(call: &Call) -> Result<Value, String> {
    Ok(call.arguments.clone())
}

#[expect(clippy::unnecessary_wraps, reason = "an answer")]
fn sum(call: &Call) -> Result<Value, String> {
    let number = |name: &str| call.arguments[name].as_i64().expect("a number");
    Ok(json!(number("a") + number("b")))
}

#[tokio::test]
async fn what_is_printed_and_the_last_value_come_back() {
    let ran = alone("print('ä', 1)\nx = 2\nx ** 100").await;
    assert_eq!(ran.printed, "ä 1\n");
    assert_eq!(ran.value(), "1267650600228229401496703205376");
    let nothing = alone("x = 1").await;
    assert_eq!((nothing.value, nothing.traceback), (None, None));
}

#[tokio::test]
async fn arguments_arrive_under_their_own_names_and_results_as_values() {
    let ran = run("add(1, b=[2.5, None, True, 'ü😀', {'k': 2 ** 63}])", echo).await;
    assert_eq!(ran.pauses[0][0].name, "add");
    assert_eq!(ran.pauses[0][0].arguments, json!({"a": 1, "b": [2.5, null, true, "ü😀", {"k": 1_u64 << 63}]}));
    assert_eq!(ran.value(), "{'a': 1, 'b': [2.5, None, True, 'ü😀', {'k': 9223372036854775808}]}");
    let renamed = run("crm__get_user(user_id=(1, 2), class_='x')", echo).await;
    assert_eq!(renamed.pauses[0][0].name, "crm__get-user");
    assert_eq!(renamed.pauses[0][0].arguments, json!({"user-id": [1, 2], "class": "x"}));
}

#[tokio::test]
async fn a_failed_call_is_an_exception_that_can_be_caught() {
    let code = "try:\n    add(1, 2)\nexcept RuntimeError as error:\n    print('caught:', error)\n'on'";
    let ran = run(code, |_| Err("no such user".to_owned())).await;
    assert_eq!((ran.printed.as_str(), ran.value()), ("caught: no such user\n", "'on'"));
    let uncaught = run("x = 1\nadd(1, 2)", |_| Err("no such user".to_owned())).await;
    let expected = "Traceback (most recent call last):\n  File \"program.py\", line 2, in <module>\n    add(1, 2)\n    \
                    ~~~~~~~~~\nRuntimeError: no such user";
    assert_eq!(uncaught.traceback(), expected);
}

#[tokio::test]
async fn calls_that_are_gathered_come_together_and_no_more_than_allowed() {
    let code = "import asyncio\nasync def one(i):\n    return await add(i, 1)\n\
                async def main():\n    return await asyncio.gather(*[one(i) for i in range(40)])\nasyncio.run(main())";
    let ran = run(code, sum).await;
    assert_eq!(ran.together(), [16, 16, 8]);
    let expected: Vec<i64> = (1..41).collect();
    assert_eq!(ran.value(), format!("{expected:?}"));
    let ids: std::collections::BTreeSet<u32> = ran.pauses.iter().flatten().map(|call| call.id).collect();
    assert_eq!(ids.len(), 40);
    let top = run("import asyncio\na, b = await asyncio.gather(add(1, 2), add(3, 4))\n(a, b)", sum).await;
    assert_eq!((top.together(), top.value()), (vec![2], "(3, 7)"));
}

#[tokio::test]
async fn one_failure_among_gathered_calls_reaches_who_gathers() {
    let code = "import asyncio\ntry:\n    await asyncio.gather(add(1, 1), add(2, 2))\nexcept RuntimeError as error:\n    \
                print(error)\nawait add(3, 3)";
    let answer = |call: &Call| if call.arguments["a"] == 2 { Err("two is wrong".to_owned()) } else { sum(call) };
    let ran = run(code, answer).await;
    assert_eq!((ran.printed.as_str(), ran.value()), ("two is wrong\n", "6"));
}

#[tokio::test]
async fn the_word_await_in_a_text_or_a_comment_changes_nothing() {
    let ran = run("# await\nx = 'await'\nadd(1, 2) + 1", sum).await;
    assert_eq!(ran.value(), "4");
    let forgotten = run("x = add(1, 2)\nx + 1\nawait add(1, 2)", sum).await;
    assert!(forgotten.traceback().ends_with("every call of a function must be awaited.)"), "{}", forgotten.traceback());
}

#[tokio::test]
async fn calls_that_nobody_awaits_are_said_not_to_be_made() {
    let ran = run("add(1, 2)\nasync def never():\n    await add(3, 4)\n'end'", sum).await;
    assert_eq!((ran.pauses.len(), ran.value()), (0, "'end'"));
    assert_eq!(ran.printed, "[1 calls were not made, because the program did not await them]\n");
}

#[tokio::test]
async fn functions_are_values_and_may_be_hidden() {
    assert_eq!(run("f = add\n[f(i, 1) for i in range(3)]", sum).await.value(), "[1, 2, 3]");
    let own = alone("def add(x):\n    return x + 1\nadd(3)").await;
    assert_eq!(own.value(), "4");
}
