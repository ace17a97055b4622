//! Names of packages, as far as they can mean nothing but a package: no option, no path, no URL, no file.

/// Bytes of the longest.
const LONGEST: usize = 256;
/// What tools take for a file rather than for a name.
const FILES: [&str; 9] = [".whl", ".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".egg", ".txt"];

/// A name with extras and versions: `requests`, `uvicorn[standard]>=0.30,<1`.
pub(crate) fn is_python(text: &str) -> bool {
    let compact: String = text.chars().filter(|c| *c != ' ').collect();
    let name_end = compact.find(|c: char| !(c.is_ascii_alphanumeric() || "._-".contains(c))).unwrap_or(compact.len());
    let (name, rest) = compact.split_at(name_end);
    let (extras, versions) = match rest.strip_prefix('[') {
        None => ("", rest),
        Some(rest) => match rest.split_once(']') {
            None => return false,
            Some(split) => split,
        },
    };
    let is_extra = |extra: &str| is_word(extra, "._-");
    let has_words = text.split(' ').filter(|part| !part.is_empty()).count() <= 1 || !versions.is_empty();
    is_bounded(text)
        && has_words
        && is_word(name, "._-")
        && (extras.is_empty() || extras.split(',').all(is_extra))
        && (versions.is_empty() || versions.split(',').all(is_version))
}

/// `==1.2.*`, `~=1.4`, `!=2`, `>=1+local`.
fn is_version(text: &str) -> bool {
    let operators = ["===", "==", "~=", "!=", "<=", ">=", "<", ">"];
    let number = operators.iter().find_map(|operator| text.strip_prefix(operator)).unwrap_or_default();
    number.starts_with(|c: char| c.is_ascii_alphanumeric())
        && number.chars().all(|c| c.is_ascii_alphanumeric() || ".*+!_-".contains(c))
}

/// A name, perhaps in a scope, with a version, a range or a tag: `left-pad`, `@types/node@^22.1.0`.
pub(crate) fn is_npm(text: &str) -> bool {
    let (scope, rest) = match text.strip_prefix('@') {
        None => (None, text),
        Some(rest) => match rest.split_once('/') {
            None => return false,
            Some((scope, rest)) => (Some(scope), rest),
        },
    };
    let (name, version) = rest.split_once('@').map_or((rest, None), |(name, version)| (name, Some(version)));
    let is_range = |version: &str| {
        version.starts_with(|c: char| c.is_ascii_alphanumeric() || "^~<>=*".contains(c))
            && version.chars().all(|c| c.is_ascii_alphanumeric() || ".^~<>=*+-| ".contains(c))
    };
    let is_name = |name: &str| is_word(name, "._-");
    is_bounded(text) && scope.is_none_or(is_name) && is_name(name) && version.is_none_or(is_range)
}

/// As Debian names its packages.
pub(crate) fn is_system(text: &str) -> bool {
    text.len() > 1
        && text.len() <= LONGEST
        && text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "+.-".contains(c))
}

fn is_bounded(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    text.len() <= LONGEST && !FILES.iter().any(|ending| lower.trim_end().ends_with(ending))
}

/// Begins and ends with a letter or a digit; between them also `others`.
fn is_word(text: &str, others: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || others.contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn python_names_are_names() {
        for name in ["requests", "uvicorn[standard]", "a[b,c-d]>=0.30,<1", "Pillow==11.*", "x ~= 1.4", "a>=1, <2"] {
            assert!(is_python(name), "{name}");
        }
        for name in [
            "",
            "-r",
            "--index-url=x",
            "./a",
            "/a",
            "a/b",
            "a.whl",
            "A.ZIP ",
            "a @ https://x",
            "git+https://x",
            "a;b",
            "a b",
            "a[b",
            "a]b",
            "a==",
            "a=1",
            "a==1 ; python_version<'3'",
            "a\n-r b",
            "a==$(x)",
            "a>=1,",
            "ä",
            "a==-r",
            "a.tar.gz",
        ] {
            assert!(!is_python(name), "{name:?}");
        }
        assert!(!is_python(&"a".repeat(257)));
    }

    #[test]
    fn npm_names_are_names() {
        for name in ["left-pad", "@types/node", "@types/node@^22.1.0", "a@latest", "a@>=1 <2", "a@1.x || 2", "a@*"] {
            assert!(is_npm(name), "{name}");
        }
        for name in [
            "",
            "-g",
            "--global",
            "a/b",
            "github:a/b",
            "./a",
            "/a",
            "~/a",
            "file:a",
            "a@file:b",
            "a@npm:b",
            "@a",
            "@/b",
            "@a/b/c",
            "a@git+ssh://x",
            "https://x",
            "a.tgz",
            "a@b.tgz",
            "a@x.TAR",
            "a@-g",
            "a b",
            "a\nb",
            "_a",
            ".a",
            "a@",
        ] {
            assert!(!is_npm(name), "{name:?}");
        }
    }

    #[test]
    fn system_names_are_names() {
        for name in ["git", "g++", "libssl3", "python3.11", "0ad"] {
            assert!(is_system(name), "{name}");
        }
        for name in ["", "a", "-y", "Git", "a/b", "a=1", "a b", "a;b", "../a", "a*", "a\n"] {
            assert!(!is_system(name), "{name:?}");
        }
    }
}
