//! Packages by name. Installers take options, paths and addresses where they expect names: nothing that could be one
//! passes.

use crate::error::{Fault, clip};
use crate::reader::{Node, Object};

/// Packages of one kind.
const MAX_PACKAGES: usize = 100;
/// The longest name with its versions, in bytes.
const MAX_PACKAGE: usize = 256;
/// What installers take for a file, wherever it ends so.
const ARCHIVES: [&str; 14] = [
    ".tgz",
    ".tar",
    ".tar.gz",
    ".zip",
    ".whl",
    ".egg",
    ".tar.bz2",
    ".tbz",
    ".tar.xz",
    ".txz",
    ".tlz",
    ".tar.lz",
    ".tar.lzma",
    ".tar.zst",
];

/// In the order of the request.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct PackagesParam {
    pub npm: Vec<String>,
    pub python: Vec<String>,
    pub system: Vec<String>,
}

impl PackagesParam {
    pub(super) fn read(node: Node) -> Result<Self, Fault> {
        let mut object = node.object()?;
        let packages = Self {
            npm: names(&mut object, "npm", is_npm, "a name with an optional version, such as 'left-pad@1.3.0'")?,
            python: names(
                &mut object,
                "python",
                is_python,
                "a name with optional extras and versions, such as 'requests[socks]>=2.31'",
            )?,
            system: names(&mut object, "system", is_debian, "a name, such as 'libxml2-dev'")?,
        };
        object.finish()?;
        Ok(packages)
    }
}

fn names(object: &mut Object, key: &str, is_good: fn(&str) -> bool, expected: &str) -> Result<Vec<String>, Fault> {
    let Some(node) = object.present(key) else { return Ok(Vec::new()) };
    let nodes = node.sized_array("an array of strings", 0, MAX_PACKAGES)?;
    let read = |node: Node| {
        let at = node.path().to_owned();
        let name = node.short_text(MAX_PACKAGE)?;
        if is_good(&name) && !is_archive(&name) {
            return Ok(name);
        }
        let text = format!("Invalid '{at}': no package name. Expected {expected}, but got '{}' instead.", clip(&name));
        Err(Fault::at(&at, text))
    };
    nodes.into_iter().map(read).collect()
}

fn is_archive(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ARCHIVES.iter().any(|end| name.ends_with(end))
}

/// Letters and digits, with `.`, `_` and `-` between them.
fn is_plain(name: &str) -> bool {
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let is_good = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    ends(name.chars().next()) && ends(name.chars().next_back()) && name.chars().all(is_good)
}

/// PEP 508 without markers and addresses: `name[extra,extra] >= 1, < 2`.
fn is_python(text: &str) -> bool {
    let end = text.find(|c: char| "[=!<>~ ".contains(c)).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let rest = rest.trim_matches(' ');
    let versions = match rest.strip_prefix('[').map(|rest| rest.split_once(']')) {
        None => rest,
        Some(Some((extras, versions))) if extras.split(',').all(|extra| is_plain(extra.trim_matches(' '))) => versions,
        Some(_) => return false,
    };
    let versions = versions.trim_matches(' ');
    is_plain(name) && (versions.is_empty() || versions.split(',').all(|version| is_version(version.trim_matches(' '))))
}

/// One comparison: `>=2.31`.
fn is_version(text: &str) -> bool {
    let operators = ["===", "==", "!=", "<=", ">=", "~=", "<", ">"];
    let Some(version) = operators.iter().find_map(|operator| text.strip_prefix(operator)) else { return false };
    let version = version.trim_matches(' ');
    let is_good = |c: char| c.is_ascii_alphanumeric() || ".*+!_-".contains(c);
    version.starts_with(|c: char| c.is_ascii_alphanumeric()) && version.chars().all(is_good)
}

/// `name`, `@scope/name`, each with `@version`: a number, a range without spaces, or a tag.
fn is_npm(text: &str) -> bool {
    let (scope, rest) = match text.strip_prefix('@').map(|rest| rest.split_once('/')) {
        None => (None, text),
        Some(Some((scope, rest))) => (Some(scope), rest),
        Some(None) => return false,
    };
    let (name, version) = match rest.split_once('@') {
        Some((name, version)) => (name, Some(version)),
        None => (rest, None),
    };
    let is_name = |name: &str| {
        let is_good = |c: char| c.is_ascii_alphanumeric() || "._~-".contains(c);
        name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(is_good)
    };
    // A dot in front would make it a path.
    let is_version = |version: &str| {
        version.starts_with(|c: char| c.is_ascii_alphanumeric() || "^~<>=*".contains(c))
            && version.chars().all(|c| c.is_ascii_alphanumeric() || "^~<>=*.+-_".contains(c))
    };
    scope.is_none_or(is_name) && is_name(name) && version.is_none_or(is_version)
}

fn is_debian(text: &str) -> bool {
    let is_first = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.len() >= 2 && text.starts_with(is_first) && text.chars().all(|c| is_first(c) || "+-.".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(is_good: fn(&str) -> bool, good: &[&str], bad: &[&str]) {
        for name in good {
            assert!(is_good(name) && !is_archive(name), "{name}");
        }
        for name in bad {
            assert!(!is_good(name) || is_archive(name), "{name}");
        }
    }

    #[test]
    fn names_are_names() {
        let urls =
            ["https://x/y", "git+https://x/y", "file:/x", "./x", "../x", "/x", ".", "..", "~", "-r", "--x=y", " x"];
        let python =
            ["a", "requests", "zope.interface==6.1", "a[b,c-d] >= 1.0, < 2", "a~=1.4.2", "a==1.*", "a===1+local"];
        check(is_python, &python, &urls);
        let not_python = [
            "",
            "a @ https://x",
            "a; os_name=='x'",
            "a=1",
            "a>=",
            "a[",
            "a[]",
            "a[b",
            "a b",
            "a>=1,",
            "a-",
            "x.whl",
            "x.ZIP",
            "a==1\n",
        ];
        check(is_python, &[], &not_python);
        let npm = [
            "left-pad",
            "left-pad@1.3.0",
            "@types/node",
            "@types/node@^20.1",
            "x@latest",
            "x@>=1",
            "x@~1.2",
            "JSONStream",
        ];
        check(is_npm, &npm, &urls);
        let not_npm = [
            "", "@a", "@/a", "@a/", "a/b", "a@", "a@./x", "a@.", "a@file:x", "a@npm:b", "a@b/c", "a@1 2", "_a",
            "a.tgz", "a@b.tgz",
        ];
        check(is_npm, &[], &not_npm);
        check(is_debian, &["curl", "g++", "libxml2-dev", "0ad"], &urls);
        check(is_debian, &[], &["", "a", "Curl", "curl=1", "curl:i386", "curl/stable", "+a", "curl "]);
    }
}
