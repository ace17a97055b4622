//! The layers of a sandbox: what each keeps apart. Every layer can be left out, so that what it is worth can be shown;
//! whoever leaves one out must allow a weak sandbox.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// One layer. They overlap on purpose: what one lets through by mistake, another should hold.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Layer {
    /// Users of its own: nobody inside is anybody outside, and nobody can become root.
    User,
    /// A root of its own: only what was put there can be named.
    Mounts,
    /// What is not the environment's own cannot be written, whoever owns it.
    ReadOnly,
    /// Processes of its own: those outside are not seen, and all end with the first.
    Pid,
    Ipc,
    Uts,
    /// A network with nothing but `lo`.
    Network,
    /// Its own view of the control groups.
    Cgroup,
    /// No program gains anything by being run.
    NoNewPrivileges,
    Capabilities,
    /// Only the system calls of a list.
    Seccomp,
    /// A second opinion on files, and on signals and abstract sockets to the outside.
    Landlock,
    /// Nothing open is handed on but the three standard streams.
    Descriptors,
    /// Memory, processor and number of processes of the whole, by control groups.
    Limits,
    /// The same for single processes, by the kernel's old limits.
    ProcessLimits,
}

impl Layer {
    pub const ALL: [Self; 15] = [
        Self::User,
        Self::Mounts,
        Self::ReadOnly,
        Self::Pid,
        Self::Ipc,
        Self::Uts,
        Self::Network,
        Self::Cgroup,
        Self::NoNewPrivileges,
        Self::Capabilities,
        Self::Seccomp,
        Self::Landlock,
        Self::Descriptors,
        Self::Limits,
        Self::ProcessLimits,
    ];

    /// Whether files, processes or the network of the machine could be reached without it, by one mistake less.
    pub fn hides_the_machine(self) -> bool {
        matches!(self, Self::Mounts | Self::Pid | Self::Network)
    }

    /// For people, as in "this machine has no …".
    pub fn word(self) -> &'static str {
        match self {
            Self::User => "user namespaces",
            Self::Mounts => "mount namespaces",
            Self::ReadOnly => "read-only mounts",
            Self::Pid => "process namespaces",
            Self::Ipc => "IPC namespaces",
            Self::Uts => "host name namespaces",
            Self::Network => "network namespaces",
            Self::Cgroup => "control group namespaces",
            Self::NoNewPrivileges => "no_new_privs",
            Self::Capabilities => "dropping of capabilities",
            Self::Seccomp => "seccomp filters",
            Self::Landlock => "Landlock",
            Self::Descriptors => "closing of descriptors",
            Self::Limits => "control group limits",
            Self::ProcessLimits => "process limits",
        }
    }
}

/// Which layers a sandbox has.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Isolation {
    layers: BTreeSet<Layer>,
}

impl Isolation {
    /// All of them: what a product asks for.
    pub fn full() -> Self {
        Self { layers: Layer::ALL.into() }
    }

    #[must_use]
    pub fn without(mut self, layers: &[Layer]) -> Self {
        self.layers.retain(|layer| !layers.contains(layer));
        self
    }

    pub fn has(&self, layer: Layer) -> bool {
        self.layers.contains(&layer)
    }

    /// The layers that are left out.
    pub fn lacking(&self) -> Vec<Layer> {
        Layer::ALL.into_iter().filter(|layer| !self.has(*layer)).collect()
    }
}

impl Default for Isolation {
    fn default() -> Self {
        Self::full()
    }
}
