//! The real binary, as people and scripts meet it.
#![expect(clippy::disallowed_methods, reason = "tests start processes; only the binary's own code may not")]

// Said so that clippy takes helpers for tests too.
#[cfg(test)]
#[cfg(feature = "local")]
#[path = "binary/host.rs"]
mod host;
#[cfg(test)]
#[path = "binary/quickstart.rs"]
mod quickstart;
#[cfg(test)]
#[cfg(feature = "local")]
#[path = "binary/recording.rs"]
mod recording;
#[cfg(test)]
#[path = "binary/server.rs"]
mod server;
#[cfg(test)]
#[cfg(feature = "local")]
#[path = "binary/shelf.rs"]
mod shelf;
#[cfg(test)]
#[path = "binary/upgrade.rs"]
mod upgrade;

use rustix::process::Signal;
use serde_json::json;
use server::{KEY, Place, SCRIPT, Server};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

#[test]
fn help_and_version_read_well() {
    let place = Place::new("");
    let help = place.run(&["--help"]).well();
    for word in [
        "serve",
        "key",
        "model",
        "session",
        "backup",
        "restore",
        "doctor",
        "quickstart",
        "--config <FILE>",
        "--data <DIR>",
        "--store <URL>",
    ] {
        assert!(help.contains(word), "{word}: {help}");
    }
    assert!(!place.run(&["serve", "--help"]).well().contains("stdin"), "what is for parents is not shown");
    assert_eq!(place.run(&["--version"]).well(), format!("outcrop {}\n", env!("CARGO_PKG_VERSION")));
    assert!(place.run(&["serv"]).badly(2).contains("'serve'"));
    assert!(place.run(&["key"]).badly(2).contains("create"));
}

#[test]
fn a_wrong_configuration_is_named_and_nothing_starts() {
    let place = Place::new("[server]\nlistn = 'x'\n");
    for words in [&["serve"][..], &["key", "list"], &["session", "list"], &["quickstart", "--once"]] {
        let said = place.run(words).badly(2);
        assert_eq!(said, "error: outcrop.toml:2: unknown field `listn`; did you mean `listen`?\n", "{words:?}");
    }
    let said = place.run(&["serve", "--config", "none.toml"]).badly(2);
    assert!(said.starts_with("error: none.toml: there is no such file"), "{said}");
    assert!(!place.path().join("outcrop-data").exists());
    let doctor = place.run(&["doctor"]);
    assert_eq!(doctor.code, Some(1));
    assert!(doctor.out.contains("fail  config       outcrop.toml:2:"), "{}", doctor.out);
}

#[test]
fn wrong_log_filters_are_refused() {
    let place = Place::new(SCRIPT);
    let output = place.command(&["doctor"]).env("OUTCROP_LOG", "a=b=c").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("error: OUTCROP_LOG: "));
}

#[test]
fn other_machines_are_let_in_only_with_a_key() {
    let place = Place::new(SCRIPT);
    let said = place.run(&["serve", "--listen", "0.0.0.0:0"]).badly(2);
    assert!(said.contains("OUTCROP_API_KEY") && said.contains("127.0.0.1:8080"), "{said}");
    let mut command = place.command(&["serve", "--listen", "0.0.0.0:0"]);
    let server = Server::start(command.env("OUTCROP_API_KEY", KEY));
    assert!(server.address.starts_with("0.0.0.0:"));
}

#[test]
fn keys_live_and_die_without_a_server() {
    let place = Place::new(SCRIPT);
    assert!(place.run(&["key", "list"]).badly(1).contains("there is no data folder"));
    let key = place.run(&["key", "create", "--project", "other", "--scopes", "api.agents.read"]).well();
    let key = key.trim_end();
    assert!(key.starts_with("sk-") && key.lines().count() == 1, "{key}");
    let list = place.run(&["key", "list"]).well();
    let line = list.lines().find(|line| line.contains("other")).expect("the key's line");
    assert!(line.contains("active") && line.ends_with("api.agents.read"), "{line}");
    assert!(!list.contains(key), "a key shows once");
    let id = line.split_whitespace().next().expect("an id");
    assert!(place.run(&["key", "revoke", id]).well().contains("is revoked"));
    let list = place.run(&["key", "list"]).well();
    assert!(list.lines().any(|line| line.starts_with(id) && line.contains("revoked")), "{list}");

    assert!(place.run(&["key", "revoke", "key_none"]).badly(1).contains("there is no key key_none"));
    assert!(place.run(&["key", "revoke", key]).badly(1).contains("name it by its id"));
    let said = place.run(&["key", "create", "--scopes", "api.agents.raed"]).badly(1);
    assert!(said.contains("unknown scope `api.agents.raed`; did you mean `api.agents.read`?"), "{said}");
    assert!(place.run(&["key", "create", "--project", "a b"]).badly(1).contains("a project's name"));
}

#[test]
fn keys_work_at_once_on_a_live_server() {
    let place = Place::new(SCRIPT);
    let server = place.serve(&[]);
    assert_eq!(server.get("/v1/models", KEY).0, 200);
    assert_eq!(server.get("/v1/models", "sk-nobody").0, 401);
    let key = place.run(&["key", "create"]).well();
    let key = key.trim_end();
    server.ask_until("/v1/models", key, 200);
    let list = place.run(&["key", "list"]).well();
    let id = list.lines().find(|line| line.contains(&key[..7])).and_then(|line| line.split_whitespace().next());
    place.run(&["key", "revoke", id.expect("its id")]).well();
    server.ask_until("/v1/models", key, 401);
    assert_eq!(server.get("/v1/models", KEY).0, 200);
}

#[test]
fn the_first_start_makes_a_key_and_shows_it_once() {
    let place = Place::new(SCRIPT);
    let mut shown = Vec::new();
    for _ in 0..2 {
        let mut server = Server::start(&mut place.command(&["serve", "--listen", "127.0.0.1:0"]));
        let file = place.path().join("outcrop-data/api-key");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let key = std::fs::read_to_string(file).unwrap();
        assert_eq!(server.get("/v1/models", &key).0, 200);
        server.signal(Signal::TERM);
        assert_eq!(server.end(), (String::new(), Some(0)));
        let mut err = String::new();
        server.process.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        shown.push(err.contains(&key));
    }
    assert_eq!(shown, [true, false]);
}

#[test]
fn a_replaced_configured_key_is_revoked() {
    let place = Place::new(SCRIPT);
    let start =
        |key: &str| Server::start(place.command(&["serve", "--listen", "127.0.0.1:0"]).env("OUTCROP_API_KEY", key));
    let first = start("sk-first-0123456789");
    assert_eq!(first.get("/v1/models", "sk-first-0123456789").0, 200);
    drop(first);
    let second = start("sk-second-0123456789");
    assert_eq!(second.get("/v1/models", "sk-second-0123456789").0, 200);
    assert_eq!(second.get("/v1/models", "sk-first-0123456789").0, 401);
}

#[test]
fn a_second_server_on_the_same_data_is_refused() {
    let place = Place::new(SCRIPT);
    let server = place.serve(&[]);
    let said = place.run(&["serve", "--listen", "127.0.0.1:0"]).badly(1);
    assert!(said.contains("another outcrop serves"), "{said}");
    let said = place.run(&["quickstart", "--once"]).badly(1);
    assert!(said.contains("a server runs on") && said.contains(&server.address), "{said}");
    assert_eq!(server.get("/healthz", "").0, 200);
    let doctor = place.run(&["doctor"]).well();
    assert!(doctor.contains(&format!("ok    server       runs at http://{}", server.address)), "{doctor}");
}

#[test]
fn a_taken_address_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let place = Place::new(SCRIPT);
    let said = place.run(&["serve", "--listen", &address]).badly(1);
    assert!(said.contains(&format!("cannot listen on {address}")) && said.contains("--listen"), "{said}");
    let doctor = place.command(&["doctor"]).env("OUTCROP_LISTEN", &address).output().unwrap();
    assert!(String::from_utf8_lossy(&doctor.stdout).contains("warn  server       none runs, and"));
}

#[test]
fn sigterm_lets_a_running_turn_end() {
    let place = Place::new(SCRIPT);
    let mut server = place.serve(&[]);
    let session = server.create_session("slow 25 a long answer that takes its time to be said");
    assert!(place.path().join("outcrop-data/server.json").exists());
    server.signal(Signal::TERM);
    // The line of readiness was the only one.
    assert_eq!(server.end(), (String::new(), Some(0)));
    assert!(!place.path().join("outcrop-data/server.json").exists());
    let shown = place.run(&["session", "show", &session]).well();
    assert!(shown.contains("takes its time to be said\n") && shown.contains("turn completed"), "{shown}");
    let list = place.run(&["session", "list"]).well();
    assert!(list.lines().any(|line| line.starts_with(&session) && line.contains("idle")), "{list}");
}

#[test]
fn a_second_signal_ends_at_once_and_the_turn_goes_on_later() {
    let place = Place::new(SCRIPT);
    let mut server = place.serve(&[]);
    // Two seconds, were it let to end.
    let session = server.create_session("slow 100 a long answer that takes its time to be said");
    server.signal(Signal::TERM);
    server.ask_until("/readyz", "", 503);
    server.signal(Signal::INT);
    assert_eq!(server.end().1, Some(0));
    let shown = place.run(&["session", "show", &session]).well();
    assert!(!shown.contains("turn completed") && shown.contains("in_progress"), "{shown}");
    let server = place.serve(&[]);
    server.wait_until_idle(&session);
    let shown = place.run(&["session", "show", &session]).well();
    assert!(shown.contains("turn completed"), "{shown}");
}

#[test]
fn a_server_with_a_parent_ends_with_it() {
    let place = Place::new(SCRIPT);
    let mut command = place.command(&["serve", "--listen", "127.0.0.1:0", "--while-stdin-is-open"]);
    let mut server = Server::start(command.env("OUTCROP_API_KEY", KEY).stdin(Stdio::piped()));
    assert_eq!(server.get("/healthz", "").0, 200);
    drop(server.process.stdin.take());
    assert_eq!(server.end().1, Some(0));
}

#[test]
fn metrics_count_what_happened() {
    let place = Place::new(SCRIPT);
    let server = place.serve(&[]);
    let session = server.create_session("hello");
    server.wait_until_idle(&session);
    // The stream that was read is over when the server has noticed.
    let text = (0..100_000).map(|_| server.get("/metrics", "")).find(|(_, text)| text.contains("streams_open 0"));
    let (status, text) = text.expect("the stream ends");
    assert_eq!(status, 200);
    for line in [
        format!("outcrop_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION")),
        "outcrop_http_requests_total{method=\"POST\",route=\"/v1/agents/sessions\",status=\"2xx\"} 1".to_owned(),
        "outcrop_model_calls_total{model=\"small\",outcome=\"answered\"} 1".to_owned(),
        "outcrop_streams_open 0".to_owned(),
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
}

#[test]
fn an_endless_head_and_a_huge_one_are_refused() {
    let place = Place::new(SCRIPT);
    let server = place.serve(&[]);
    let long = "x".repeat(200 << 10);
    let (status, _) = server.get(&format!("/healthz?{long}"), "");
    assert!((400..500).contains(&status), "{status}");
    assert_eq!(server.get("/healthz", "").0, 200);
}

#[test]
fn tail_follows_a_live_session() {
    let place = Place::new(SCRIPT);
    assert!(place.run(&["session", "tail", "sess_x"]).badly(1).contains("there is no data folder"));
    let server = place.serve(&[]);
    let session = server.create_session("hello");
    server.wait_until_idle(&session);
    let tail = |id: &str| {
        let mut command = place.command(&["session", "tail", id]);
        command.env("OUTCROP_API_KEY", KEY);
        command
    };
    for (id, expected) in [("../../x", "is no session's id"), ("sess_none", "404")] {
        let output = tail(id).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && said.contains(expected), "{said}");
    }
    let mut follower = tail(&session).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut ready = String::new();
    BufReader::new(follower.stderr.take().unwrap()).read_line(&mut ready).unwrap();
    assert!(ready.starts_with("following"), "{ready}");
    let message = json!({ "role": "user", "content": [{ "type": "input_text", "text": "say one\u{1b}[31m two" }] });
    let input = json!({ "events": [{ "type": "agent.session.input.message", "input": [message] }] });
    assert_eq!(server.post(&format!("/v1/agents/sessions/{session}/events"), &input).0, 202);
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines().map(|line| line.unwrap());
    let seen: Vec<String> = lines.by_ref().take_while(|line| !line.contains("turn completed")).collect();
    let seen = seen.join("\n");
    assert!(seen.contains("user  say one\u{fffd}[31m two") && seen.contains("agent one\u{fffd}[31m two"), "{seen}");
    server.signal(Signal::TERM);
    assert!(lines.any(|line| line.contains("the stream has ended")));
    assert_eq!(follower.wait().unwrap().code(), Some(0));
}

#[test]
fn unknown_sessions_are_named() {
    let place = Place::new(SCRIPT);
    place.run(&["key", "create"]).well();
    let said = place.run(&["session", "show", "sess_none"]).badly(1);
    assert!(said.contains("there is no session sess_none in project default"), "{said}");
    assert!(place.run(&["session", "tail", "sess_none"]).badly(1).contains("no server runs on"));
    assert_eq!(place.run(&["session", "list"]).well().lines().count(), 1);
}

#[cfg(test)]
#[cfg(feature = "local")]
mod local {
    use super::*;

    #[test]
    fn a_server_starts_without_the_weights_and_says_so_when_they_are_needed() {
        let place = Place::new("[[model]]\nname='small'\nprovider='local'\n");
        let server = place.serve(&[]);
        let session = server.create_session("hello");
        server.wait_until_idle(&session);
        let (_, turns) = server.get(&format!("/v1/agents/sessions/{session}/turns"), KEY);
        assert!(turns.contains("The local model's file is not on the server"), "{turns}");
        let doctor = place.run(&["doctor"]).well();
        assert!(
            doctor.contains("warn  model        `small`:") && doctor.contains("outcrop model pull small"),
            "{doctor}"
        );
    }

    #[test]
    fn damaged_weights_fail_the_turn_and_hide_their_path() {
        let place = Place::new("[[model]]\nname='small'\nprovider='local'\nsource='file:secret-place.gguf'\n");
        std::fs::write(place.path().join("secret-place.gguf"), "no model").unwrap();
        let server = place.serve(&[]);
        let session = server.create_session("hello");
        server.wait_until_idle(&session);
        let (_, turns) = server.get(&format!("/v1/agents/sessions/{session}/turns"), KEY);
        assert!(turns.contains("The local model cannot be loaded") && !turns.contains("secret-place"), "{turns}");
    }
}
