//! A visit without a person, for authorization servers that ask nobody: the address is followed until it leads back.

use super::Visitor;
use crate::http::Http;
use std::sync::Arc;
use types::BoxFuture;
use url::Url;

/// Follows redirects alone; a page that wants to be read ends it.
pub struct Headless {
    http: Arc<Http>,
    redirect: Url,
}

/// Steps from the first address back to us.
const STEPS: usize = 10;

impl Headless {
    /// `redirect` is an address that nobody has to listen on.
    #[must_use]
    pub fn new(http: Arc<Http>, redirect: Url) -> Self {
        Self { http, redirect }
    }

    async fn follow(&self, mut address: Url) -> Result<String, String> {
        for _ in 0..STEPS {
            let reply = self.http.visit(&address).await.map_err(|failure| failure.message)?;
            let location = reply.header("location").filter(|_| (300..400).contains(&reply.status));
            let location = location.ok_or("the authorization server wants a person to read its page")?;
            address = address.join(location).map_err(|error| format!("a redirect leads nowhere: {error}"))?;
            if address.origin() == self.redirect.origin() && address.path() == self.redirect.path() {
                return Ok(address.query().unwrap_or_default().to_owned());
            }
        }
        Err("the authorization server's redirects do not end".to_owned())
    }
}

impl Visitor for Headless {
    fn redirect_uri(&self) -> String {
        self.redirect.to_string()
    }

    fn visit(&self, address: Url) -> BoxFuture<'_, Result<String, String>> {
        Box::pin(self.follow(address))
    }
}
