//! Where on a disk: a path as clients and hosts write it, checked, and then relative to the workspace. It touches no disk.

use types::Refusal;

/// Where the disk is seen inside.
pub(crate) const WORKSPACE: &str = "/workspace";
/// What completed turns publish.
pub(crate) const OUTPUTS: &str = "outputs";
/// The capabilities' own folder.
const CODEX: &str = ".codex";
/// How the names of our own folders begin.
const MANAGED: &str = ".managed-agents";
/// Bytes of a path, and of one name in it.
const PATH: usize = 4_096;
const NAME: usize = 255;
/// Bytes of a path relative to the workspace that the kernel takes, its end marked.
pub(super) const REACH: usize = 4_095;

/// A clean path below the workspace; as a folder, also the workspace itself.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Place(String);

impl Place {
    /// Where a client may put a file. `Invalid` at `path`: not absolute, not clean, not in the workspace, or reserved.
    pub(crate) fn of_client(path: &str) -> Result<Self, Refusal> {
        let place = Self::clean(path).filter(|place| !place.0.is_empty()).ok_or_else(outside)?;
        if place.is_hidden() || place.first() == OUTPUTS {
            let message = format!("path must not be in a reserved directory: {WORKSPACE}/{}", place.first());
            return Err(Refusal::invalid(message).at("path"));
        }
        Ok(place)
    }

    /// A folder that a client may look into, which the workspace is too. `Invalid` at `path`, as above; a reserved one is
    /// none.
    pub(crate) fn folder(path: &str) -> Result<Self, Refusal> {
        Self::clean(path).ok_or_else(outside)
    }

    /// All of it, as a folder.
    pub(crate) fn workspace() -> Self {
        Self(String::new())
    }

    /// Absolute and clean, reserved or not: what the server itself writes. None for what is neither.
    pub(crate) fn clean(path: &str) -> Option<Self> {
        if path.len() > PATH || path.contains('\0') {
            return None;
        }
        let rest = path.strip_prefix(WORKSPACE)?;
        if rest.is_empty() {
            return Some(Self::workspace());
        }
        let rest = rest.strip_prefix('/')?;
        let named = |name: &str| !matches!(name, "" | "." | "..") && name.len() <= NAME;
        rest.split('/').all(named).then(|| Self(rest.to_owned()))
    }

    /// Relative to the workspace; empty for the workspace itself.
    pub(crate) fn relative(&self) -> &str {
        &self.0
    }

    /// Whether it is in what lists leave out.
    pub(crate) fn is_hidden(&self) -> bool {
        is_hidden(self.0.as_bytes())
    }

    fn first(&self) -> &str {
        self.0.split('/').next().unwrap_or_default()
    }
}

/// A relative path as it is seen inside.
pub(crate) fn absolute(relative: &str) -> String {
    if relative.is_empty() { WORKSPACE.to_owned() } else { format!("{WORKSPACE}/{relative}") }
}

/// Whether a relative path is, or is in, a folder that lists leave out.
pub(crate) fn is_hidden(relative: &[u8]) -> bool {
    let first = relative.split(|&byte| byte == b'/').next().unwrap_or_default();
    first == CODEX.as_bytes() || first.starts_with(MANAGED.as_bytes())
}

fn outside() -> Refusal {
    Refusal::invalid(format!("path must be an absolute POSIX path inside {WORKSPACE}")).at("path")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clients_path_is_absolute_clean_and_not_reserved() {
        for good in
            ["/workspace/a", "/workspace/a b/ü\n.txt", "/workspace/.hidden", "/workspace/a/outputs", "/workspace/..."]
        {
            let place = Place::of_client(good).expect(good);
            assert_eq!(absolute(place.relative()), good);
        }
        let long = format!("/workspace/{}", "a".repeat(256));
        let longer = format!("/workspace{}", "/a".repeat(2_100));
        for bad in [
            "",
            "/",
            "a",
            "workspace/a",
            "/workspace",
            "/workspace/",
            "/workspacex",
            "/workspacex/a",
            "/etc/passwd",
            "/workspace//a",
            "/workspace/a/",
            "/workspace/./a",
            "/workspace/a/..",
            "/workspace/../etc/passwd",
            "/workspace/a\0b",
            "//workspace/a",
            &long,
            &longer,
            "/workspace/outputs",
            "/workspace/outputs/a",
            "/workspace/.codex",
            "/workspace/.codex/skills/a",
            "/workspace/.managed-agents",
            "/workspace/.managed-agents-x/a",
        ] {
            let refused = Place::of_client(bad).expect_err(bad);
            assert_eq!(refused.param.as_deref(), Some("path"), "{bad:?}");
            assert!(refused.message.len() < 100, "{bad:?}");
        }
    }

    #[test]
    fn a_folder_may_be_the_workspace_or_reserved() {
        assert_eq!(Place::folder("/workspace").expect("it is one").relative(), "");
        assert!(Place::folder("/workspace/.codex/skills").expect("it is one").is_hidden());
        assert!(!Place::folder("/workspace/outputs").expect("it is one").is_hidden());
        assert!(Place::folder("/workspace/").is_err());
        assert!(Place::folder("/tmp").is_err());
    }
}
