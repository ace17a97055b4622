//! Words that must stand nowhere in the tree: paths of somebody's machine, hosts of package registries, and a promise
//! that no system over a network can keep.

use super::File;

/// Cargo writes its registry's address into the lock file by itself.
const WRITTEN_BY_CARGO: &str = "Cargo.lock";

pub fn check(files: &[File]) -> Vec<String> {
    files.iter().filter(|file| file.path != WRITTEN_BY_CARGO).flat_map(check_file).collect()
}

fn check_file(file: &File) -> Vec<String> {
    let mut complaints = Vec::new();
    let text = file.text.to_lowercase();
    for folder in ["work", "root", "home", "users"] {
        if has_path(&text, &format!("/{folder}/")) {
            complaints.push(format!("{}: a path of somebody's machine: /{folder}", file.path));
        }
    }
    for [name, domain] in
        [["pypi", "org"], ["pythonhosted", "org"], ["npmjs", "org"], ["npmjs", "com"], ["crates", "io"]]
    {
        if has_host(&text, &format!("{name}.{domain}")) {
            complaints.push(format!("{}: names a package registry's host", file.path));
        }
    }
    let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    if words.windows(2).any(|pair| pair[0] == "exactly" && pair[1] == "once") {
        complaints
            .push(format!("{}: promises that something happens one time and never twice; say what is true", file.path));
    }
    complaints
}

/// Whether `path` begins somewhere in `text` as an absolute path, not as the middle of a longer one.
fn has_path(text: &str, path: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || "._-/}*~".contains(c);
    text.match_indices(path).any(|(at, _)| !text[..at].ends_with(inside))
}

/// Whether `host` stands in `text` as a name of its own or under a subdomain.
fn has_host(text: &str, host: &str) -> bool {
    text.match_indices(host).any(|(at, _)| {
        let after = text[at + host.len()..].chars().next();
        !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '-')
            && !after.is_some_and(|c| c.is_alphanumeric() || c == '-' || c == '_' || c == ':')
    })
}

#[cfg(test)]
mod tests {
    //! Texts with and without faults. The faulty words are put together here, so that this file has none.
    use super::*;

    fn faults(text: &str) -> usize {
        check(&[File { path: "a.md".to_owned(), text: text.to_owned() }]).len()
    }

    #[test]
    fn each_fault_is_found() {
        for clean in ["runs once, exactly", "/workspace/a", "a/home/b", "use crates::io;", "crates/io", "src/work/x"] {
            assert_eq!(faults(clean), 0, "{clean}");
        }
        for faulty in [
            format!("It runs {}actly once.", "ex"),
            format!("/// It runs {}actly\n/// once.", "Ex"),
            ["see ", "home", "me/x"].join("/"),
            ["https://static.crates", "io/x"].join("."),
            ["https://pypi", "org"].join("."),
        ] {
            assert_eq!(faults(&faulty), 1, "{faulty}");
        }
    }
}
