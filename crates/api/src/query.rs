//! Query strings and path ids. Unknown keys are ignored; what is known is read as strictly as the original reads it,
//! in its words.

use crate::failure::Failure;
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use runtime::{Direction, Page};
use serde::de::DeserializeOwned;
use std::fmt::Display;
use std::str::FromStr;

const MAX_LIMIT: usize = 100;
const DEFAULT_LIMIT: usize = 20;

/// What a list does with a `limit` outside its range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Limit {
    /// Takes the nearest that is in it.
    Clamped,
    /// Refuses it.
    Checked,
}

/// The pairs of a query string, decoded, in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pairs(Vec<(String, String)>);

impl<S: Sync> FromRequestParts<S> for Pairs {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let pairs = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri);
        pairs.map(|Query(pairs)| Self(pairs)).map_err(|_| unreadable("invalid encoding"))
    }
}

/// Ids of a path. What cannot be decoded names nothing.
#[derive(Clone, Debug)]
pub struct Ids<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Ids<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let path = Path::<T>::from_request_parts(parts, state).await;
        path.map(|Path(ids)| Self(ids)).map_err(|_| Failure::not_found("No such resource."))
    }
}

fn unreadable(what: impl Display) -> Failure {
    Failure::invalid(format!("Failed to deserialize query string: {what}"))
}

impl Pairs {
    /// The value of a key that may stand once.
    pub fn one(&self, key: &str) -> Result<Option<&str>, Failure> {
        let mut values = self.0.iter().filter(|(name, _)| name == key).map(|(_, value)| value.as_str());
        let value = values.next();
        if values.next().is_some() { Err(unreadable(format!("duplicate field `{key}`"))) } else { Ok(value) }
    }

    /// A key that has one value, if it is there.
    pub fn only(&self, key: &str, value: &str) -> Result<(), Failure> {
        match self.one(key)? {
            Some(other) if other != value => {
                let other: String = other.chars().take(100).collect();
                Err(unreadable(format!("{key}: unknown variant `{other}`, expected `{value}`")))
            }
            _ => Ok(()),
        }
    }

    /// The values of a key that may stand several times.
    pub fn all(&self, key: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// `limit`, `order` and `after` of a list.
    pub fn page(&self, range: Limit) -> Result<Page, Failure> {
        self.page_of(range, DEFAULT_LIMIT, MAX_LIMIT)
    }

    /// The same where a page has `usual` entries, and may have `most`.
    pub fn page_of(&self, range: Limit, usual: usize, most: usize) -> Result<Page, Failure> {
        let after = self.one("after")?.map(str::to_owned);
        let limit = match self.one("limit")? {
            None => usual,
            Some(text) => usize::from_str(text).map_err(|error| unreadable(format!("limit: {error}")))?,
        };
        let direction = match self.one("order")? {
            None | Some("desc") => Direction::Descending,
            Some("asc") => Direction::Ascending,
            Some(other) => {
                let other: String = other.chars().take(100).collect();
                return Err(unreadable(format!("order: unknown variant `{other}`, expected `asc` or `desc`")));
            }
        };
        if range == Limit::Checked && !(1..=most).contains(&limit) {
            return Err(Failure::invalid(format!("limit must be between 1 and {most}")));
        }
        Ok(Page { after, limit: limit.clamp(1, most), direction })
    }

    /// A switch that is on unless it is turned off.
    pub fn is_on(&self, key: &str) -> Result<bool, Failure> {
        match self.one(key)? {
            None | Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(_) => Err(unreadable(format!("{key}: provided string was not `true` or `false`"))),
        }
    }

    /// `metadata[key]=value`: up to 16 pairs, keys of 1 to 64 and values of up to 512 characters.
    pub fn metadata(&self) -> Result<Vec<(String, String)>, Failure> {
        let mut wanted: Vec<(String, String)> = Vec::new();
        for (name, value) in &self.0 {
            let Some(key) = name.strip_prefix("metadata[").and_then(|rest| rest.strip_suffix(']')) else { continue };
            let fault = if wanted.iter().any(|(known, _)| known == key) {
                "a key stands there more than once"
            } else if wanted.len() == 16 {
                "at most 16 pairs are supported"
            } else if key.is_empty() || key.chars().count() > 64 {
                "keys must have 1 to 64 characters"
            } else if value.chars().count() > 512 {
                "values must have at most 512 characters"
            } else {
                wanted.push((key.to_owned(), value.clone()));
                continue;
            };
            return Err(Failure::invalid(format!("Invalid 'metadata': {fault}.")).at("metadata"));
        }
        Ok(wanted)
    }
}

#[cfg(test)]
mod tests;
