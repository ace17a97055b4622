//! A hosted environment from its making to what a session leaves in it. It is made one time and goes with its session.

use super::Row;
use crate::client::{Answer, Call};
use crate::endpoint::Method;
use crate::frames::Frame;
use crate::probe::{Probe, Said, data_of};
use crate::trouble::{Deadline, Trouble, pause};
use serde_json::{Value, json};
use std::time::Duration;

const SDK: &str = "§8; SDK: EnvironmentInfo";
const FILES: &str = "§8; SDK: EnvironmentFile";
const ARTIFACT: &str = "observed 23; SDK: SessionArtifact";
const PATH: &str = "/agents/environments";

pub const CHECKS: &[Row] = &[
    ("environments.create", "An environment is a 201 of its type, without anything in it.", SDK),
    ("environments.key-repeat", "The same key with the same body is the same environment.", "§1"),
    ("environments.key-other-body", "The same key with another body: 409.", "§1"),
    ("environments.retrieve", "It is retrieved by its id.", SDK),
    ("environments.listed", "It is listed.", SDK),
    ("environments.type", "Only hosted ones are listed or made: another type is a 400.", "SDK: EnvironmentListParams"),
    ("environments.unknown", "An unknown environment is a 404 on each of its routes.", SDK),
    ("environments.ready", "After a while it is ready.", "§8"),
    ("environments.file", "A file is put into it, its parents too: 201, with its size.", "observed 1, 22"),
    ("environments.files", "Files are listed by the components of their paths, last first.", FILES),
    ("environments.files-pages", "Pages of one hold every file a single time.", "§1 Pagination"),
    ("environments.files-missing", "A directory that is not there has an empty page.", "observed 22"),
    ("environments.files-unclean", "A path that is not clean is a 400.", "observed 22"),
    ("environments.file-outside", "A file outside the workspace: 400 in the usual words.", "§1 Errors"),
    ("environments.both", "environment_id beside other settings: 400.", "SDK: EnvironmentParamOpenAIHosted"),
    ("environments.size", "A size that is none: 400 with its path.", "observed 17"),
    ("environments.told", "Of its own environment a session hears before its turn is under way.", "§6, §8"),
    ("environments.output", "What a command prints is told in deltas that make its output.", "§6, §7"),
    ("environments.session", "A session has the environment that it names.", "§4"),
    ("environments.taken", "A second session does not get it: 409 or 400.", "§8"),
    ("environments.command", "What the agent runs is an item with its output and its exit code.", "§7"),
    ("environments.artifact", "A file in the outputs is an artifact when its turn has completed.", ARTIFACT),
    ("environments.artifact-content", "Its content is what was written, whatever range is asked for.", ARTIFACT),
    ("environments.artifact-filter", "They are listed by their environment; by what is no id, none.", ARTIFACT),
    ("environments.artifact-kept", "A later turn leaves what did not change as it is.", ARTIFACT),
    ("environments.artifact-delete", "A deletion says so; then it is a 404.", ARTIFACT),
    ("environments.artifact-gone", "With its session an artifact is gone.", ARTIFACT),
];

pub async fn run(probe: &mut Probe) {
    parts!(probe: wrong, told, lived);
}

async fn wrong(probe: &mut Probe) -> Result<(), Trouble> {
    let answer = probe.get(format!("{PATH}?type=self_hosted")).await?;
    probe.invalid("environments.type", &answer);
    let own = json!({"environment": {"type": "self_hosted", "workspace_directory": "/workspace"}});
    let answer = probe.post(PATH, own).await?;
    probe.refused("environments.type", &answer, 400, Said { param: Some("environment.type"), ..Said::default() });
    let mut body = probe.session("hello");
    body["environment"] = json!({"type": "openai_hosted", "environment_id": "env_1", "container_size": "small"});
    let answer = probe.post("/agents/sessions", body).await?;
    probe.invalid("environments.both", &answer);
    let mut body = probe.session("hello");
    body["environment"] = json!({"type": "openai_hosted", "container_size": "huge"});
    let answer = probe.post("/agents/sessions", body).await?;
    let param = Some("environment.container_size");
    probe.refused("environments.size", &answer, 400, Said { param, ..Said::default() });
    let nobody = format!("{PATH}/env_that_is_not_there");
    let file = json!({"type": "inline", "path": "/workspace/a", "data": "aGk="});
    let answers = [
        probe.get(nobody.as_str()).await?,
        probe.get(format!("{nobody}/files")).await?,
        probe.post(format!("{nobody}/files"), file).await?,
    ];
    for answer in &answers {
        probe.missing("environments.unknown", answer);
    }
    Ok(())
}

/// A session with an environment of its own, from its first event on.
async fn told(probe: &mut Probe) -> Result<(), Trouble> {
    let script = match probe.facts.scripted {
        true => format!("call shell {}\nsay done", json!({"command": "echo hello"})),
        false => "Run this in a shell and say `done`: echo hello".to_owned(),
    };
    let mut body = probe.session(&script);
    body["environment"] = json!({"type": "openai_hosted", "container_size": "small"});
    let turned = probe.begin(body).await?;
    let (frames, evidence) = (&turned.reader.frames, turned.reader.evidence());
    let at = |kinds: &[&str]| frames.iter().position(|frame| kinds.contains(&frame.kind()));
    let of = |state: &str| format!("agent.session.environment.{state}");
    let (pending, up) = (at(&[&of("pending")]), at(&[&of("connected"), &of("ready")]));
    let turn = at(&["agent.session.turn.in_progress"]);
    let fine = pending.is_some() && pending < up && up < turn;
    probe.that("environments.told", fine, "pending, connected, turn.in_progress", "another order", &evidence);
    let done = frames.iter().find(|frame| {
        frame.kind() == "agent.session.turn.item.done" && frame.text("/item/type") == Some("command_execution")
    });
    let output = done.and_then(|frame| frame.text("/item/output")).unwrap_or_default();
    let delta = |frame: &&Frame| frame.kind() == "agent.output.command_execution_output.delta";
    let printed: String = frames.iter().filter(delta).filter_map(|frame| frame.text("/delta")).collect();
    let fine = printed == output && output.contains("hello");
    probe.that("environments.output", fine, output, printed, &evidence);
    Ok(())
}

async fn lived(probe: &mut Probe) -> Result<(), Trouble> {
    let id = made(probe).await?;
    files(probe, &id).await?;
    let session = session(probe, &id).await?;
    artifacts(probe, &id, &session).await
}

async fn made(probe: &mut Probe) -> Result<String, Trouble> {
    let body = json!({"environment": {"type": "openai_hosted", "env": {"CONFORM": probe.facts.run}}});
    let key = format!("environment-{}", probe.facts.run);
    let keyed = |body: Value| Call::new(Method::Post, PATH).json(body).with("idempotency-key", key.as_str());
    let first = probe.send(keyed(body.clone())).await?;
    probe.status("environments.create", &first, 201);
    for (pointer, wanted) in
        [("/object", json!("agent.environment")), ("/type", json!("openai_hosted")), ("/files", json!([]))]
    {
        probe.value("environments.create", &first, pointer, &wanted);
    }
    let id = first.need("/id")?;
    let again = probe.send(keyed(body)).await?;
    probe.value("environments.key-repeat", &again, "/id", &json!(id));
    let other = probe.send(keyed(json!({"environment": {"type": "openai_hosted"}}))).await?;
    probe.status("environments.key-other-body", &other, 409);
    let read = probe.get(format!("{PATH}/{id}")).await?;
    probe.value("environments.retrieve", &read, "/id", &json!(id));
    let listed = probe.get(format!("{PATH}?type=openai_hosted&limit=100")).await?;
    let is_listed = data_of(&listed).iter().any(|entry| entry["id"] == id.as_str());
    probe.that("environments.listed", is_listed, &id, "others", &listed.evidence);
    let up = set_up(probe, &id).await?;
    probe.value("environments.ready", &up, "/status", &json!("ready"));
    Ok(id)
}

/// Waits until it is no longer being set up.
async fn set_up(probe: &mut Probe, id: &str) -> Result<Answer, Trouble> {
    let deadline = Deadline::after(probe.facts.client.patience);
    loop {
        let found = probe.get(format!("{PATH}/{id}")).await?;
        if found.json["status"] != "pending" || deadline.is_over() {
            return Ok(found);
        }
        pause(Duration::from_millis(20)).await;
    }
}

async fn files(probe: &mut Probe, id: &str) -> Result<(), Trouble> {
    let path = format!("{PATH}/{id}/files");
    let paths = ["/workspace/conform/a.txt", "/workspace/conform/a/b.txt", "/workspace/conform/b.txt"];
    for name in paths {
        let answer = probe.post(path.as_str(), json!({"type": "inline", "path": name, "data": "aGVsbG8K"})).await?;
        probe.status("environments.file", &answer, 201);
        for (pointer, wanted) in [("/path", json!(name)), ("/size_bytes", json!(6)), ("/environment_id", json!(id))] {
            probe.value("environments.file", &answer, pointer, &wanted);
        }
    }
    let found = |answer: &Answer| -> Vec<String> {
        data_of(answer).iter().filter_map(|file| file["path"].as_str().map(str::to_owned)).collect()
    };
    // By components, the folder `a` stands before the file `a.txt`.
    let ordered = [paths[1], paths[0], paths[2]];
    let listed = probe.get(format!("{path}?path=%2Fworkspace%2Fconform")).await?;
    let down: Vec<&str> = ordered.iter().rev().copied().collect();
    probe.that(
        "environments.files",
        found(&listed) == down,
        down.join(" "),
        found(&listed).join(" "),
        &listed.evidence,
    );
    probe.value("environments.files", &listed, "/next", &Value::Null);
    let (mut walked, mut query) = (Vec::new(), "limit=1&order=asc&path=%2Fworkspace%2Fconform".to_owned());
    for _ in 0..4 {
        let page = probe.get(format!("{path}?{query}")).await?;
        walked.extend(found(&page));
        let Some(next) = page.json["next"].as_str() else { break };
        let token: String = next.bytes().map(|byte| format!("%{byte:02X}")).collect();
        query = format!("limit=1&order=asc&path=%2Fworkspace%2Fconform&page={token}");
    }
    probe.that("environments.files-pages", walked == ordered, ordered.join(" "), walked.join(" "), &listed.evidence);
    let none = probe.get(format!("{path}?path=%2Fworkspace%2Fconform%2Fnothing")).await?;
    probe.value("environments.files-missing", &none, "/data", &json!([]));
    for unclean in ["%2Fworkspace%2F..%2Fetc", "conform", "%2Fetc"] {
        let answer = probe.get(format!("{path}?path={unclean}")).await?;
        probe.invalid("environments.files-unclean", &answer);
    }
    let answer = probe.post(path, json!({"type": "inline", "path": "/etc/conform", "data": "aGk="})).await?;
    let message = Some("path must be an absolute POSIX path inside /workspace");
    let said = Said { message, param: Some("path"), ..Said::default() };
    probe.refused("environments.file-outside", &answer, 400, said);
    Ok(())
}

/// What makes the model write a file into the outputs.
fn writes(probe: &Probe, name: &str) -> String {
    let command =
        format!("mkdir -p /workspace/outputs && cat /workspace/conform/a.txt | tee /workspace/outputs/{name}");
    if probe.facts.scripted {
        return format!("call shell {}\nsay done", json!({"command": command}));
    }
    format!("Run this in a shell and say `done`: {command}")
}

async fn session(probe: &mut Probe, id: &str) -> Result<String, Trouble> {
    let mut body = probe.session(&writes(probe, "first.txt"));
    body["environment"] = json!({"type": "openai_hosted", "environment_id": id});
    let made = probe.post("/agents/sessions", body.clone()).await?;
    probe.value("environments.session", &made, "/environment/id", &json!(id));
    probe.value("environments.session", &made, "/environment/type", &json!("openai_hosted"));
    let second = probe.post("/agents/sessions", body).await?;
    probe.that("environments.taken", matches!(second.status, 400 | 409), "400 or 409", second.status, &second.evidence);
    let session = made.need("/id")?;
    probe.settle(&session, &["idle"]).await?;
    let items = probe.get(format!("/agents/sessions/{session}/items?limit=100")).await?;
    let items_of = data_of(&items);
    let command = items_of.iter().find(|item| item["type"] == "command_execution");
    let fine = command.is_some_and(|item| {
        item["exit_code"] == 0 && item["output"].as_str().is_some_and(|output| output.contains("hello"))
    });
    probe.that("environments.command", fine, "exit code 0, hello", format!("{command:?}"), &items.evidence);
    Ok(session)
}

async fn artifacts(probe: &mut Probe, id: &str, session: &str) -> Result<(), Trouble> {
    let path = format!("/agents/sessions/{session}/artifacts");
    let listed = probe.get(path.as_str()).await?;
    for (pointer, wanted) in [
        ("/data/0/path", json!("/workspace/outputs/first.txt")),
        ("/data/0/size_bytes", json!(6)),
        ("/data/0/environment_id", json!(id)),
        ("/data/0/session_id", json!(session)),
    ] {
        probe.value("environments.artifact", &listed, pointer, &wanted);
    }
    let first = listed.need("/data/0/id")?;
    let read = probe.get(format!("{path}/{first}")).await?;
    probe.that("environments.artifact", read.json == listed.json["data"][0], &listed.json, &read.json, &read.evidence);
    let call = Call::new(Method::Get, format!("{path}/{first}/content"));
    for call in [call.clone(), call.with("range", "bytes=0-1")] {
        let content = probe.send(call).await?;
        let fine = content.status == 200 && content.bytes == b"hello\n";
        probe.that("environments.artifact-content", fine, "200, hello", content.status, &content.evidence);
    }
    let count = |answer: &Answer| data_of(answer).len();
    for (filter, wanted) in [(id, 1), ("no%20id", 0), ("env_that_is_not_there", 0)] {
        let found = probe.get(format!("{path}?environment_id={filter}")).await?;
        probe.that("environments.artifact-filter", count(&found) == wanted, wanted, count(&found), &found.evidence);
    }
    let script = writes(probe, "second.txt");
    probe.say(session, &script).await?;
    let listed = probe.get(path.as_str()).await?;
    probe.value("environments.artifact-kept", &listed, "/data/1/id", &json!(first));
    probe.value("environments.artifact-kept", &listed, "/data/0/path", &json!("/workspace/outputs/second.txt"));
    let second = listed.need("/data/0/id")?;
    let deleted = probe.delete(format!("{path}/{first}")).await?;
    probe.value("environments.artifact-delete", &deleted, "/deleted", &json!(true));
    let answers = [
        probe.delete(format!("{path}/{first}")).await?,
        probe.get(format!("{path}/{first}")).await?,
        probe.get(format!("{path}/{first}/content")).await?,
    ];
    for answer in &answers {
        probe.missing("environments.artifact-delete", answer);
    }
    probe.delete(format!("/agents/sessions/{session}")).await?;
    let gone = probe.get(format!("{path}/{second}")).await?;
    probe.missing("environments.artifact-gone", &gone);
    Ok(())
}
