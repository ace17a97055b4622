//! What programs are refused, in words that a model understands.

use crate::{alone, run};

/// The last line of the traceback, and the line that it points at.
async fn refused(code: &str) -> (String, String) {
    let ran = alone(code).await;
    let traceback = ran.traceback().to_owned();
    let last = traceback.lines().last().expect("a line").to_owned();
    (last, traceback)
}

#[tokio::test]
async fn there_are_no_files_no_environment_and_no_clock() {
    for (code, what) in [
        ("open('/etc/passwd')", "files"),
        ("open('/tmp/x', 'w')", "files"),
        ("from pathlib import Path\nPath('/etc/passwd').read_text()", "files"),
        ("from pathlib import Path\nPath('/').exists()", "files"),
        ("import os\nos.getenv('PATH')", "environment variables"),
        ("import os\nos.environ", "environment variables"),
        ("from datetime import datetime\ndatetime.now()", "a clock"),
        ("from datetime import date\ndate.today()", "a clock"),
    ] {
        let (last, traceback) = refused(code).await;
        let expected = format!("PermissionError: a program has no access to {what}; it has only its functions");
        assert_eq!(last, expected, "{code}");
        assert!(traceback.contains("  File \"program.py\", line "), "{traceback}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_an_error_with_its_line() {
    for (code, expected) in [
        ("import random", "ModuleNotFoundError: No module named 'random'"),
        ("import subprocess", "ModuleNotFoundError: No module named 'subprocess'"),
        ("import socket", "ModuleNotFoundError: No module named 'socket'"),
        ("import time", "ModuleNotFoundError: No module named 'time'"),
        ("eval('1')", "NameError: name 'eval' is not defined"),
        ("__import__('os')", "NameError: name '__import__' is not defined"),
        ("import os\nos.system('id')", "AttributeError: module 'os' has no attribute 'system'"),
        ("().__class__", "AttributeError: 'tuple' object has no attribute '__class__'"),
        ("get_user(1)", "NameError: name 'get_user' is not defined"),
        ("add(b'x', 1)", "not JSON; pass a str, number, bool, None, list or dict"),
        ("add(1, 2, 3)", "TypeError: add() takes 2 positional arguments but 3 were given"),
        ("add(2 ** 64, 1)", "OverflowError: add() argument 'a': the int has more than 64 bits; pass it as a str"),
        ("x = []\nx.append(x)\nadd(x, 1)", "cycle is not JSON; pass a str, number, bool, None, list or dict"),
        ("class E(Exception): pass", "class inheritance and metaclasses"),
        ("def f():\n    yield 1", "yield expressions"),
        ("def f(:", "SyntaxError: Expected a parameter or the end of the parameter list"),
        ("\0", "SyntaxError: Got unexpected token \0"),
    ] {
        let (last, traceback) = refused(code).await;
        assert!(last.ends_with(expected), "{code}: {last}");
        assert!(traceback.contains("  File \"program.py\", line "), "{traceback}");
    }
}

#[tokio::test]
async fn a_refusal_can_be_caught() {
    let ran =
        alone("try:\n    open('x')\nexcept OSError:\n    print('no')\ntry:\n    add(b'', 1)\nexcept TypeError:\n    7")
            .await;
    assert_eq!((ran.printed.as_str(), ran.traceback), ("no\n", None));
}

#[tokio::test]
async fn a_call_where_the_interpreter_cannot_pause_says_so() {
    let ran = run("list(map(lambda x: add(x, 1), [1]))", |_| Ok(1.into())).await;
    assert!(ran.traceback().contains("not yet supported in this context"), "{}", ran.traceback());
}
