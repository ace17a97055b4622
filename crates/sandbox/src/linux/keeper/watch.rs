//! What a keeper does while the command runs: hears its server, its init and, where it stands, servers that come later;
//! measures the disk. How the command ended is told to a server; a standing keeper keeps it until one has heard it.

use super::super::cgroup::Place;
use super::super::channel::{self, Ended, Message};
use super::super::post::Post;
use super::super::quota::Watched;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::process::{Pid, Signal, WaitOptions};
use std::io::{self, PipeReader, Read as _};
use std::time::{Duration, Instant};

/// What is kept.
pub struct Kept {
    pub init: Pid,
    pub handle: OwnedFd,
    /// Where the init tells that the command runs.
    pub heard: OwnedFd,
    /// Where the init tells how the command ended.
    pub ended: PipeReader,
    pub disk: Option<Watched>,
    /// One for each of the plan's ports.
    pub listeners: Vec<OwnedFd>,
    pub place: Option<Place>,
}

pub struct Watch {
    kept: Kept,
    /// To the server, if one is there.
    line: Option<OwnedFd>,
    post: Option<Post>,
    /// Since when no server is there.
    alone: Option<Instant>,
    out_of_disk: bool,
    end: Option<Ended>,
}

#[derive(Clone, Copy)]
enum Event {
    Init,
    Line,
    Server,
}

impl Watch {
    pub fn new(kept: Kept, line: OwnedFd, post: Option<Post>) -> Self {
        Self { kept, line: Some(line), post, alone: None, out_of_disk: false, end: None }
    }

    /// Comes back when everything is over and told, or nobody came to hear it.
    pub fn watch(mut self) -> io::Result<()> {
        self.tell(&Message::Ready, true);
        if self.post.is_none() {
            self.kept.listeners.clear();
        }
        let outcome = self.events();
        if outcome.is_err() {
            self.kill();
        }
        if let Some(post) = self.post.take() {
            post.remove();
        }
        outcome
    }

    fn events(&mut self) -> io::Result<()> {
        while !self.is_over() {
            match self.next()? {
                Some(Event::Init) => self.bury(),
                Some(Event::Line) => self.hear(),
                Some(Event::Server) => self.welcome(),
                None if self.left().is_some_and(|left| left.is_zero()) => self.kill(),
                None => self.measure(),
            }
        }
        Ok(())
    }

    /// It has ended, and nobody is to be told any more.
    fn is_over(&self) -> bool {
        let waits = self.post.is_some() && (self.line.is_some() || self.left().is_some_and(|left| !left.is_zero()));
        self.end.is_some() && !waits
    }

    /// The next thing that happens; none where it is time to look at the disk or at the clock.
    fn next(&self) -> io::Result<Option<Event>> {
        let init = self.end.is_none().then(|| (Event::Init, self.kept.handle.as_fd()));
        let line = self.line.as_ref().map(|line| (Event::Line, line.as_fd()));
        let post = self.post.as_ref().map(|post| (Event::Server, post.as_fd()));
        let sources: Vec<_> = [init, line, post].into_iter().flatten().collect();
        let mut watched: Vec<_> = sources.iter().map(|(_, source)| PollFd::new(source, PollFlags::IN)).collect();
        // One that was told to end for want of a server is waited for; there is no time to keep any more.
        let left = self.left().filter(|left| !left.is_zero());
        let pause = self.kept.disk.as_ref().map(|disk| disk.pause);
        let patience = left.into_iter().chain(pause).min().and_then(|time| Timespec::try_from(time).ok());
        match poll(&mut watched, patience.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut events = sources.iter().zip(&watched);
        Ok(events.find(|(_, watched)| !watched.revents().is_empty()).map(|((event, _), _)| *event))
    }

    /// How long it still stands alone.
    #[expect(clippy::disallowed_methods, reason = "a keeper has a clock of its own: nobody else is there")]
    fn left(&self) -> Option<Duration> {
        let time = self.post.as_ref()?.time;
        Some(time.saturating_sub(Instant::now().saturating_duration_since(self.alone?)))
    }

    /// Ends everything inside, if it has not ended.
    fn kill(&mut self) {
        if self.end.is_none() {
            let _ = rustix::process::pidfd_send_signal(&self.kept.handle, Signal::KILL);
        }
    }

    fn measure(&mut self) {
        if self.end.is_none() && self.kept.disk.as_mut().is_some_and(Watched::is_full) {
            self.out_of_disk = true;
            self.kept.disk = None;
            self.kill();
        }
    }

    /// The init is dead, and the kernel has seen to it that nothing else in its namespace lives.
    fn bury(&mut self) {
        let _ = rustix::process::waitpid(Some(self.kept.init), WaitOptions::empty());
        let mut words = [0; 2];
        let (code, signal) = match (self.kept.ended.read_exact(&mut words), words) {
            (Ok(()), [0, code]) => (Some(code.into()), None),
            (Ok(()), [_, signal]) => (None, Some(signal.into())),
            (Err(_), _) => (None, Some(Signal::KILL.as_raw())),
        };
        let end = Ended { code, signal, out_of_disk: self.out_of_disk };
        self.end = Some(end);
        self.kept.disk = None;
        // So that who is connected to inside sees the end at once.
        self.kept.listeners.clear();
        self.tell(&Message::Exited(end), false);
    }

    fn hear(&mut self) {
        let Some(line) = &self.line else { return };
        match channel::receive(line) {
            Ok(Some((Message::Kill, _))) => self.kill(),
            // With nobody to tell, it is over.
            Ok(Some((Message::Heard, _))) if self.end.is_some() => {
                self.line = None;
                self.alone = None;
            }
            _ => self.lose(),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "a keeper has a clock of its own: nobody else is there")]
    fn lose(&mut self) {
        self.line = None;
        if self.post.is_some() {
            self.alone = Some(Instant::now());
        } else {
            self.kill();
        }
    }

    /// Another server comes. Whoever was there is told to keep away.
    fn welcome(&mut self) {
        let Some(Ok(line)) = self.post.as_ref().map(Post::accept) else { return };
        self.tell(&Message::Taken, false);
        self.line = Some(line);
        self.alone = None;
        let keeper = u32::try_from(rustix::process::getpid().as_raw_nonzero().get()).unwrap_or(0);
        self.tell(&Message::Standing { keeper, place: self.kept.place.clone() }, true);
        if let Some(end) = self.end {
            self.tell(&Message::Exited(end), false);
        }
    }

    /// Tells the server, if one is there; one that cannot be told is gone.
    fn tell(&mut self, message: &Message, with_listeners: bool) {
        let Some(line) = &self.line else { return };
        let listeners: Vec<_> = self.kept.listeners.iter().filter(|_| with_listeners).map(AsFd::as_fd).collect();
        if channel::send(line, message, &listeners).is_err() {
            self.lose();
        }
    }
}
