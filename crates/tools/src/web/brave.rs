//! The search API of Brave.

use super::provider::{Hit, Provider, Query, hits};
use mcp::Http;
use types::BoxFuture;
use url::Url;

/// What it takes at most: results, and characters and words of a query.
const COUNT: usize = 20;
const LETTERS: usize = 400;
const WORDS: usize = 50;

/// The countries that it knows; any other makes it refuse the search.
const COUNTRIES: [&str; 36] = [
    "AR", "AT", "AU", "BE", "BR", "CA", "CH", "CL", "CN", "DE", "DK", "ES", "FI", "FR", "GB", "HK", "ID", "IN", "IT",
    "JP", "KR", "MX", "MY", "NL", "NO", "NZ", "PH", "PL", "PT", "RU", "SA", "SE", "TR", "TW", "US", "ZA",
];
/// How it says that a key is none, under the status that means a wrong query as well.
const NO_KEY: &str = "SUBSCRIPTION_TOKEN_INVALID";

pub struct Brave {
    http: Http,
    endpoint: Url,
    key: String,
}

impl Brave {
    /// Where the API is, if the operator says nothing else.
    pub const ENDPOINT: &str = "https://api.search.brave.com/res/v1/web/search";

    pub fn new(http: Http, endpoint: Url, key: String) -> Self {
        Self { http, endpoint, key }
    }

    async fn ask(&self, query: &Query<'_>) -> Result<Vec<Hit>, String> {
        let mut url = self.endpoint.clone();
        url.query_pairs_mut()
            .append_pair("q", &asked(query))
            .append_pair("count", &query.count.clamp(1, COUNT).to_string())
            .append_pair("text_decorations", "false");
        if let Some(country) = country(query) {
            url.query_pairs_mut().append_pair("country", country);
        }
        let headers = [("accept", "application/json"), ("x-subscription-token", self.key.as_str())];
        let reply = self.http.get(&url, &headers).await.map_err(|error| error.message)?;
        match reply.status {
            200 => {}
            401 | 403 => return Err(format!("Brave refuses the key of this server ({})", reply.status)),
            422 if reply.json().is_ok_and(|said| said["error"]["code"] == NO_KEY) => {
                return Err("Brave refuses the key of this server (422)".to_owned());
            }
            422 => return Err("Brave does not take this search (422)".to_owned()),
            429 => return Err("Brave gives no more answers to this server for now (429)".to_owned()),
            status => return Err(format!("Brave answered {status}")),
        }
        Ok(hits(&reply.json()?["web"]["results"], &["title"], &["description"]))
    }
}

/// The query with its domains, as far as it may be that long: domains are a wish.
fn asked(query: &Query<'_>) -> String {
    let fits = |text: &str| text.chars().count() <= LETTERS && text.split_whitespace().count() <= WORDS;
    let whole = query.with_sites();
    if fits(&whole) {
        return whole;
    }
    let words: Vec<_> = query.text.split_whitespace().take(WORDS).collect();
    words.join(" ").chars().take(LETTERS).collect()
}

fn country(query: &Query<'_>) -> Option<&'static str> {
    let code = query.country_code()?.to_ascii_uppercase();
    COUNTRIES.into_iter().find(|known| *known == code)
}

impl Provider for Brave {
    fn search<'a>(&'a self, query: &'a Query<'a>) -> BoxFuture<'a, Result<Vec<Hit>, String>> {
        Box::pin(self.ask(query))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query<'a>(text: &'a str, domains: &'a [String], country: Option<&'a str>) -> Query<'a> {
        Query { text, count: 8, domains, country }
    }

    #[test]
    fn countries_that_it_does_not_know_are_not_sent() {
        for (said, sent) in [("it", Some("IT")), ("GB", Some("GB")), ("vn", None), ("Italy", None), ("", None)] {
            assert_eq!(country(&query("x", &[], Some(said))), sent, "{said}");
        }
    }

    #[test]
    fn a_query_is_no_longer_than_it_may_be() {
        let domains = vec!["a.example".to_owned()];
        assert_eq!(asked(&query("one two", &domains, None)), "one two (site:a.example)");
        let words = ["w"; 50].join(" ");
        assert_eq!(asked(&query(&words, &domains, None)), words);
        assert_eq!(asked(&query(&["w"; 60].join(" "), &[], None)), words);
        assert_eq!(asked(&query(&"x".repeat(399), &domains, None)), "x".repeat(399));
    }
}
