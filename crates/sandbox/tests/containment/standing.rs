//! Sandboxes that outlive the server that started them: found again, taken from one another, and ended.

use super::life::until;
use super::*;
use sandbox::Standing;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

/// With these variables, `starter` is a server that has started a sandbox; the first names its control socket.
const CONTROL: &str = "SANDBOX_TEST_CONTROL";
const ALONE: &str = "SANDBOX_TEST_ALONE";
const LONG: &str = "3600";

/// Connects to the second port as often as it must, answers each line with the next number, and ends where one says so.
const COUNTER: &str = "n=0\nwhile True:\n  s=socket.create_connection(('127.0.0.1',3129))\n  for line in s.makefile():\n    \
    n+=1\n    if line.strip()=='end': sys.exit(n)\n    s.sendall(f'{n}\\n'.encode())";

fn plan(folder: &Path, control: &Path, time: Duration) -> Plan {
    let folder = Folder(folder.to_owned());
    let mut plan = python(&folder, COUNTER);
    // It is the caller's to remove.
    std::mem::forget(folder);
    plan.listen = vec![3128, 3129];
    plan.standing = Some(Standing { control: control.to_owned(), time });
    plan
}

/// Not a test of its own: the server that the tests here kill.
#[test]
#[ignore = "a server for the other tests"]
fn starter() {
    let Some(control) = std::env::var_os(CONTROL).map(PathBuf::from) else { return };
    let time = std::env::var(ALONE).ok().and_then(|text| text.parse().ok()).expect("seconds");
    let disk = control.parent().expect("folder").join("disk");
    // As somebody's mistake: without the mark that closes it when another program is run.
    let file = std::fs::File::open("/etc/passwd").expect("file");
    let _leaked = rustix::io::dup(&file).expect("dup");
    let running = driver().start(&plan(&disk, &control, Duration::from_secs_f64(time)), None).expect("start");
    assert!(running.stdin.is_none() && running.stdout.is_none() && running.stderr.is_none());
    let (mut stream, _) = running.listeners[1].accept().expect("accept");
    stream.write_all(b"one\n").expect("write");
    let mut line = String::new();
    BufReader::new(stream.try_clone().expect("clone")).read_line(&mut line).expect("line");
    println!("keeper {} said {}", running.process(), line.trim());
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

/// A server of its own, which has started a standing sandbox.
struct Server {
    process: Child,
    /// What it says is heard as long as it lives.
    _output: BufReader<ChildStdout>,
    keeper: u32,
    folder: Folder,
}

impl Server {
    fn start(alone: &str) -> Self {
        let folder = Folder::new();
        let disk = folder.0.join("disk");
        std::fs::create_dir(&disk).expect("disk");
        let mut process = Command::new(std::env::current_exe().expect("own path"))
            .args(["--exact", "standing::starter", "--ignored", "--nocapture"])
            .env(CONTROL, folder.0.join("keeper.sock"))
            .env(ALONE, alone)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .expect("server");
        let mut output = BufReader::new(process.stdout.take().expect("stdout"));
        let said = output.by_ref().lines().find_map(|line| {
            let line = line.expect("line");
            line.split_once("keeper ").map(|(_, rest)| rest.to_owned())
        });
        let said = said.expect("the server says nothing");
        let (keeper, said) = said.split_once(" said ").expect("keeper");
        assert_eq!(said, "1");
        Self { process, _output: output, keeper: keeper.parse().expect("number"), folder }
    }

    fn control(&self) -> PathBuf {
        self.folder.0.join("keeper.sock")
    }

    /// As a crash does it: with all of its process group.
    fn die(&mut self) {
        let group = format!("-{}", self.process.id());
        Command::new("/bin/kill").args(["-9", "--", &group]).status().expect("kill");
        self.process.wait().expect("wait");
    }
}

/// Whether a process is there, and not only waits to be buried by whoever it fell to.
fn lives(process: u32) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    state.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// The folders of the control group that the keeper is in.
fn groups(keeper: u32) -> Vec<PathBuf> {
    let told = std::fs::read_to_string(format!("/proc/{keeper}/cgroup")).unwrap_or_default();
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mounts = mounts.lines().filter(|line| line.contains(" - cgroup")).filter_map(|line| line.split(' ').nth(4));
    let names = told.lines().filter_map(|line| line.rsplit_once("outcrop-").map(|(_, name)| format!("outcrop-{name}")));
    let names: Vec<String> = names.collect();
    fn below(folder: &Path, names: &[String], depth: usize, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            if names.iter().any(|name| entry.file_name() == name.as_str()) {
                found.push(entry.path());
            } else if depth < 6 {
                below(&entry.path(), names, depth + 1, found);
            }
        }
    }
    let mut found = Vec::new();
    mounts.for_each(|mount| below(Path::new(mount), &names, 0, &mut found));
    found
}

/// Everything in the sandbox: the descendants of its keeper.
fn family(keeper: u32) -> Vec<u32> {
    let mut family = vec![keeper];
    let mut at = 0;
    while let Some(parent) = family.get(at).copied() {
        let children = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
        family.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        at += 1;
    }
    family
}

/// One more number from the command.
fn asks(stream: &mut TcpStream) -> String {
    stream.write_all(b"next\n").expect("write");
    let mut line = String::new();
    BufReader::new(stream.try_clone().expect("clone")).read_line(&mut line).expect("line");
    line
}

#[test]
fn it_is_found_again_when_its_server_was_killed() {
    if !able(&[Layer::Pid, Layer::Network]) {
        return;
    }
    let mut server = Server::start(LONG);
    let (family, groups) = (family(server.keeper), groups(server.keeper));
    assert_eq!(family.len(), 3, "keeper, init and command");
    let open = std::fs::read_dir(format!("/proc/{}/fd", server.keeper)).expect("descriptors").filter_map(Result::ok);
    let open: Vec<PathBuf> = open.filter_map(|entry| std::fs::read_link(entry.path()).ok()).collect();
    assert!(!open.is_empty() && !open.contains(&PathBuf::from("/etc/passwd")), "{open:?}");
    server.die();
    // A new server first sweeps what is left of groups.
    let next = Namespaces::new(Keeper { program: PathBuf::from(KEEPER), arguments: Vec::new() }).expect("probe");
    assert!(groups.iter().all(|group| group.exists()), "the group of a living keeper was swept");
    let running = next.resume(&server.control()).expect("resume").expect("nobody is there");
    assert_eq!((running.process(), running.listeners.len()), (server.keeper, 2));
    assert!(family.iter().all(|process| lives(*process)));
    let (mut stream, _) = running.listeners[1].accept().expect("accept");
    assert_eq!(asks(&mut stream), "2\n", "it is the command that there was");
    running.kill();
    let exit = running.wait().expect("wait");
    assert_eq!(exit.signal, Some(9));
    assert_eq!(exit.out_of_memory.is_some(), driver().ability().has(Layer::Limits), "its group was not found");
    until("something is left of it", || !family.iter().any(|process| lives(*process)));
    assert!(!server.control().exists(), "the socket is left");
    assert_eq!(groups.iter().filter(|group| group.exists()).count(), 0, "a group is left");
    assert!(next.resume(&server.control()).expect("resume").is_none());
}

#[test]
fn its_way_out_waits_for_the_next_server() {
    if !able(&[Layer::Pid, Layer::Network]) {
        return;
    }
    let folder = Folder::new();
    let control = folder.0.join("keeper.sock");
    let disk = folder.0.join("disk");
    std::fs::create_dir(&disk).expect("disk");
    let running = driver().start(&plan(&disk, &control, Duration::from_secs(3600)), None).expect("start");
    running.leave();
    assert!(matches!(running.wait(), Err(Error::Parted)));
    drop(running);
    let running = driver().resume(&control).expect("resume").expect("nobody is there");
    // The command connected whenever it liked.
    let (mut stream, _) = running.listeners[1].accept().expect("accept");
    assert_eq!(asks(&mut stream), "1\n");
    let second = driver().resume(&control).expect("resume").expect("nobody is there");
    // Who had it has nothing to say any more.
    running.kill();
    assert!(matches!(running.wait(), Err(Error::Parted)));
    drop(running);
    assert_eq!(asks(&mut stream), "2\n");
    second.leave();
    drop(second);
    // It ends while nobody is there, and how is kept.
    stream.write_all(b"end\n").expect("write");
    assert_eq!(stream.read(&mut [0]).expect("end"), 0);
    let third = driver().resume(&control).expect("resume").expect("nobody is there");
    assert_eq!(third.wait().expect("wait").code, Some(3));
    assert_eq!(third.wait().expect("again").code, Some(3));
    drop(third);
    until("the socket is left", || !control.exists());
}

#[test]
fn without_a_server_it_ends_by_itself() {
    if !able(&[Layer::Pid, Layer::Network]) {
        return;
    }
    let mut server = Server::start("0.2");
    let (family, groups) = (family(server.keeper), groups(server.keeper));
    server.die();
    until("it stands for ever", || !family.iter().any(|process| lives(*process)));
    assert!(!server.control().exists());
    assert!(driver().resume(&server.control()).expect("resume").is_none());
    assert_eq!(groups.iter().filter(|group| group.exists()).count(), 0, "a group is left");
}

#[test]
fn a_keeper_that_was_killed_leaves_nothing_to_resume() {
    if !able(&[Layer::Pid, Layer::Network]) {
        return;
    }
    let mut server = Server::start(LONG);
    let family = family(server.keeper);
    server.die();
    Command::new("/bin/kill").args(["-9", &server.keeper.to_string()]).status().expect("kill");
    until("something is left of it", || !family.iter().any(|process| lives(*process)));
    assert!(server.control().exists());
    assert!(driver().resume(&server.control()).expect("resume").is_none());
    assert!(!server.control().exists(), "the stale socket is left");
}

#[test]
fn what_is_no_control_socket_is_replaced_and_what_cannot_be_one_is_refused() {
    if !able(&[]) {
        return;
    }
    use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
    // Longer than a socket's address may be.
    let folder = Folder::new();
    let deep = folder.0.join("x".repeat(120));
    std::fs::create_dir(&deep).expect("folder");
    let control = deep.join("keeper.sock");
    std::fs::write(&control, "of old").expect("old");
    let running = driver().start(&plan(&folder.0, &control, Duration::from_secs(3600)), None).expect("start");
    let file = std::fs::metadata(&control).expect("socket");
    assert!(file.file_type().is_socket());
    assert_eq!(file.permissions().mode() & 0o777, 0o600);
    drop(driver().resume(&control).expect("resume").expect("nobody is there"));
    assert!(matches!(running.wait(), Err(Error::Parted)));
    assert!(!control.exists());
    let fails = |control: &str, time| driver().start(&plan(&folder.0, Path::new(control), time), None).map(|_| ());
    let hour = Duration::from_secs(3600);
    assert!(matches!(fails("relative", hour), Err(Error::Plan(_))));
    assert!(matches!(fails("/tmp/x", Duration::ZERO), Err(Error::Plan(_))));
    assert!(matches!(fails("/no/such/keeper.sock", hour), Err(Error::Build { .. })));
    let mut wrong = plan(&folder.0, &control, hour);
    wrong.command = vec!["/no/such".to_owned()];
    assert!(matches!(driver().start(&wrong, None).map(|_| ()), Err(Error::Command(_))));
    assert!(!control.exists(), "what could not be started leaves its socket");
}

/// As an executor gets the socket on which it is spoken to.
#[test]
fn what_is_handed_in_is_the_standard_input() {
    if !able(&[Layer::Network]) {
        return;
    }
    let folder = Folder::new();
    let path = folder.0.join("in.sock");
    let listener = std::os::unix::net::UnixListener::bind(&path).expect("listen");
    let program = "s=socket.socket(fileno=0); c,_=s.accept(); c.sendall(b'in'); print(c.recv(9).decode())";
    let mut running = driver().start(&python(&folder, program), Some(listener.into())).expect("start");
    assert!(running.stdin.is_none());
    let mut stream = std::os::unix::net::UnixStream::connect(&path).expect("connect");
    let mut said = [0; 2];
    stream.read_exact(&mut said).expect("said");
    stream.write_all(b"out").expect("write");
    running.stdin = None;
    assert_eq!((&said, finish(running).out.as_str()), (b"in", "out\n"));
}
