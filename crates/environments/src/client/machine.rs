//! A client as a machine: each of its verbs as a request, with what may be asked again and what may not.

use super::call::Repeat::{Always, Never, SameSession};
use super::process::Look;
use super::{Client, Shared, call, connection};
use crate::machine::{Command, Entry, Fault, FileKind, HttpCall, HttpReply, Info, Machine, Metadata, Output, Written};
use std::collections::BTreeMap;
use std::time::Duration;
use types::BoxFuture;
use wire::executor::{
    self as dialect, Base64, CanonicalPath, CreateDirectory, Entries, EnvironmentPolicy, FileData, FileUri, Inherit,
    PathOnly, ProcessRead, ProcessReadings, ProcessSignal, ProcessStart, ProcessTerminate, ProcessTerminated,
    ProcessWrite, ProcessWritten, Remove, Signal, WriteFile, WriteStatus, method,
};

/// What one question for output brings at most: so little that an answer of chunks of one byte each is no long message.
const READ_BYTES: usize = 64 * 1024;
/// Questions in a row for one process, before what is there has to do.
const READS: usize = 256;
/// A process that is being started takes input soon.
const STARTING: usize = 50;
const STARTING_AGAIN: Duration = Duration::from_millis(100);
/// What an HTTP request has less than its answer may take.
const HTTP_MARGIN: Duration = Duration::from_secs(5);

impl Machine for Client {
    fn info(&self) -> BoxFuture<'_, Result<Info, Fault>> {
        Box::pin(self.shared.info())
    }

    fn session(&self) -> Option<String> {
        self.shared.state().session.clone()
    }

    fn start(&self, command: Command) -> BoxFuture<'_, Result<(), Fault>> {
        Box::pin(self.shared.start(command))
    }

    fn read(&self, process: &str, after: u64, wait: Duration) -> BoxFuture<'_, Result<Output, Fault>> {
        let process = process.to_owned();
        Box::pin(async move { self.shared.read(&process, after, wait).await })
    }

    fn write(&self, process: &str, bytes: Vec<u8>) -> BoxFuture<'_, Result<Written, Fault>> {
        let process = process.to_owned();
        Box::pin(async move { self.shared.write(&process, bytes).await })
    }

    fn interrupt(&self, process: &str) -> BoxFuture<'_, Result<(), Fault>> {
        let params = ProcessSignal { process_id: process.to_owned(), signal: Signal::Interrupt };
        Box::pin(async move {
            self.shared.call(method::PROCESS_SIGNAL, &params, Never).await?.result.map_err(call::fault)?;
            Ok(())
        })
    }

    fn terminate(&self, process: &str) -> BoxFuture<'_, Result<bool, Fault>> {
        let params = ProcessTerminate { process_id: process.to_owned() };
        Box::pin(async move {
            let answer = self.shared.call(method::PROCESS_TERMINATE, &params, SameSession).await?;
            Ok(answer.read::<ProcessTerminated>()?.running)
        })
    }

    fn read_file(&self, path: &str, limit: u64) -> BoxFuture<'_, Result<Vec<u8>, Fault>> {
        let path = path.to_owned();
        Box::pin(async move {
            // A size that is asked for first, so that nothing large travels in vain.
            if self.metadata(&path).await?.bytes > limit {
                return Err(Fault::TooLarge(path));
            }
            let answer = self.shared.call(method::FS_READ_FILE, &path_only(&path)?, Always).await?;
            let bytes = answer.read::<FileData>()?.data_base64.0;
            if bytes.len() as u64 > limit { Err(Fault::TooLarge(path)) } else { Ok(bytes) }
        })
    }

    fn write_file(&self, path: &str, bytes: Vec<u8>) -> BoxFuture<'_, Result<(), Fault>> {
        let path = uri(path);
        Box::pin(async move {
            let params = WriteFile { path: path?, data_base64: Base64(bytes), sandbox: None };
            self.shared.call(method::FS_WRITE_FILE, &params, Never).await?.result.map_err(call::fault)?;
            Ok(())
        })
    }

    fn metadata(&self, path: &str) -> BoxFuture<'_, Result<Metadata, Fault>> {
        let params = path_only(path);
        Box::pin(async move {
            let answer = self.shared.call(method::FS_GET_METADATA, &params?, Always).await?;
            let said = answer.read::<dialect::Metadata>()?;
            let kind = if said.is_symlink { FileKind::Link } else { kind(said.is_directory, said.is_file) };
            let modified = u64::try_from(said.modified_at_ms).ok().filter(|time| *time > 0);
            Ok(Metadata { kind, bytes: said.size, modified })
        })
    }

    fn canonicalize(&self, path: &str) -> BoxFuture<'_, Result<String, Fault>> {
        let params = path_only(path);
        Box::pin(async move {
            let answer = self.shared.call(method::FS_CANONICALIZE, &params?, Always).await?;
            let path = answer.read::<CanonicalPath>()?.path.into_path();
            let text = path.into_os_string().into_string();
            text.map_err(|_| Fault::Refused("the path is not UTF-8".to_owned()))
        })
    }

    fn list(&self, path: &str) -> BoxFuture<'_, Result<Vec<Entry>, Fault>> {
        let params = path_only(path);
        Box::pin(async move {
            let answer = self.shared.call(method::FS_READ_DIRECTORY, &params?, Always).await?;
            let entries = answer.read::<Entries>()?.entries.into_iter();
            Ok(entries
                .map(|entry| Entry { kind: kind(entry.is_directory, entry.is_file), name: entry.file_name })
                .collect())
        })
    }

    fn create_directory(&self, path: &str) -> BoxFuture<'_, Result<(), Fault>> {
        let path = uri(path);
        Box::pin(async move {
            let params = CreateDirectory { path: path?, recursive: true, sandbox: None };
            self.shared.call(method::FS_CREATE_DIRECTORY, &params, Always).await?.result.map_err(call::fault)?;
            Ok(())
        })
    }

    fn remove(&self, path: &str, recursive: bool) -> BoxFuture<'_, Result<(), Fault>> {
        let path = uri(path);
        Box::pin(async move {
            let params = Remove { path: path?, recursive, force: false, sandbox: None };
            self.shared.call(method::FS_REMOVE, &params, Never).await?.result.map_err(call::fault)?;
            Ok(())
        })
    }

    fn http(&self, call: HttpCall) -> BoxFuture<'_, Result<HttpReply, Fault>> {
        Box::pin(self.shared.http(call))
    }
}

fn uri(path: &str) -> Result<FileUri, Fault> {
    FileUri::from_path(path).ok_or_else(|| Fault::Refused(format!("{path} is no absolute path")))
}

fn path_only(path: &str) -> Result<PathOnly, Fault> {
    Ok(PathOnly { path: uri(path)?, sandbox: None })
}

fn kind(is_directory: bool, is_file: bool) -> FileKind {
    match (is_directory, is_file) {
        (true, _) => FileKind::Directory,
        (false, true) => FileKind::File,
        (false, false) => FileKind::Other,
    }
}

impl Shared {
    async fn info(&self) -> Result<Info, Fault> {
        if let Some(info) = self.state().info.clone() {
            return Ok(info);
        }
        let answer = self.call(method::ENVIRONMENT_INFO, &BTreeMap::<String, String>::new(), Always).await?;
        // The greeting may have said it by now; an older executor never says it.
        if let Some(info) = self.state().info.clone() {
            return Ok(info);
        }
        match answer.result {
            Err(failure) if failure.code == dialect::code::METHOD_NOT_FOUND => Ok(Info::default()),
            Err(failure) => Err(call::fault(failure)),
            Ok(value) => Ok(connection::describe(serde_json::from_str(value.get()).unwrap_or_default())),
        }
    }

    async fn http(&self, call: HttpCall) -> Result<HttpReply, Fault> {
        let mut id = [0; 8];
        self.world.entropy.fill(&mut id);
        // The executor says that it was too slow before it is given up itself.
        let time = self.settings.answer.saturating_sub(HTTP_MARGIN);
        let params = dialect::HttpRequest {
            method: call.method,
            url: call.url,
            headers: call.headers.into_iter().map(|(name, value)| dialect::Header { name, value }).collect(),
            body_base64: (!call.body.is_empty()).then_some(Base64(call.body)),
            timeout_ms: u64::try_from(time.as_millis()).ok(),
            redirect_policy: dialect::RedirectPolicy::Stop,
            request_id: format!("{:016x}", u64::from_be_bytes(id)),
            stream_response: false,
        };
        let answer = self.call(method::HTTP_REQUEST, &params, Never).await?.read::<dialect::HttpResponse>()?;
        let headers = answer.headers.into_iter().map(|header| (header.name, header.value)).collect();
        Ok(HttpReply { status: answer.status, headers, body: answer.body_base64.0 })
    }

    async fn start(&self, mut command: Command) -> Result<(), Fault> {
        give(&mut command, self.listener.variables());
        let process = command.process.clone();
        let params = request(command, self.settings.all_variables)?;
        {
            let mut state = self.state();
            if state.processes.contains_key(&process) {
                return Err(Fault::Exists(process));
            }
            self.admit(&mut state, &process, false)?;
        }
        let answer = self.call(method::PROCESS_START, &params, SameSession).await;
        let started = match answer {
            Ok(answer) => {
                let repeated = answer.repeated;
                match answer.result.map_err(call::fault) {
                    Ok(_) => Ok(()),
                    // The first of the two requests has started it.
                    Err(Fault::Exists(_)) if repeated => Ok(()),
                    Err(fault) => Err(fault),
                }
            }
            Err(fault) => Err(fault),
        };
        if started.is_err() {
            self.state().processes.remove(&process);
        }
        started
    }

    async fn read(&self, process: &str, after: u64, wait: Duration) -> Result<Output, Fault> {
        let mut changes = self.changes.subscribe();
        let mut timer = self.world.clock.sleep(wait);
        let mut over = wait.is_zero();
        loop {
            changes.borrow_and_update();
            match self.look(process, after)? {
                Look::Gone => return Err(Fault::Lost),
                Look::News(output) => return Ok(output),
                Look::Nothing(output) if over => return Ok(output),
                Look::Nothing(_) => {}
                Look::Stale { .. } => {
                    self.recover(process).await?;
                    continue;
                }
            }
            tokio::select! {
                biased;
                _ = changes.changed() => {}
                () = &mut timer => over = true,
            }
        }
    }

    /// A process that is not known here is perhaps known to the executor, from before a restart. Without a line for
    /// longer than one is waited for, nothing new can be said.
    fn look(&self, process: &str, after: u64) -> Result<Look, Fault> {
        let mut state = self.state();
        if !state.processes.contains_key(process) {
            self.admit(&mut state, process, true)?;
        }
        let down = state.open.is_none();
        let long = self.world.clock.monotonic().saturating_sub(state.down) >= self.settings.patience;
        let Some(known) = state.processes.get_mut(process) else { return Ok(Look::Gone) };
        known.read_on(after);
        match known.look(after) {
            Look::Nothing(_) if down && long => Ok(Look::Gone),
            Look::News(output) => {
                known.release();
                Ok(Look::News(output))
            }
            look => Ok(look),
        }
    }

    /// Asks the executor for all that was not heard.
    async fn recover(&self, process: &str) -> Result<(), Fault> {
        for _ in 0..READS {
            let known = self.state().processes.get(process).map(|known| (known.last(), known.look(u64::MAX)));
            let Some((last, Look::Stale { heard })) = known else { return Ok(()) };
            let params = ProcessRead {
                process_id: process.to_owned(),
                after_seq: Some(last),
                max_bytes: Some(READ_BYTES),
                wait_ms: Some(0),
            };
            let answer = self.call(method::PROCESS_READ, &params, Always).await;
            let readings = match answer.and_then(|answer| answer.read::<ProcessReadings>()) {
                Ok(readings) => readings,
                Err(fault) => {
                    let mut state = self.state();
                    match state.processes.get_mut(process) {
                        Some(over) if over.is_over() => {
                            // It was read once, and the executor has forgotten it by now.
                            if matches!(fault, Fault::Missing(_)) {
                                over.settle(heard);
                                return Ok(());
                            }
                        }
                        // Nothing of it is here: it was admitted for this question alone.
                        _ if last == 0 && matches!(fault, Fault::Missing(_) | Fault::Disconnected) => {
                            state.processes.remove(process);
                        }
                        _ => {}
                    }
                    return Err(fault);
                }
            };
            let mut state = self.state();
            let Some(known) = state.processes.get_mut(process) else { return Ok(()) };
            // Somebody else has begun to ask for all of it again.
            if known.last() < last {
                continue;
            }
            let nothing = readings.chunks.iter().all(|chunk| chunk.seq <= last);
            known.readings(readings);
            if nothing && known.settle(heard) {
                return Ok(());
            }
        }
        Err(Fault::Refused("the executor does not come to an end of this process's output".to_owned()))
    }

    async fn write(&self, process: &str, bytes: Vec<u8>) -> Result<Written, Fault> {
        let mut id = [0; 8];
        self.world.entropy.fill(&mut id);
        let params = ProcessWrite {
            process_id: process.to_owned(),
            chunk: Base64(bytes),
            write_id: Some(format!("{:016x}", u64::from_be_bytes(id))),
        };
        for _ in 0..STARTING {
            let answer = self.call(method::PROCESS_WRITE, &params, SameSession).await?;
            match answer.read::<ProcessWritten>()?.status {
                WriteStatus::Accepted => return Ok(Written::Accepted),
                WriteStatus::StdinClosed => return Ok(Written::Closed),
                WriteStatus::UnknownProcess => return Err(Fault::Missing(process.to_owned())),
                WriteStatus::Starting => self.world.clock.sleep(STARTING_AGAIN).await,
            }
        }
        Err(Fault::Refused("the process does not take input yet".to_owned()))
    }
}

/// To a command that says which variables it takes, no others.
fn give(command: &mut Command, variables: BTreeMap<String, String>) {
    for (name, value) in variables {
        if command.inherited.is_empty() || command.inherited.contains(&name) {
            command.variables.entry(name).or_insert(value);
        }
    }
}

fn request(command: Command, all_variables: bool) -> Result<ProcessStart, Fault> {
    let policy = EnvironmentPolicy {
        inherit: Inherit::All,
        // What is named is wanted, whatever it looks like.
        ignore_default_excludes: all_variables || !command.inherited.is_empty(),
        exclude: Vec::new(),
        set: BTreeMap::new(),
        include_only: command.inherited,
    };
    Ok(ProcessStart {
        process_id: command.process,
        argv: command.argv,
        cwd: uri(&command.working_directory)?,
        env: command.variables,
        tty: command.terminal,
        arg0: None,
        pipe_stdin: command.input,
        env_policy: Some(policy),
        enforce_managed_network: false,
        sandbox: None,
    })
}
