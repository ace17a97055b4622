//! `outcrop quickstart`: the whole of it on the scripted model, and on the real one.

use super::server::{Place, SCRIPT};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

/// The process numbers of all servers that were started, in order.
pub fn servers(said: &str) -> Vec<&str> {
    said.split("(process ").skip(1).map(|rest| rest.split(')').next().expect("a number")).collect()
}

fn runs(number: &str) -> bool {
    test_kill_process(Pid::from_raw(number.parse().expect("a number")).expect("a process")).is_ok()
}

/// What must hold of every show that went well, by what is in the log and on the machine.
fn was_killed_and_went_on(place: &Place, said: &str) {
    let servers = servers(said);
    assert!(servers.len() == 3 && servers[0] != servers[1] && servers[1] != servers[2], "{said}");
    for (number, what) in [(servers[0], "answer"), (servers[1], "program")] {
        let killed = format!("kill -9 {number}: the server is dead, in the middle of the {what}");
        assert!(said.contains(&killed), "{killed}: {said}");
    }
    assert!(said.contains("The program ran 1 time") && said.contains("is kept as artifact_"), "{said}");
    assert!(!servers.iter().any(|number| runs(number)), "no server stays behind: {said}");
    let log = std::fs::read_to_string(place.path().join("outcrop-data/server.log")).unwrap();
    assert!(log.contains("recovering unfinished sessions"), "{log}");

    let list = place.run(&["session", "list"]).well();
    // The newest stands first: that of the program.
    let line = list.lines().nth(2).expect("two sessions");
    let id = line.split_whitespace().next().expect("a session");
    assert!(line.contains("idle"), "{list}");
    let shown = place.run(&["session", "show", id]).well();
    for (line, times) in [("turn completed", 2), ("\nuser  ", 2), ("\ncall  ", 1), ("\nresult ", 1), ("abandoned", 1)] {
        assert_eq!(shown.matches(line).count(), times, "{line}: {shown}");
    }
}

#[test]
fn the_server_is_killed_in_the_middle_and_goes_on() {
    let place = Place::new(SCRIPT);
    let said = place.run(&["quickstart", "--once"]).well();
    was_killed_and_went_on(&place, &said);
    assert!(!said.contains('\u{1b}'), "plain in a pipe: {said}");
    assert!(said.contains("1 call of get_weather with 1 result; it ran 1 time"), "{said}");
    assert!(said.contains("none of them twice") && said.contains("One answer was broken off"), "{said}");
    assert!(place.run(&["doctor"]).well().contains("none runs"));
    // The folder is as good as new for a second time.
    place.run(&["quickstart", "--once"]).well();
}

#[test]
fn it_keeps_serving_until_it_is_told() {
    let place = Place::new(SCRIPT);
    let mut command = place.command(&["quickstart", "--listen", "127.0.0.1:0"]);
    let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map(|line| line.unwrap());
    let said: Vec<String> = lines.by_ref().take_while(|line| !line.contains("Ctrl-C")).collect();
    let said = said.join("\n");
    let key = std::fs::read_to_string(place.path().join("outcrop-data/api-key")).unwrap();
    assert!(said.contains("from openai import OpenAI") && said.contains(&key), "{said}");
    let doctor = place.run(&["doctor"]).well();
    assert!(doctor.contains("ok    server       runs at"), "{doctor}");
    // Whoever was told the address before the kill finds the server there after it.
    let address = doctor.split("runs at ").nth(1).and_then(|rest| rest.split(' ').next()).expect("an address");
    assert_eq!(said.matches(&format!("{address} (process")).count(), 3, "{said}");
    assert!(said.contains(&format!("base_url=\"{address}/v1\"")), "{said}");
    kill_process(Pid::from_raw(i32::try_from(process.id()).unwrap()).unwrap(), Signal::TERM).unwrap();
    assert_eq!(process.wait().unwrap().code(), Some(0));
    assert!(place.run(&["doctor"]).well().contains("none runs"));
}

#[test]
fn interrupted_at_any_moment_it_leaves_no_server_behind() {
    for (signal, moment) in [(Signal::INT, "(process "), (Signal::TERM, "kill -9"), (Signal::INT, "agent  The")] {
        let place = Place::new(SCRIPT);
        let mut command = place.command(&["quickstart", "--once"]);
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut out = process.stdout.take().unwrap();
        let mut said = String::new();
        let mut buffer = [0; 256];
        while !said.contains(moment) {
            let read = out.read(&mut buffer).unwrap();
            assert!(read > 0, "{moment} never came: {said}");
            said.push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
        kill_process(Pid::from_raw(i32::try_from(process.id()).unwrap()).unwrap(), signal).unwrap();
        out.read_to_string(&mut said).unwrap();
        let mut err = String::new();
        process.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        assert_eq!(process.wait().unwrap().code(), Some(1), "{said}{err}");
        assert!(err.contains("interrupted"), "{err}");
        let stays: Vec<&str> = servers(&said).into_iter().filter(|number| runs(number)).collect();
        assert_eq!(stays, [""; 0], "{moment}: {said}");
    }
}

#[test]
fn it_says_what_went_wrong() {
    let nowhere = "[[model]]\nname='small'\nprovider='openai-chat'\nbase_url='http://127.0.0.1:1/v1'\nattempts=1\n";
    let said = Place::new(nowhere).run(&["quickstart", "--once"]).badly(1);
    assert!(said.contains("the turn failed") && said.contains("server.log"), "{said}");
    let place = Place::new("[[model]]\nname='other'\nprovider='script'\n");
    let said = place.run(&["quickstart", "--once"]).badly(1);
    assert!(said.contains("quickstart asks the model `small`, and none has that name"), "{said}");
}

#[cfg(not(feature = "local"))]
#[test]
fn a_binary_without_local_models_says_so() {
    let place = Place::new("");
    std::fs::remove_file(place.path().join("outcrop.toml")).unwrap();
    for words in [&["quickstart", "--once"][..], &["model", "list"], &["model", "pull", "small"]] {
        let said = place.run(words).badly(1);
        assert!(said.contains("this binary was built without local models"), "{words:?}: {said}");
    }
}

/// The real model in the process. With `UPDATE_RECORDING=1` what it showed becomes `docs/quickstart.svg`.
#[cfg(feature = "local")]
#[test]
fn on_the_real_model_it_goes_well() {
    const MODEL: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let file = std::env::var_os("OUTCROP_TEST_GGUF").map_or(root.join(".fixtures").join(MODEL), Into::into);
    assert!(file.is_file(), "{} is not there: run `cargo xtask test`, which fetches it", file.display());
    let place = Place::new("[[model]]\nname='small'\nprovider='local'\n");
    // As if it had been fetched: what lies on the shelf is checked, and not fetched again.
    let shelf = place.path().join("outcrop-data/models");
    std::fs::create_dir_all(&shelf).unwrap();
    std::os::unix::fs::symlink(&file, shelf.join(MODEL)).unwrap();

    let output = place.command(&["quickstart", "--once"]).env("CLICOLOR_FORCE", "1").output().unwrap();
    let (said, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(0), "{said}{err}");
    let plain = super::recording::undressed(&said);
    was_killed_and_went_on(&place, &plain);
    assert!(plain.contains("licence: Apache-2.0") && plain.contains("about two of"), "{plain}");
    if std::env::var_os("UPDATE_RECORDING").is_some_and(|wanted| wanted == "1") {
        std::fs::write(root.join("docs/quickstart.svg"), super::recording::svg(&said)).unwrap();
    }
}
