//! What a client may ask of a session: code, commands, files, commands in the background. What goes wrong in the session is
//! a result too; an error is what was not asked well, or of which nobody knows what came of it.

use super::kept::Kept;
use super::place::{file, media_type, place};
use super::python::lost;
use super::session::Desk;
use crate::disk::{Disk, Error, Place};
use crate::ear::{self, Ear, Ending};
use crate::files::{MODE, make_room};
use crate::guests::Unserved;
use environments::machine::{Command, Fault, Machine as _};
use std::time::Duration;
use types::Refusal;

/// Bytes of all files that are read at a time: together they fit into one frame.
const READ: usize = 7 << 20;
/// Entries of a folder.
const ENTRIES: usize = 5_000;
/// Bytes of code for Node, which is an argument.
const ARGUMENT: usize = 100_000;
/// What is known of commands that were stopped.
const STOPPED: usize = 256;
const NO_TASK: &str = "There is no such task in this session.";

/// What is asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Tool {
    Python {
        code: String,
        clear: bool,
    },
    /// JavaScript, or TypeScript.
    Node {
        code: String,
        is_typed: bool,
    },
    Command(String),
    ReadFiles(Vec<String>),
    ListFiles(String),
    RemoveFiles(Vec<String>),
    WriteFiles(Vec<(String, Vec<u8>)>),
    StartCommand(String),
    Task(String),
    StopTask(String),
}

#[derive(Clone, PartialEq, Debug)]
pub struct ToolResult {
    pub content: Vec<Block>,
    pub structured: Option<Structured>,
    pub is_error: bool,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Block {
    Text(String),
    /// By the path as the client wrote it.
    File {
        path: String,
        media_type: &'static str,
        bytes: Vec<u8>,
    },
    Entry {
        path: String,
        name: String,
        kind: Kind,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Folder,
    File { bytes: u64 },
}

#[derive(Clone, Default, PartialEq, Debug)]
pub struct Structured {
    pub stdout: String,
    pub stderr: String,
    pub exit_code: Option<i32>,
    /// Seconds.
    pub time: Option<f64>,
    pub task: Option<(String, TaskStatus)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TaskStatus {
    Submitted,
    Working,
    Completed,
    Canceled,
    Failed,
}

impl ToolResult {
    fn text(message: impl Into<String>) -> Self {
        Self { content: vec![Block::Text(message.into())], structured: None, is_error: false }
    }

    pub(super) fn error(message: impl Into<String>) -> Self {
        Self { is_error: true, ..Self::text(message) }
    }
}

impl Structured {
    /// As a result: what it said, and what it complained of where it failed.
    pub(super) fn told(self) -> ToolResult {
        let is_error = self.exit_code.is_some_and(|code| code != 0);
        let text = match (self.stdout.is_empty(), self.stderr.is_empty() || !is_error) {
            (_, true) => self.stdout.clone(),
            (true, false) => self.stderr.clone(),
            (false, false) => format!("{}\n{}", self.stdout.trim_end_matches('\n'), self.stderr),
        };
        ToolResult { content: vec![Block::Text(text)], structured: Some(self), is_error }
    }
}

impl Desk {
    /// Dropped before it is done, a command is ended and code interrupted.
    pub async fn perform(self, tool: Tool) -> Result<ToolResult, Unserved> {
        match tool {
            Tool::Python { code, clear } => self.python(code, clear).await,
            Tool::Node { code, is_typed } => self.node(code, is_typed).await,
            Tool::Command(command) => {
                let argv = self.shell(command).await?;
                Ok(self.ran(argv).await?.told())
            }
            Tool::ReadFiles(paths) => self.read_files(paths).await,
            Tool::ListFiles(path) => self.list_files(&path).await,
            Tool::RemoveFiles(paths) => self.remove_files(paths).await,
            Tool::WriteFiles(files) => self.write_files(files).await,
            Tool::StartCommand(command) => self.start_command(command).await,
            Tool::Task(id) => self.task(id).await,
            Tool::StopTask(id) => self.stop_task(id).await,
        }
    }

    async fn shell(&self, command: String) -> Result<Vec<String>, Unserved> {
        let shell = ear::shell(&*self.live()?.client).await;
        Ok(vec![shell.to_owned(), "-c".to_owned(), command])
    }

    /// Each time a process of its own: it keeps nothing.
    async fn node(&self, code: String, is_typed: bool) -> Result<ToolResult, Unserved> {
        if code.len() > ARGUMENT {
            return Ok(ToolResult::error(format!("Code for Node has at most {ARGUMENT} bytes here.")));
        }
        let before: &[&str] = if is_typed {
            &["--experimental-strip-types", "--input-type=module-typescript", "--no-warnings"]
        } else {
            &[]
        };
        let argv = ["node"].iter().chain(before).chain(&["-e"]).map(|word| (*word).to_owned()).chain([code]).collect();
        match self.ran(argv).await {
            // What Node says of options that it does not know.
            Ok(said) if is_typed && said.exit_code == Some(9) => {
                Ok(ToolResult::error("The Node of this server is too old to run TypeScript."))
            }
            Ok(said) => Ok(said.told()),
            Err(NotRun::Refused(_)) => Ok(ToolResult::error("There is no Node on this server to run it.")),
            Err(error) => Err(error.into()),
        }
    }

    /// To its end.
    async fn ran(&self, argv: Vec<String>) -> Result<Structured, NotRun> {
        let around = &self.hosting.inner.around;
        let client = self.live().map_err(NotRun::Lost)?.client.clone();
        let process = ear::name("command", &*around.entropy);
        let mut ending = Ending::new(client.clone(), around.spawn.clone(), process.clone());
        let began = around.clock.monotonic();
        client.start(command(process.clone(), argv)).await?;
        let mut ear = Ear::new(client, around.clock.clone(), process);
        let mut said = [Kept::default(), Kept::default()];
        loop {
            let news = ear.news().await.map_err(|why| NotRun::Lost(lost(&why)))?;
            if news.lost {
                said.iter_mut().for_each(Kept::note_gap);
            }
            for chunk in &news.chunks {
                said[usize::from(chunk.error_stream)].push(&chunk.bytes);
            }
            if news.exit_code.is_some() {
                ending.spare();
                let [stdout, stderr] = said.map(Kept::text);
                let time = Some((around.clock.monotonic() - began).as_secs_f64());
                return Ok(Structured { stdout, stderr, exit_code: news.exit_code, time, task: None });
            }
        }
    }

    // ---- files, on the disk from outside

    fn disk(&self) -> Disk {
        Disk::new(&self.hosting.inner.folder(&self.visit.seat.id))
    }

    async fn read_files(&self, paths: Vec<String>) -> Result<ToolResult, Unserved> {
        let (disk, mut content, mut left) = (self.disk(), Vec::new(), READ);
        for path in paths {
            let Some(place) = file(&path) else { return Ok(outside(&path)) };
            let bytes = match disk.read(&place, left).await {
                Ok(bytes) => bytes,
                Err(Error::TooLarge) => {
                    let message =
                        format!("'{path}' is too large: files that are read at a time have at most {READ} bytes.");
                    return Ok(ToolResult::error(message));
                }
                Err(error) => return Ok(refused(&path, &error)),
            };
            left -= bytes.len();
            let media_type = media_type(&path, std::str::from_utf8(&bytes).is_ok());
            content.push(Block::File { path, media_type, bytes });
        }
        Ok(ToolResult { content, structured: None, is_error: false })
    }

    async fn list_files(&self, path: &str) -> Result<ToolResult, Unserved> {
        let Some(folder) = place(path) else { return Ok(outside(path)) };
        let (mut entries, whole) = match self.disk().entries(&folder, ENTRIES).await {
            Ok(listed) => listed,
            Err(error) => return Ok(refused(path, &error)),
        };
        if !whole {
            return Ok(ToolResult::error(format!("'{path}' has more than {ENTRIES} entries.")));
        }
        entries.sort_by(|a, b| a.0.path.cmp(&b.0.path));
        let block = |(seen, is_folder): (crate::disk::Seen, bool)| {
            let path = String::from_utf8_lossy(&seen.path).into_owned();
            let name = path.rsplit('/').next().unwrap_or_default().to_owned();
            Block::Entry { path, name, kind: if is_folder { Kind::Folder } else { Kind::File { bytes: seen.bytes } } }
        };
        Ok(ToolResult { content: entries.into_iter().map(block).collect(), structured: None, is_error: false })
    }

    /// Either none of them is wrong, or nothing is written.
    async fn write_files(&self, files: Vec<(String, Vec<u8>)>) -> Result<ToolResult, Unserved> {
        let mut placed = Vec::new();
        for (path, bytes) in files {
            let Some(place) = file(&path) else { return Ok(outside(&path)) };
            placed.push((path, place, bytes));
        }
        let seat = &self.visit.seat;
        let environment = self.hosting.inner.environment(&seat.project, &seat.id).await?;
        let (disk, count) = (self.disk(), placed.len());
        // What was measured is to be still so when it is written.
        let _one_at_a_time = seat.putting.lock().await;
        let all: usize = placed.iter().map(|(_, _, bytes)| bytes.len()).sum();
        if let Some((_, place, _)) = placed.first() {
            make_room(&disk, &environment, place, all as u64).await.map_err(|_| full())?;
        }
        for (path, place, bytes) in placed {
            if let Err(error) = disk.write(place, bytes, MODE).await {
                return Ok(refused(&path, &error));
            }
        }
        Ok(ToolResult::text(format!("Successfully wrote all {count} files")))
    }

    async fn remove_files(&self, paths: Vec<String>) -> Result<ToolResult, Unserved> {
        let mut places: Vec<(&str, Place)> = Vec::new();
        for path in &paths {
            let Some(place) = file(path) else { return Ok(outside(path)) };
            places.push((path, place));
        }
        let client = self.live()?.client.clone();
        for (path, place) in places {
            match client.remove(&crate::disk::absolute(place.relative()), false).await {
                Ok(()) => {}
                Err(fault @ (Fault::Lost | Fault::Disconnected)) => return Err(lost(&ear::words(&fault))),
                Err(fault) => {
                    return Ok(ToolResult::error(format!("'{path}' was not removed: {}", ear::words(&fault))));
                }
            }
        }
        Ok(ToolResult::text(format!("Successfully removed all {} files", paths.len())))
    }

    // ---- commands in the background

    async fn start_command(&self, command_line: String) -> Result<ToolResult, Unserved> {
        let id = ear::name("task", &*self.hosting.inner.around.entropy);
        let (client, argv) = (self.live()?.client.clone(), self.shell(command_line).await?);
        client.start(command(id.clone(), argv)).await.map_err(NotRun::from)?;
        let task = Some((id.clone(), TaskStatus::Submitted));
        let structured = Some(Structured { task, ..Structured::default() });
        Ok(ToolResult { structured, ..ToolResult::text(format!("Task {id} was started.")) })
    }

    /// What it has said so far, as far as that is kept.
    async fn task(&self, id: String) -> Result<ToolResult, Unserved> {
        if !is_task(&id) {
            return Ok(ToolResult::error(NO_TASK));
        }
        let client = self.live()?.client.clone();
        let (mut after, mut said) = (0, [Kept::default(), Kept::default()]);
        let output = loop {
            let output = match client.read(&id, after, Duration::ZERO).await {
                Ok(output) => output,
                Err(Fault::Missing(_) | Fault::Refused(_)) => return Ok(ToolResult::error(NO_TASK)),
                Err(fault) => return Err(lost(&ear::words(&fault))),
            };
            if output.lost {
                said.iter_mut().for_each(Kept::note_gap);
            }
            for chunk in output.chunks.iter().filter(|chunk| chunk.seq > after) {
                said[usize::from(chunk.error_stream)].push(&chunk.bytes);
            }
            if output.next <= after {
                break output;
            }
            after = output.next;
        };
        let was_stopped = self.row().await?.stopped.contains(&id);
        let status = match output.exit_code {
            _ if output.failure.is_some() => TaskStatus::Failed,
            None => TaskStatus::Working,
            Some(0) => TaskStatus::Completed,
            Some(_) if was_stopped => TaskStatus::Canceled,
            Some(_) => TaskStatus::Failed,
        };
        let [stdout, stderr] = said.map(Kept::text);
        let structured =
            Structured { stdout, stderr, exit_code: output.exit_code, time: None, task: Some((id, status)) };
        Ok(ToolResult { is_error: false, ..structured.told() })
    }

    async fn stop_task(&self, id: String) -> Result<ToolResult, Unserved> {
        let known = self.task(id.clone()).await?;
        let status =
            known.structured.as_ref().and_then(|structured| structured.task.as_ref()).map(|(_, status)| *status);
        if status != Some(TaskStatus::Working) {
            return Ok(known);
        }
        // The word comes first: a server that dies in between has stopped nothing.
        let word = id.clone();
        self.change(|session| {
            session.stopped.push(word.clone());
            let over = session.stopped.len().saturating_sub(STOPPED);
            session.stopped.drain(..over);
        })
        .await?;
        let stopped = self.live()?.client.terminate(&id).await;
        stopped.map_err(|fault| lost(&ear::words(&fault)))?;
        let structured = Some(Structured { task: Some((id.clone(), TaskStatus::Canceled)), ..Structured::default() });
        Ok(ToolResult { structured, ..ToolResult::text(format!("Task {id} was stopped.")) })
    }
}

/// Why a command did not come to its end.
enum NotRun {
    /// In the machine's words. Nothing was run.
    Refused(String),
    Lost(Unserved),
}

impl From<Fault> for NotRun {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Lost | Fault::Disconnected => Self::Lost(lost(&ear::words(&fault))),
            fault => Self::Refused(ear::words(&fault)),
        }
    }
}

impl From<NotRun> for Unserved {
    fn from(not_run: NotRun) -> Self {
        match not_run {
            NotRun::Refused(why) => Self::Program(format!("It could not be run: {why}.")),
            NotRun::Lost(unserved) => unserved,
        }
    }
}

fn command(process: String, argv: Vec<String>) -> Command {
    Command { process, argv, working_directory: "/workspace".to_owned(), ..Command::default() }
}

/// No name of another process.
fn is_task(id: &str) -> bool {
    id.strip_prefix("task-").is_some_and(|rest| rest.len() == 24 && rest.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn outside(path: &str) -> ToolResult {
    let path: String = path.chars().take(200).collect();
    ToolResult::error(format!("'{path}' is no path of a file below the working directory, /workspace."))
}

fn refused(path: &str, error: &Error) -> ToolResult {
    let path: String = path.chars().take(200).collect();
    ToolResult::error(format!("'{path}': {error}."))
}

fn full() -> Refusal {
    Refusal::invalid("The session's disk has no room for it.").at("content")
}
