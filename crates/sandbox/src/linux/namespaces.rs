//! The driver itself, from the server's side: what the machine can do, and the start of a sandbox.

use super::cgroup::{Group, Groups};
use super::channel::{self, LONGEST, Message, Order};
use super::etc;
use super::post;
use super::running::{self, Kept};
use crate::ability::{Ability, Finding};
use crate::driver::{Driver, Running};
use crate::error::Error;
use crate::isolation::Layer;
use crate::plan::{Disk, Keeper, Plan};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Gid, Mode, OFlags, Uid, fchown, fstat, open};
use rustix::net::sockopt::{Timeout, set_socket_recv_buffer_size, set_socket_send_buffer_size, set_socket_timeout};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::io;
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Whom sandboxes run as where the server is root: a number that no system gives out by itself.
const UNPRIVILEGED: u32 = 60_998;
/// Building takes milliseconds; a keeper that is silent for this long is given up.
const PATIENCE: Duration = Duration::from_secs(30);

/// Sandboxes on this machine's kernel.
pub struct Namespaces {
    keeper: Keeper,
    ability: Ability,
    groups: Option<Groups>,
}

impl Namespaces {
    /// Tries what this machine can do, which takes some ten milliseconds.
    pub fn new(keeper: Keeper) -> Result<Self, Error> {
        let groups = Groups::find();
        let ability = Ability { findings: findings(&keeper, &groups)? };
        Ok(Self { keeper, ability, groups: groups.ok() })
    }
}

impl Driver for Namespaces {
    fn ability(&self) -> &Ability {
        &self.ability
    }

    fn start(&self, plan: &Plan, stdin: Option<OwnedFd>) -> Result<Running, Error> {
        plan.check()?;
        let isolation = self.ability.agree(&plan.isolation, plan.allow_weak)?;
        let (user, group, root) = identity();
        if let Disk::Folder(folder) = &plan.disk {
            own(folder, user, group).map_err(|error| Error::build("workspace", error))?;
        }
        let limited = self.groups.as_ref().filter(|_| isolation.has(Layer::Limits));
        let limited = limited.map(|groups| groups.create(&plan.limits)).transpose();
        let limited = limited.map_err(|error| Error::build("control group", error))?;
        let (mut keeper, channel) = employ(&self.keeper)?;
        let joined = limited.as_ref().map_or(Ok(()), |limited| limited.add(keeper.id()));
        let place = limited.as_ref().map(|limited| limited.place().clone());
        let order = Order { plan: plan.clone(), isolation, user, group, ungrouped: root, place };
        let begun = joined
            .map_err(|error| Error::build("control group", error))
            .and_then(|()| begin(order, keeper.id(), &channel, stdin))
            .and_then(|begun| patience(&channel, None).map(|()| begun).map_err(keeper_said));
        let begun = match begun {
            Ok(begun) => begun,
            Err(error) => {
                // The keeper ends the init when the channel closes, and itself; one that does neither is killed.
                drop(channel);
                if matches!(error, Error::Keeper(_)) {
                    let _ = keeper.kill();
                }
                let _ = keeper.wait();
                if let Some(standing) = &plan.standing {
                    let _ = post::remove(&standing.control);
                }
                return Err(error);
            }
        };
        let (process, standing) = (keeper.id(), plan.standing.is_some());
        let kept = Kept::new(process, running::Keeper::Started(keeper), channel, limited, standing);
        let mut running = Running::new(Box::new(kept));
        (running.stdin, running.stdout, running.stderr) = (begun.stdin, begun.stdout, begun.stderr);
        running.listeners = begun.listeners;
        Ok(running)
    }

    fn resume(&self, control: &Path) -> Result<Option<Running>, Error> {
        let failed = |error| Error::build("control socket", error);
        let found = match post::connect(control, PATIENCE).map_err(failed)? {
            Some(channel) => take_up(channel)?,
            None => None,
        };
        if let (None, Some(groups)) = (&found, &self.groups) {
            // The keeper could not remove the group that it was in.
            groups.sweep();
        }
        Ok(found)
    }
}

/// A standing sandbox whose keeper has just been connected to; none where it ended at the same moment.
fn take_up(channel: OwnedFd) -> Result<Option<Running>, Error> {
    let (process, place, listeners) = match channel::receive(&channel) {
        Ok(Some((Message::Standing { keeper, place }, listeners))) => (keeper, place, listeners),
        Ok(None) => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
        Ok(Some((other, _))) => return Err(Error::Keeper(format!("said {other:?}"))),
        Err(error) => return Err(keeper_said(error)),
    };
    patience(&channel, None).map_err(keeper_said)?;
    let handle = i32::try_from(process).ok().and_then(Pid::from_raw);
    let handle = handle.and_then(|keeper| pidfd_open(keeper, PidfdFlags::empty()).ok());
    let kept = Kept::new(process, running::Keeper::Found(handle), channel, place.map(Group::found), true);
    let mut running = Running::new(Box::new(kept));
    running.listeners = listeners.into_iter().map(TcpListener::from).collect();
    Ok(Some(running))
}

struct Begun {
    stdin: Option<io::PipeWriter>,
    stdout: Option<io::PipeReader>,
    stderr: Option<io::PipeReader>,
    listeners: Vec<TcpListener>,
}

/// Where what the command writes can be read, and where it writes. Nobody may be there to read of a standing one.
fn output(standing: bool) -> io::Result<(Option<io::PipeReader>, OwnedFd)> {
    if standing {
        let nowhere = std::fs::File::options().write(true).open("/dev/null")?;
        return Ok((None, nowhere.into()));
    }
    let (read, write) = io::pipe()?;
    Ok((Some(read), write.into()))
}

/// What the command reads, and where that is written.
fn input(given: Option<OwnedFd>, standing: bool) -> io::Result<(OwnedFd, Option<io::PipeWriter>)> {
    match given {
        Some(given) => Ok((given, None)),
        None if standing => Ok((std::fs::File::open("/dev/null")?.into(), None)),
        None => io::pipe().map(|(read, write)| (read.into(), Some(write))),
    }
}

/// Gives the order, and is there for what the keeper cannot do itself, until the command runs.
fn begin(order: Order, keeper: u32, channel: &OwnedFd, given: Option<OwnedFd>) -> Result<Begun, Error> {
    let standing = order.plan.standing.as_ref();
    let failed = |error| Error::build("streams", error);
    let (input, stdin) = input(given, standing.is_some()).map_err(failed)?;
    let (stdout, output_end) = output(standing.is_some()).map_err(failed)?;
    let (stderr, errors) = output(standing.is_some()).map_err(failed)?;
    let control = standing.map(|standing| post::listen(&standing.control)).transpose();
    let control = control.map_err(|error| Error::build("control socket", error))?;
    let ports = order.plan.listen.len();
    let (user, group, ungrouped) = (order.user, order.group, order.ungrouped);
    let message = Message::Order(Box::new(order));
    let mut descriptors = vec![input.as_fd(), output_end.as_fd(), errors.as_fd()];
    descriptors.extend(control.as_ref().map(AsFd::as_fd));
    channel::send(channel, &message, &descriptors).map_err(keeper_said)?;
    drop((input, output_end, errors, control));
    loop {
        match channel::receive(channel).map_err(keeper_said)? {
            Some((Message::Unshared, _)) => {
                map(keeper, user, group, ungrouped).map_err(|error| Error::build("users", error))?;
                channel::send(channel, &Message::Mapped, &[]).map_err(keeper_said)?;
            }
            Some((Message::Ready, descriptors)) if descriptors.len() == ports => {
                let listeners = descriptors.into_iter().map(TcpListener::from).collect();
                return Ok(Begun { stdin, stdout, stderr, listeners });
            }
            Some((Message::Failed(failure), _)) if failure.step.is_empty() => {
                return Err(Error::Command(failure.error));
            }
            Some((Message::Failed(failure), _)) => return Err(Error::build(&failure.step, failure.error)),
            Some((Message::Exited(_), _)) | None => {
                return Err(Error::Keeper("ended before the command ran".to_owned()));
            }
            Some((other, _)) => return Err(Error::Keeper(format!("said {other:?}"))),
        }
    }
}

/// The user and group of this machine that sandboxes run as: whose a disk and all on it should be.
pub fn owner() -> (u32, u32) {
    let (user, group, _) = identity();
    (user, group)
}

/// The user and group outside that a sandbox runs as, and whether they are not the server's own.
fn identity() -> (u32, u32, bool) {
    if rustix::process::geteuid().is_root() {
        return (UNPRIVILEGED, UNPRIVILEGED, true);
    }
    (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw(), false)
}

/// Gives the workspace to the sandbox's user. Only the folder itself: what is in it was written from inside.
fn own(folder: &Path, user: u32, group: u32) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = open(folder, flags, Mode::empty())?;
    let owner = fstat(&folder)?;
    if owner.st_uid != user {
        fchown(&folder, Some(Uid::from_raw(user)), Some(Gid::from_raw(group)))?;
    }
    Ok(())
}

/// Starts a keeper with a channel to it.
fn employ(keeper: &Keeper) -> Result<(Child, OwnedFd), Error> {
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
        .map_err(|error| Error::build("channel", error))?;
    for socket in [&ours, &theirs] {
        // A packet takes its whole length of the buffer, and some more.
        let _ = set_socket_send_buffer_size(socket, LONGEST * 2);
        let _ = set_socket_recv_buffer_size(socket, LONGEST * 2);
    }
    patience(&ours, Some(PATIENCE)).map_err(keeper_said)?;
    #[expect(clippy::disallowed_methods, reason = "the keeper is what this crate starts")]
    let mut command = Command::new(&keeper.program);
    // Its name is read inside, where no path of this machine should be.
    command.arg0("sandbox").args(&keeper.arguments).env_clear().current_dir("/");
    command.stdin(Stdio::from(theirs)).stdout(Stdio::null()).stderr(Stdio::null());
    let started = command.spawn().map_err(|error| Error::Keeper(format!("{}: {error}", keeper.program.display())))?;
    Ok((started, ours))
}

fn patience(channel: &OwnedFd, patience: Option<Duration>) -> io::Result<()> {
    Ok(set_socket_timeout(channel, Timeout::Recv, patience)?)
}

fn keeper_said(error: io::Error) -> Error {
    Error::Keeper(error.to_string())
}

/// Says who the sandbox's one user and one group are outside. Everybody else is nobody inside.
fn map(keeper: u32, user: u32, group: u32, ungrouped: bool) -> io::Result<()> {
    let process = Path::new("/proc").join(keeper.to_string());
    if !ungrouped {
        std::fs::write(process.join("setgroups"), "deny")?;
    }
    std::fs::write(process.join("uid_map"), format!("{} {user} 1", etc::USER))?;
    std::fs::write(process.join("gid_map"), format!("{} {group} 1", etc::USER))
}

/// One for each layer.
fn findings(keeper: &Keeper, groups: &Result<Groups, String>) -> Result<Vec<Finding>, Error> {
    let (mut started, channel) = employ(keeper)?;
    let answer = channel::send(&channel, &Message::Probe, &[]).and_then(|()| channel::receive(&channel));
    let _ = started.kill();
    let _ = started.wait();
    let unable = match answer.map_err(keeper_said)? {
        Some((Message::Unable(unable), _)) => unable,
        _ => return Err(Error::Keeper("does not say what this machine can do".to_owned())),
    };
    let finding = |layer| {
        if layer == Layer::Limits {
            return match groups {
                Ok(groups) => Finding::able(layer, format!("control groups, {}", groups.version())),
                Err(reason) => Finding::unable(layer, reason, remedy(layer)),
            };
        }
        match unable.iter().find(|(missing, _)| *missing == layer) {
            Some((_, reason)) => Finding::unable(layer, reason, remedy(layer)),
            None => Finding::able(layer, layer.word()),
        }
    };
    Ok(Layer::ALL.into_iter().map(finding).collect())
}

/// What to do where a machine lacks a layer.
fn remedy(layer: Layer) -> &'static str {
    match layer {
        Layer::Limits => {
            "run the server as a service with Delegate=yes and DelegateSubgroup=server, or where its control group is writable"
        }
        Layer::Seccomp => "the kernel needs CONFIG_SECCOMP_FILTER",
        Layer::Landlock => "the kernel needs CONFIG_SECURITY_LANDLOCK, and `landlock` among its lsm= modules",
        _ => {
            "allow user namespaces: user.max_user_namespaces above 0, kernel.apparmor_restrict_unprivileged_userns=0; \
             in a container, let it use unshare and mount"
        }
    }
}
