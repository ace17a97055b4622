//! A machine behind a line that goes at the wrong moment, and machines that lie.

use crate::local::Local;
use crate::stage::{Stage, Unheard, attached, command};
use environments::machine::{Chunk, Command, Entry, Fault, Info, Machine, Metadata, Output, Written};
use serde_json::json;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use types::{BoxFuture, ToolOutcome, Tools};

/// When, of a thing that is asked for, the line goes.
#[derive(Clone, Copy, PartialEq)]
pub enum Moment {
    Before,
    After,
}

/// What is asked for, the end of its path or process, how often it goes well, when it goes wrong, and how.
pub type Planned = (&'static str, &'static str, usize, Moment, Fault);

/// Passes everything on to a real machine, save what it has a fault for.
#[derive(Default)]
pub struct Faulty {
    local: Local,
    /// Of several for the same, each counts after the one before; the last stays.
    faults: Mutex<Vec<Planned>>,
    /// Told instead of what processes say; the last one again and again.
    lies: Mutex<VecDeque<Output>>,
    /// What every process says, and how often.
    flood: Option<(Vec<u8>, u64)>,
}

impl Faulty {
    pub fn with(faults: &[Planned]) -> Arc<Self> {
        Arc::new(Self { faults: Mutex::new(faults.to_vec()), ..Self::default() })
    }

    fn lying(outputs: impl IntoIterator<Item = Output>) -> Arc<Self> {
        Arc::new(Self { lies: Mutex::new(outputs.into_iter().collect()), ..Self::default() })
    }

    fn fault(&self, asked: &str, of: &str) -> Option<(Moment, Fault)> {
        let mut faults = self.faults.lock().unwrap();
        let mine = |(name, end, ..): &Planned| *name == asked && of.ends_with(end);
        let at = faults.iter().position(mine)?;
        if faults[at].2 > 0 {
            faults[at].2 -= 1;
            return None;
        }
        let is_last = faults.iter().filter(|fault| mine(fault)).count() == 1;
        let (.., moment, fault) = if is_last { faults[at].clone() } else { faults.remove(at) };
        Some((moment, fault))
    }

    fn pass<'a, T: Send + 'a>(
        &'a self,
        asked: &str,
        of: &str,
        act: BoxFuture<'a, Result<T, Fault>>,
    ) -> BoxFuture<'a, Result<T, Fault>> {
        let fault = self.fault(asked, of);
        Box::pin(async move {
            match fault {
                None => act.await,
                Some((Moment::Before, fault)) => Err(fault),
                Some((Moment::After, fault)) => act.await.and(Err(fault)),
            }
        })
    }

    /// For what the real machine does when it is asked, and not later.
    fn first(&self, asked: &str, of: &str) -> Result<Option<Fault>, Fault> {
        match self.fault(asked, of) {
            None => Ok(None),
            Some((Moment::Before, fault)) => Err(fault),
            Some((Moment::After, fault)) => Ok(Some(fault)),
        }
    }
}

impl Machine for Faulty {
    fn info(&self) -> BoxFuture<'_, Result<Info, Fault>> {
        self.pass("info", "", self.local.info())
    }
    fn start(&self, command: Command) -> BoxFuture<'_, Result<(), Fault>> {
        let process = command.process.clone();
        self.pass("start", &process, self.local.start(command))
    }
    fn read(&self, process: &str, after: u64, wait: Duration) -> BoxFuture<'_, Result<Output, Fault>> {
        if let Some((piece, most)) = &self.flood {
            let next = after + 1;
            let last = next == *most;
            let chunks = vec![Chunk { seq: next, error_stream: false, bytes: piece.clone() }];
            let output = Output { chunks, next, exit_code: last.then_some(0), closed: last, ..Output::default() };
            return Box::pin(async move { Ok(output) });
        }
        let mut lies = self.lies.lock().unwrap();
        if let Some(lie) = lies.front().cloned() {
            if lies.len() > 1 {
                lies.pop_front();
            }
            return Box::pin(async move { Ok(lie) });
        }
        self.pass("read", process, self.local.read(process, after, wait))
    }
    fn write(&self, process: &str, bytes: Vec<u8>) -> BoxFuture<'_, Result<Written, Fault>> {
        self.pass("write", process, self.local.write(process, bytes))
    }
    fn interrupt(&self, process: &str) -> BoxFuture<'_, Result<(), Fault>> {
        self.pass("interrupt", process, self.local.interrupt(process))
    }
    fn terminate(&self, process: &str) -> BoxFuture<'_, Result<bool, Fault>> {
        self.pass("terminate", process, self.local.terminate(process))
    }
    fn read_file(&self, path: &str, limit: u64) -> BoxFuture<'_, Result<Vec<u8>, Fault>> {
        self.pass("read_file", path, self.local.read_file(path, limit))
    }
    fn write_file(&self, path: &str, bytes: Vec<u8>) -> BoxFuture<'_, Result<(), Fault>> {
        match self.first("write_file", path) {
            Err(fault) => Box::pin(async move { Err(fault) }),
            Ok(fault) => {
                let done = self.local.write_file(path, bytes);
                Box::pin(async move { done.await.and(fault.map_or(Ok(()), Err)) })
            }
        }
    }
    fn metadata(&self, path: &str) -> BoxFuture<'_, Result<Metadata, Fault>> {
        self.pass("metadata", path, self.local.metadata(path))
    }
    fn canonicalize(&self, path: &str) -> BoxFuture<'_, Result<String, Fault>> {
        self.pass("canonicalize", path, self.local.canonicalize(path))
    }
    fn list(&self, path: &str) -> BoxFuture<'_, Result<Vec<Entry>, Fault>> {
        self.pass("list", path, self.local.list(path))
    }
    fn create_directory(&self, path: &str) -> BoxFuture<'_, Result<(), Fault>> {
        self.pass("create_directory", path, self.local.create_directory(path))
    }
    fn remove(&self, path: &str, recursive: bool) -> BoxFuture<'_, Result<(), Fault>> {
        match self.first("remove", path) {
            Err(fault) => Box::pin(async move { Err(fault) }),
            Ok(fault) => {
                let done = self.local.remove(path, recursive);
                Box::pin(async move { done.await.and(fault.map_or(Ok(()), Err)) })
            }
        }
    }
}

use Moment::{After, Before};

fn unknown(outcome: ToolOutcome) -> String {
    match outcome {
        ToolOutcome::Unknown(reason) => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_line_that_goes_while_a_command_is_started_or_runs_leaves_an_unknown_outcome() {
    for (asked, fault, expected) in [
        ("start", Fault::Lost, "the connection was lost while the command was started"),
        ("read", Fault::Lost, "while the command ran: the connection to the environment was lost"),
        ("read", Fault::Disconnected, "while the command ran: the environment is not connected"),
        ("read", Fault::Missing("p".to_owned()), "the environment lost the process while it ran"),
    ] {
        let stage = Stage::on(Faulty::with(&[(asked, "", 0, After, fault)]));
        let asked = json!({"command": "echo ran > proof", "timeout_ms": 200});
        assert_eq!(unknown(stage.call("shell", asked).await), expected);
    }
}

#[tokio::test]
async fn a_line_that_comes_back_in_time_was_never_missed() {
    let absent = ("read", "", 1, Before, Fault::Disconnected);
    let back = ("read", "", usize::MAX, Before, Fault::Disconnected);
    let stage = Stage::on(Faulty::with(&[absent, ("read", "", 0, Before, Fault::Disconnected), back]));
    let result = stage.ran("shell", json!({"command": "echo one; sleep 0.3; echo two"})).await;
    assert_eq!((result.exit_code, result.shown()), (Some(0), "one\ntwo\n"));
}

#[tokio::test]
async fn what_was_not_begun_is_said_to_have_failed() {
    for (asked, fault) in [("info", Fault::Disconnected), ("start", Fault::Disconnected)] {
        let stage = Stage::on(Faulty::with(&[(asked, "", 0, Before, fault)]));
        let error = stage.failed("shell", json!({"command": "echo ran > proof"})).await;
        assert_eq!(error, "the command was not started: the environment is not connected");
        assert_eq!(stage.holds("proof"), None);
    }
}

#[tokio::test]
async fn a_name_that_is_taken_is_the_calls_own_process() {
    let machine = Faulty::with(&[("start", "-1", 0, After, Fault::Exists("p".to_owned()))]);
    let stage = Stage::on(machine.clone());
    let request = stage.request("shell", &json!({"command": "echo x >> proof; echo said"}));
    assert_eq!(command(stage.bench.perform(&request, &Unheard).await).shown(), "said\n");
    assert_eq!(command(stage.bench.perform(&attached(&request), &Unheard).await).shown(), "said\n");
    assert_eq!(stage.holds("proof").unwrap(), "x\n");
    assert_eq!(machine.local.count(), 1);
}

#[tokio::test]
async fn a_command_that_cannot_be_stopped_is_not_said_to_be() {
    let stage = Stage::on(Faulty::with(&[("terminate", "", 0, Before, Fault::Lost)]));
    let result = stage.ran("shell", json!({"command": "sleep 600", "timeout_ms": 200})).await;
    assert!(result.told.contains("whether it was stopped is not known"), "{}", result.told);
    assert_eq!(result.exit_code, None);
}

#[tokio::test]
async fn a_patch_that_cannot_be_written_is_taken_back() {
    let body = "*** Add File: a\n+new\n*** Update File: b\n@@\n-old\n+new\n*** Update File: c\n@@\n-old\n+new\n";
    let arguments = json!({"patch": format!("*** Begin Patch\n{body}*** End Patch")});
    let full = Fault::Refused("no space left".to_owned());
    for (moment, file, fault) in
        [(Before, "/c", full.clone()), (Before, "/b", full), (Before, "/c", Fault::Disconnected)]
    {
        let stage = Stage::on(Faulty::with(&[("write_file", file, 0, moment, fault.clone())]));
        stage.put("b", "old\n");
        stage.put("c", "old\n");
        let error = stage.failed("apply_patch", arguments.clone()).await;
        assert!(error.contains(&format!("could not be changed: {fault}. No file was changed")), "{error}");
        assert_eq!(
            [stage.holds("a"), stage.holds("b"), stage.holds("c")],
            [None, Some("old\n".into()), Some("old\n".into())]
        );
    }
}

#[tokio::test]
async fn a_patch_whose_line_goes_for_good_says_what_may_have_changed() {
    let body = "*** Add File: a\n+new\n*** Update File: b\n@@\n-old\n+new\n";
    let arguments = json!({"patch": format!("*** Begin Patch\n{body}*** End Patch")});
    // The second writing is done, but nobody hears of it, and nothing can be asked any more.
    let stage = Stage::on(Faulty::with(&[
        ("write_file", "/b", 0, After, Fault::Lost),
        ("write_file", "/b", 0, Before, Fault::Disconnected),
        ("remove", "", 0, Before, Fault::Disconnected),
        ("metadata", "/b", 2, Before, Fault::Disconnected),
    ]));
    stage.put("b", "old\n");
    let reason = unknown(stage.call("apply_patch", arguments).await);
    let space = &stage.station.workspace_directory;
    assert!(reason.ends_with(&format!("These files may have changed already: {space}/b, {space}/a")), "{reason}");
    assert_eq!(stage.holds("b").unwrap(), "new\n");
}

#[tokio::test]
async fn writing_a_file_over_a_line_that_goes_is_unknown_and_reading_failed() {
    let stage = Stage::on(Faulty::with(&[
        ("write_file", "/w", 0, After, Fault::Lost),
        ("read_file", "/r", 0, After, Fault::Lost),
    ]));
    stage.put("r", "text");
    unknown(stage.call("write_file", json!({"path": "w", "content": "x"})).await);
    stage.failed("read_file", json!({"path": "r"})).await;
}

#[tokio::test]
async fn input_that_may_have_been_heard_is_unknown() {
    let stage = Stage::on(Faulty::with(&[("write", "", 0, After, Fault::Lost)]));
    let request = stage.request("shell", &json!({"command": "cat", "background": true, "yield_time_ms": 1}));
    stage.bench.perform(&request, &Unheard).await;
    let asked = json!({"process_id": request.call.effect.0, "input": "x\n"});
    unknown(stage.call("write_stdin", asked).await);
}

#[tokio::test]
async fn what_fails_behind_input_that_was_heard_is_unknown() {
    for (asked, fault, arguments) in [
        ("read", Fault::Disconnected, json!({"input": "x\n"})),
        ("read", Fault::Missing("p".to_owned()), json!({"signal": "interrupt"})),
        ("interrupt", Fault::Disconnected, json!({"input": "x\n", "signal": "interrupt"})),
    ] {
        let stage = Stage::on(Faulty::with(&[(asked, "", if asked == "read" { 1 } else { 0 }, Before, fault)]));
        let request = stage.request("shell", &json!({"command": "cat", "background": true, "yield_time_ms": 0}));
        stage.bench.perform(&request, &Unheard).await;
        let mut given = arguments;
        given["process_id"] = request.call.effect.0.into();
        given["yield_time_ms"] = 0.into();
        let reason = unknown(stage.call("write_stdin", given).await);
        assert!(reason.contains("reached it"), "{reason}");
    }
}

fn chunk(seq: u64, text: &str) -> Chunk {
    Chunk { seq, error_stream: false, bytes: text.as_bytes().to_vec() }
}

#[tokio::test]
async fn a_machine_that_repeats_itself_or_goes_backwards_is_not_believed_twice() {
    let stage = Stage::on(Faulty::lying([
        Output { chunks: vec![chunk(1, "a"), chunk(2, "b")], next: 2, ..Output::default() },
        Output { chunks: vec![chunk(1, "a"), chunk(3, "c"), chunk(2, "b")], next: 0, ..Output::default() },
        Output { chunks: vec![chunk(0, "z")], next: 3, exit_code: Some(0), ..Output::default() },
        Output { chunks: vec![chunk(4, "d")], next: 4, closed: true, exit_code: Some(9), ..Output::default() },
    ]));
    let result = stage.ran("shell", json!({"command": "true"})).await;
    assert_eq!((result.exit_code, result.shown()), (Some(0), "abcd"));
}

#[tokio::test]
async fn a_machine_that_never_waits_and_has_nothing_to_say_ends_with_the_time() {
    let stage = Stage::on(Faulty::lying([Output::default()]));
    let result = stage.ran("shell", json!({"command": "true", "timeout_ms": 300})).await;
    assert_eq!((result.exit_code, result.shown()), (None, ""));
}

#[tokio::test]
async fn output_that_the_machine_did_not_keep_is_told() {
    let end = |place| Output {
        chunks: vec![chunk(90, "end\n")],
        next: 91,
        place,
        lost: true,
        exit_code: Some(0),
        closed: true,
        failure: None,
    };
    let stage = Stage::on(Faulty::lying([end(0)]));
    let result = stage.ran("shell", json!({"command": "true"})).await;
    assert!(result.told.ends_with("\noutput:\n[earlier output is not kept any more]\nend\n"), "{}", result.told);

    // What a slow reader missed is counted, as far as the machine counted it.
    let begin = Output { chunks: vec![chunk(1, "begin\n")], next: 1, ..Output::default() };
    let stage = Stage::on(Faulty::lying([begin, end(1006)]));
    let result = stage.ran("shell", json!({"command": "true"})).await;
    assert!(result.told.contains("1000 bytes left out"), "{}", result.told);
}

#[tokio::test]
async fn gigabytes_are_counted_and_not_kept() {
    let piece = "0123456789abcde\n".repeat(65_536).into_bytes();
    let stage = Stage::on(Arc::new(Faulty { flood: Some((piece, 3000)), ..Faulty::default() }));
    let result = stage.ran("shell", json!({"command": "true"})).await;
    let (_, file) = result.told.split_once("; the first and the last 2 MiB that it printed are in ").expect("a file");
    let whole = std::fs::read(file.lines().next().expect("a path")).expect("the file");
    let gap = format!("\n[{} bytes left out]\n", (3000_u64 << 20) - (4 << 20));
    assert_eq!(whole.len(), (4 << 20) + gap.len());
    assert_eq!(&whole[2 << 20..][..gap.len()], gap.as_bytes());
    assert!(stage.kept(&result) == whole, "what clients can read is another thing");
    assert_eq!(result.whole.as_ref().map(|whole| whole.left_out), Some((3000_u64 << 20) - (4 << 20)));
    assert_eq!(result.exit_code, Some(0));
    assert!(result.shown().len() < 513 << 10 && result.told.len() < 25 << 10);
    assert!(result.told.contains(" bytes left out]\n"));
}

#[tokio::test]
async fn a_command_that_could_not_run_says_why() {
    let failure = Some("sandbox: no such program".to_owned());
    let stage = Stage::on(Faulty::lying([Output { failure, closed: true, ..Output::default() }]));
    let result = stage.ran("shell", json!({"command": "true"})).await;
    assert_eq!(result.told, "could not run: sandbox: no such program\n(no output)");
}

#[tokio::test]
async fn a_link_out_that_the_machine_does_not_tell_of_leaves_nothing_outside() {
    let hidden = Fault::Missing("dangling".to_owned());
    let stage = Stage::confined_on(Faulty::with(&[("metadata", "/dangling", 0, Before, hidden)]));
    std::os::unix::fs::symlink("../nothing", stage.path("dangling")).unwrap();
    let patch = "*** Begin Patch\n*** Add File: dangling\n+x\n*** End Patch";
    for (tool, arguments) in
        [("write_file", json!({"path": "dangling", "content": "x"})), ("apply_patch", json!({"patch": patch}))]
    {
        let error = stage.failed(tool, arguments).await;
        assert!(error.contains("it is a link that leads out of the workspace"), "{error}");
        assert!(!stage.folder.path().join("nothing").exists());
    }
}
