//! What a server says of itself as a protected resource (RFC 9728): who gives out tokens for it.

use crate::challenge::Challenge;
use crate::failure::quoted;
use crate::http::Http;
use serde_json::Value;
use url::Url;

/// More scopes than this are nobody's business.
const SCOPES: usize = 100;

pub(super) struct Resource {
    /// As the server writes it: what tokens are asked for.
    pub name: String,
    pub issuer: String,
    pub scopes: Vec<String>,
}

/// Looks where the challenge says, else at the well-known places. A document that speaks of another server is refused: it
/// would have us ask for a token that is not this server's.
pub(super) async fn find(http: &Http, server: &Url, challenge: &Challenge) -> Result<Resource, String> {
    let places = match &challenge.resource_metadata {
        Some(told) => {
            let place = Url::parse(told).map_err(|_| "the server's challenge names no address".to_owned())?;
            vec![place]
        }
        None => well_known(server),
    };
    for place in &places {
        let reply = http.get(place, &[("accept", "application/json")]).await.map_err(|failure| failure.message)?;
        if reply.is_success() {
            return read(&reply.json()?, server);
        }
    }
    if challenge.resource_metadata.is_some() {
        return Err("the server does not say who gives out its tokens".to_owned());
    }
    // Servers of the first revision with OAuth gave out tokens themselves.
    let origin = server.origin().ascii_serialization();
    Ok(Resource { name: plain(server), issuer: origin, scopes: Vec::new() })
}

fn well_known(server: &Url) -> Vec<Url> {
    let mut root = server.clone();
    root.set_query(None);
    root.set_fragment(None);
    let path = server.path().trim_end_matches('/').to_owned();
    root.set_path("/.well-known/oauth-protected-resource");
    if path.is_empty() {
        return vec![root];
    }
    let mut inserted = root.clone();
    inserted.set_path(&format!("/.well-known/oauth-protected-resource{path}"));
    vec![inserted, root]
}

fn read(document: &Value, server: &Url) -> Result<Resource, String> {
    let name = document["resource"].as_str().ok_or("the server's metadata do not name a resource")?;
    if !covers(name, server) {
        let said = quoted(name);
        return Err(format!("the server's metadata speak of another resource (`{said}`): no token is asked for"));
    }
    let issuer = document["authorization_servers"][0].as_str();
    let issuer = issuer.ok_or("the server's metadata name no authorization server")?;
    let scopes = document["scopes_supported"].as_array();
    let scopes = scopes.into_iter().flatten().take(SCOPES).filter_map(Value::as_str).map(str::to_owned).collect();
    Ok(Resource { name: name.to_owned(), issuer: issuer.to_owned(), scopes })
}

/// Whether the resource is this server, or a part of its origin that the server lies in.
fn covers(name: &str, server: &Url) -> bool {
    let Ok(resource) = Url::parse(name) else { return false };
    if resource.origin() != server.origin() || resource.fragment().is_some() {
        return false;
    }
    let (resource, server) = (resource.path().trim_end_matches('/'), server.path().trim_end_matches('/'));
    server.strip_prefix(resource).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn plain(server: &Url) -> String {
    let mut url = server.clone();
    url.set_fragment(None);
    url.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn places_are_tried_from_the_narrow_to_the_wide() {
        let places: Vec<String> = well_known(&url("https://h/a/mcp?x=1")).iter().map(Url::to_string).collect();
        assert_eq!(
            places,
            ["https://h/.well-known/oauth-protected-resource/a/mcp", "https://h/.well-known/oauth-protected-resource"]
        );
        assert_eq!(well_known(&url("https://h/")).len(), 1);
    }

    #[test]
    fn a_resource_is_this_server_or_what_it_lies_in() {
        let server = url("https://h/a/mcp");
        for name in ["https://h/a/mcp", "https://h/a/mcp/", "https://h/a", "https://h", "https://H/a/mcp"] {
            assert!(covers(name, &server), "{name}");
        }
        for name in
            ["https://evil/a/mcp", "http://h/a/mcp", "https://h:8443/a/mcp", "https://h/a/m", "https://h/b", "x"]
        {
            assert!(!covers(name, &server), "{name}");
        }
        let bad = json!({"resource": "https://other/", "authorization_servers": ["https://as"]});
        assert!(read(&bad, &server).is_err());
        assert!(read(&json!({"resource": "https://h"}), &server).is_err());
    }
}
