//! The environment that a session is created with. Its kind is read at once, the rest only where the server has such
//! environments: what it has not is refused by its name alone.

use super::hosted::{HostedParam, directories, directory};
use crate::agents::words::EnvironmentKind;
use crate::error::Fault;
use crate::reader::{Node, Object};
use serde_json::Map;

/// `environment` of a new session. Only `none` has been read whole.
#[derive(Clone, PartialEq, Debug)]
pub struct EnvironmentParam {
    pub kind: EnvironmentKind,
    rest: Object,
}

/// A machine of the client's own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SelfHosted {
    pub workspace_directory: String,
    pub capability_directories: Vec<String>,
}

impl EnvironmentParam {
    pub(super) fn read(node: Node) -> Result<Self, Fault> {
        let mut rest = node.object()?;
        let kind = rest.required("type")?.word()?;
        if kind == EnvironmentKind::None {
            rest.finish()?;
            rest = Object::root(Map::new());
        }
        Ok(Self { kind, rest })
    }

    /// The rest of one of this kind.
    pub fn self_hosted(self) -> Result<SelfHosted, Fault> {
        let mut object = self.rest;
        let workspace_directory = directory(object.required("workspace_directory")?)?;
        let capability_directories = object.present("capability_directories").map_or(Ok(Vec::new()), directories)?;
        object.finish()?;
        Ok(SelfHosted { workspace_directory, capability_directories })
    }

    /// The rest of one of this kind.
    pub fn hosted(self) -> Result<HostedParam, Fault> {
        HostedParam::read(self.rest)
    }
}
