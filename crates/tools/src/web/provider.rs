//! Who searches the web for this server.

use types::BoxFuture;

/// Bytes of what one hit says that are kept.
const MAX_TEXT: usize = 2000;

/// A search as it is asked. Domains are a wish: what comes back is judged again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Query<'a> {
    pub text: &'a str,
    /// How many hits are of use, at most 20.
    pub count: usize,
    /// Only these, where there are any.
    pub domains: &'a [String],
    /// As the client wrote it; two letters mostly.
    pub country: Option<&'a str>,
}

impl Query<'_> {
    /// The query with its domains in it, as most engines understand it. Too many make it a query about nothing.
    pub(super) fn with_sites(&self) -> String {
        const FEW: usize = 5;
        let sites: Vec<_> = self.domains.iter().map(|domain| format!("site:{domain}")).collect();
        match sites.len() {
            0 => self.text.to_owned(),
            1..=FEW => format!("{} ({})", self.text, sites.join(" OR ")),
            _ => self.text.to_owned(),
        }
    }

    /// The country's two letters, in lower case.
    pub(super) fn country_code(&self) -> Option<String> {
        let code = self.country?.trim();
        (code.len() == 2 && code.bytes().all(|letter| letter.is_ascii_alphabetic())).then(|| code.to_ascii_lowercase())
    }
}

/// A page that was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hit {
    pub url: String,
    pub title: String,
    /// What the engine shows of it, in one line.
    pub text: String,
}

impl Hit {
    /// In plain text; None where it names no page of the web.
    pub(super) fn read(url: &str, title: &str, text: &str) -> Option<Self> {
        let url = url.trim();
        let is_sound =
            url.len() <= super::MAX_URL && !url.chars().any(|letter| letter.is_whitespace() || letter.is_control());
        if !is_sound || super::domains::host(url).is_none() {
            return None;
        }
        let plain = |text: &str| {
            let text = super::html::plain(super::clip(text, 4 * MAX_TEXT));
            super::clip(&text, MAX_TEXT).to_owned()
        };
        let title = Some(plain(title)).filter(|title| !title.is_empty()).unwrap_or_else(|| url.to_owned());
        Some(Self { url: url.to_owned(), title, text: plain(text) })
    }
}

/// One search engine, or one that asks several. An error is for a model: it names no key.
pub trait Provider: Send + Sync + 'static {
    fn search<'a>(&'a self, query: &'a Query<'a>) -> BoxFuture<'a, Result<Vec<Hit>, String>>;
}

/// Hits out of a JSON array of objects, by the names of their fields; the first that is there counts.
pub(super) fn hits(found: &serde_json::Value, titles: &[&str], texts: &[&str]) -> Vec<Hit> {
    let field = |of: &serde_json::Value, names: &[&str]| {
        names.iter().find_map(|name| of.get(*name)?.as_str()).unwrap_or_default().to_owned()
    };
    let found = found.as_array().map(Vec::as_slice).unwrap_or_default().iter().take(50);
    found
        .filter_map(|one| Hit::read(&field(one, &["url", "link", "href"]), &field(one, titles), &field(one, texts)))
        .collect()
}
