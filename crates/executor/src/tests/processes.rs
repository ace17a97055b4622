//! Processes: what they say, how they end, and how many there may be.

use super::*;
use std::path::Path;

#[tokio::test]
async fn a_command_says_what_it_says_and_ends() {
    let executor = executor(LONG);
    let (mut client, _) = Client::connect(&executor).await;
    let started = client.start("p1", "echo hi; echo err 1>&2; exit 3").await.unwrap();
    assert_eq!(started, json!({"processId": "p1", "sandboxType": "none"}));
    let events = client.until_closed("p1").await;
    assert_eq!((said(&events, "stdout"), said(&events, "stderr")), ("hi\n".into(), "err\n".into()));
    assert_eq!(exit_code(&events), 3);
    let seqs: Vec<u64> = events.iter().map(|(_, params)| params["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, [1, 2, 3, 4]);
    let read = json!({"processId": "p1", "afterSeq": 1, "maxBytes": 100, "waitMs": 0});
    let read = client.ask("process/read", read).await.unwrap();
    assert_eq!(read["chunks"].as_array().unwrap().len(), 1);
    assert_eq!((&read["nextSeq"], &read["exitCode"], &read["closed"]), (&json!(3), &json!(3), &json!(true)));
    assert_eq!(client.start("p1", "true").await.unwrap_err(), (-32600, "process p1 already exists".into()));
}

#[tokio::test]
async fn what_cannot_be_started_is_refused() {
    let executor = executor(LONG);
    let (mut client, _) = Client::connect(&executor).await;
    let with = |name: &str, value: Value| {
        let mut params = shell("p", "true");
        params[name] = value;
        params
    };
    let managed = json!({"permissions": {"type": "managed"}});
    for (params, code, message) in [
        (with("argv", json!([])), -32602, "argv must not be empty"),
        (with("argv", json!(["/no/such"])), -32603, "No such file or directory (os error 2)"),
        (with("cwd", json!("file:///no/such")), -32603, "No such file or directory (os error 2)"),
        (with("cwd", json!("/tmp")), -32602, "invalid URI: relative URL without a base"),
        (with("env", json!({"A=B": "c"})), -32602, "`A=B` is no name of a variable"),
        (with("argv", json!(["a\0b"])), -32603, "nul byte found in provided data"),
        (with("processId", json!("")), -32602, "processId must have 1 to 256 bytes"),
        (with("sandbox", managed), -32602, "this executor has no sandbox: it cannot hold a process to one"),
        (json!({"processId": "p"}), -32602, "missing field `argv`"),
    ] {
        assert_eq!(client.ask("process/start", params).await.unwrap_err(), (code, message.to_owned()));
    }
    // None of them has taken the id.
    client.start("p", "exit 7").await.unwrap();
    assert_eq!(exit_code(&client.until_closed("p").await), 7);
}

#[tokio::test]
async fn a_process_gets_the_variables_it_is_given_and_what_the_policy_lets_through() {
    let executor = executor(LONG);
    let (mut client, _) = Client::connect(&executor).await;
    let mut params = shell("e1", "");
    params["argv"] = json!(["/usr/bin/env"]);
    params["env"] = json!({"FOO": "1"});
    client.ask("process/start", params.clone()).await.unwrap();
    assert_eq!(said(&client.until_closed("e1").await, "stdout"), "FOO=1\n");
    params["processId"] = json!("e2");
    params["envPolicy"] = json!({"inherit": "all", "ignoreDefaultExcludes": false, "exclude": ["home"], "set": {"S": "s"},
        "includeOnly": []});
    client.ask("process/start", params).await.unwrap();
    let events = client.until_closed("e2").await;
    let mut lines: Vec<String> = said(&events, "stdout").lines().map(str::to_owned).collect();
    lines.sort();
    assert_eq!(lines, ["FOO=1", "OTHER=o", "PATH=/usr/bin:/bin", "S=s", "SHELL=/bin/sh"]);
}

#[tokio::test]
async fn input_is_written_once_for_each_id() {
    let executor = executor(LONG);
    let (mut client, _) = Client::connect(&executor).await;
    let mut params = shell("cat", "head -n 2");
    params["pipeStdin"] = json!(true);
    client.ask("process/start", params).await.unwrap();
    for (id, line) in [("w1", "one\n"), ("w1", "one\n"), ("w2", "two\n")] {
        let write = json!({"processId": "cat", "chunk": encoded(line), "writeId": id});
        assert_eq!(client.ask("process/write", write).await.unwrap(), json!({"status": "accepted"}));
    }
    assert_eq!(said(&client.until_closed("cat").await, "stdout"), "one\ntwo\n");
    client.start("closed", "sleep 600").await.unwrap();
    for (process, status) in [("closed", "stdinClosed"), ("nope", "unknownProcess")] {
        let write = json!({"processId": process, "chunk": "YQ==", "writeId": "x"});
        assert_eq!(client.ask("process/write", write).await.unwrap(), json!({"status": status}));
    }
    executor.end().await;
}

#[tokio::test]
async fn a_process_that_does_not_read_is_no_place_to_keep_bytes() {
    let executor = executor(LONG);
    let (mut client, _) = Client::connect(&executor).await;
    let mut params = shell("deaf", "sleep 600");
    params["pipeStdin"] = json!(true);
    client.ask("process/start", params).await.unwrap();
    let mut refused = None;
    for number in 0..8 {
        let write = json!({"processId": "deaf", "chunk": encoded(vec![0; 1 << 20]), "writeId": number.to_string()});
        refused = client.ask("process/write", write).await.err();
    }
    assert!(refused.unwrap().1.starts_with("process deaf does not read its input"));
    executor.end().await;
}

#[tokio::test]
async fn a_terminal_echoes_is_interrupted_and_is_one_stream() {
    let executor = executor(LONG);
    let (mut client, _) = Client::connect(&executor).await;
    let mut params = shell("pty", "test -t 0 && test -t 2 && stty size && read x && echo got:$x && exec sleep 600");
    params["tty"] = json!(true);
    client.ask("process/start", params).await.unwrap();
    let write = json!({"processId": "pty", "chunk": encoded("abc\n"), "writeId": "w"});
    client.ask("process/write", write).await.unwrap();
    let mut heard = String::new();
    let mut after = 0;
    while !heard.contains("got:abc\r\n") {
        let read = json!({"processId": "pty", "afterSeq": after, "maxBytes": 1000, "waitMs": 60000});
        let read = client.ask("process/read", read).await.unwrap();
        assert_eq!(read["closed"], false, "{heard}");
        for chunk in read["chunks"].as_array().unwrap() {
            assert_eq!(chunk["stream"], "pty");
            heard.push_str(&String::from_utf8(decoded(&chunk["chunk"])).unwrap());
            after = chunk["seq"].as_u64().unwrap();
        }
    }
    assert!(heard.contains("24 80\r\n"), "{heard}");
    let signal = json!({"processId": "pty", "signal": "interrupt"});
    assert_eq!(client.ask("process/signal", signal).await.unwrap(), json!({}));
    assert_eq!(exit_code(&client.until_closed("pty").await), 130);
    let signal = json!({"processId": "pty", "signal": "kill"});
    assert_eq!(client.ask("process/signal", signal).await.unwrap_err().0, -32602);
}

#[tokio::test]
async fn a_process_is_interrupted_also_where_the_executor_ignores_that() {
    let executor = executor(LONG);
    let (mut client, _) = Client::connect(&executor).await;
    client.start("p", "grep SigIgn /proc/self/status").await.unwrap();
    let ignored = said(&client.until_closed("p").await, "stdout");
    let mask = u64::from_str_radix(ignored.trim().trim_start_matches("SigIgn:").trim(), 16).unwrap();
    assert_eq!(mask & (1 << (libc::SIGINT - 1) | 1 << (libc::SIGHUP - 1) | 1 << (libc::SIGQUIT - 1)), 0);
}

/// The number in a file, once it is there whole.
async fn number_in(path: &Path) -> i32 {
    loop {
        match std::fs::read_to_string(path) {
            Ok(text) if text.ends_with('\n') => return text.trim().parse().unwrap(),
            _ => tokio::task::yield_now().await,
        }
    }
}

async fn until_dead(pid: i32) {
    let alive = || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.starts_with(" Z"))
    };
    while alive() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn terminate_ends_the_whole_group() {
    let executor = executor(LONG);
    let (mut client, _) = Client::connect(&executor).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    let script = format!("sleep 600 & echo $! > {}; wait", file.display());
    client.start("p2", &script).await.unwrap();
    let child = number_in(&file).await;
    let terminate = json!({"processId": "p2"});
    assert_eq!(client.ask("process/terminate", terminate.clone()).await.unwrap(), json!({"running": true}));
    let events = client.until_closed("p2").await;
    assert_eq!(exit_code(&events), 137);
    until_dead(child).await;
    assert_eq!(client.ask("process/terminate", terminate).await.unwrap(), json!({"running": false}));
    assert_eq!(client.ask("process/terminate", json!({"processId": "no"})).await.unwrap(), json!({"running": false}));
    let read = json!({"processId": "no", "afterSeq": null, "maxBytes": 1, "waitMs": 1});
    assert_eq!(client.ask("process/read", read).await.unwrap_err(), (-32600, "unknown process id no".into()));
}

#[tokio::test]
async fn what_lingers_after_its_process_is_ended_with_the_session() {
    let executor = executor(LONG);
    let (mut client, _) = Client::connect(&executor).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    let script = format!("sleep 600 >/dev/null 2>&1 & echo $! > {}", file.display());
    client.start("p", &script).await.unwrap();
    assert_eq!(exit_code(&client.until_closed("p").await), 0);
    let lingers = number_in(&file).await;
    assert!(Path::new(&format!("/proc/{lingers}")).exists());
    executor.end().await;
    until_dead(lingers).await;
}

#[tokio::test]
async fn much_output_is_told_whole_and_kept_in_part() {
    let executor = executor(LONG);
    let (mut client, _) = Client::connect(&executor).await;
    client.start("big", "head -c 5000000 /dev/zero; echo over >&2").await.unwrap();
    let events = client.until_closed("big").await;
    assert_eq!((said(&events, "stdout").len(), said(&events, "stderr").as_str()), (5_000_000, "over\n"));
    let read = json!({"processId": "big", "afterSeq": null, "maxBytes": null, "waitMs": null});
    let read = client.ask("process/read", read).await.unwrap();
    let kept: usize = read["chunks"].as_array().unwrap().iter().map(|chunk| decoded(&chunk["chunk"]).len()).sum();
    assert!(kept > 500_000 && kept <= 1 << 20, "{kept}");
    assert!(read["chunks"][0]["seq"].as_u64().unwrap() > 1);
}

#[tokio::test]
async fn bytes_that_are_no_text_come_as_they_are() {
    let executor = executor(LONG);
    let (mut client, _) = Client::connect(&executor).await;
    client.start("odd", r"printf '\377\000\376'").await.unwrap();
    let events = client.until_closed("odd").await;
    assert_eq!(decoded(&events[0].1["chunk"]), [0xff, 0, 0xfe]);
}

#[tokio::test]
async fn old_processes_make_room_and_their_ids_stay_taken() {
    let executor = executor(LONG);
    let (mut client, _) = Client::connect(&executor).await;
    for number in 0..300 {
        let id = format!("p{number}");
        client.start(&id, "exit 0").await.unwrap();
        client.until_closed(&id).await;
    }
    let read = |id: &str| json!({"processId": id, "afterSeq": null, "maxBytes": 1, "waitMs": 0});
    assert_eq!(client.ask("process/read", read("p0")).await.unwrap_err().0, -32600);
    assert_eq!(client.ask("process/read", read("p299")).await.unwrap()["exitCode"], 0);
    assert_eq!(client.start("p0", "true").await.unwrap_err(), (-32600, "process p0 already exists".into()));
}

#[tokio::test]
async fn more_than_256_running_processes_are_refused() {
    let executor = executor(LONG);
    let (mut client, _) = Client::connect(&executor).await;
    for number in 0..256 {
        client.start(&format!("p{number}"), "exec sleep 600").await.unwrap();
    }
    let (code, message) = client.start("one more", "true").await.unwrap_err();
    assert_eq!((code, message.as_str()), (-32600, "at most 256 processes run at one time in a session"));
    client.ask("process/terminate", json!({"processId": "p7"})).await.unwrap();
    client.until_closed("p7").await;
    client.start("one more", "true").await.unwrap();
    executor.end().await;
}
