//! SearXNG, a search engine that asks others, by its JSON.

use super::provider::{Hit, Provider, Query, hits};
use mcp::Http;
use types::BoxFuture;
use url::Url;

pub struct Searxng {
    http: Http,
    /// Of the instance, without `search`.
    base: Url,
}

impl Searxng {
    pub fn new(http: Http, base: Url) -> Self {
        Self { http, base }
    }

    async fn ask(&self, query: &Query<'_>) -> Result<Vec<Hit>, String> {
        let mut url = self.base.clone();
        let path = format!("{}/search", url.path().trim_end_matches('/'));
        url.set_path(&path);
        url.query_pairs_mut().append_pair("q", &query.with_sites()).append_pair("format", "json");
        let reply = self.http.get(&url, &[("accept", "application/json")]).await.map_err(|error| error.message)?;
        match reply.status {
            200 => {}
            403 => return Err("SearXNG does not give JSON (its settings: search.formats)".to_owned()),
            status => return Err(format!("SearXNG answered {status}")),
        }
        Ok(hits(&reply.json()?["results"], &["title"], &["content"]))
    }
}

impl Provider for Searxng {
    fn search<'a>(&'a self, query: &'a Query<'a>) -> BoxFuture<'a, Result<Vec<Hit>, String>> {
        Box::pin(self.ask(query))
    }
}
