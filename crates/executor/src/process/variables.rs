//! The variables of a process: those that it is given, and of the executor's own those that the policy lets through.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use wire::executor::{EnvironmentPolicy, Failure, Inherit, ProcessStart, code};

/// What every program may expect.
const CORE: [&str; 13] = [
    "HOME", "LANG", "LC_ALL", "LC_CTYPE", "LOGNAME", "PATH", "SHELL", "TEMP", "TERM", "TMP", "TMPDIR", "USER",
    "USERNAME",
];
/// Names that speak of secrets.
const SECRET: [&str; 3] = ["*KEY*", "*SECRET*", "*TOKEN*"];

pub fn of(wanted: &ProcessStart, own: &[(OsString, OsString)]) -> Result<Vec<(OsString, OsString)>, Failure> {
    let mut variables = wanted.env_policy.as_ref().map(|policy| inherited(policy, own)).unwrap_or_default();
    variables.extend(wanted.env.iter().map(|(name, value)| (name.into(), value.into())));
    let bad = variables.keys().find(|name| name.is_empty() || name.as_encoded_bytes().contains(&b'='));
    if let Some(name) = bad {
        let message = format!("`{}` is no name of a variable", name.to_string_lossy());
        return Err(Failure::new(code::INVALID_PARAMS, message));
    }
    Ok(variables.into_iter().collect())
}

fn inherited(policy: &EnvironmentPolicy, own: &[(OsString, OsString)]) -> BTreeMap<OsString, OsString> {
    let comes = |name: &OsStr| match policy.inherit {
        Inherit::All => true,
        Inherit::None => false,
        Inherit::Core => CORE.iter().any(|core| name.eq_ignore_ascii_case(core)),
    };
    let matches = |patterns: &[String], name: &OsStr| patterns.iter().any(|pattern| fits(pattern, name));
    let mut variables: BTreeMap<OsString, OsString> = own.iter().filter(|(name, _)| comes(name)).cloned().collect();
    if !policy.ignore_default_excludes {
        variables.retain(|name, _| !SECRET.iter().any(|pattern| fits(pattern, name)));
    }
    variables.retain(|name, _| !matches(&policy.exclude, name));
    variables.extend(policy.set.iter().map(|(name, value)| (name.into(), value.into())));
    if !policy.include_only.is_empty() {
        variables.retain(|name, _| matches(&policy.include_only, name));
    }
    variables
}

/// `*` stands for any characters, `?` for one; case does not matter.
fn fits(pattern: &str, name: &OsStr) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_encoded_bytes());
    let (mut at, mut seen) = (0, 0);
    // Where the last star stood, and how far what it stands for reaches.
    let mut star: Option<(usize, usize)> = None;
    while seen < name.len() {
        if at < pattern.len() && pattern[at] == b'*' {
            star = Some((at, seen));
            at += 1;
        } else if at < pattern.len() && (pattern[at] == b'?' || pattern[at].eq_ignore_ascii_case(&name[seen])) {
            at += 1;
            seen += 1;
        } else if let Some((place, reach)) = star {
            star = Some((place, reach + 1));
            (at, seen) = (place + 1, reach + 1);
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|&rest| rest == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_names() {
        for (pattern, name, expected) in [
            ("*KEY*", "OPENAI_API_KEY", true),
            ("*key*", "MONKEYS", true),
            ("A?C", "abc", true),
            ("A?C", "ac", false),
            ("A*", "BA", false),
            ("*a*b", "xaxbxb", true),
            ("", "", true),
            ("*", "", true),
            ("***a", "bba", true),
        ] {
            assert_eq!(fits(pattern, OsStr::new(name)), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn the_policy_takes_away_adds_and_selects_in_this_order() {
        let own = ["PATH", "HOME", "API_TOKEN", "EDITOR"].map(|name| (name.into(), "own".into()));
        let policy = |inherit| EnvironmentPolicy {
            inherit,
            ignore_default_excludes: false,
            exclude: vec![],
            set: BTreeMap::from([("MY_KEY".to_owned(), "set".to_owned())]),
            include_only: vec![],
        };
        let names = |policy: &EnvironmentPolicy| -> Vec<String> {
            inherited(policy, &own).into_keys().map(|name| name.into_string().unwrap()).collect()
        };
        assert_eq!(names(&policy(Inherit::None)), ["MY_KEY"]);
        assert_eq!(names(&policy(Inherit::Core)), ["HOME", "MY_KEY", "PATH"]);
        assert_eq!(names(&policy(Inherit::All)), ["EDITOR", "HOME", "MY_KEY", "PATH"]);
        let loose =
            EnvironmentPolicy { ignore_default_excludes: true, exclude: vec!["H*".into()], ..policy(Inherit::All) };
        assert_eq!(names(&loose), ["API_TOKEN", "EDITOR", "MY_KEY", "PATH"]);
        let narrow = EnvironmentPolicy { include_only: vec!["p*".into()], ..policy(Inherit::All) };
        assert_eq!(names(&narrow), ["PATH"]);
    }
}
