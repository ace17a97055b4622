//! A machine of names alone, for tests: what is started runs until it is ended.

use environments::machine::{Command, Entry, Fault, Info, Machine, Metadata, Output, Written};
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;
use types::BoxFuture;

/// A machine that knows nothing but names. One that `forgets` has those free again that do not run.
#[derive(Default)]
pub struct Registry {
    pub forgets: bool,
    pub used: Mutex<BTreeSet<String>>,
    pub running: Mutex<BTreeSet<String>>,
    /// Requests.
    pub asked: Mutex<u64>,
}

fn never<T: Send + 'static>() -> BoxFuture<'static, Result<T, Fault>> {
    Box::pin(async { panic!("nobody asks for this") })
}

impl Registry {
    fn answer<T: Send + 'static>(&self, answer: Result<T, Fault>) -> BoxFuture<'static, Result<T, Fault>> {
        *self.asked.lock().unwrap() += 1;
        Box::pin(async { answer })
    }

    pub fn run(&self, name: String) {
        self.used.lock().unwrap().insert(name.clone());
        self.running.lock().unwrap().insert(name);
    }
}

impl Machine for Registry {
    fn start(&self, command: Command) -> BoxFuture<'_, Result<(), Fault>> {
        let known = if self.forgets { &self.running } else { &self.used };
        let is_known = known.lock().unwrap().contains(&command.process);
        self.answer(match (is_known, command.argv[0].as_str()) {
            (true, _) => Err(Fault::Exists(command.process)),
            (false, "\0") => Err(Fault::Refused("a program's name has no such byte".to_owned())),
            (false, _) => {
                self.run(command.process);
                Ok(())
            }
        })
    }

    fn terminate(&self, process: &str) -> BoxFuture<'_, Result<bool, Fault>> {
        let ran = self.running.lock().unwrap().remove(process);
        self.answer(Ok(ran))
    }

    fn info(&self) -> BoxFuture<'_, Result<Info, Fault>> {
        never()
    }
    fn read(&self, _: &str, _: u64, _: Duration) -> BoxFuture<'_, Result<Output, Fault>> {
        never()
    }
    fn write(&self, _: &str, _: Vec<u8>) -> BoxFuture<'_, Result<Written, Fault>> {
        never()
    }
    fn interrupt(&self, _: &str) -> BoxFuture<'_, Result<(), Fault>> {
        never()
    }
    fn read_file(&self, _: &str, _: u64) -> BoxFuture<'_, Result<Vec<u8>, Fault>> {
        never()
    }
    fn write_file(&self, _: &str, _: Vec<u8>) -> BoxFuture<'_, Result<(), Fault>> {
        never()
    }
    fn metadata(&self, _: &str) -> BoxFuture<'_, Result<Metadata, Fault>> {
        never()
    }
    fn canonicalize(&self, _: &str) -> BoxFuture<'_, Result<String, Fault>> {
        never()
    }
    fn list(&self, _: &str) -> BoxFuture<'_, Result<Vec<Entry>, Fault>> {
        never()
    }
    fn create_directory(&self, _: &str) -> BoxFuture<'_, Result<(), Fault>> {
        never()
    }
    fn remove(&self, _: &str, _: bool) -> BoxFuture<'_, Result<(), Fault>> {
        never()
    }
}
