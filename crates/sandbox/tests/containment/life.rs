//! How a sandbox begins and ends.

use super::*;
use std::io::{BufRead as _, BufReader, Write as _};
use std::time::{Duration, Instant};

/// Processes of this machine that run with this word in their arguments.
pub fn running_with(word: &str) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").expect("/proc").filter_map(Result::ok);
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let runs = |number: &u32| {
        let arguments = std::fs::read(format!("/proc/{number}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&arguments).split('\0').any(|argument| argument == word)
    };
    numbers.filter(|number| *number != std::process::id()).filter(runs).collect()
}

/// Waits for what has no event.
pub fn until(what: &str, mut is: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::yield_now();
    }
}

/// A sandbox that has started a daemon with this word, which no group or session ties to it.
fn with_daemon(folder: &Folder, word: &str, isolation: Isolation) -> Running {
    let daemon = format!("import signal,time;signal.signal(15,signal.SIG_IGN);time.sleep(600) #{word}");
    let program = format!(
        "if os.fork() == 0:\n  os.setsid()\n  if os.fork() == 0:\n    os.closerange(0,3)\n    \
         os.execv('/usr/bin/python3',['python3','-I','-S','-c',{daemon:?},'{word}'])\n  os._exit(0)\n\
         os.wait()\nprint('ready',flush=True)\ntime.sleep(600)"
    );
    let mut running = driver().start(&with(python(folder, &program), isolation), None).expect("start");
    let mut line = String::new();
    BufReader::new(running.stdout.take().expect("stdout")).read_line(&mut line).expect("line");
    assert_eq!(line, "ready\n");
    let deadline = Instant::now() + Duration::from_secs(60);
    while running_with(word).is_empty() {
        assert!(Instant::now() < deadline, "the daemon is not there");
        std::thread::yield_now();
    }
    running
}

fn word(name: &str) -> String {
    format!("daemon-{name}-{}", std::process::id())
}

#[test]
fn everything_in_it_ends_when_it_is_killed() {
    let layers = [Layer::Pid, Layer::Limits];
    if !able(&layers) {
        return;
    }
    let folder = Folder::new();
    for (name, without) in [("full", [].as_slice()), ("pid", &[Layer::Limits]), ("limits", &[Layer::Pid])] {
        let word = word(name);
        let running = with_daemon(&folder, &word, Isolation::full().without(without));
        running.kill();
        assert_eq!(running.wait().expect("wait").signal, Some(9));
        let deadline = Instant::now() + Duration::from_secs(60);
        // Without a process namespace the killed have still to die.
        while name == "limits" && !running_with(&word).is_empty() {
            assert!(Instant::now() < deadline, "{name} alone does not hold");
            std::thread::yield_now();
        }
        assert_eq!(running_with(&word), [0; 0], "{name}");
    }
    let word = word("none");
    let running = with_daemon(&folder, &word, Isolation::full().without(&layers));
    running.kill();
    running.wait().expect("wait");
    let left = running_with(&word);
    for process in &left {
        let _ = std::process::Command::new("/bin/kill").args(["-9", &process.to_string()]).status();
    }
    assert_eq!(left.len(), 1, "something else holds");
}

#[test]
fn it_ends_with_its_keeper() {
    if !able(&[Layer::Pid]) {
        return;
    }
    let (folder, word) = (Folder::new(), word("keeper"));
    let running = with_daemon(&folder, &word, Isolation::full());
    let keeper = running.process().to_string();
    std::process::Command::new("/bin/kill").args(["-9", &keeper]).status().expect("kill");
    assert_eq!(running.wait().expect("wait").signal, Some(9));
    let deadline = Instant::now() + Duration::from_secs(60);
    while !running_with(&word).is_empty() {
        assert!(Instant::now() < deadline, "it outlives its keeper");
        std::thread::yield_now();
    }
}

#[test]
fn what_is_left_ends_when_the_command_does_and_when_it_is_dropped() {
    if !able(&[Layer::Pid]) {
        return;
    }
    let (folder, word) = (Folder::new(), word("dropped"));
    drop(with_daemon(&folder, &word, Isolation::full()));
    assert_eq!(running_with(&word), [0; 0]);
}

#[test]
fn it_says_how_the_command_ended() {
    if !able(&[]) {
        return;
    }
    let folder = Folder::new();
    let ended = |program: &str| run(&python(&folder, program)).exit;
    assert_eq!(ended("sys.exit(7)").code, Some(7));
    assert_eq!(ended("os.kill(os.getpid(), 11)").signal, Some(11));
    assert_eq!(ended("pass").code, Some(0));
    // Orphans are reaped, and do not end it.
    let orphan = "if os.fork() == 0:\n  if os.fork() == 0: os._exit(3)\n  os._exit(4)\nos.wait()\n\
                  while len(p := [p for p in os.listdir('/proc') if p.isdigit()]) > 2: time.sleep(0.01)\n\
                  print(p); sys.exit(5)";
    let said = run(&python(&folder, orphan));
    assert_eq!((said.out.as_str(), said.exit.code), ("['1', '2']\n", Some(5)));
}

#[test]
fn a_loop_without_end_is_ended() {
    if !able(&[]) {
        return;
    }
    let folder = Folder::new();
    for program in ["while True: pass", "print('in',flush=True)\nsum(range(10**14))"] {
        let running = driver().start(&python(&folder, program), None).expect("start");
        running.kill();
        assert_eq!(running.wait().expect("wait").signal, Some(9));
        assert_eq!(running.wait().expect("again").signal, Some(9));
    }
}

#[test]
fn input_and_errors_go_through() {
    let folder = Folder::new();
    let mut plan = Plan::new(Disk::Folder(folder.0.clone()), &["sh", "-c", "read a; echo $a; echo wrong >&2"]);
    plan.allow_weak = true;
    let mut running = driver().start(&plan, None).expect("start");
    running.stdin.as_mut().expect("stdin").write_all(b"right\n").expect("write");
    let said = finish(running);
    assert_eq!((said.out.as_str(), said.err.as_str()), ("right\n", "wrong\n"));
}

#[test]
fn what_cannot_be_started_is_an_error_and_leaves_nothing() {
    let folder = Folder::new();
    let good = python(&folder, "");
    let fails = |change: &dyn Fn(&mut Plan)| {
        let mut plan = good.clone();
        change(&mut plan);
        driver().start(&plan, None).map(|_| ()).expect_err("an error")
    };
    let named = |error: Error| error.to_string();
    assert!(matches!(fails(&|plan| plan.command = vec!["/no/such".to_owned()]), Error::Command(_)));
    assert!(matches!(fails(&|plan| plan.directory = "/no/such".to_owned()), Error::Command(_)));
    assert!(matches!(fails(&|plan| plan.command.clear()), Error::Plan(_)));
    assert!(matches!(fails(&|plan| plan.command.push("\0".to_owned())), Error::Plan(_)));
    assert!(matches!(fails(&|plan| plan.limits.processes = 0), Error::Plan(_)));
    assert!(matches!(fails(&|plan| plan.disk = Disk::Folder("relative".into())), Error::Plan(_)));
    assert!(matches!(fails(&|plan| plan.disk = Disk::Folder("/no/such".into())), Error::Build { .. }));
    for target in ["/usr", "/usr/", "/proc", "/proc/x", "/workspace/a", "relative", "/a/../usr", "/", "//"] {
        let bind = sandbox::Bind { source: "/usr".into(), target: target.to_owned(), writable: false };
        assert!(matches!(fails(&|plan| plan.binds.push(bind.clone())), Error::Plan(_)), "{target}");
    }
    let nested = ["/a/b", "/a"].map(|target| sandbox::Bind {
        source: "/usr".into(),
        target: target.to_owned(),
        writable: false,
    });
    assert!(matches!(fails(&|plan| plan.binds.extend(nested.clone())), Error::Plan(_)));
    let bind = sandbox::Bind { source: "/no/such".into(), target: "/there".to_owned(), writable: false };
    assert!(named(fails(&|plan| plan.binds.push(bind.clone()))).contains("/there"));
    let long = "x".repeat(200 << 10);
    assert!(named(fails(&|plan| plan.command.push(long.clone()))).contains("128 KiB"));
    let keeper = Keeper { program: "/bin/true".into(), arguments: Vec::new() };
    assert!(matches!(Namespaces::new(keeper).map(|_| ()), Err(Error::Keeper(_))));
}
