//! Sizes as ratchets: a file has at most 500 lines and a function at most 70, tests not counted. What is larger today
//! stands in `ratchet.txt` with its size and may only shrink; nothing may be added there without a reason.

use super::File;
use crate::source;
use std::collections::BTreeMap;

pub const PATH: &str = "xtask/ratchet.txt";
const FILE_LINES: usize = 500;
const FUNCTION_LINES: usize = 70;

/// `list` holds lines of `PATH SIZE` and `PATH::FUNCTION SIZE`; `#` begins a comment.
pub fn check(rust: &[&File], list: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut listed = BTreeMap::new();
    for line in list.lines().map(|line| line.split('#').next().unwrap_or_default().trim()).filter(|l| !l.is_empty()) {
        match line.rsplit_once(' ').and_then(|(name, size)| Some((name.trim(), size.parse::<usize>().ok()?))) {
            Some((name, size)) => _ = listed.insert(name.to_owned(), size),
            None => complaints.push(format!("{PATH}: not `NAME SIZE`: {line}")),
        }
    }
    let giants = giants(rust);
    for (name, size) in &giants {
        match listed.remove(name) {
            None => complaints.push(format!("{name}: {size} lines are too many; divide it")),
            Some(allowed) if *size > allowed => complaints.push(format!("{name}: grew from {allowed} to {size} lines")),
            Some(allowed) if *size < allowed => complaints.push(format!("{PATH}: now `{name} {size}`; it shrank")),
            Some(_) => {}
        }
    }
    complaints.extend(listed.keys().map(|name| format!("{PATH}: {name} is no giant any more; take it out")));
    complaints
}

fn giants(rust: &[&File]) -> BTreeMap<String, usize> {
    let mut giants = BTreeMap::new();
    for file in rust.iter().filter(|file| !is_test(&file.path)) {
        let sizes = source::measure(&file.text);
        if sizes.lines > FILE_LINES {
            giants.insert(file.path.clone(), sizes.lines);
        }
        for function in sizes.functions.into_iter().filter(|f| f.lines > FUNCTION_LINES) {
            let size = giants.entry(format!("{}::{}", file.path, function.name)).or_default();
            *size = function.lines.max(*size);
        }
    }
    giants
}

fn is_test(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs")
}

#[cfg(test)]
mod tests {
    //! Files of known size against lists.
    use super::*;

    fn complaints(path: &str, body: usize, list: &str) -> Vec<String> {
        let text = format!("fn f() {{\n{}}}\n", "    x();\n".repeat(body));
        check(&[&File { path: path.to_owned(), text }], list)
    }

    #[test]
    fn giants_may_only_shrink() {
        assert!(complaints("a.rs", 68, "").is_empty());
        assert_eq!(complaints("a.rs", 69, ""), ["a.rs::f: 71 lines are too many; divide it"]);
        assert!(complaints("a.rs", 69, "# why\na.rs::f 71\n").is_empty());
        assert_eq!(complaints("a.rs", 70, "a.rs::f 71").len(), 1);
        assert_eq!(complaints("a.rs", 69, "a.rs::f 72"), ["xtask/ratchet.txt: now `a.rs::f 71`; it shrank"]);
        assert_eq!(complaints("a.rs", 5, "a.rs::f 72").len(), 1);
        assert_eq!(complaints("a.rs", 499, "a.rs::f 501\na.rs 501"), [""; 0]);
        assert!(complaints("a/tests.rs", 900, "").is_empty());
    }
}
