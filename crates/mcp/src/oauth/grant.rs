//! One authorization: the address that a person is shown, what may be believed of what comes back, and the tokens.

use super::client::{AuthMethod, Client};
use super::issuer::Issuer;
use crate::failure::quoted;
use crate::http::{Http, Reply};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;
use types::Entropy;
use url::Url;

/// The longest token that is taken.
const TOKEN: usize = 16 * 1024;
/// The longest life of one that is believed: ten years. Clocks count no further than they must.
const LIFETIME: u64 = 3650 * 24 * 60 * 60;

/// What an authorization server gave.
#[derive(Clone)]
pub struct Tokens {
    pub access: String,
    pub refresh: Option<String>,
    /// From the moment it was given.
    pub lifetime: Option<Duration>,
    pub scope: Option<String>,
}

/// Tokens are in no log.
impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("lifetime", &self.lifetime).field("scope", &self.scope).finish_non_exhaustive()
    }
}

pub(super) struct Grant<'a> {
    issuer: &'a Issuer,
    client: &'a Client,
    redirect: &'a str,
    resource: &'a str,
    verifier: String,
    state: String,
}

impl<'a> Grant<'a> {
    pub fn new(
        entropy: &dyn Entropy,
        issuer: &'a Issuer,
        client: &'a Client,
        redirect: &'a str,
        resource: &'a str,
    ) -> Self {
        let drawn = || {
            let mut bytes = [0; 32];
            entropy.fill(&mut bytes);
            URL_SAFE_NO_PAD.encode(bytes)
        };
        Self { issuer, client, redirect, resource, verifier: drawn(), state: drawn() }
    }

    pub fn address(&self, scopes: &BTreeSet<String>) -> Url {
        let mut address = self.issuer.authorization.clone();
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(self.verifier.as_bytes()));
        let mut query = address.query_pairs_mut();
        query
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.client.id)
            .append_pair("redirect_uri", self.redirect)
            .append_pair("state", &self.state)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256")
            .append_pair("resource", self.resource);
        if !scopes.is_empty() {
            let scope: Vec<&str> = scopes.iter().map(String::as_str).collect();
            query.append_pair("scope", &scope.join(" "));
        }
        drop(query);
        address
    }

    /// The code, where the answer is to this authorization and from this server. Nothing else of it is believed before.
    pub fn code(&self, query: &str) -> Result<String, String> {
        let mut pairs: BTreeMap<String, String> = BTreeMap::new();
        for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
            if pairs.insert(key.into_owned(), value.into_owned()).is_some() {
                return Err("the authorization server's answer says something twice".to_owned());
            }
        }
        if pairs.get("state") != Some(&self.state) {
            return Err("what came back is no answer to this authorization".to_owned());
        }
        match pairs.get("iss") {
            Some(iss) if *iss != self.issuer.name => {
                return Err("the answer comes from another authorization server: it is not used".to_owned());
            }
            None if self.issuer.says_iss => {
                return Err("the answer does not say which authorization server it comes from".to_owned());
            }
            _ => {}
        }
        if let Some(error) = pairs.get("error") {
            let why = pairs.get("error_description").unwrap_or(error);
            return Err(format!("the authorization was refused: {}", quoted(why)));
        }
        pairs.remove("code").ok_or_else(|| "the authorization server's answer holds no code".to_owned())
    }

    pub async fn exchange(&self, http: &Http, code: &str) -> Result<Tokens, String> {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", self.redirect),
            ("code_verifier", &self.verifier),
            ("resource", self.resource),
        ];
        ask(http, self.issuer, self.client, &form).await
    }
}

pub(super) async fn refresh(
    http: &Http,
    issuer: &Issuer,
    client: &Client,
    token: &str,
    resource: &str,
) -> Result<Tokens, String> {
    let form = [("grant_type", "refresh_token"), ("refresh_token", token), ("resource", resource)];
    ask(http, issuer, client, &form).await
}

async fn ask(http: &Http, issuer: &Issuer, client: &Client, form: &[(&str, &str)]) -> Result<Tokens, String> {
    let mut form = form.to_vec();
    let secret = client.secret.as_deref().unwrap_or_default();
    let mut basic = None;
    match client.method {
        AuthMethod::None => form.push(("client_id", &client.id)),
        AuthMethod::Post => form.extend([("client_id", client.id.as_str()), ("client_secret", secret)]),
        AuthMethod::Basic => basic = Some((client.id.as_str(), secret)),
    }
    let reply = http.post_form(&issuer.token, &form, basic).await;
    read(&reply.map_err(|failure| format!("no token was given: {}", failure.message))?)
}

fn read(reply: &Reply) -> Result<Tokens, String> {
    let document = reply.json().unwrap_or(Value::Null);
    if !reply.is_success() {
        let why = document["error_description"].as_str().or(document["error"].as_str());
        let why = why.map_or_else(|| format!("HTTP status {}", reply.status), quoted);
        return Err(format!("the authorization server gave no token: {why}"));
    }
    let text = |key: &str| document[key].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    if !text("token_type").is_none_or(|kind| kind.eq_ignore_ascii_case("bearer")) {
        return Err("the authorization server gave a token of a kind not known here".to_owned());
    }
    let access = text("access_token").filter(|token| is_token(token));
    let access = access.ok_or("the authorization server's answer holds no token")?;
    let lifetime = document["expires_in"].as_u64().map(|seconds| Duration::from_secs(seconds.min(LIFETIME)));
    Ok(Tokens { access, refresh: text("refresh_token"), lifetime, scope: text("scope") })
}

/// What a header can hold.
fn is_token(text: &str) -> bool {
    text.len() <= TOKEN && text.bytes().all(|byte| (0x21..=0x7e).contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Zero;

    impl Entropy for Zero {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(0);
        }
    }

    fn issuer(says_iss: bool) -> Issuer {
        Issuer {
            name: "https://as".to_owned(),
            authorization: Url::parse("https://as/authorize?keep=1").unwrap(),
            token: Url::parse("https://as/token").unwrap(),
            registration: None,
            auth_methods: None,
            scopes: Vec::new(),
            knows_documents: false,
            says_iss,
        }
    }

    fn client() -> Client {
        Client { id: "us".to_owned(), secret: None, method: AuthMethod::None }
    }

    #[test]
    fn the_address_asks_for_this_resource_with_a_challenge() {
        let (issuer, client) = (issuer(true), client());
        let grant = Grant::new(&Zero, &issuer, &client, "http://127.0.0.1/c", "https://h/mcp");
        let address = grant.address(&["b".to_owned(), "a".to_owned()].into());
        let pairs: BTreeMap<_, _> = address.query_pairs().into_owned().collect();
        assert_eq!(pairs["keep"], "1");
        assert_eq!((pairs["resource"].as_str(), pairs["scope"].as_str()), ("https://h/mcp", "a b"));
        assert_eq!(pairs["code_challenge"], URL_SAFE_NO_PAD.encode(Sha256::digest(grant.verifier.as_bytes())));
        assert!(!grant.address(&BTreeSet::new()).as_str().contains("scope"));
    }

    #[test]
    fn only_an_answer_of_this_server_to_this_question_is_believed() {
        let (says, silent, client) = (issuer(true), issuer(false), client());
        let code = |issuer: &Issuer, rest: &str| {
            let grant = Grant::new(&Zero, issuer, &client, "http://127.0.0.1/c", "https://h/mcp");
            grant.code(&format!("state={}{rest}", grant.state))
        };
        assert_eq!(code(&says, "&iss=https%3A%2F%2Fas&code=x").as_deref(), Ok("x"));
        assert_eq!(code(&silent, "&code=x").as_deref(), Ok("x"));
        assert!(code(&says, "&code=x").is_err());
        for issuer in [&says, &silent] {
            for wrong in ["https%3A%2F%2Fas%2F", "https%3A%2F%2FAS", "https%3A%2F%2Fas%3A443", ""] {
                let error = code(issuer, &format!("&iss={wrong}&error=secret&code=x")).unwrap_err();
                assert!(!error.contains("secret"), "{error}");
            }
        }
        assert!(code(&silent, "&code=x&code=y").is_err());
        assert!(code(&silent, "&error=access_denied").unwrap_err().contains("access_denied"));
        let grant = Grant::new(&Zero, &silent, &client, "http://127.0.0.1/c", "https://h/mcp");
        assert!(grant.code("state=other&code=x").is_err() && grant.code("code=x").is_err());
    }

    #[test]
    fn no_token_lives_longer_than_a_clock_can_count() {
        let lifetime = |seconds: u64| {
            let document = serde_json::json!({"access_token": "t", "expires_in": seconds});
            let reply = Reply { status: 200, headers: Vec::new(), body: document.to_string().into() };
            read(&reply).unwrap().lifetime.unwrap()
        };
        assert_eq!(lifetime(3600), Duration::from_secs(3600));
        assert!(Duration::MAX.checked_sub(lifetime(u64::MAX)).is_some_and(|room| room > lifetime(u64::MAX)));
        assert_eq!(lifetime(u64::MAX).as_secs(), LIFETIME);
    }

    #[test]
    fn tokens_are_shown_to_nobody() {
        let tokens =
            Tokens { access: "s3cret".to_owned(), refresh: Some("s3cret".to_owned()), lifetime: None, scope: None };
        assert!(!format!("{tokens:?}").contains("s3cret"));
    }
}
