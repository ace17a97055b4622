//! OAuth, the client's side: from a server's challenge to a token for that server and no other.
//!
//! It finds who gives out tokens (RFC 9728, RFC 8414, OpenID), makes itself known there, sends a person to say yes (PKCE
//! with S256, RFC 7636), checks who answered (RFC 9207), and refreshes. It never keeps anything beyond its own life, and
//! never uses what one authorization server gave at another.

mod client;
mod grant;
mod headless;
mod issuer;
mod resource;

pub use client::{AuthMethod, Identity};
pub use grant::Tokens;
pub use headless::Headless;

use crate::authorization::Bearer;
use crate::challenge::Challenge;
use crate::http::Http;
use client::Client;
use grant::Grant;
use issuer::Issuer;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use types::BoxFuture;
use url::Url;

/// A token is renewed when it has so long to live.
const EARLY: Duration = Duration::from_secs(60);

/// Who takes a person to an authorization server, and hears what comes back.
pub trait Visitor: Send + Sync + 'static {
    /// Where the authorization server sends the person back to.
    fn redirect_uri(&self) -> String;
    /// Shows the address, and waits until the redirect address is called: with this query.
    fn visit(&self, address: Url) -> BoxFuture<'_, Result<String, String>>;
}

/// The token of one server, asked for when the server wants one.
pub struct OAuth {
    http: Arc<Http>,
    server: Url,
    identity: Identity,
    visitor: Arc<dyn Visitor>,
    state: tokio::sync::Mutex<State>,
}

#[derive(Default)]
struct State {
    tokens: Option<Held>,
    /// All scopes that were asked for: asking for more keeps them.
    scopes: BTreeSet<String>,
    /// By issuer: what one gave is never shown to another.
    clients: BTreeMap<String, Client>,
}

struct Held {
    tokens: Tokens,
    /// On the monotonic clock.
    until: Option<Duration>,
    issuer: Issuer,
    resource: String,
}

impl OAuth {
    #[must_use]
    pub fn new(http: Arc<Http>, server: Url, identity: Identity, visitor: Arc<dyn Visitor>) -> Self {
        Self { http, server, identity, visitor, state: tokio::sync::Mutex::default() }
    }

    /// What is held now, for whoever wants to keep it.
    pub async fn tokens(&self) -> Option<Tokens> {
        self.state.lock().await.tokens.as_ref().map(|held| held.tokens.clone())
    }

    async fn current(&self) -> Result<Option<String>, String> {
        let mut state = self.state.lock().await;
        let Some(held) = &state.tokens else { return Ok(None) };
        let now = self.http.world().clock.monotonic();
        if held.until.is_none_or(|until| now + EARLY < until) || held.tokens.refresh.is_none() {
            return Ok(Some(held.tokens.access.clone()));
        }
        let (issuer, resource) = (held.issuer.clone(), held.resource.clone());
        match self.refresh(&mut state, &issuer, &resource).await {
            Some(token) => Ok(Some(token)),
            // The server will say whether the old one still does.
            None => Ok(state.tokens.as_ref().map(|held| held.tokens.access.clone())),
        }
    }

    async fn refused(&self, challenge: &Challenge) -> Result<Option<String>, String> {
        let mut state = self.state.lock().await;
        let wanted: BTreeSet<String> = words(challenge.scope.as_deref());
        if challenge.wants_more() && state.tokens.is_some() && wanted.is_subset(&state.scopes) {
            // It was asked for already: asking again would not end.
            return Ok(None);
        }
        let resource = resource::find(&self.http, &self.server, challenge).await?;
        let issuer = issuer::find(&self.http, &resource.issuer).await?;
        let same = state.tokens.as_ref().is_some_and(|held| held.issuer.name == issuer.name);
        if same
            && challenge.status == 401
            && let Some(token) = self.refresh(&mut state, &issuer, &resource.name).await
        {
            return Ok(Some(token));
        }
        let scopes = scopes(&state.scopes, &wanted, &resource.scopes, &issuer.scopes);
        let redirect = self.visitor.redirect_uri();
        let client = match state.clients.get(&issuer.name) {
            Some(client) => client.clone(),
            None => client::known(&self.http, &self.identity, &issuer, &redirect).await?,
        };
        state.clients.insert(issuer.name.clone(), client.clone());
        let grant = Grant::new(&*self.http.world().entropy, &issuer, &client, &redirect, &resource.name);
        let query = self.visitor.visit(grant.address(&scopes)).await?;
        let code = grant.code(&query)?;
        let tokens = grant.exchange(&self.http, &code).await?;
        state.scopes = scopes;
        Ok(Some(self.hold(&mut state, tokens, issuer, resource.name)))
    }

    async fn refresh(&self, state: &mut State, issuer: &Issuer, resource: &str) -> Option<String> {
        let held = state.tokens.as_ref()?;
        let old = held.tokens.refresh.clone()?;
        let client = state.clients.get(&issuer.name)?;
        let mut tokens = grant::refresh(&self.http, issuer, client, &old, resource).await.ok()?;
        tokens.refresh.get_or_insert(old);
        Some(self.hold(state, tokens, issuer.clone(), resource.to_owned()))
    }

    fn hold(&self, state: &mut State, tokens: Tokens, issuer: Issuer, resource: String) -> String {
        let now = self.http.world().clock.monotonic();
        let until = tokens.lifetime.map(|lifetime| now + lifetime);
        let access = tokens.access.clone();
        state.tokens = Some(Held { tokens, until, issuer, resource });
        access
    }
}

impl Bearer for OAuth {
    fn current(&self) -> BoxFuture<'_, Result<Option<String>, String>> {
        Box::pin(OAuth::current(self))
    }

    fn refused<'a>(&'a self, challenge: &'a Challenge) -> BoxFuture<'a, Result<Option<String>, String>> {
        Box::pin(OAuth::refused(self, challenge))
    }
}

fn words(scope: Option<&str>) -> BTreeSet<String> {
    scope.unwrap_or_default().split_ascii_whitespace().map(str::to_owned).collect()
}

/// What to ask for: what the server says now, else all that it says it knows; never less than before.
fn scopes(
    before: &BTreeSet<String>,
    wanted: &BTreeSet<String>,
    of_resource: &[String],
    of_issuer: &[String],
) -> BTreeSet<String> {
    let mut scopes = before.clone();
    if wanted.is_empty() && before.is_empty() {
        scopes.extend(of_resource.iter().cloned());
    }
    scopes.extend(wanted.iter().cloned());
    let offline = "offline_access".to_owned();
    if !scopes.is_empty() && of_issuer.contains(&offline) {
        scopes.insert(offline);
    }
    scopes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(text: &str) -> BTreeSet<String> {
        words(Some(text))
    }

    #[test]
    fn scopes_are_chosen_narrowly_and_never_lost() {
        let resource = ["r".to_owned(), "s".to_owned()];
        assert_eq!(scopes(&set(""), &set("a"), &resource, &[]), set("a"));
        assert_eq!(scopes(&set(""), &set(""), &resource, &[]), set("r s"));
        assert_eq!(scopes(&set("a"), &set("b"), &resource, &[]), set("a b"));
        let offline = ["offline_access".to_owned()];
        assert_eq!(scopes(&set(""), &set("a"), &resource, &offline), set("a offline_access"));
        assert_eq!(scopes(&set(""), &set(""), &[], &offline), set(""));
    }
}
