//! Runs the real binary: commands to their end, and servers.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::Duration;

pub const KEY: &str = "sk-of-the-tests-0123456789";
pub const SCRIPT: &str = "[[model]]\nname = 'small'\nprovider = 'script'\n";

/// A folder with a configuration; everything of a test is in it.
pub struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub fn new(configuration: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("outcrop.toml"), configuration).expect("a file");
        Self { folder }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The binary in this folder, with nothing of the caller's configuration.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_outcrop"));
        command.args(words).current_dir(self.path()).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if name.starts_with("OUTCROP_") || name.ends_with("_API_KEY") {
                command.env_remove(name);
            }
        }
        command
    }

    pub fn run(&self, words: &[&str]) -> Done {
        Done::of(self.command(words).output().expect("the binary runs"))
    }

    /// A server on a free port, ready.
    pub fn serve(&self, words: &[&str]) -> Server {
        let mut command = self.command(&[&["serve", "--listen", "127.0.0.1:0"], words].concat());
        Server::start(command.env("OUTCROP_API_KEY", KEY))
    }
}

/// A command that ended.
pub struct Done {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Done {
    fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// What it printed; it must have gone well.
    #[track_caller]
    pub fn well(self) -> String {
        assert_eq!(self.code, Some(0), "{}{}", self.out, self.err);
        self.out
    }

    /// What it complained of; it must have ended with `code`.
    #[track_caller]
    pub fn badly(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{}{}", self.out, self.err);
        self.err
    }
}

/// A server that listens; killed when it is dropped.
pub struct Server {
    pub process: Child,
    pub address: String,
    pub out: BufReader<ChildStdout>,
}

impl Server {
    pub fn start(command: &mut Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
        let mut out = BufReader::new(process.stdout.take().expect("stdout"));
        let mut line = String::new();
        out.read_line(&mut line).expect("a line");
        let Some(address) = line.trim_end().strip_prefix("listening on http://") else {
            let mut err = String::new();
            process.stderr.take().expect("stderr").read_to_string(&mut err).expect("text");
            panic!("not ready: {line:?}\n{err}");
        };
        Self { address: address.to_owned(), process, out }
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(i32::try_from(self.process.id()).expect("a number")).expect("a pid");
        rustix::process::kill_process(pid, signal).expect("it is there");
    }

    /// What it still printed on stdout, and its exit status.
    pub fn end(&mut self) -> (String, Option<i32>) {
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).expect("text");
        (rest, self.process.wait().expect("an end").code())
    }

    pub fn get(&self, path: &str, key: &str) -> (u16, String) {
        self.ask("GET", path, key, "")
    }

    pub fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let (status, text) = self.ask("POST", path, KEY, &body.to_string());
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// A session on the model `small`.
    pub fn create_session(&self, input: &str) -> String {
        let body =
            serde_json::json!({ "agent": { "model": "small" }, "environment": { "type": "none" }, "input": input });
        let (status, session) = self.post("/v1/agents/sessions", &body);
        assert_eq!(status, 201, "{session}");
        session["id"].as_str().expect("an id").to_owned()
    }

    /// Reads the session's events, from its first one on, until it is idle.
    pub fn wait_until_idle(&self, session: &str) {
        // After the event of its creation, the first of every session.
        let first = format!("evt_{}_0000000001_0000", session.trim_start_matches("sess_"));
        let stream = self.send("GET", &format!("/v1/agents/sessions/{session}/events?after={first}"), KEY, "");
        let idle = BufReader::new(stream).lines().any(|line| line.expect("text").contains("\"agent.session.idle\""));
        assert!(idle, "the stream ended first");
    }

    /// One request on a connection of its own.
    fn ask(&self, method: &str, path: &str, key: &str, body: &str) -> (u16, String) {
        let mut answer = String::new();
        self.send(method, path, key, body).read_to_string(&mut answer).expect("it answers");
        let (head, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer");
        (head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status"), body.to_owned())
    }

    fn send(&self, method: &str, path: &str, key: &str, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a limit");
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {key}\r\nopenai-beta: agents=v1\r\n\
             content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            self.address,
            body.len()
        );
        stream.write_all(request.as_bytes()).expect("it reads");
        stream
    }

    /// Asks until the answer has this status.
    pub fn ask_until(&self, path: &str, key: &str, status: u16) {
        let right = (0..100_000).any(|_| self.get(path, key).0 == status);
        assert!(right, "{path} never became {status}: {:?}", self.get(path, key));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
