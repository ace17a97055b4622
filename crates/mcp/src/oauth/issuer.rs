//! What an authorization server says of itself (RFC 8414, OpenID Connect Discovery), and whether that may be believed.

use crate::failure::quoted;
use crate::http::Http;
use serde_json::Value;
use url::Url;

/// An authorization server whose metadata hold.
#[derive(Clone, Debug)]
pub(super) struct Issuer {
    /// To the letter as it calls itself.
    pub name: String,
    pub authorization: Url,
    pub token: Url,
    pub registration: Option<Url>,
    pub auth_methods: Option<Vec<String>>,
    pub scopes: Vec<String>,
    pub knows_documents: bool,
    /// Whether it says who it is when it sends a person back.
    pub says_iss: bool,
}

pub(super) async fn find(http: &Http, name: &str) -> Result<Issuer, String> {
    let issuer = Url::parse(name).map_err(|_| "the authorization server has no address".to_owned())?;
    for place in places(&issuer) {
        let reply = http.get(&place, &[("accept", "application/json")]).await.map_err(|failure| failure.message)?;
        if reply.is_success() {
            return read(&reply.json()?, name);
        }
    }
    Err("the authorization server does not describe itself".to_owned())
}

fn places(issuer: &Url) -> Vec<Url> {
    let path = issuer.path().trim_end_matches('/').to_owned();
    let at = |path: String| {
        let mut url = issuer.clone();
        url.set_query(None);
        url.set_fragment(None);
        url.set_path(&path);
        url
    };
    let mut places = vec![
        at(format!("/.well-known/oauth-authorization-server{path}")),
        at(format!("/.well-known/openid-configuration{path}")),
    ];
    if !path.is_empty() {
        places.push(at(format!("{path}/.well-known/openid-configuration")));
    }
    places
}

fn read(document: &Value, name: &str) -> Result<Issuer, String> {
    let said = document["issuer"].as_str().unwrap_or_default();
    if said != name {
        return Err(format!("the authorization server calls itself `{}`: it is not believed", quoted(said)));
    }
    let secure = name.starts_with("https:");
    let address = |key: &str| match document[key].as_str() {
        None => Ok(None),
        Some(text) => match Url::parse(text) {
            Ok(url) if url.scheme() == "https" || (!secure && url.scheme() == "http") => Ok(Some(url)),
            _ => Err(format!("the authorization server's `{key}` is no address that may be used")),
        },
    };
    let list = |key: &str| -> Option<Vec<String>> {
        Some(document[key].as_array()?.iter().filter_map(Value::as_str).map(str::to_owned).collect())
    };
    let flag = |key: &str| document[key].as_bool().unwrap_or(false);
    if !list("code_challenge_methods_supported").is_some_and(|methods| methods.iter().any(|method| method == "S256")) {
        return Err("the authorization server does not say that it checks PKCE with S256".to_owned());
    }
    Ok(Issuer {
        name: name.to_owned(),
        authorization: address("authorization_endpoint")?.ok_or("the authorization server shows nobody a page")?,
        token: address("token_endpoint")?.ok_or("the authorization server gives out no tokens")?,
        registration: address("registration_endpoint")?,
        auth_methods: list("token_endpoint_auth_methods_supported"),
        scopes: list("scopes_supported").unwrap_or_default(),
        knows_documents: flag("client_id_metadata_document_supported"),
        says_iss: flag("authorization_response_iss_parameter_supported"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn places_follow_the_path() {
        let of = |text: &str| places(&Url::parse(text).unwrap()).iter().map(Url::to_string).collect::<Vec<_>>();
        assert_eq!(
            of("https://as/t1"),
            [
                "https://as/.well-known/oauth-authorization-server/t1",
                "https://as/.well-known/openid-configuration/t1",
                "https://as/t1/.well-known/openid-configuration",
            ]
        );
        assert_eq!(of("https://as").len(), 2);
    }

    #[test]
    fn metadata_are_believed_where_they_hold() {
        let good = json!({
            "issuer": "https://as", "authorization_endpoint": "https://as/a", "token_endpoint": "https://as/t",
            "code_challenge_methods_supported": ["plain", "S256"],
        });
        assert!(read(&good, "https://as").is_ok());
        let with = |key: &str, value: Value| {
            let mut document = good.clone();
            document[key] = value;
            read(&document, "https://as").is_err()
        };
        assert!(read(&good, "https://as/").is_err());
        assert!(with("issuer", json!("https://AS")));
        assert!(with("code_challenge_methods_supported", json!(["plain"])));
        assert!(with("code_challenge_methods_supported", Value::Null));
        assert!(with("token_endpoint", json!("http://as/t")));
        assert!(with("authorization_endpoint", json!("javascript:x")));
    }
}
