//! The faults that the product must survive, F01 to F30: docs/guarantees.md lists each with the tests that are named
//! after it, or says why there is none yet. Both ways: a test that is listed is in the tree, and one that is in the tree
//! is listed.

use super::File;
use std::collections::{BTreeMap, BTreeSet};

pub const PATH: &str = "docs/guarantees.md";
const FAULTS: u32 = 30;

pub fn check(files: &[File]) -> Vec<String> {
    let Some(page) = files.iter().find(|file| file.path == PATH) else {
        return vec![format!("{PATH} is missing: it says which test shows which fault")];
    };
    let rows = rows(&page.text);
    let tests: BTreeSet<&str> = files.iter().flat_map(|file| tests(&file.path, &file.text)).collect();
    let mut complaints = Vec::new();
    for number in 1..=FAULTS {
        let id = format!("F{number:02}");
        let Some(row) = rows.get(id.as_str()) else {
            complaints.push(format!("{PATH}: {id} has no row"));
            continue;
        };
        let listed: BTreeSet<&str> = names(row).filter(|name| faults_of(name).contains(&number)).collect();
        if listed.is_empty() && !row.contains("open: ") {
            complaints.push(format!("{PATH}: {id} names no test of its own, and no reason after `open: `"));
        }
        for gone in listed.iter().filter(|name| !tests.contains(*name)) {
            complaints.push(format!("{PATH}: {id} names `{gone}`, which is no test in the tree"));
        }
        for missing in tests.iter().filter(|name| faults_of(name).contains(&number) && !listed.contains(*name)) {
            complaints.push(format!("{PATH}: {id} does not name `{missing}`"));
        }
    }
    complaints
}

/// The rows of the page's tables that begin with a fault's id.
fn rows(page: &str) -> BTreeMap<&str, &str> {
    let row = |line| -> Option<(&str, &str)> {
        let line: &str = line;
        let (id, rest) = line.strip_prefix("| F").and_then(|_| line.strip_prefix("| "))?.split_once(" |")?;
        Some((id, rest))
    };
    page.lines().filter_map(row).collect()
}

/// What stands between backticks.
fn names(row: &str) -> impl Iterator<Item = &str> {
    row.split('`').skip(1).step_by(2)
}

/// Functions of a source file that are named after a fault.
fn tests<'a>(path: &str, text: &'a str) -> Vec<&'a str> {
    let keyword = match path.rsplit_once('.') {
        Some((_, "rs")) => "fn ",
        Some((_, "py")) => "def ",
        _ => return Vec::new(),
    };
    let name = |line: &'a str| line.trim_start().strip_prefix(keyword)?.split('(').next();
    text.lines().filter_map(name).filter(|name| !faults_of(name).is_empty()).collect()
}

/// The faults that a test is named after: `f07_…`, `test_f07_…`, `test_f16_f19_…`.
fn faults_of(name: &str) -> Vec<u32> {
    let number =
        |word: &str| -> Option<u32> { word.strip_prefix('f').filter(|digits| digits.len() == 2)?.parse().ok() };
    let words = name.strip_prefix("test_").unwrap_or(name).split('_');
    words.map_while(number).filter(|number| (1..=FAULTS).contains(number)).collect()
}

#[cfg(test)]
mod tests {
    //! A page that tells the truth, and one that does not.
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File { path: path.to_owned(), text: text.to_owned() }
    }

    fn page(f02: &str) -> File {
        let mut text = format!("| F01 | a kill | `f01_kill` |\n| F02 | a tear | {f02} |\n");
        for number in 3..=FAULTS {
            text.push_str(&format!("| F{number:02} | later | open: only `test_f02_f04_tear` |\n"));
        }
        file(PATH, &text)
    }

    #[test]
    fn each_fault_has_its_test_or_a_reason() {
        let tests = [
            file("a/src/tests.rs", "    fn f01_kill() {\n    fn f0_x() {"),
            file("tests/python/test_b.py", "def test_f02_f04_tear(server):\n"),
        ];
        let complaints = |page| {
            let [rust, python] = &tests;
            let files = [page, file(&rust.path, &rust.text), file(&python.path, &python.text)];
            check(&files).len()
        };
        assert_eq!(complaints(page("`test_f02_f04_tear`")), 0);
        assert_eq!(complaints(page("nothing")), 2, "no test, no reason, and one that is not listed");
        assert_eq!(complaints(page("open: later")), 1, "there is one");
        assert_eq!(complaints(page("`test_f02_f04_tear` and `test_f02_gone`")), 1);
        assert_eq!(check(&[]).len(), 1);
        assert_eq!(check(&[file(PATH, "")]).len(), 30);
    }
}
