//! Requests as they come, and what is told of those that are wrong.

use super::*;
use serde_json::{Map, Value, json};

fn map(value: Value) -> Map<String, Value> {
    let Value::Object(map) = value else { unreachable!() };
    map
}

fn event(change: Value) -> Result<EventCreate, Fault> {
    let mut body = map(json!({
        "actorId": "a", "sessionId": "s", "eventTimestamp": 1_752_235_548.25,
        "payload": [{"conversational": {"content": {"text": "hello"}, "role": "USER"}}],
    }));
    body.extend(map(change));
    EventCreate::read(body)
}

#[test]
fn an_event_is_read() {
    let read = event(json!({
        "payload": [{"blob": null}, {"json": {"content": null}}, {"blob": {"a": [1.5]}, "json": null}],
        "branch": {"name": "b", "rootEventId": "0012#aF"},
        "metadata": {"stateType": {"stringValue": "SESSION"}, "empty": {"stringValue": ""}},
        "extractionMode": "SKIP", "clientToken": "t",
    }));
    let read = read.unwrap();
    assert_eq!((read.at, read.unextracted, read.token.as_deref()), (1_752_235_548_250, true, Some("t")));
    assert_eq!(
        read.payload,
        [json!({"blob": null}), json!({"json": {"content": null}}), json!({"blob": {"a": [1.5]}})]
    );
    assert_eq!(read.branch, Some(Branch { name: "b".to_owned(), root: Some("0012#aF".to_owned()) }));
    assert_eq!(read.metadata["stateType"], "SESSION");
    let read = event(json!({"sessionId": null, "payload": [], "eventTimestamp": 0})).unwrap();
    assert_eq!((read.session, read.payload.len(), read.at, read.unextracted), (None, 0, 0, false));
}

#[test]
fn a_wrong_event_is_told_where() {
    let many: Map<String, Value> = (0..16).map(|n| (format!("k{n}"), json!({"stringValue": "v"}))).collect();
    for (change, at) in [
        (json!({"actorId": null}), "actorId"),
        (json!({"actorId": "a::b"}), "actorId"),
        (json!({"sessionId": "a/b"}), "sessionId"),
        (json!({"eventTimestamp": null}), "eventTimestamp"),
        (json!({"eventTimestamp": "2026-01-01"}), "eventTimestamp"),
        (json!({"eventTimestamp": -1}), "eventTimestamp"),
        (json!({"eventTimestamp": 1e300}), "eventTimestamp"),
        (json!({"payload": null}), "payload"),
        (json!({"payload": [{}]}), "payload[0]"),
        (json!({"payload": [{"blob": 1, "json": {"content": 1}}]}), "payload[0]"),
        (json!({"payload": [{"video": 1}]}), "payload[0].video"),
        (json!({"payload": [{"conversational": {"role": "USER"}}]}), "payload[0].conversational.content"),
        (
            json!({"payload": [{"conversational": {"role": "USER", "content": {"text": ""}}}]}),
            "payload[0].conversational.content.text",
        ),
        (
            json!({"payload": [{"conversational": {"role": "user", "content": {"text": "x"}}}]}),
            "payload[0].conversational.role",
        ),
        (json!({"payload": [{"json": {}}]}), "payload[0].json.content"),
        (json!({"payload": vec![json!({"blob": 1}); 101]}), "payload"),
        (json!({"branch": {"rootEventId": "1#a"}}), "branch.name"),
        (json!({"branch": {"name": "b", "rootEventId": "1-a"}}), "branch.rootEventId"),
        (json!({"metadata": many}), "metadata"),
        (json!({"metadata": {"k!": {"stringValue": "v"}}}), "metadata.k!"),
        (json!({"metadata": {"k": {"stringValue": "ü"}}}), "metadata.k.stringValue"),
        (json!({"metadata": {"k": {"numberValue": 1}}}), "metadata.k.stringValue"),
        (json!({"extractionMode": "skip"}), "extractionMode"),
        (json!({"extractionConfig": {}}), "extractionConfig"),
        (json!({"clientToken": "x".repeat(501)}), "clientToken"),
        (json!({"clientToken": ""}), "clientToken"),
        (json!({"colour": 1}), "colour"),
    ] {
        let fault = event(change.clone()).expect_err(&change.to_string());
        assert_eq!(fault.param.as_deref(), Some(at), "{change}: {}", fault.message);
    }
}

#[test]
fn filters_are_read() {
    let equals = json!({
        "left": {"metadataKey": "k"}, "operator": "EQUALS_TO", "right": {"metadataValue": {"stringValue": "v"}},
    });
    let read = |filter: Value| EventsList::read(map(json!({"filter": filter})));
    let read_one = |condition: Value| read(json!({"eventMetadata": [condition]}));
    let found = read(json!({"branch": {"name": "b"}, "eventMetadata": [
        equals, {"left": {"metadataKey": "a"}, "operator": "EXISTS"},
        {"left": {"metadataKey": "z"}, "operator": "NOT_EXISTS", "right": null},
    ]}));
    let found = found.unwrap();
    assert_eq!((found.payloads, found.page.limit), (true, 20));
    assert_eq!(found.branch, Some(BranchFilter { name: "b".to_owned(), parents: false }));
    let (k, v) = ("k".to_owned(), "v".to_owned());
    let all = [Condition::Equals(k, v), Condition::Exists("a".to_owned()), Condition::Lacks("z".to_owned())];
    assert_eq!(found.conditions, all);
    for wrong in [
        read(json!({"eventMetadata": []})),
        read(json!({"eventMetadata": vec![equals.clone(); 6]})),
        read(json!({"branch": {}})),
        read_one(json!({"left": {"metadataKey": "k"}, "operator": "EQUALS_TO"})),
        read_one(json!({"left": {"metadataKey": "k"}, "operator": "LIKE"})),
        read_one(json!({"left": {}, "operator": "EXISTS"})),
        read_one(json!({"left": {"metadataKey": "k"}, "operator": "EXISTS", "right": equals["right"]})),
        EventsList::read(map(json!({"maxResults": 0}))),
        EventsList::read(map(json!({"maxResults": 101}))),
        EventsList::read(map(json!({"nextToken": 7}))),
    ] {
        wrong.unwrap_err();
    }
}

#[test]
fn memories_are_read() {
    let new = |change: Value| {
        let mut body = map(json!({"name": "Mine_1", "eventExpiryDuration": 90}));
        body.extend(map(change));
        MemoryCreate::read(body)
    };
    let read = new(json!({
        "memoryStrategies": [], "description": "d", "memoryExecutionRoleArn": "arn:aws:iam::000000000000:role/a",
        "indexedKeys": [{"key": "k", "type": "NUMBER"}], "tags": {"a": ""}, "clientToken": "t",
    }));
    let read = read.unwrap();
    assert_eq!((read.days, read.indexed_keys[0].kind, read.tags.len()), (90, "NUMBER", 1));
    for (change, at) in [
        (json!({"name": "1a"}), "name"),
        (json!({"name": "a-b"}), "name"),
        (json!({"eventExpiryDuration": 2}), "eventExpiryDuration"),
        (json!({"eventExpiryDuration": 3651}), "eventExpiryDuration"),
        (json!({"description": ""}), "description"),
        (json!({"memoryExecutionRoleArn": "role"}), "memoryExecutionRoleArn"),
        (json!({"memoryStrategies": [{"semanticMemoryStrategy": {"name": "s"}}]}), "memoryStrategies"),
        (json!({"encryptionKeyArn": "arn:aws:kms:r:000000000000:key/a"}), "encryptionKeyArn"),
        (json!({"namespaceKeys": []}), "namespaceKeys"),
        (json!({"indexedKeys": [{"key": "k", "type": "DATE"}]}), "indexedKeys[0].type"),
        (json!({"tags": {"a": "!"}}), "tags.a"),
    ] {
        let fault = new(change.clone()).expect_err(&change.to_string());
        assert_eq!(fault.param.as_deref(), Some(at), "{change}: {}", fault.message);
    }
    let strategies = json!({"memoryStrategies": {"addMemoryStrategies": [{"semanticMemoryStrategy": {"name": "s"}}]}});
    assert!(MemoryUpdate::read(map(strategies)).unwrap_err().message.contains("not supported"));
    assert_eq!(MemoryUpdate::read(map(json!({"clientToken": "t"}))).unwrap().days, None);
}

#[test]
fn ids_have_forms() {
    for (check, good, bad) in [
        (
            memory_id as fn(&str) -> Result<(), Fault>,
            &["a-0123456789", "A_b-c-ABCDEFGHIJ"][..],
            &["", "a-012345678", "1-0123456789", "ab0123456789", "a-01234567-9", "é-0123456789"][..],
        ),
        (actor_id, &["a", "a/b:c-_", "user:1"], &["", "/a", "a:", "a::b", "a b", ":"]),
        (session_id, &["a", "0_-"], &["", "-a", "a/b", "a#"]),
        (event_id, &["0#a", "0000001752235548000#97F30a6b"], &["", "#a", "1#", "a#1", "1#g", "1a"]),
    ] {
        assert!(good.iter().all(|id| check(id).is_ok()), "{good:?}");
        assert!(bad.iter().all(|id| check(id).is_err()), "{bad:?}");
    }
    assert!(actor_id(&"a".repeat(256)).is_err() && session_id(&"a".repeat(101)).is_err());
}
