//! A machine without a line to it: processes in groups of their own, pipes read by threads, files of the real disk.

use environments::machine::{Chunk, Command, Entry, Fault, FileKind, Info, Machine, Metadata, Output, Written};
use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use types::BoxFuture;

pub struct Local {
    processes: Mutex<BTreeMap<String, Arc<Process>>>,
    temporary: tempfile::TempDir,
}

impl Default for Local {
    fn default() -> Self {
        Self { processes: Mutex::default(), temporary: tempfile::tempdir().expect("a folder") }
    }
}

struct Process {
    group: u32,
    input: Mutex<Option<ChildStdin>>,
    said: watch::Sender<Output>,
}

impl Local {
    fn process(&self, name: &str) -> Result<Arc<Process>, Fault> {
        self.processes.lock().unwrap().get(name).cloned().ok_or_else(|| Fault::Missing(name.to_owned()))
    }

    pub fn count(&self) -> usize {
        self.processes.lock().unwrap().len()
    }

    /// As an executor that was started anew.
    pub fn forget(&self) {
        let all = std::mem::take(&mut *self.processes.lock().unwrap());
        all.values().for_each(|process| process.signal("KILL"));
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.forget();
    }
}

impl Process {
    fn signal(&self, signal: &str) {
        let line = format!("kill -{signal} -{} 2>/dev/null", self.group);
        std::process::Command::new("/bin/sh").args(["-c", &line]).status().expect("kill");
    }
}

fn listen(
    mut pipe: impl Read + Send + 'static,
    error_stream: bool,
    said: watch::Sender<Output>,
) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let mut bytes = vec![0; 64 << 10];
        while let Ok(count @ 1..) = pipe.read(&mut bytes) {
            said.send_modify(|output| {
                output.next += 1;
                output.chunks.push(Chunk { seq: output.next, error_stream, bytes: bytes[..count].to_vec() });
            });
        }
    })
}

fn attend(mut child: Child, said: watch::Sender<Output>) {
    let pipes = [
        listen(child.stdout.take().expect("stdout"), false, said.clone()),
        listen(child.stderr.take().expect("stderr"), true, said.clone()),
    ];
    std::thread::spawn(move || {
        let code = child.wait().expect("wait").code().unwrap_or(137);
        said.send_modify(|output| output.exit_code = Some(code));
        pipes.into_iter().for_each(|pipe| pipe.join().expect("a pipe"));
        said.send_modify(|output| output.closed = true);
    });
}

fn fault(path: &str, error: &std::io::Error) -> Fault {
    match error.kind() {
        ErrorKind::NotFound => Fault::Missing(path.to_owned()),
        _ => Fault::Refused(error.to_string()),
    }
}

fn kind(kind: std::fs::FileType) -> FileKind {
    if kind.is_symlink() {
        FileKind::Link
    } else if kind.is_dir() {
        FileKind::Directory
    } else if kind.is_file() {
        FileKind::File
    } else {
        FileKind::Other
    }
}

/// The disk is asked at once; nothing here waits but `read`.
fn at_once<T: Send + 'static>(path: &str, result: std::io::Result<T>) -> BoxFuture<'static, Result<T, Fault>> {
    let result = result.map_err(|error| fault(path, &error));
    Box::pin(async move { result })
}

impl Machine for Local {
    fn info(&self) -> BoxFuture<'_, Result<Info, Fault>> {
        let temporary = self.temporary.path().to_str().map(str::to_owned);
        Box::pin(async { Ok(Info { shell: Some("/bin/sh".to_owned()), temporary, ..Info::default() }) })
    }

    fn start(&self, command: Command) -> BoxFuture<'_, Result<(), Fault>> {
        Box::pin(async move {
            let mut processes = self.processes.lock().unwrap();
            if processes.contains_key(&command.process) {
                return Err(Fault::Exists(command.process));
            }
            // A suite that a script runs in the background ignores interrupts, and so would all that it starts.
            let mut start = std::process::Command::new("env");
            start
                .arg("--default-signal=INT")
                .args(&command.argv)
                .envs(&command.variables)
                .current_dir(&command.working_directory);
            start.stdin(if command.input { Stdio::piped() } else { Stdio::null() });
            let start = start.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).spawn();
            let mut child = start.map_err(|error| fault(&command.working_directory, &error))?;
            let said = watch::Sender::new(Output::default());
            let process = Process { group: child.id(), input: Mutex::new(child.stdin.take()), said: said.clone() };
            processes.insert(command.process, Arc::new(process));
            attend(child, said);
            Ok(())
        })
    }

    fn read(&self, process: &str, after: u64, wait: Duration) -> BoxFuture<'_, Result<Output, Fault>> {
        let process = self.process(process);
        Box::pin(async move {
            let mut said = process?.said.subscribe();
            let news = said.wait_for(|output| output.next > after || output.closed || output.exit_code.is_some());
            let _ = tokio::time::timeout(wait, news).await;
            let mut output = said.borrow().clone();
            output.chunks.retain(|chunk| chunk.seq > after);
            Ok(output)
        })
    }

    fn write(&self, process: &str, bytes: Vec<u8>) -> BoxFuture<'_, Result<Written, Fault>> {
        let process = self.process(process);
        Box::pin(async move {
            let process = process?;
            let mut input = process.input.lock().unwrap();
            let accepted = input.as_mut().is_some_and(|input| input.write_all(&bytes).is_ok());
            Ok(if accepted { Written::Accepted } else { Written::Closed })
        })
    }

    fn interrupt(&self, process: &str) -> BoxFuture<'_, Result<(), Fault>> {
        let process = self.process(process);
        Box::pin(async move {
            process?.signal("INT");
            Ok(())
        })
    }

    fn terminate(&self, process: &str) -> BoxFuture<'_, Result<bool, Fault>> {
        let process = self.process(process);
        Box::pin(async move {
            let Ok(process) = process else { return Ok(false) };
            let ran = process.said.borrow().exit_code.is_none();
            process.signal("KILL");
            Ok(ran)
        })
    }

    fn read_file(&self, path: &str, limit: u64) -> BoxFuture<'_, Result<Vec<u8>, Fault>> {
        match std::fs::metadata(path) {
            Ok(metadata) if metadata.len() > limit => {
                let path = path.to_owned();
                Box::pin(async move { Err(Fault::TooLarge(path)) })
            }
            _ => at_once(path, std::fs::read(path)),
        }
    }

    fn write_file(&self, path: &str, bytes: Vec<u8>) -> BoxFuture<'_, Result<(), Fault>> {
        at_once(path, std::fs::write(path, bytes))
    }

    fn metadata(&self, path: &str) -> BoxFuture<'_, Result<Metadata, Fault>> {
        let found = std::fs::symlink_metadata(path).map(|found| Metadata {
            kind: kind(found.file_type()),
            bytes: found.len(),
            modified: None,
        });
        at_once(path, found)
    }

    fn canonicalize(&self, path: &str) -> BoxFuture<'_, Result<String, Fault>> {
        at_once(path, std::fs::canonicalize(path).map(|path| path.to_str().expect("UTF-8").to_owned()))
    }

    fn list(&self, path: &str) -> BoxFuture<'_, Result<Vec<Entry>, Fault>> {
        let entry = |entry: std::io::Result<std::fs::DirEntry>| {
            let entry = entry?;
            Ok(Entry { name: entry.file_name().into_string().expect("UTF-8"), kind: kind(entry.file_type()?) })
        };
        at_once(path, std::fs::read_dir(path).and_then(|entries| entries.map(entry).collect()))
    }

    fn create_directory(&self, path: &str) -> BoxFuture<'_, Result<(), Fault>> {
        at_once(path, std::fs::create_dir_all(path))
    }

    fn remove(&self, path: &str, recursive: bool) -> BoxFuture<'_, Result<(), Fault>> {
        let removed = if recursive { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
        at_once(path, removed)
    }
}
