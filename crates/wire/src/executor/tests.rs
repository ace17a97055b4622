//! Shapes and texts against what was seen of the original.

use super::*;
use serde_json::json;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

#[test]
fn paths_travel_as_uris_and_back() {
    for (uri, path) in [
        ("file:///", "/"),
        ("file:///tmp/a.txt", "/tmp/a.txt"),
        ("file:///a%20b/%C3%A9%25%23%3F", "/a b/é%#?"),
        ("file:///-._~!$&'()*+,;=:@", "/-._~!$&'()*+,;=:@"),
    ] {
        assert_eq!(FileUri::read(uri).unwrap().path(), Path::new(path), "{uri}");
        assert_eq!(FileUri::from_path(path).unwrap().to_string(), uri);
    }
    for (uri, path) in [
        ("FILE://localhost/x", "/x"),
        ("file:///a/./b/../c//d/", "/a/c/d"),
        ("file:///../../etc", "/etc"),
        ("file:///a/%2e%2E/b", "/b"),
        ("file:///x%zz%4", "/x%zz%4"),
        ("file:///x?query#part", "/x"),
    ] {
        assert_eq!(FileUri::read(uri).unwrap().path(), Path::new(path), "{uri}");
    }
    let odd = OsStr::from_bytes(b"/\xff\xfe");
    let uri = FileUri::from_path(odd).unwrap().to_string();
    assert_eq!((uri.as_str(), FileUri::read(&uri).unwrap().path()), ("file:///%FF%FE", Path::new(odd)));
    assert_eq!(FileUri::from_path("relative"), None);
}

#[test]
fn what_is_no_uri_is_refused() {
    for (text, expected) in [
        ("/tmp/x", BadUri::Relative),
        ("", BadUri::Relative),
        ("tmp", BadUri::Relative),
        ("1a://x/", BadUri::Relative),
        ("http://x/y", BadUri::Foreign),
        ("file:x", BadUri::Foreign),
        ("file://host/x", BadUri::Foreign),
        ("file://", BadUri::Foreign),
        ("file:///a%00b", BadUri::Nul),
    ] {
        assert_eq!(FileUri::read(text), Err(expected), "{text}");
    }
    let fault = serde_json::from_value::<PathOnly>(json!({"path": "/tmp/x"})).unwrap_err();
    assert_eq!(fault.to_string(), "invalid URI: relative URL without a base");
}

#[test]
fn messages_are_told_apart_by_their_members() {
    let read = |text: &str| Message::read(text.as_bytes());
    assert_eq!(
        read(r#"{"jsonrpc":"2.0","id":"a","method":"m"}"#).unwrap(),
        Message::Request(Request { id: Id::Text("a".into()), method: "m".into(), params: json!(null) })
    );
    assert_eq!(
        read(r#"{"method":"m","params":{"x":1}}"#).unwrap(),
        Message::Notification(Notification { method: "m".into(), params: json!({"x": 1}) })
    );
    assert_eq!(
        read(r#"{"id":7,"result":null}"#).unwrap(),
        Message::Response { id: Id::Number(7), result: json!(null) }
    );
    let failed = r#"{"error":{"code":-32004,"message":"gone"},"id":5}"#;
    assert_eq!(read(failed).unwrap().text(), failed);
    for broken in ["", "nonsense", "[]", "{}", r#"{"id":1}"#, r#"{"id":1.5,"method":"m"}"#, r#"{"method":1}"#] {
        read(broken).unwrap_err();
    }
    Message::read(b"{\"method\":\"\xff\"}").unwrap_err();
}

/// A body is a piece of the message's own bytes, however deep it goes; a list for an id is refused at its first sign.
#[test]
fn an_envelope_leaves_bodies_as_they_came() {
    let list = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let text = format!(r#"{{"method":"x","params":{list}}}"#);
    let Ok(Envelope::Notification { method, params: Some(params) }) = Envelope::read(text.as_bytes()) else { panic!() };
    assert_eq!((method.as_str(), params.get()), ("x", list.as_str()));
    assert!(text.as_bytes().as_ptr_range().contains(&params.get().as_ptr()));
    Message::read(text.as_bytes()).unwrap_err();

    let text = format!(r#"{{"id":1,"error":{{"code":-1,"message":"no","data":{list}}}}}"#);
    let Ok(Envelope::Failed { id: Id::Number(1), error }) = Envelope::read(text.as_bytes()) else { panic!() };
    assert_eq!((error.code, error.message.as_str(), error.data.map(|data| data.get())), (-1, "no", Some(&*list)));

    let text = format!(r#"{{"id":[{list}],"method":"x"}}"#);
    let why = Envelope::read(text.as_bytes()).unwrap_err().0;
    assert!(why.starts_with("invalid type: sequence, expected an id"), "{why}");
}

#[test]
fn what_was_seen_of_the_original_reads_and_writes_alike() {
    let info = json!({"sessionId":"ba2","environmentInfo":{"shell":{"name":"bash","path":"/bin/bash"},
        "executorVersion":"0.169.0","providerId":"sha256:21","cwd":"file:///w","userHomeDir":"file:///root","platformOs":"linux",
        "prependPathDirs":["file:///p"],"temporaryDirectories":[],"tempDir":"file:///tmp","capabilities":{"fsWatchMissing":true}}});
    let read: Initialized = serde_json::from_value(info.clone()).unwrap();
    assert!(read.environment_info.as_ref().unwrap().capabilities.has("fsWatchMissing"));
    assert_eq!(serde_json::to_value(&read).unwrap(), info);

    let start =
        json!({"processId":"p1","argv":["/bin/true"],"cwd":"file:///tmp","env":{"A":"b"},"tty":false,"arg0":null});
    let read: ProcessStart = serde_json::from_value(start.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), start);

    let readings = json!({"chunks":[{"seq":1,"stream":"pty","chunk":"YWJjDQo="}],"nextSeq":2,"exited":false,"exitCode":null,
        "closed":false,"failure":null,"sandboxDenied":false});
    let read: ProcessReadings = serde_json::from_value(readings.clone()).unwrap();
    assert_eq!(read.chunks[0].chunk.0, b"abc\r\n");
    assert_eq!(serde_json::to_value(&read).unwrap(), readings);
}

#[test]
fn bad_parameters_are_refused_in_the_originals_words() {
    fn fault<T: serde::de::DeserializeOwned>(body: serde_json::Value) -> String {
        serde_json::from_value::<T>(body).err().unwrap().to_string()
    }
    let path = "file:///w";
    assert_eq!(fault::<Walk>(json!({"path": path, "options": {}})), "missing field `maxDepth`");
    let open = json!({"handleId": "w1", "path": path, "mode": "write"});
    assert_eq!(fault::<OpenFile>(open), "unknown variant `write`, expected `read` or `replace`");
    assert_eq!(fault::<WriteBlock>(json!({"handleId": "w1", "offset": 0})), "missing field `chunk`");
    assert!(fault::<WriteBlock>(json!({"handleId": "w1", "offset": 0, "chunk": "*"})).starts_with("invalid base64"));
}

#[test]
fn only_a_sandbox_that_restricts_asks_for_something() {
    let sandbox = |kind| Sandbox(json!({"permissions": {"type": kind}}));
    assert!(sandbox("managed").restricts());
    assert!(!sandbox("disabled").restricts());
    assert!(!sandbox("external").restricts());
    assert!(Sandbox(json!({})).restricts());
}
