//! Every limit, from both sides where a program can tell.

use crate::{alone, begin, interpreter, run, run_within};
use code::{Call, Limits, Outcome, Step};
use serde_json::{Value, json};
use std::time::Duration;

fn short() -> Limits {
    Limits { time: Duration::from_millis(200), patience: Duration::from_secs(60), ..Limits::default() }
}

fn none(call: &Call) -> Result<Value, String> {
    Err(format!("nothing is called: {call:?}"))
}

#[tokio::test]
async fn an_endless_loop_ends_and_cannot_catch_its_end() {
    let expected = "TimeoutError: the program ran for more than 0.2 s without calling a function";
    for code in [
        "while True:\n    pass",
        "while True:\n    try:\n        while True:\n            pass\n    except BaseException:\n        pass",
        "while True:\n    print('x')",
        "import itertools\nsum(itertools.count())",
    ] {
        let ran = run_within(short(), code, none).await;
        let last = ran.traceback().lines().last().expect("a line");
        assert_eq!(last, expected, "{code}");
    }
}

#[tokio::test]
async fn a_loop_that_the_interpreter_does_not_interrupt_is_ended_by_the_kernel() {
    // A number of millions of digits is written out after the program is over.
    let limits = Limits { time: Duration::from_millis(100), memory: 256 << 20, ..short() };
    let ran = run_within(limits, "1 << 400_000_000", none).await;
    assert!(ran.traceback().starts_with("TimeoutError: the program ran for more than 0.1 s"), "{}", ran.traceback());
}

#[tokio::test]
async fn time_is_counted_by_the_step() {
    let code = "def work():\n    return sum(i * i for i in range(20_000))\nfor i in range(30):\n    work()\n    add(i, 1)\n'end'";
    let ran = run_within(short(), code, |_| Ok(json!(1))).await;
    assert_eq!(ran.value(), "'end'");
}

#[tokio::test]
async fn memory_is_limited_for_what_grows_and_for_what_is_large_at_once() {
    for code in [
        "x = []\nwhile True:\n    x.append('a' * 1000)",
        "x = []\nwhile True:\n    try:\n        x.append('a' * 1000)\n    except MemoryError:\n        pass",
        "'x' * 10 ** 10",
        "[0] * 10 ** 9",
        "2 ** 10 ** 10",
        "10 ** 10 ** 8",
        "f'{1:>1000000000}'",
        "list(range(10 ** 8))",
        "x = 'ab' * 1000\nwhile True:\n    x = x.replace('a', 'aa')",
        // Small in the interpreter and large outside of it.
        "[[0] * 1000] * 10 ** 6",
    ] {
        let ran = alone(code).await;
        let last = ran.traceback().lines().last().expect("a line");
        assert!(last.starts_with("MemoryError: "), "{code}: {last}");
    }
    assert_eq!(alone("len('x' * 30_000_000)").await.value(), "30000000");
}

#[tokio::test]
async fn what_a_program_frees_it_may_use_again() {
    let ran = alone("for i in range(100):\n    x = 'x' * 10_000_000 + str(i)\nlen(x)").await;
    assert_eq!(ran.value(), "10000002");
}

#[tokio::test]
async fn depth_is_limited_in_code_and_in_values() {
    for code in [
        "def f(n):\n    return f(n + 1)\nf(0)",
        "f = lambda n: list(map(f, [n]))\nf(1)",
        "class A:\n    def __init__(self):\n        A()\nA()",
        "class A:\n    def __repr__(self):\n        return repr(self)\nrepr(A())",
        "x, y = [], []\nfor i in range(100_000):\n    x, y = [x], [y]\nx == y",
        "import json\nx = []\nfor i in range(100_000):\n    x = [x]\njson.dumps(x)",
    ] {
        let ran = alone(code).await;
        assert!(ran.traceback().ends_with("RecursionError: maximum recursion depth exceeded"), "{}", ran.traceback());
        assert!(ran.traceback().len() < 2000, "a short traceback");
    }
    assert_eq!(alone("def f(n):\n    return n and 1 + f(n - 1)\nf(900)").await.value(), "900");
    let caught = alone("def f():\n    f()\ntry:\n    f()\nexcept RecursionError:\n    print('deep')").await;
    assert_eq!(caught.printed, "deep\n");
    let parentheses = format!("{}1{}", "(".repeat(20_000), ")".repeat(20_000));
    assert!(alone(&parentheses).await.traceback().contains("Error"), "no crash");
    let deep = alone("x = []\nfor i in range(100_000):\n    x = [x]\nx").await;
    assert!(deep.value().starts_with("[[["));
}

#[tokio::test]
async fn output_is_cut_and_counted_over_all_steps() {
    let limits = Limits { output: 10, ..Limits::default() };
    let ran = run_within(limits.clone(), "print('123456')\nadd(1, 2)\nprint('ääää')", |_| Ok(json!(1))).await;
    assert_eq!(ran.printed, "123456\nä\n[7 more bytes of output are left out]\n");
    let value = run_within(limits, "'abcdefghijklmnop'", none).await;
    assert_eq!(value.value(), "'abcd\n[8 bytes are left out]\nmnop'");
    let bomb = alone("for i in range(200_000):\n    print('x' * 10)").await;
    assert!(bomb.printed.len() < 70_000 && bomb.printed.ends_with("more bytes of output are left out]\n"));
    let message = alone("raise ValueError('x' * 1_000_000)").await;
    assert!(message.traceback().len() < 20_000 && message.traceback().contains("bytes are left out"));
}

#[tokio::test]
async fn the_calls_of_a_program_are_counted() {
    let limits = Limits { calls: 5, ..Limits::default() };
    let expected = "RuntimeError: a program may make 5 calls, and this was one more";
    let one_by_one = run_within(limits.clone(), "for i in range(10 ** 6):\n    add(i, 0)", |_| Ok(json!(1))).await;
    assert_eq!(one_by_one.pauses.len(), 5);
    assert!(one_by_one.traceback().ends_with(expected), "{}", one_by_one.traceback());
    let code = "import asyncio\nawait asyncio.gather(*[add(i, 0) for i in range(10 ** 6)])";
    let at_once = run_within(limits.clone(), code, |_| Ok(json!(1))).await;
    assert!(at_once.pauses.is_empty() && at_once.traceback().ends_with(expected), "{}", at_once.traceback());
    let stubborn = "while True:\n    try:\n        add(1, 2)\n    except BaseException:\n        pass";
    assert!(run_within(limits, stubborn, |_| Ok(json!(1))).await.traceback().ends_with(expected));
}

#[tokio::test]
async fn what_a_program_keeps_over_a_call_is_limited() {
    let ran = run("x = 'y' * 2_000_000\nadd(1, 2)", |_| Ok(json!(1))).await;
    assert!(ran.pauses.is_empty());
    assert!(ran.traceback().contains("line 2, in <module>"), "{}", ran.traceback());
    assert!(ran.traceback().ends_with("more than 1048576: keep less in variables"), "{}", ran.traceback());
    let freed = run("x = 'y' * 2_000_000\nx = len(x)\nadd(1, 2)\nx", |_| Ok(json!(1))).await;
    assert_eq!(freed.value(), "2000000");
}

#[tokio::test]
async fn arguments_and_results_are_limited_and_the_program_may_go_on() {
    let limits = Limits { arguments: 1000, results: 1000, ..Limits::default() };
    let code = "try:\n    add('x' * 2000, 1)\nexcept ValueError as error:\n    print(error)\n\
                try:\n    add(1, 2)\nexcept RuntimeError as error:\n    print(error)";
    let ran = run_within(limits, code, |_| Ok(json!("y".repeat(2000)))).await;
    let expected = "add() the arguments of calls that wait are larger than 1000 bytes\n\
                    the result is too large for a program: 2002 bytes, and 1000 were left\n";
    assert_eq!((ran.printed.as_str(), ran.traceback.as_deref()), (expected, None));
}

#[tokio::test]
async fn code_is_limited() {
    let code = format!("x = '{}'", "a".repeat(100_000));
    let ran = alone(&code).await;
    assert_eq!(ran.traceback(), "SyntaxError: the program is longer than 65536 bytes");
}

#[tokio::test]
async fn no_more_workers_run_at_once_than_allowed_and_all_are_served() {
    let interpreter = interpreter(Limits { processes: 2, ..Limits::default() });
    let steps = (0..20).map(|number| interpreter.step("p", begin(&format!("{number} * 2"))));
    let outcomes = futures_util::future::join_all(steps).await;
    for (number, outcome) in outcomes.into_iter().enumerate() {
        let value = Some((number * 2).to_string());
        assert_eq!(outcome.expect("a step"), Outcome::Done { value, printed: String::new() });
    }
}

#[tokio::test]
async fn a_step_that_is_given_up_frees_its_place() {
    let interpreter = interpreter(Limits { processes: 1, ..Limits::default() });
    let endless = Box::pin(interpreter.step("p", begin("while True:\n    pass")));
    let soon = Box::pin(tokio::task::yield_now());
    drop(futures_util::future::select(endless, soon).await);
    let outcome = interpreter.step("p", Step::Begin { code: "1".to_owned(), functions: Vec::new() }).await;
    assert_eq!(outcome.expect("a step"), Outcome::Done { value: Some("1".to_owned()), printed: String::new() });
}

#[tokio::test]
async fn endless_programs_of_one_owner_hold_up_no_other() {
    let interpreter = interpreter(Limits { processes: 2, ..Limits::default() });
    let endless = || Box::pin(interpreter.step("busy", begin("while True:\n    pass")));
    let busy = futures_util::future::join_all((0..4).map(|_| endless()));
    match futures_util::future::select(busy, Box::pin(interpreter.step("quiet", begin("1")))).await {
        futures_util::future::Either::Right((outcome, _)) => assert!(outcome.is_ok(), "{outcome:?}"),
        futures_util::future::Either::Left((outcomes, _)) => panic!("those of the other came first: {outcomes:?}"),
    }
}

#[tokio::test]
async fn a_large_result_fits_whatever_it_is_made_of() {
    let results = [json!(vec![0; 1_000_000]), json!("x".repeat(2_000_000)), json!(vec![json!({}); 600_000])];
    for result in results {
        let ran = run("len(add(1, 2))", |_| Ok(result.clone())).await;
        assert!(ran.traceback.is_none(), "{}", ran.traceback());
    }
}
