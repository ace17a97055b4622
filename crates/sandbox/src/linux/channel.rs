//! What server, keeper and init tell each other: a message is JSON in one packet of a socket pair, descriptors beside it.

use super::cgroup::Place;
use crate::isolation::{Isolation, Layer};
use crate::plan::Plan;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;

/// The longest message. Bytes.
pub const LONGEST: usize = 128 << 10;
/// Most descriptors with one message.
const DESCRIPTORS: usize = 12;

#[derive(Debug, Serialize, Deserialize)]
pub enum Message {
    /// To the keeper: start this. With it come the three standard streams, and the control socket of a standing sandbox.
    Order(Box<Order>),
    /// To the keeper: try what this machine can do.
    Probe,
    /// The keeper has its user namespace, and waits for its users.
    Unshared,
    Mapped,
    /// The command runs. With it come the listeners.
    Ready,
    Failed(Failure),
    Exited(Ended),
    /// To the keeper of a standing sandbox: end everything.
    Kill,
    /// To the keeper of a standing sandbox: how it ended was heard, and need not be kept for anybody else.
    Heard,
    /// To a server that comes to a standing sandbox. With it come the listeners.
    Standing {
        keeper: u32,
        place: Option<Place>,
    },
    /// To a server whose standing sandbox another has taken.
    Taken,
    /// What of these layers cannot be had, and why.
    Unable(Vec<(Layer, String)>),
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Order {
    pub plan: Plan,
    /// The plan's, less what the machine lacks.
    pub isolation: Isolation,
    /// The user outside that the sandbox runs as.
    pub user: u32,
    pub group: u32,
    /// Whether supplementary groups can be given up.
    pub ungrouped: bool,
    /// The control group that the keeper is in.
    pub place: Option<Place>,
}

/// How the command ended.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Ended {
    pub code: Option<i32>,
    pub signal: Option<i32>,
    pub out_of_disk: bool,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Failure {
    pub step: String,
    pub error: String,
}

/// The step that failed, for what the kernel said of it.
pub fn at<E: std::fmt::Display>(step: impl Into<String>) -> impl FnOnce(E) -> Failure {
    let step = step.into();
    move |error| Failure { step, error: error.to_string() }
}

pub fn send(socket: impl AsFd, message: &Message, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let bytes = serde_json::to_vec(message)?;
    if bytes.len() > LONGEST {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "command and environment are longer than 128 KiB"));
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "too many descriptors"));
    }
    sendmsg(socket, &[IoSlice::new(&bytes)], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// The next message; none where the other side is gone.
pub fn receive(socket: impl AsFd) -> io::Result<Option<(Message, Vec<OwnedFd>)>> {
    let mut bytes = vec![0; LONGEST];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        match recvmsg(&socket, &mut [IoSliceMut::new(&mut bytes)], &mut control, RecvFlags::CMSG_CLOEXEC) {
            Err(rustix::io::Errno::INTR) => {}
            other => break other?,
        }
    };
    let mut descriptors = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    if received.bytes == 0 {
        return Ok(None);
    }
    if received.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a message is cut short"));
    }
    let message = serde_json::from_slice(bytes.get(..received.bytes).unwrap_or_default())?;
    Ok(Some((message, descriptors)))
}
