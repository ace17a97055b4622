//! Programs as a model might write them, by mistake or because somebody talked it into them: `hostile.json`. Each runs as it
//! stands in a full sandbox, and its effect is looked at. Where running it without what holds it would harm this machine
//! or send a packet out of it, `bounded` is the same deed with an end and on loopback only: that one is also run with each
//! layer alone, and without them, where it must succeed.

use super::life::{running_with, until};
use super::processes::Outsider;
use super::*;
use serde::Deserialize;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;

#[derive(Deserialize)]
struct Snippet {
    id: String,
    language: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    bounded: Option<String>,
    #[serde(default)]
    held_by: Vec<Layer>,
    /// Why it is no matter of the sandbox, or where it is run otherwise.
    #[serde(default)]
    not_run: Option<String>,
}

/// They take memory until there is none.
const MEMORY: [&str; 5] = ["H03", "H04", "H07", "H10", "H12"];
/// They take processes or threads, and what they say when there are no more.
const PROCESSES: [(&str, &str); 2] = [("H01", "Resource temporarily unavailable"), ("H02", "can't start new thread")];
/// They only take time. How much of it they get is for whoever started the sandbox to say.
const ENDLESS: [&str; 4] = ["H05", "H06", "H09", "H11"];
/// They read files under every name there is. Where they succeed they print the machine's users.
const FILES: [&str; 2] = ["H20", "H21"];
/// They ask addresses that must not be asked.
const REQUESTS: [&str; 2] = ["H26", "H27"];
/// Each has a test of its own below.
const SINGLE: [&str; 13] = ["H08", "H14", "H15", "H16", "H17", "H18", "H19", "H22", "H23", "H25", "H28", "H29", "H30"];

fn all() -> Vec<Snippet> {
    serde_json::from_str(include_str!("../hostile.json")).expect("hostile.json")
}

fn snippet(id: &str) -> Snippet {
    all().into_iter().find(|snippet| snippet.id == id).expect(id)
}

/// As it stands.
fn plan(folder: &Folder, id: &str) -> Plan {
    let Snippet { language, code, .. } = snippet(id);
    let mut plan = python(folder, &code);
    plan.command = match language.as_str() {
        "py" => vec!["/usr/bin/python3".to_owned(), "-c".to_owned(), code],
        _ => vec!["/bin/bash".to_owned(), "-c".to_owned(), code],
    };
    plan
}

/// The same deed with an end, held by its layers, each alone, and by nothing else. `decoy` is what it is done to.
fn bounded(folder: &Folder, id: &str, decoy: &str, change: impl Fn(&mut Plan)) {
    let snippet = snippet(id);
    let Some(code) = snippet.bounded else { return };
    let mut plan = python(folder, &code.replace("PORT", decoy).replace("DECOY", decoy));
    change(&mut plan);
    contained(&plan, &snippet.held_by, &[]);
}

#[test]
fn every_one_has_its_place() {
    let mut placed: Vec<&str> = MEMORY.into_iter().chain(ENDLESS).chain(FILES).chain(REQUESTS).chain(SINGLE).collect();
    placed.extend(PROCESSES.map(|(id, _)| id));
    placed.sort_unstable();
    let all = all();
    let (run, not_run): (Vec<&Snippet>, Vec<&Snippet>) = all.iter().partition(|snippet| snippet.not_run.is_none());
    assert_eq!(run.iter().map(|snippet| snippet.id.as_str()).collect::<Vec<_>>(), placed);
    assert_eq!((all.len(), not_run.len()), (30, 2));
    assert!(run.iter().all(|snippet| !snippet.code.is_empty()));
}

#[test]
fn what_takes_memory_ends_alone() {
    if !able(&[Layer::Limits, Layer::Mounts]) {
        return;
    }
    let small = |plan: &mut Plan| plan.limits.memory = 96 << 20;
    for id in MEMORY {
        let folder = Folder::new();
        let mut plan = plan(&folder, id);
        small(&mut plan);
        let said = run(&plan);
        let killed = said.exit.signal == Some(9) && said.exit.out_of_memory.is_some_and(|killed| killed > 0);
        assert!(killed || said.err.contains("MemoryError"), "{id}: {said:?}");
        bounded(&folder, id, "", small);
    }
}

#[test]
fn what_takes_processes_finds_no_more() {
    if !able(&[Layer::Limits, Layer::Pid]) {
        return;
    }
    for (id, complaint) in PROCESSES {
        let folder = Folder::new();
        let mark = format!("hostile-{id}-{}", std::process::id());
        let mut plan = plan(&folder, id);
        // A shell whose bomb is in the background would end, and with it the sandbox.
        if let Some(code) = plan.command.get_mut(2).filter(|_| id == "H01") {
            code.push_str("\nread forever");
        }
        plan.command.push(mark.clone());
        plan.limits.processes = 20;
        let mut running = driver().start(&plan, None).expect("start");
        let mut errors = BufReader::new(running.stderr.take().expect("stderr"));
        let mut line = String::new();
        while !line.contains(complaint) {
            line.clear();
            assert!(errors.read_line(&mut line).expect("line") > 0, "{id} says nothing of it");
        }
        running.kill();
        assert_eq!(running.wait().expect("wait").signal, Some(9));
        assert_eq!(running_with(&mark), [0; 0], "{id}");
        bounded(&folder, id, "", |plan| plan.limits.processes = 20);
    }
}

#[test]
fn what_only_takes_time_is_ended() {
    if !able(&[Layer::Pid]) {
        return;
    }
    for id in ENDLESS {
        let folder = Folder::new();
        let mark = format!("hostile-{id}-{}", std::process::id());
        let mut plan = plan(&folder, id);
        plan.command.push(mark.clone());
        let running = driver().start(&plan, None).expect("start");
        until("it does not begin", || !running_with(&mark).is_empty());
        running.kill();
        assert_eq!(running.wait().expect("wait").signal, Some(9), "{id} ended by itself");
        assert_eq!(running_with(&mark), [0; 0], "{id}");
    }
}

#[test]
fn no_name_leads_to_a_file_of_the_machine() {
    let users = std::fs::read_to_string("/etc/passwd").expect("users");
    let Some(user) = users.lines().find(|line| !["root", "nobody"].iter().any(|name| line.starts_with(name))) else {
        eprintln!("skipped: this machine has no users by whom its files could be known");
        return;
    };
    for id in FILES {
        let folder = Folder::new();
        held(&plan(&folder, id), &[Layer::Mounts], &[], &|said| said.out.contains(user));
        // The one that writes through its links is started on an empty folder each time.
        for entry in std::fs::read_dir(&folder.0).expect("folder").filter_map(Result::ok) {
            let _ = std::fs::remove_file(entry.path());
        }
        assert!(!Path::new("/etc/owned").exists());
    }
}

/// Where packets could get out it is only done on loopback.
#[test]
fn no_address_is_reached() {
    if !able(&[Layer::Network, Layer::Mounts]) {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").expect("listen");
    let port = listener.local_addr().expect("address").port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().filter_map(Result::ok) {
            let _ = stream.read(&mut [0; 4_096]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    for id in REQUESTS {
        let folder = Folder::new();
        let said = run(&plan(&folder, id));
        let asked = said.out.lines().count();
        assert!(asked >= 9 && said.exit.code == Some(0), "{id}: {said:?}");
        let answered = |line: &&str| line.rsplit(' ').next().is_some_and(|word| word.parse::<u16>().is_ok());
        assert_eq!(said.out.lines().find(answered), None, "{id}");
        bounded(&folder, id, &port.to_string(), |_| {});
    }
}

#[test]
fn h08_too_deep_for_its_own_parser() {
    if !able(&[]) {
        return;
    }
    let said = run(&plan(&Folder::new(), "H08"));
    assert!(said.exit.code == Some(1) || said.exit.signal.is_some(), "{said:?}");
}

#[test]
fn h14_a_disk_that_is_filled() {
    if !able(&[Layer::Mounts]) {
        return;
    }
    let folder = Folder::new();
    let mut plan = plan(&folder, "H14");
    plan.limits.disk = 20 << 20;
    plan.limits.files = 100;
    let said = run(&plan);
    assert!(said.exit.out_of_disk && said.exit.signal == Some(9), "{said:?}");
    assert_eq!(std::fs::metadata(folder.0.join("f")).expect("f").len(), 20 << 20, "one file");
    // With more room, more is written: the limit it was.
    plan.limits.disk = 30 << 20;
    assert!(run(&plan).exit.out_of_disk);
    assert_eq!(std::fs::metadata(folder.0.join("f")).expect("f").len(), 30 << 20, "one file");
}

#[test]
fn h15_output_waits_for_its_reader() {
    if !able(&[]) {
        return;
    }
    let folder = Folder::new();
    let mut running = driver().start(&plan(&folder, "H15"), None).expect("start");
    let mut bytes = vec![0; 1 << 20];
    running.stdout.as_mut().expect("stdout").read_exact(&mut bytes).expect("flood");
    assert!(bytes.starts_with(b"y\ny\n"));
    // Nobody reads any more, and nothing grows.
    running.kill();
    assert_eq!(running.wait().expect("wait").signal, Some(9));
}

#[test]
fn h16_secrets_of_the_machine() {
    if !is_root() || Path::new("/run/secrets/kubernetes.io").exists() {
        eprintln!("skipped: only root can plant a secret, and only where there is none");
        return;
    }
    let (top, secrets) = (Path::new("/run/secrets"), Path::new("/run/secrets/kubernetes.io/serviceaccount"));
    let had = top.exists();
    std::fs::create_dir_all(secrets).expect("secrets");
    std::fs::write(secrets.join("token"), "CANARY-SHADOW").expect("token");
    let folder = Folder::new();
    let outcome = std::panic::catch_unwind(|| {
        held(&plan(&folder, "H16"), &[Layer::Mounts], &[], &|said| said.out.contains("CANARY-SHADOW"));
    });
    let planted = if had { top.join("kubernetes.io") } else { top.to_owned() };
    std::fs::remove_dir_all(planted).expect("remove");
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn h17_variables_are_the_plans() {
    if !able(&[Layer::Pid, Layer::Mounts]) {
        return;
    }
    let folder = Folder::new();
    let mut plan = plan(&folder, "H17");
    plan.environment.insert("GIVEN".to_owned(), "CANARY-GIVEN".to_owned());
    let said = run(&plan);
    assert!(said.out.contains("CANARY-GIVEN") && said.err.contains("PermissionError"), "{said:?}");
    let own: Vec<String> = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect();
    let other = own.iter().filter(|name| !plan.environment.contains_key(*name) && name.len() > 4);
    let other: Vec<&String> = other.filter(|name| said.out.contains(&format!("'{name}'"))).collect();
    assert!(own.iter().any(|name| name.starts_with("CARGO")), "cargo gives its tests variables");
    assert!(other.iter().all(|name| *name == "LC_CTYPE"), "{other:?}");
}

#[test]
fn h18_nothing_leads_out_by_proc() {
    let folder = Folder::new();
    let own = format!("/proc/{}/", std::process::id());
    held(&plan(&folder, "H18"), &[Layer::Pid], &[], &|said| said.out.contains(&own) || said.err.contains(&own));
    if able(&[Layer::Pid, Layer::Mounts]) {
        let said = run(&plan(&folder, "H18"));
        let refused = ["/proc/self/exe: ", "/proc/1/root/etc/hostname: "];
        assert!(refused.iter().all(|what| said.err.contains(what)), "{said:?}");
    }
}

#[test]
fn h19_nothing_open_is_handed_on() {
    let folder = Folder::new();
    let file = std::fs::File::open("/etc/passwd").expect("file");
    let leaked = rustix::io::dup(&file).expect("dup");
    held(&plan(&folder, "H19"), &[Layer::Descriptors], &[], &|said| said.out.contains("/etc/passwd"));
    drop(leaked);
}

#[test]
fn h22_links_mounts_and_a_pipe_that_blocks() {
    if !able(&[Layer::Mounts]) {
        return;
    }
    let folder = Folder::new();
    let running = driver().start(&plan(&folder, "H22"), None).expect("start");
    until("it does not come so far", || folder.0.join("f").exists());
    running.kill();
    assert_eq!(running.wait().expect("wait").signal, Some(9));
    let left: Vec<_> = std::fs::read_dir(&folder.0).expect("folder").filter_map(Result::ok).collect();
    assert_eq!(left.iter().map(|entry| entry.file_name()).collect::<Vec<_>>(), ["f"]);
    // A link to what anybody may read and write, beside the folder.
    let (decoy, folder) = (Folder::new(), Folder::new());
    let file = decoy.0.join("decoy");
    std::fs::write(&file, "decoy").expect("decoy");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o666)).expect("mode");
    bounded(&folder, "H22", &file.display().to_string(), |_| {});
}

#[test]
fn h23_the_parent_cannot_be_traced() {
    if !able(&[Layer::Pid, Layer::Seccomp]) {
        return;
    }
    assert_eq!(run(&plan(&Folder::new(), "H23")).out, "-1 1\n-1\n");
    // A parent that lets itself be traced, and is let go at once.
    bounded(&Folder::new(), "H23", "", |_| {});
}

#[test]
fn h25_raw_sockets() {
    let folder = Folder::new();
    held(&plan(&folder, "H25"), &[Layer::Seccomp], &[], &|said| said.out.contains("socket.socket"));
    if able(&[Layer::Seccomp]) {
        assert_eq!(run(&plan(&folder, "H25")).out.lines().count(), 5);
    }
}

/// Names are asked of nobody; and what would ask somebody is not heard.
#[test]
fn h28_nothing_is_told_by_names() {
    if !able(&[Layer::Network, Layer::Mounts]) {
        return;
    }
    let folder = Folder::new();
    let said = run(&plan(&folder, "H28"));
    assert!(said.exit.code == Some(1) && said.err.contains("gaierror"), "{said:?}");
    let server = UdpSocket::bind("127.0.0.1:0").expect("server");
    server.set_nonblocking(true).expect("mode");
    let port = server.local_addr().expect("address").port();
    let question = format!(
        "s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\n\
         try: s.sendto(b'CANARY-DATA.evil.test',('127.0.0.1',{port}))\nexcept OSError as e: print(e)"
    );
    held(&python(&folder, &question), &[Layer::Network], &[], &|_| server.recv(&mut [0; 64]).is_ok());
}

/// Without processes of its own it would end everything of the sandboxes' user on this machine: that is tried on one decoy,
/// with the signal that does nothing.
#[test]
fn h29_signals_to_all_stay_inside() {
    if !able(&[Layer::Pid]) {
        return;
    }
    let folders = [Folder::new(), Folder::new()];
    let mark = format!("hostile-H29-{}", std::process::id());
    let neighbour = python(&folders[1], "sys.stdin.readline(); print('there')");
    let mut neighbour = driver().start(&neighbour, None).expect("start");
    let mut plan = plan(&folders[0], "H29");
    // As the child of a shell, which is no leader of a session and can become one; its last signal ends the shell as well.
    let code = std::mem::replace(&mut plan.command, vec!["sh".to_owned(), "-c".to_owned()]).swap_remove(2);
    plan.command.extend(["python3 -c \"$0\" \"$1\"; read forever".to_owned(), code, mark.clone()]);
    let said = driver().start(&plan, None).expect("start");
    assert_eq!(said.wait().expect("wait").signal, Some(9));
    assert_eq!(running_with(&mark), [0; 0]);
    neighbour.stdin.as_mut().expect("stdin").write_all(b"\n").expect("write");
    assert_eq!(finish(neighbour).out, "there\n");
    let decoy = Outsider::new();
    bounded(&Folder::new(), "H29", &decoy.id().to_string(), |_| {});
}

#[test]
fn h30_what_is_run_inside_is_somebody_without_rights() {
    if !able(&[Layer::User]) {
        return;
    }
    let said = run(&plan(&Folder::new(), "H30"));
    assert!(said.out.starts_with("uid=1000(user) gid=1000(user)"), "{said:?}");
}
