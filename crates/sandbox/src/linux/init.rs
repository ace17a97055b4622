//! The first process inside: enters the namespaces, builds the root, gives up every right, starts the command, and then
//! reaps what dies until the command is dead. When it ends, the kernel ends everything inside.

use super::channel::{self, Failure, Message, Order, at};
use super::{build, etc, kernel, landlock, limits, seccomp};
use crate::isolation::{Isolation, Layer};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::process::{DumpableBehavior, Pid, Signal, WaitOptions};
use rustix::thread::{CapabilitySet, CapabilitySets, Gid, Uid, UnshareFlags};
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt as _;

/// What the keeper hands to its child.
pub struct Inheritance {
    pub order: Order,
    pub socket: OwnedFd,
    pub streams: [OwnedFd; 3],
    /// Where the end of the command is told: a byte 0 and its status, or a byte 1 and its signal.
    pub status: io::PipeWriter,
}

/// Does not come back before the sandbox is over.
pub fn run(inheritance: Inheritance) {
    let Inheritance { order, socket, streams, mut status } = inheritance;
    let (child, listeners) = match begin(&order, &socket, &streams, &status) {
        Ok(begun) => begun,
        Err(failure) => {
            let _ = channel::send(&socket, &Message::Failed(failure), &[]);
            return;
        }
    };
    drop(streams);
    let ports: Vec<_> = listeners.iter().map(AsFd::as_fd).collect();
    if channel::send(&socket, &Message::Ready, &ports).is_err() {
        return;
    }
    drop(listeners);
    drop(socket);
    if let Ok(ended) = reap(child) {
        let _ = status.write_all(&ended);
    }
}

fn begin(
    order: &Order,
    socket: &OwnedFd,
    streams: &[OwnedFd; 3],
    status: &io::PipeWriter,
) -> Result<(Pid, Vec<TcpListener>), Failure> {
    let isolation = &order.isolation;
    kernel::unshare(namespaces(isolation)).map_err(at("namespaces"))?;
    if isolation.has(Layer::Uts) {
        rustix::system::sethostname(b"sandbox").map_err(at("host name"))?;
    }
    if isolation.has(Layer::Network) {
        kernel::raise_loopback().map_err(at("lo"))?;
    }
    let mut listeners = Vec::new();
    for &port in &order.plan.listen {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port));
        listeners.push(listener.map_err(at(format!("port {port}")))?);
    }
    if isolation.has(Layer::Mounts) {
        let materials = build::gather(order)?;
        become_user(order)?;
        build::take(materials, order)?;
    } else {
        become_user(order)?;
    }
    renounce(order, status)?;
    let child = command(order, socket, streams)?;
    Ok((child, listeners))
}

fn namespaces(isolation: &Isolation) -> UnshareFlags {
    let layers = [
        (Layer::Mounts, UnshareFlags::NEWNS),
        (Layer::Ipc, UnshareFlags::NEWIPC),
        (Layer::Uts, UnshareFlags::NEWUTS),
        (Layer::Network, UnshareFlags::NEWNET),
        (Layer::Cgroup, UnshareFlags::NEWCGROUP),
    ];
    layers.into_iter().filter(|(layer, _)| isolation.has(*layer)).map(|(_, flag)| flag).collect()
}

/// From whoever started this to the sandbox's user. Rights over the namespaces stay until they are given up.
fn become_user(order: &Order) -> Result<(), Failure> {
    let own = order.isolation.has(Layer::User);
    let (user, group) = if own { (etc::USER, etc::USER) } else { (order.user, order.group) };
    if order.ungrouped {
        rustix::thread::set_thread_groups(&[]).map_err(at("groups"))?;
    }
    // Without namespaces this is a step down from root, which would take the rights that building still needs.
    rustix::thread::set_keep_capabilities(true).map_err(at("user"))?;
    let (user, group) = (Uid::from_raw(user), Gid::from_raw(group));
    rustix::thread::set_thread_res_gid(group, group, group).map_err(at("user"))?;
    rustix::thread::set_thread_res_uid(user, user, user).map_err(at("user"))?;
    let mut rights = rustix::thread::capabilities(None).map_err(at("user"))?;
    rights.effective = rights.permitted;
    rustix::thread::set_capabilities(None, rights).map_err(at("user"))
}

/// Gives up every right, for itself and for all that comes of it.
fn renounce(order: &Order, status: &io::PipeWriter) -> Result<(), Failure> {
    let isolation = &order.isolation;
    if isolation.has(Layer::ProcessLimits) {
        limits::set(&order.plan.limits, !isolation.has(Layer::Limits)).map_err(at("process limits"))?;
    }
    if isolation.has(Layer::Capabilities) {
        drop_capabilities().map_err(at("capabilities"))?;
    }
    // Nobody inside may look into this process, which holds the way to the keeper.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(at("memory"))?;
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).map_err(at("parent"))?;
    // A keeper that died before that was heard is one whose end of the pipe is closed.
    let mut watched = [PollFd::new(status, PollFlags::empty())];
    poll(&mut watched, Some(&rustix::event::Timespec::default())).map_err(at("parent"))?;
    if watched[0].revents().contains(PollFlags::ERR) {
        return Err(at("parent")("the keeper is gone"));
    }
    if isolation.has(Layer::NoNewPrivileges) {
        rustix::thread::set_no_new_privs(true).map_err(at("no_new_privs"))?;
    }
    if isolation.has(Layer::Landlock) {
        landlock::restrict(order).map_err(at("Landlock"))?;
    }
    if isolation.has(Layer::Seccomp) {
        seccomp::install().map_err(at("seccomp"))?;
    }
    Ok(())
}

fn drop_capabilities() -> rustix::io::Result<()> {
    for bit in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << bit);
        // The first that the kernel does not know ends the list.
        match rustix::thread::capability_is_in_bounding_set(capability) {
            Ok(true) => rustix::thread::remove_capability_from_bounding_set(capability)?,
            Ok(false) => {}
            Err(_) => break,
        }
    }
    rustix::thread::clear_ambient_capability_set()?;
    let none = CapabilitySet::empty();
    rustix::thread::set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })
}

/// Starts the command, and knows that it runs: the pipe is closed by the exec, or says why there was none.
fn command(order: &Order, socket: &OwnedFd, streams: &[OwnedFd; 3]) -> Result<Pid, Failure> {
    let (mut heard, mut told) = io::pipe().map_err(at("command"))?;
    match kernel::fork().map_err(at("command"))? {
        kernel::Fork::Child => {
            let error = replace(order, streams);
            let _ = told.write_all(error.to_string().as_bytes());
            std::process::exit(1)
        }
        kernel::Fork::Parent(child) => {
            let _ = socket;
            drop(told);
            let mut error = String::new();
            heard.read_to_string(&mut error).map_err(at("command"))?;
            if error.is_empty() { Ok(child) } else { Err(Failure { step: String::new(), error }) }
        }
    }
}

/// Becomes the command; comes back only with why not.
fn replace(order: &Order, streams: &[OwnedFd; 3]) -> io::Error {
    let prepared = rustix::process::setsid()
        .and_then(|_| rustix::stdio::dup2_stdin(&streams[0]))
        .and_then(|()| rustix::stdio::dup2_stdout(&streams[1]))
        .and_then(|()| rustix::stdio::dup2_stderr(&streams[2]));
    if let Err(error) = prepared {
        return error.into();
    }
    if order.isolation.has(Layer::Descriptors)
        && let Err(error) = kernel::keep_standard_streams_only()
    {
        return error;
    }
    let (program, arguments) = match order.plan.command.split_first() {
        Some(split) => split,
        None => return io::Error::other("no command"),
    };
    #[expect(clippy::disallowed_methods, reason = "this process becomes the command; nothing is started beside it")]
    let mut command = std::process::Command::new(program);
    command.args(arguments).env_clear().envs(&order.plan.environment).current_dir(&order.plan.directory);
    command.exec()
}

/// Waits for everything that dies, until the command does.
fn reap(command: Pid) -> io::Result<[u8; 2]> {
    loop {
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == command => {
                let byte = |number: i32| u8::try_from(number).unwrap_or(u8::MAX);
                if let Some(code) = status.exit_status() {
                    return Ok([0, byte(code)]);
                }
                return Ok([1, byte(status.terminating_signal().unwrap_or(0))]);
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
