//! Starts of one program, one after the other, and after a restart.

use super::registry::Registry;
use super::*;
use environments::workbench::Station;

struct Here(Station);

impl Machines for Here {
    fn find<'a>(&'a self, _: &'a ProjectId, _: &'a SessionId, _: Duration) -> BoxFuture<'a, Option<Station>> {
        Box::pin(async { Some(self.0.clone()) })
    }
}

/// Without time, and without tasks.
struct Nowhere;

impl Spawn for Nowhere {
    fn spawn(&self, _: &'static str, _: types::Task) {}
}

impl Clock for Nowhere {
    fn now(&self) -> types::Timestamp {
        types::Timestamp(0)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

fn program(machine: &Arc<Registry>) -> Program {
    let station = Station {
        machine: machine.clone(),
        workspace_directory: "/work".to_owned(),
        capability_directories: Vec::new(),
        confined: false,
    };
    let command = Command { process: "mcp".to_owned(), argv: vec!["serve".to_owned()], ..Command::default() };
    Program {
        project: ProjectId::new("p"),
        session: SessionId::new("s"),
        command,
        machines: Arc::new(Here(station)),
        clock: Arc::new(Nowhere),
        spawn: Arc::new(Nowhere),
        last: Mutex::default(),
    }
}

#[tokio::test]
async fn it_is_started_as_often_as_it_ends_and_one_runs() {
    let machine = Arc::new(Registry::default());
    let one = program(&machine);
    one.start().await.unwrap();
    let before = *machine.asked.lock().unwrap();
    for _ in 0..1000 {
        one.start().await.unwrap();
        assert_eq!(machine.running.lock().unwrap().len(), 1);
    }
    // The one before is ended, and no name is looked for.
    assert_eq!(*machine.asked.lock().unwrap() - before, 2000);
    // After a restart of this server nobody remembers it.
    program(&machine).start().await.unwrap();
    let running: Vec<String> = machine.running.lock().unwrap().iter().cloned().collect();
    assert!(matches!(&running[..], [name] if name.ends_with("-1001")), "{running:?}");
}

#[test]
fn a_name_is_no_pattern() {
    assert_eq!((literal("TOKEN").as_str(), literal("*").as_str()), ("TOKEN", ""));
}
