//! One page of a long list that comes in no order: the nearest beyond a place, and no more than that in memory. Paths are
//! compared name by name, so that a folder's files stand together.

use std::cmp::Ordering;
use std::collections::BTreeMap;

/// The page, as far as it is known.
pub(super) struct Selection {
    after: Option<Names>,
    /// One more than the page has, which says whether there is another.
    most: usize,
    ascending: bool,
    found: BTreeMap<Names, u64>,
}

/// A relative path that is compared name by name.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Names(String);

impl Selection {
    pub(super) fn new(after: Option<String>, limit: usize, ascending: bool) -> Self {
        Self { after: after.map(Names), most: limit.saturating_add(1), ascending, found: BTreeMap::new() }
    }

    /// Whether files of the page can be in a folder.
    pub(super) fn may_be_in(&self, folder: &[u8]) -> bool {
        let Ok(folder) = String::from_utf8(folder.to_vec()) else { return false };
        let folder = Names(folder);
        // What has the folder's very name, or had, says nothing of what is in it.
        let far = |after: &Names| !after.is_below(&folder) && self.comes_before(&folder, after);
        let beyond = |last: &Names| !last.is_below(&folder) && self.comes_before(last, &folder);
        !self.after.as_ref().is_some_and(far) && !self.last().is_some_and(beyond)
    }

    /// A path that is no text cannot be said to a client.
    pub(super) fn take(&mut self, path: Vec<u8>, bytes: u64) {
        let Ok(path) = String::from_utf8(path) else { return };
        let path = Names(path);
        if self.after.as_ref().is_some_and(|after| !self.comes_before(after, &path)) {
            return;
        }
        self.found.insert(path, bytes);
        if self.found.len() > self.most {
            if self.ascending {
                self.found.pop_last()
            } else {
                self.found.pop_first()
            };
        }
    }

    /// The page in its order, and whether there is more.
    pub(super) fn finish(self) -> (Vec<(String, u64)>, bool) {
        let mut page: Vec<(String, u64)> = self.found.into_iter().map(|(path, bytes)| (path.0, bytes)).collect();
        if !self.ascending {
            page.reverse();
        }
        let has_more = page.len() == self.most;
        page.truncate(self.most - 1);
        (page, has_more)
    }

    /// The last of a page that is full: only what comes before it matters.
    fn last(&self) -> Option<&Names> {
        if self.found.len() < self.most {
            return None;
        }
        let last = if self.ascending { self.found.last_key_value() } else { self.found.first_key_value() };
        last.map(|(path, _)| path)
    }

    fn comes_before(&self, one: &Names, other: &Names) -> bool {
        if self.ascending { one < other } else { one > other }
    }
}

impl Names {
    fn is_below(&self, folder: &Self) -> bool {
        self.0.strip_prefix(&folder.0).is_some_and(|rest| rest.starts_with('/'))
    }
}

impl Ord for Names {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.split('/').cmp(other.0.split('/'))
    }
}

impl PartialOrd for Names {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATHS: [&str; 9] = ["b/c", "a", "a-b", "a/b/c", "a/b", "B", "ü", "a/b-c/d", "b.txt"];

    fn page(after: Option<&str>, limit: usize, ascending: bool) -> (Vec<String>, bool) {
        let mut selection = Selection::new(after.map(str::to_owned), limit, ascending);
        for path in PATHS {
            // As a walk does it: what is in a folder comes after all folders above it.
            let above = path.match_indices('/').map(|(at, _)| &path[..at]);
            if above.clone().all(|folder| selection.may_be_in(folder.as_bytes())) {
                selection.take(path.as_bytes().to_vec(), 1);
            }
        }
        selection.take(b"not \xff text".to_vec(), 1);
        assert!(!selection.may_be_in(b"not \xff text"));
        let (page, has_more) = selection.finish();
        (page.into_iter().map(|(path, _)| path).collect(), has_more)
    }

    #[test]
    fn pages_put_together_are_the_list_by_names() {
        let whole = ["B", "a", "a/b", "a/b/c", "a/b-c/d", "a-b", "b/c", "b.txt", "ü"];
        for ascending in [true, false] {
            let mut wanted: Vec<&str> = whole.to_vec();
            if !ascending {
                wanted.reverse();
            }
            for limit in 1..=10 {
                let (mut all, mut after) = (Vec::new(), None);
                loop {
                    let (page, has_more) = page(after.as_deref(), limit, ascending);
                    assert!(page.len() <= limit);
                    all.extend(page);
                    assert_eq!(has_more, all.len() < wanted.len());
                    if !has_more {
                        break;
                    }
                    after = all.last().cloned();
                }
                assert_eq!(all, wanted, "{limit}");
            }
        }
    }

    #[test]
    fn folders_that_cannot_matter_are_passed_over() {
        let mut selection = Selection::new(Some("c/d".to_owned()), 1, true);
        assert!(!selection.may_be_in(b"b"));
        assert!(selection.may_be_in(b"c"));
        assert!(selection.may_be_in(b"d"));
        selection.take(b"e/a".to_vec(), 1);
        selection.take(b"e/b".to_vec(), 1);
        assert!(selection.may_be_in(b"e"));
        assert!(!selection.may_be_in(b"f"));
    }
}
