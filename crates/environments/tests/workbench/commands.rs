//! Commands: their ends, their output, their time, and being found again.

use crate::local::Local;
use crate::stage::{Heard, Late, Stage, Unheard, attached, bench, bench_with, command, request, self_hosted, settings};
use serde_json::json;
use std::sync::Arc;
use types::{Class, EnvironmentSettings, Offer, ToolOutcome, Tools};

#[tokio::test]
async fn a_command_says_how_it_ended_and_what_it_printed() {
    let stage = Stage::new();
    let result = stage.ran("shell", json!({"command": "echo out; echo err >&2; exit 3"})).await;
    assert_eq!(result.exit_code, Some(3));
    let mut lines: Vec<&str> = result.shown().lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["err", "out"]);
    assert!(result.told.starts_with("exit code 3 after ") && result.told.contains("\noutput:\n"), "{}", result.told);
    assert!(result.duration_ms.is_some());
    let result = stage.ran("shell", json!({"command": "true"})).await;
    assert_eq!((result.exit_code, result.shown()), (Some(0), ""));
    assert!(result.told.ends_with("\n(no output)"), "{}", result.told);
}

#[tokio::test]
async fn a_command_runs_in_the_workspace_or_below_without_input() {
    let stage = Stage::new();
    stage.put("below/file", "");
    let result = stage.ran("shell", json!({"command": "ls; cat", "workdir": "below"})).await;
    assert_eq!((result.exit_code, result.shown()), (Some(0), "file\n"));
    let workdir = stage.path("below").to_str().unwrap().to_owned();
    assert_eq!(result.working_directory, Some(workdir));
    let error = stage.failed("shell", json!({"command": "true", "workdir": "nowhere"})).await;
    assert!(error.starts_with("the command was not started: not found: "), "{error}");
}

#[tokio::test]
async fn a_command_that_takes_too_long_is_stopped_with_all_that_it_started() {
    let stage = Stage::new();
    let line = "echo begun; (sleep 600; echo never) & sleep 600";
    let result = stage.ran("shell", json!({"command": line, "timeout_ms": 3000})).await;
    assert_eq!((result.exit_code, result.shown()), (Some(137), "begun\n"));
    assert!(result.told.starts_with("stopped: it still ran after 3.0 s"), "{}", result.told);
}

#[tokio::test]
async fn what_outlives_its_command_does_not_hold_the_call() {
    let stage = Stage::new();
    let result = stage.ran("shell", json!({"command": "sleep 600 & echo started"})).await;
    assert_eq!((result.exit_code, result.shown()), (Some(0), "started\n"));
    assert!(result.told.contains("something that it started holds its output open"), "{}", result.told);
}

#[tokio::test]
async fn a_background_process_is_talked_to_and_ended() {
    let stage = Stage::new();
    let line = "while read line; do echo \"heard $line\"; done; echo over";
    let asked = json!({"command": line, "background": true, "yield_time_ms": 1});
    let request = stage.request("shell", &asked);
    let id = request.call.effect.0;
    let result = command(stage.bench.perform(&request, &Unheard).await);
    assert_eq!((result.exit_code, result.shown()), (None, ""));
    assert!(result.told.starts_with(&format!("still running: process_id {id}; ")), "{}", result.told);

    let asked = json!({"process_id": id, "input": "one\ntwo\n", "yield_time_ms": 1});
    let mut result = stage.ran("write_stdin", asked).await;
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while result.shown() != "heard one\nheard two\n" {
        assert!(std::time::Instant::now() < deadline, "{}", result.told);
        result = stage.ran("write_stdin", json!({"process_id": id, "yield_time_ms": 20})).await;
    }
    let after: u64 = result.told.split("after=").nth(1).unwrap().lines().next().unwrap().parse().unwrap();
    // What was told is not told again; from the beginning it is.
    let poll = |after: u64| json!({"process_id": id, "after": after, "yield_time_ms": 1});
    assert_eq!(stage.ran("write_stdin", poll(after)).await.shown(), "");
    assert_eq!(stage.ran("write_stdin", poll(0)).await.shown(), "heard one\nheard two\n");

    let result = stage
        .ran("write_stdin", json!({"process_id": id, "signal": "terminate", "after": after, "yield_time_ms": 60000}))
        .await;
    assert_eq!((result.exit_code, result.shown()), (Some(137), ""));
    let error = stage.failed("write_stdin", json!({"process_id": id, "input": "late"})).await;
    assert_eq!(error, format!("process {id} takes no input (any more)"));
    let error = stage.failed("write_stdin", json!({"process_id": 999})).await;
    assert_eq!(error, "there is no process 999 (any more)");
}

#[tokio::test]
async fn an_interrupt_is_heard() {
    let stage = Stage::new();
    let asked = json!({"command": "trap 'echo caught; exit 7' INT; echo ready; while :; do sleep 0.05; done",
        "background": true, "yield_time_ms": 1});
    let request = stage.request("shell", &asked);
    stage.bench.perform(&request, &Unheard).await;
    let id = request.call.effect.0;
    let poll = json!({"process_id": id, "yield_time_ms": 20});
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !stage.ran("write_stdin", poll.clone()).await.shown().contains("ready") {
        assert!(std::time::Instant::now() < deadline, "it never began");
    }
    let asked = json!({"process_id": id, "signal": "interrupt", "yield_time_ms": 60000});
    let result = stage.ran("write_stdin", asked).await;
    assert_eq!((result.exit_code, result.shown()), (Some(7), "ready\ncaught\n"));
}

#[tokio::test]
async fn after_a_crash_a_command_is_found_and_never_started_again() {
    let machine = Arc::new(Local::default());
    let stage = Stage::on(machine.clone());
    let line = "echo run >> runs; echo first; read go < gate; echo last";
    stage.ran("shell", json!({"command": "mkfifo gate"})).await;
    let first = stage.request("shell", &json!({"command": line}));
    // The server stops while it waits: the future is dropped.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    {
        let mut run = Box::pin(stage.bench.perform(&first, &Unheard));
        while stage.holds("runs").is_none() {
            assert!(std::time::Instant::now() < deadline, "it never began");
            let pause = std::time::Duration::from_millis(5);
            assert!(tokio::time::timeout(pause, &mut run).await.is_err(), "it cannot end");
        }
    }
    let again = attached(&first);
    let other = bench(Some(stage.station.clone()));
    let (result, opened) =
        tokio::join!(other.perform(&again, &Unheard), stage.ran("shell", json!({"command": "echo go > gate"})));
    assert_eq!(opened.exit_code, Some(0));
    let result = command(result);
    assert_eq!((result.exit_code, result.shown(), result.duration_ms), (Some(0), "first\nlast\n", None));
    assert_eq!(stage.holds("runs").unwrap(), "run\n");
    // Even an attempt that does not know of the first finds it by its name.
    assert_eq!(command(other.perform(&first, &Unheard).await).shown(), "first\nlast\n");
    assert_eq!(stage.holds("runs").unwrap(), "run\n");

    machine.forget();
    let ToolOutcome::Unknown(reason) = other.perform(&again, &Unheard).await else { panic!("it knows nothing") };
    assert!(reason.contains("does not know the process"), "{reason}");
    assert_eq!(machine.count(), 0);
}

#[tokio::test]
async fn a_call_that_is_taken_back_stops_its_command() {
    let stage = Stage::new();
    let request = stage.request("shell", &json!({"command": "echo $$ > pid; sleep 600"}));
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    let mut run = Box::pin(stage.bench.perform(&request, &Unheard));
    while stage.holds("pid").is_none() {
        assert!(std::time::Instant::now() < deadline, "it never began");
        let pause = std::time::Duration::from_millis(5);
        assert!(tokio::time::timeout(pause, &mut run).await.is_err(), "it cannot end");
    }
    stage.bench.cancel(&request);
    assert_eq!(command(run.await).exit_code, Some(137));
}

#[tokio::test]
async fn what_is_taken_back_before_its_machine_came_never_begins() {
    let stage = Stage::new();
    let (come, late) = tokio::sync::watch::channel(None);
    let bench = bench_with(Arc::new(Late(late)));
    let run = stage.request("shell", &json!({"command": "echo x > proof"}));
    let write = stage.request("write_file", &json!({"path": "proof", "content": "x"}));
    let calls = async { tokio::join!(bench.perform(&run, &Unheard), bench.perform(&write, &Unheard)) };
    let take_back = async {
        bench.cancel(&run);
        bench.cancel(&write);
        come.send_replace(Some(stage.station.clone()));
    };
    let (outcomes, ()) = tokio::join!(biased; calls, take_back);
    for performed in [outcomes.0, outcomes.1] {
        let failed = "it was taken back before it began; nothing was done".to_owned();
        assert_eq!(performed, ToolOutcome::Failed(failed));
    }
    assert_eq!(stage.holds("proof"), None);
    // Not taken back, it begins.
    assert_eq!(command(bench.perform(&run, &Unheard).await).exit_code, Some(0));
    assert_eq!(stage.holds("proof").unwrap(), "x\n");
}

#[tokio::test]
async fn long_output_is_cut_for_the_model_and_kept_whole() {
    let stage = Stage::new();
    let (request, heard) = (stage.request("shell", &json!({"command": "seq 1 200000"})), Heard::default());
    let result = command(stage.bench.perform(&request, &heard).await);
    let (_, file) = result.told.split_once("; all 1288895 bytes that it printed are in ").expect("a file");
    let file = file.lines().next().expect("a path");
    let expected: String = (1..=200_000).map(|n| format!("{n}\n")).collect();
    assert_eq!(std::fs::read_to_string(file).expect("the file"), expected);
    assert!(stage.kept(&result) == expected.as_bytes(), "what clients can read is another thing");
    assert_eq!(result.whole.as_ref().map(|whole| whole.left_out), Some(0));
    assert!(stage.said("read_file", json!({"path": file, "offset": 100_000, "limit": 1})).await.contains("100000"));
    assert!(result.told.len() < 25 << 10 && result.shown().len() < 513 << 10);
    // Its beginning was told while it ran.
    assert!(result.shown().starts_with(&heard.text()) && heard.text().len() == 256 << 10);
    for text in [result.told.as_str(), result.shown()] {
        assert!(text.contains("\n1\n2\n3\n") || text.starts_with("1\n2\n3\n"));
        assert!(text.ends_with("\n199999\n200000\n") && text.contains(" bytes left out]\n"));
    }
    // Short output stands in the outcome, whole.
    let result = stage.ran("shell", json!({"command": "echo short"})).await;
    assert!(result.told.starts_with("exit code 0 after ") && result.told.ends_with(" s\noutput:\nshort\n"));
    assert_eq!(result.whole, None);
}

#[tokio::test]
async fn what_a_command_prints_is_told_while_it_runs_and_again_after_a_crash() {
    let stage = Stage::new();
    stage.ran("shell", json!({"command": "mkfifo gate"})).await;
    let line = "echo first; read go < gate; printf 'Gr\\303'; read go < gate; printf '\\274n\\377'; exit 4";
    let (request, heard) = (stage.request("shell", &json!({"command": line})), Heard::default());
    let open = || stage.ran("shell", json!({"command": "echo go > gate"}));
    // The server stops while it waits: the future is dropped.
    tokio::select! {
        biased;
        _ = stage.bench.perform(&request, &heard) => panic!("it cannot end"),
        () = heard.until("first\n") => {}
    }
    let (again, other) = (Heard::default(), bench(Some(stage.station.clone())));
    let attached = attached(&request);
    let talk = async {
        again.until("first\n").await;
        open().await;
        // Half a character is not told.
        again.until("first\nGr").await;
        open().await;
    };
    let (result, ()) = tokio::join!(other.perform(&attached, &again), talk);
    let result = command(result);
    assert_eq!((result.exit_code, result.shown()), (Some(4), "first\nGr\u{fc}n\u{fffd}"));
    assert_eq!(again.text(), result.shown());
    // A look at the same process tells the same.
    let (look, heard) = (json!({"process_id": request.call.effect.0}), Heard::default());
    let result = command(stage.bench.perform(&stage.request("write_stdin", &look), &heard).await);
    assert_eq!((heard.text().as_str(), result.shown()), ("first\nGr\u{fc}n\u{fffd}", "first\nGr\u{fc}n\u{fffd}"));
}

#[tokio::test]
async fn a_command_that_never_stops_printing_is_told_of_now_and_then() {
    let stage = Stage::new();
    let line = "i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo $i; done";
    let (request, heard) = (stage.request("shell", &json!({"command": line})), Heard::default());
    let started = std::time::Instant::now();
    let result = command(stage.bench.perform(&request, &heard).await);
    assert!(result.exit_code == Some(0) && heard.text() == result.shown());
    let most = 12 + started.elapsed().as_millis() / 50;
    assert!(heard.0.borrow().len() as u128 <= most, "{} times, at most {most}", heard.0.borrow().len());
}

#[tokio::test]
async fn bytes_that_are_no_text_do_not_harm() {
    let stage = Stage::new();
    let result = stage.ran("shell", json!({"command": "printf 'a\\0b\\377'"})).await;
    assert_eq!(result.shown(), "a\u{fffd}b\u{fffd}");
    let (_, told) = result.told.split_once("; all 4 bytes that it printed are in ").expect("a file");
    let (file, rest) = told.split_once('\n').expect("a path");
    assert_eq!(rest, "output:\n[4 bytes that are no text]");
    assert_eq!(std::fs::read(file).expect("the file"), b"a\0b\xff");
    let result = stage.ran("shell", json!({"command": "printf 'Gr\\374\\337e und noch viel mehr'"})).await;
    assert_eq!(result.shown(), "Gr\u{fffd}\u{fffd}e und noch viel mehr");
}

#[tokio::test]
async fn wrong_arguments_are_told() {
    let stage = Stage::new();
    for (arguments, expected) in [
        (json!({}), "missing field `command`"),
        (json!({"command": 1}), "invalid type"),
        (json!({"command": "true", "timeout": 5}), "unknown field `timeout`"),
        (json!({"command": " "}), "that is no command line"),
        (json!({"command": "a\u{0}b"}), "that is no command line"),
        (json!({"command": "true", "timeout_ms": 540_001}), "timeout_ms is at most 540000"),
        (json!({"command": "true", "timeout_ms": 1, "background": true}), "timeout_ms is not for background"),
        (json!({"command": "true", "terminal": true}), "terminal is for background"),
    ] {
        let error = stage.failed("shell", arguments.clone()).await;
        assert!(error.contains(expected), "{arguments}: {error}");
    }
    let error = stage.failed("teleport", json!({})).await;
    assert_eq!(error, "the environment has no tool named \"teleport\"");
}

#[tokio::test]
async fn without_a_machine_nothing_is_done_and_after_a_crash_nothing_is_known() {
    let bench = bench(None);
    let call = request(1, "shell", &json!({"command": "true"}));
    let failed = "the environment is not connected; nothing was done".to_owned();
    assert_eq!(bench.perform(&call, &Unheard).await, ToolOutcome::Failed(failed));
    assert!(matches!(bench.perform(&attached(&call), &Unheard).await, ToolOutcome::Unknown(_)));
    // The offer stays: it does not hang on the connection, but on the session.
    let last = Offer { tools: Vec::new(), instructions: Some("as before".to_owned()) };
    let none = bench.offered(&call.project, &call.session, &settings(EnvironmentSettings::None), &last).await;
    assert_eq!(none, Ok(Offer::default()));
    let Offer { tools: offered, instructions } =
        bench.offered(&call.project, &call.session, &settings(self_hosted()), &last).await.expect("an offer");
    assert_eq!(instructions, last.instructions);
    let classes: Vec<_> = offered.iter().map(|tool| (tool.name.as_str(), tool.class)).collect();
    assert_eq!(
        classes,
        [
            ("shell", Class::Attachable),
            ("write_stdin", Class::Irreversible),
            ("apply_patch", Class::Idempotent),
            ("read_file", Class::Pure),
            ("write_file", Class::Idempotent),
            ("list_files", Class::Pure),
            ("view_image", Class::Pure),
        ]
    );
    assert!(offered.iter().all(|tool| tool.server_label.is_empty()));
}
