//! The process outside: takes one order, starts the init, watches over it and over the disk, and tells how it ended. An
//! ordinary one ends with the server that started it: a closed channel is the word to kill. A standing one is in a session
//! of its own, so that no terminal of the server's reaches it, and waits for the next server.

mod watch;

use super::channel::{self, Failure, Message, Order, at};
use super::post::Post;
use super::quota::Watched;
use super::{attempts, init, kernel};
use crate::isolation::Layer;
use rustix::fd::{AsFd, OwnedFd};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::{PidfdFlags, Signal, WaitOptions};
use rustix::thread::UnshareFlags;
use std::io;
use std::process::ExitCode;
use watch::{Kept, Watch};

/// The whole life of the keeper. Call it first of all in `main`, before any thread is started, when the process
/// was started with the arguments that the embedder chose.
pub fn keeper() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// The channel is the standard input; it must not be anybody else's.
fn serve() -> io::Result<()> {
    let line = io::stdin().as_fd().try_clone_to_owned()?;
    let nothing = std::fs::File::open("/dev/null")?;
    rustix::stdio::dup2_stdin(&nothing)?;
    drop(nothing);
    match channel::receive(&line)? {
        Some((Message::Order(order), descriptors)) => match part(*order, &line, descriptors) {
            Ok(Parted::Init(inheritance)) => {
                drop(line);
                init::run(*inheritance);
                std::process::exit(0)
            }
            Ok(Parted::Keeper(kept, post)) => watch(kept, line, post),
            Err(failure) => channel::send(&line, &Message::Failed(failure), &[]),
        },
        Some((Message::Probe, _)) => channel::send(&line, &Message::Unable(attempts::all()), &[]),
        _ => Err(io::Error::other("no order")),
    }
}

/// The two that this process has become.
enum Parted {
    Init(Box<init::Inheritance>),
    Keeper(Kept, Option<Post>),
}

/// Prepares what the init needs, and becomes two.
fn part(order: Order, line: &OwnedFd, descriptors: Vec<OwnedFd>) -> Result<Parted, Failure> {
    let mut descriptors = descriptors.into_iter();
    let (Some(input), Some(output), Some(errors)) = (descriptors.next(), descriptors.next(), descriptors.next()) else {
        return Err(at("keeper")("three streams belong to an order"));
    };
    let control = descriptors.next();
    drop(descriptors);
    let post = match (&order.plan.standing, control) {
        (Some(standing), Some(listener)) => {
            rustix::process::setsid().map_err(at("keeper"))?;
            // What the server left open by mistake must not stay open as long as this process lives.
            let own = [line, &input, &output, &errors, &listener];
            kernel::close_all_but(&own.map(AsFd::as_fd)).map_err(at("keeper"))?;
            Some(Post::new(listener, &standing.control, standing.time).map_err(at("control socket"))?)
        }
        _ => None,
    };
    if order.isolation.has(Layer::User) {
        kernel::unshare(UnshareFlags::NEWUSER).map_err(at("user namespace"))?;
        channel::send(line, &Message::Unshared, &[]).map_err(at("user namespace"))?;
        match channel::receive(line).map_err(at("user namespace"))? {
            Some((Message::Mapped, _)) => {}
            _ => return Err(at("user namespace")("the server is gone")),
        }
    }
    if order.isolation.has(Layer::Pid) {
        kernel::unshare(UnshareFlags::NEWPID).map_err(at("process namespace"))?;
    }
    let (disk, place) = (Watched::of(&order), order.place.clone());
    let (ended, status) = io::pipe().map_err(at("pipe"))?;
    let (heard, told) =
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).map_err(at("pipe"))?;
    let streams = [input, output, errors];
    match kernel::fork().map_err(at("init"))? {
        kernel::Fork::Child => Ok(Parted::Init(Box::new(init::Inheritance { order, socket: told, streams, status }))),
        kernel::Fork::Parent(init) => {
            let handle = rustix::process::pidfd_open(init, PidfdFlags::empty()).map_err(at("init"))?;
            Ok(Parted::Keeper(Kept { init, handle, heard, ended, disk, listeners: Vec::new(), place }, post))
        }
    }
}

/// Hears from the init that the command runs, and stays until it is over.
fn watch(mut kept: Kept, line: OwnedFd, post: Option<Post>) -> io::Result<()> {
    let failure = match channel::receive(&kept.heard) {
        Ok(Some((Message::Ready, listeners))) => {
            kept.listeners = listeners;
            return Watch::new(kept, line, post).watch();
        }
        Ok(Some((Message::Failed(failure), _))) => failure,
        Ok(_) => at("init")("it ended without a word"),
        Err(error) => at("init")(error),
    };
    let _ = rustix::process::pidfd_send_signal(&kept.handle, Signal::KILL);
    let _ = rustix::process::waitpid(Some(kept.init), WaitOptions::empty());
    if let Some(post) = post {
        post.remove();
    }
    channel::send(&line, &Message::Failed(failure), &[])
}
