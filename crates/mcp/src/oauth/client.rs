//! Who we are to an authorization server: known beforehand, described by a document of our own, or registered on the spot.

use super::issuer::Issuer;
use crate::failure::quoted;
use crate::http::Http;
use serde_json::{Value, json};

/// What is known before any server is met.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// Given by the authorization server to its operator; it goes before everything else.
    pub registered: Option<(String, Option<String>)>,
    /// The `https` address of a document that describes us.
    pub document: Option<String>,
}

/// How a client shows who it is when it asks for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthMethod {
    None,
    Basic,
    Post,
}

impl AuthMethod {
    fn of(word: &str) -> Option<Self> {
        match word {
            "none" => Some(Self::None),
            "client_secret_basic" => Some(Self::Basic),
            "client_secret_post" => Some(Self::Post),
            _ => None,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Basic => "client_secret_basic",
            Self::Post => "client_secret_post",
        }
    }
}

/// Us, at one authorization server.
#[derive(Clone)]
pub(super) struct Client {
    pub id: String,
    pub secret: Option<String>,
    pub method: AuthMethod,
}

pub(super) async fn known(http: &Http, identity: &Identity, issuer: &Issuer, redirect: &str) -> Result<Client, String> {
    if let Some((id, secret)) = &identity.registered {
        let method = method(issuer, secret.is_some())?;
        return Ok(Client { id: id.clone(), secret: secret.clone(), method });
    }
    if let Some(document) = identity.document.as_ref().filter(|_| issuer.knows_documents) {
        return Ok(Client { id: document.clone(), secret: None, method: AuthMethod::None });
    }
    register(http, issuer, redirect).await
}

async fn register(http: &Http, issuer: &Issuer, redirect: &str) -> Result<Client, String> {
    let place = issuer.registration.as_ref().ok_or("the authorization server wants a client id, and gives none")?;
    // Without a secret where that will do: nothing is to be kept then.
    let wanted = method(issuer, false).or_else(|_| method(issuer, true))?;
    let body = json!({
        "client_name": "Outcrop",
        "redirect_uris": [redirect],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": wanted.word(),
        "application_type": "native",
    });
    let reply = http.post_json(place, &[("accept", "application/json")], &body).await;
    let reply = reply.map_err(|failure| format!("the registration failed: {}", failure.message))?;
    let document = reply.json().unwrap_or(Value::Null);
    if !reply.is_success() {
        let why = document["error_description"].as_str().or(document["error"].as_str()).unwrap_or("no reason given");
        return Err(format!("the authorization server registers no client: {}", quoted(why)));
    }
    let id = document["client_id"].as_str().ok_or("the authorization server registered a client without an id")?;
    let secret = document["client_secret"].as_str().map(str::to_owned);
    let told = document["token_endpoint_auth_method"].as_str().and_then(AuthMethod::of);
    let method = match told {
        Some(told) => told,
        None => method(issuer, secret.is_some())?,
    };
    Ok(Client { id: id.to_owned(), secret, method })
}

/// The first way that both sides know. A server that names none knows Basic alone (RFC 8414).
fn method(issuer: &Issuer, secret: bool) -> Result<AuthMethod, String> {
    let known: Vec<AuthMethod> = match &issuer.auth_methods {
        Some(words) => words.iter().filter_map(|word| AuthMethod::of(word)).collect(),
        None if secret => vec![AuthMethod::Basic],
        None => vec![AuthMethod::None],
    };
    let liked: &[AuthMethod] =
        if secret { &[AuthMethod::Basic, AuthMethod::Post, AuthMethod::None] } else { &[AuthMethod::None] };
    let found = liked.iter().find(|method| known.contains(method)).copied();
    found
        .ok_or_else(|| "the authorization server wants clients to show who they are in a way not known here".to_owned())
}
