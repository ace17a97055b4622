//! Limits of a worker: the kernel's, which end it, and a look at its time, which ends the program before that, with a
//! traceback. The interpreter's own clock is that of the wall, which on a busy machine says nothing about a program.

use crate::allocator;
use crate::step::Limits;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How often the time is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// Seconds that the interpreter has to stop by itself.
const GRACE: u64 = 2;
/// Memory of any kind beside what a program allocates: stacks, what is read and what is written.
const BESIDE: u64 = 1 << 30;

pub struct Overseer {
    over: Arc<AtomicBool>,
}

impl Overseer {
    /// Whether the program was stopped because of its time.
    pub fn overtime(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }
}

/// `None` if a limit cannot be set.
pub fn hold(limits: &Limits) -> Option<Overseer> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let to = |most: u64| Rlimit { current: Some(most), maximum: Some(most) };
    let seconds = limits.time.as_secs() + GRACE;
    setrlimit(Resource::Cpu, Rlimit { current: Some(seconds), maximum: Some(seconds + GRACE) }).ok()?;
    setrlimit(Resource::Core, to(0)).ok()?;
    setrlimit(Resource::Fsize, to(0)).ok()?;
    setrlimit(Resource::Nofile, to(3)).ok()?;
    let memory = u64::try_from(limits.memory).ok()?.saturating_mul(8).saturating_add(BESIDE);
    setrlimit(Resource::Data, to(memory)).ok()?;
    let over = Arc::new(AtomicBool::new(false));
    let (seen, time) = (Arc::clone(&over), limits.time);
    std::thread::Builder::new().spawn(move || oversee(&seen, time)).ok()?;
    Some(Overseer { over })
}

#[expect(clippy::disallowed_methods, reason = "a real process's time is looked at in real time")]
fn oversee(over: &AtomicBool, time: Duration) {
    loop {
        std::thread::sleep(LOOK);
        let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        if Duration::try_from(used).is_ok_and(|used| used > time) {
            over.store(true, Ordering::Relaxed);
            allocator::exhaust();
            return;
        }
    }
}
