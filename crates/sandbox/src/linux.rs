//! The driver for Linux. Three processes make a sandbox: the *keeper*, which the server starts and talks to, outside;
//! the *init*, the first process inside, which builds everything, gives up every right and then only reaps; and the
//! command. When the server goes, the keeper ends the init, at once or, if it stands, when no server came for its time; when
//! the keeper goes, the kernel does; and with the init the kernel ends whatever is inside.

mod attempts;
mod build;
mod cgroup;
mod channel;
mod etc;
mod init;
mod keeper;
mod kernel;
mod landlock;
mod limits;
mod namespaces;
mod post;
mod quota;
mod running;
mod seccomp;
mod syscalls;

pub use keeper::keeper;
pub use namespaces::{Namespaces, owner};
