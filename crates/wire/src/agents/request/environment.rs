//! The environment that a session is created with. Its kind is read at once, the rest only where the server has such
//! environments: what it has not is refused by its name alone.

use crate::agents::words::EnvironmentKind;
use crate::error::Fault;
use crate::reader::{Node, Object};
use serde_json::Map;

/// The longest path, in characters.
const MAX_PATH: usize = 4096;
/// Capability directories of one environment.
const MAX_DIRECTORIES: usize = 64;

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
        let capability_directories = match object.present("capability_directories") {
            None => Vec::new(),
            Some(node) => {
                let nodes = node.sized_array("an array of strings", 0, MAX_DIRECTORIES)?;
                nodes.into_iter().map(directory).collect::<Result<_, _>>()?
            }
        };
        object.finish()?;
        Ok(SelfHosted { workspace_directory, capability_directories })
    }
}

/// An absolute path that says itself where it leads.
fn directory(node: Node) -> Result<String, Fault> {
    let path = node.path().to_owned();
    let name = path.rsplit('.').next().unwrap_or_default().to_owned();
    let directory = node.short_text(MAX_PATH)?;
    let is_clean = !directory.contains('\0') && directory.split('/').all(|part| part != "." && part != "..");
    if directory.starts_with('/') && is_clean {
        return Ok(directory);
    }
    Err(Fault::at(&path, format!("{name} must be an absolute POSIX path without '.' or '..' in it")))
}
