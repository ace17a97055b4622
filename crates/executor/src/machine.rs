//! What the executor's machine is, as it is told at the start: nothing here is looked up again later.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use wire::executor::{Capabilities, EnvironmentInfo, FileUri, Shell};

/// The surroundings of an executor. Read once by who starts it.
#[derive(Clone, Debug)]
pub struct Machine {
    pub version: String,
    /// Where the agent works, if it does not say otherwise.
    pub cwd: PathBuf,
    /// The executor's own variables: what a process may inherit.
    pub variables: Vec<(OsString, OsString)>,
}

impl Machine {
    #[must_use]
    pub fn info(&self) -> EnvironmentInfo {
        let path = |name, otherwise: Option<&str>| {
            let told = self.variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
            told.or_else(|| otherwise.map(PathBuf::from)).and_then(FileUri::from_path)
        };
        EnvironmentInfo {
            shell: self.shell(),
            executor_version: Some(self.version.clone()),
            provider_id: None,
            cwd: FileUri::from_path(&self.cwd),
            user_home_dir: path("HOME", None),
            platform_os: Some(std::env::consts::OS.to_owned()),
            prepend_path_dirs: Vec::new(),
            temporary_directories: Vec::new(),
            temp_dir: path("TMPDIR", Some("/tmp")),
            capabilities: Capabilities([("fileWriteStreaming".to_owned(), true.into())].into()),
        }
    }

    fn variable(&self, name: &str) -> Option<&OsStr> {
        self.variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_os_str())
    }

    fn shell(&self) -> Option<Shell> {
        let told = self.variable("SHELL").and_then(OsStr::to_str);
        let mut candidates = told.into_iter().chain(["/bin/bash", "/bin/sh"]);
        let path = candidates.find(|path| path.starts_with('/') && Path::new(path).is_file())?;
        let name = Path::new(path).file_name()?.to_str()?;
        Some(Shell { name: name.to_owned(), path: path.to_owned() })
    }
}
