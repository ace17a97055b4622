//! The act with a program: it is written and run in a hosted environment, and the server dies while it runs. A small model
//! writes no programs: a script stands in for one, and the stage says so.

use super::follow::Listener;
use super::stage::Stage;
use crate::client::Client;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

/// The scripted model of this act; the server has it beside the configured ones.
pub const MODEL: &str = "quickstart-script";
/// Lines of output after which the server is killed.
pub const KILL_AT: usize = 2;
const STEPS: usize = 6;
const REPORT: &str = "/workspace/outputs/report.txt";
/// What each run of the program adds to its report.
const RUN: &str = "one run\n";
/// More than this session ever has.
const MOST: usize = 100;

pub fn text() -> String {
    let steps = (1..=STEPS).map(|step| step.to_string()).collect::<Vec<_>>().join(" ");
    format!(
        "mkdir -p outputs\necho {} >> outputs/report.txt\nfor step in {steps}; do\n  echo step $step\n  sleep 0.5\ndone\n",
        RUN.trim_end()
    )
}

/// The body that creates the session.
pub fn session() -> Value {
    let write = json!({ "path": "program.sh", "content": text() });
    let run = json!({ "command": "sh program.sh" });
    json!({
        "agent": { "model": MODEL },
        "environment": { "type": "openai_hosted", "container_size": "small" },
        "input": format!("call write_file {write}\ncall shell {run}\nsay The program ran to its end."),
        "stream": true,
    })
}

/// Looks the act up in the server's own lists: one run, with all that it printed, and what it left.
pub async fn check(client: &Client, session: &str, listener: &Listener<'_>, stage: &Stage) -> Result<()> {
    let path = format!("/v1/agents/sessions/{session}");
    let items = client.get(&format!("{path}/items?limit={MOST}&order=asc")).await?;
    let artifacts = client.get(&format!("{path}/artifacts?limit={MOST}")).await?;
    let artifact = judge(list(&items), list(&artifacts))?;
    let twice = listener.events().iter().find(|(_, times)| **times > 1);
    ensure!(twice.is_none(), "the event {} was sent more than one time", twice.map_or("", |(id, _)| id));
    stage.good(&format!("The program ran 1 time; its {STEPS} lines are in the log, with those that no server heard"));
    stage.good(&format!("outputs/report.txt, with one run in it, is kept as {artifact}"));
    Ok(())
}

fn list(page: &Value) -> &[Value] {
    page["data"].as_array().map_or(&[], Vec::as_slice)
}

/// The id of the report.
fn judge<'a>(items: &[Value], artifacts: &'a [Value]) -> Result<&'a str> {
    let runs: Vec<&Value> = items.iter().filter(|item| item["command"] == "sh program.sh").collect();
    ensure!(runs.len() == 1, "the program is in the log {} times", runs.len());
    let run = runs[0];
    let (status, code) = (&run["status"], &run["exit_code"]);
    ensure!(status == "completed" && *code == 0, "the program is {status} with exit code {code}: {}", run["output"]);
    let expected: String = (1..=STEPS).map(|step| format!("step {step}\n")).collect();
    let printed = run["output"].as_str().unwrap_or_default();
    ensure!(printed.trim_end() == expected.trim_end(), "the program's output in the log is {printed:?}");
    let report = artifacts.iter().find(|artifact| artifact["path"] == REPORT).context("the program left no report")?;
    ensure!(
        report["size_bytes"] == RUN.len(),
        "the program ran more than one time: its report has {}",
        report["size_bytes"]
    );
    report["id"].as_str().context("an artifact without an id")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run() -> Value {
        let output: String = (1..=STEPS).map(|step| format!("step {step}\n")).collect();
        json!({ "command": "sh program.sh", "status": "completed", "exit_code": 0, "output": output })
    }

    fn report() -> Value {
        json!({ "id": "artifact_1", "path": REPORT, "size_bytes": 8 })
    }

    #[test]
    fn one_run_is_found_and_anything_else_is_named() {
        assert_eq!(judge(&[json!({ "type": "message" }), run()], &[report()]).unwrap(), "artifact_1");
        let with = |name: &str, value: Value| {
            let mut run = run();
            run[name] = value;
            run
        };
        let mut twice = report();
        twice["size_bytes"] = json!(16);
        for (items, artifacts, expected) in [
            (vec![], vec![report()], "in the log 0 times"),
            (vec![run(), run()], vec![report()], "in the log 2 times"),
            (vec![with("status", json!("failed"))], vec![report()], "\"failed\""),
            (vec![with("exit_code", json!(3))], vec![report()], "exit code 3"),
            (vec![with("output", json!("step 1\n"))], vec![report()], "output in the log is \"step 1"),
            (vec![run()], vec![], "no report"),
            (vec![run()], vec![twice], "more than one time"),
        ] {
            let error = judge(&items, &artifacts).unwrap_err().to_string();
            assert!(error.contains(expected), "{expected}: {error}");
        }
    }
}
