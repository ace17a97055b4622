//! The worker as a process: what it has, and what is said where it ends without an answer.

use crate::{begin, interpreter};
use code::{Interpreter, Limits, Outcome, StepError};
use std::time::Duration;

async fn instead(script: &str, patience: Duration) -> Result<Outcome, StepError> {
    let worker = ["/bin/sh", "-c", script].map(Into::into).to_vec();
    Interpreter::new(worker, Limits { patience, ..Limits::default() }).step("p", begin("1")).await
}

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn how_a_worker_ends_says_what_became_of_the_program() {
    for (script, expected) in [
        ("exit 65", "MemoryError: the program needs more than 67108864 bytes"),
        ("kill -XCPU $$", "TimeoutError: the program ran for more than 5 s"),
        ("exit 70", "SystemError: the interpreter broke off in this program"),
        ("kill -SEGV $$", "SystemError: the interpreter broke off in this program"),
        ("kill -ABRT $$", "SystemError: the interpreter broke off in this program"),
    ] {
        match instead(script, LONG).await.expect("an outcome") {
            Outcome::Raised { traceback, .. } => assert!(traceback.starts_with(expected), "{script}: {traceback}"),
            other => panic!("{script}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn what_is_not_the_programs_doing_may_be_tried_again() {
    for script in ["kill -KILL $$", "kill -TERM $$", "exit 1", "true", "cat > /dev/null; echo nonsense"] {
        let refused = instead(script, LONG).await;
        assert!(matches!(refused, Err(StepError::Unavailable(_))), "{script}: {refused:?}");
    }
    let nowhere = Interpreter::new(vec!["/nowhere/at/all".into()], Limits::default()).step("p", begin("1")).await;
    assert!(matches!(nowhere, Err(StepError::Unavailable(_))), "{nowhere:?}");
    let nothing = Interpreter::new(Vec::new(), Limits::default()).step("p", begin("1")).await;
    assert!(matches!(nothing, Err(StepError::Unavailable(_))), "{nothing:?}");
}

#[tokio::test]
async fn a_worker_that_never_answers_is_ended() {
    let outcome = instead("exec sleep 1000", Duration::from_millis(100)).await.expect("an outcome");
    match outcome {
        Outcome::Raised { traceback, .. } => assert!(traceback.starts_with("TimeoutError: "), "{traceback}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_worker_that_answers_without_end_is_not_read_without_end() {
    let outcome = instead("exec cat /dev/zero", LONG).await;
    assert!(!matches!(outcome, Ok(Outcome::Done { .. } | Outcome::Paused { .. })), "{outcome:?}");
}

/// How another process is doing, as the kernel tells it: nothing else says when that changes.
#[expect(clippy::disallowed_methods, reason = "a real process is waited for in real time")]
async fn later() {
    tokio::time::sleep(Duration::from_millis(10)).await;
}

/// Seconds that no other test's worker may have: what it is known by.
const SECONDS: u64 = 62;

/// The worker of this test once it has given up everything: its id, and its lines.
async fn confined() -> (u32, String) {
    let own = std::process::id();
    for _ in 0..6000 {
        for thread in std::fs::read_dir(format!("/proc/{own}/task")).expect("threads").flatten() {
            let children = std::fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            for child in children.split_whitespace().filter_map(|id| id.parse::<u32>().ok()) {
                let told = |file: &str| std::fs::read_to_string(format!("/proc/{child}/{file}")).unwrap_or_default();
                let (status, limits) = (told("status"), told("limits"));
                if status.contains("Seccomp:\t2") && most(&limits, "Max cpu time") == SECONDS.to_string() {
                    return (child, status);
                }
            }
        }
        later().await;
    }
    panic!("no worker is there");
}

/// The soft limit of this name, as `/proc` has it.
fn most<'a>(limits: &'a str, name: &str) -> &'a str {
    let line = limits.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_whitespace().next()).unwrap_or_default()
}

#[tokio::test]
async fn a_worker_has_its_pipes_and_nothing_else() {
    let time = Duration::from_secs(SECONDS - 2);
    let interpreter = interpreter(Limits { time, patience: 2 * time, ..Limits::default() });
    let looked = async {
        let (child, status) = confined().await;
        assert!(status.contains("NoNewPrivs:\t1"), "{status}");
        let at = |name: &str| format!("/proc/{child}/{name}");
        let mut open: Vec<String> = std::fs::read_dir(at("fd"))
            .expect("descriptors")
            .flatten()
            .map(|entry| std::fs::read_link(entry.path()).expect("a link").display().to_string())
            .map(|target| target.split(':').next().unwrap_or_default().to_owned())
            .collect();
        open.sort();
        assert_eq!(open, ["/dev/null", "pipe", "pipe"]);
        assert_eq!(std::fs::read(at("environ")).expect("variables"), b"");
        assert_eq!(std::fs::read_link(at("cwd")).expect("a folder"), std::path::Path::new("/"));
        let limits = std::fs::read_to_string(at("limits")).expect("limits");
        assert_eq!(most(&limits, "Max open files"), "3");
        assert_eq!(most(&limits, "Max file size"), "0");
    };
    let endless = std::pin::pin!(interpreter.step("p", begin("while True:\n    pass")));
    tokio::select! {
        biased;
        outcome = endless => panic!("it ended: {outcome:?}"),
        () = looked => {}
    }
}
