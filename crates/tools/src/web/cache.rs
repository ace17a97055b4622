//! What was found before, for agents that take it (`cached`). Of one project, never of another; in memory, bounded in
//! number and time.

use super::provider::Hit;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use types::{ProjectId, WebSearch};

const AGE: Duration = Duration::from_secs(3600);
const MAX: usize = 512;

/// All that makes an answer another one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Asked(Vec<String>);

impl Asked {
    pub fn new(project: &ProjectId, search: &WebSearch, query: &str) -> Self {
        let country = search.location.as_ref().and_then(|location| location.get("country")?.clone());
        let mut parts =
            vec![project.to_string(), search.context_size.clone(), country.unwrap_or_default(), query.to_lowercase()];
        parts.extend(search.allowed_domains.iter().flatten().cloned());
        Self(parts)
    }
}

type Known = BTreeMap<Asked, (Duration, Arc<Vec<Hit>>)>;

#[derive(Default)]
pub struct Cache(Mutex<Known>);

impl Cache {
    pub fn get(&self, asked: &Asked, now: Duration) -> Option<Arc<Vec<Hit>>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, hits) = known.get(asked)?;
        (now.saturating_sub(*since) < AGE).then(|| hits.clone())
    }

    /// Takes the place of the oldest, where there is none.
    pub fn put(&self, asked: Asked, hits: Arc<Vec<Hit>>, now: Duration) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(asked, (now, hits));
        if known.len() > MAX {
            let oldest = known.iter().min_by_key(|(_, (since, _))| *since).map(|(asked, _)| asked.clone());
            if let Some(oldest) = oldest {
                known.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_old_or_anothers_is_not_given() {
        let search =
            WebSearch { mode: "cached".into(), context_size: "low".into(), allowed_domains: None, location: None };
        let (cache, hits) = (Cache::default(), Arc::new(Vec::new()));
        let asked = |project: &str, query: &str| Asked::new(&ProjectId::new(project), &search, query);
        cache.put(asked("a", "x"), hits.clone(), Duration::ZERO);
        assert!(cache.get(&asked("a", "X"), AGE / 2).is_some());
        assert!(cache.get(&asked("a", "X"), AGE).is_none());
        assert!(cache.get(&asked("b", "x"), AGE / 2).is_none());
        for number in 0..2 * MAX {
            cache.put(asked("a", &number.to_string()), hits.clone(), Duration::from_secs(1));
        }
        assert_eq!(cache.0.lock().unwrap().len(), MAX);
        assert!(cache.get(&asked("a", "x"), Duration::from_secs(1)).is_none());
    }
}
