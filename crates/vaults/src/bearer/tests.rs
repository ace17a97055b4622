//! Which credential a server is shown.

use super::*;
use crate::auth::{EndpointAuth, NewAuth};
use crate::stage::{Stage, bearer, oauth, variable};

#[tokio::test]
async fn a_server_is_shown_what_matches_its_url() {
    let stage = Stage::new().await;
    let (vault, other, unattached) = (stage.vault().await, stage.vault().await, stage.vault().await);
    let a = stage.credential(&vault, bearer("https://A.test/mcp/", "a")).await;
    let b = stage.credential(&other, bearer("https://a.test:443/mcp", "b")).await;
    let c = stage.credential(&vault, bearer("https://c.test", "c")).await;
    let far = stage.credential(&unattached, bearer("https://c.test", "far")).await;
    let variable = stage.credential(&vault, variable("A", "v")).await;
    let attached = [vault.clone(), other];
    let token = async |vaults: &[String], url: &str, id: Option<&str>| {
        let found = stage.vaults.bearer(&stage.project, vaults, url, id).await;
        found.map(|bearer| bearer.map(|bearer| bearer.token.reveal().to_owned())).map_err(|error| error.to_string())
    };
    let some = |text: &str| Ok(Some(text.to_owned()));
    assert_eq!(token(&attached, "https://c.test/", None).await, some("c"));
    assert_eq!(token(&attached, "https://d.test/", None).await, Ok(None));
    assert_eq!(token(&[], "https://c.test/", None).await, Ok(None));
    assert_eq!(token(&attached, "https://a.test/mcp", Some(&b)).await, some("b"));
    assert_eq!(token(&attached[..1], "https://a.test/mcp", None).await, some("a"));
    let several = token(&attached, "https://a.test/mcp", None).await.unwrap_err();
    assert_eq!(
        several,
        format!(
            "multiple attached vault credentials match MCP server_url at 'a.test' ({a}, {b}); specify credential_id"
        )
    );
    for (vaults, url, id, said) in [
        (&[][..], "https://c.test", &c, "MCP credential_id requires an attached vault".to_owned()),
        (&attached, "https://c.test", &far, format!("MCP credential '{far}' was not found in an attached vault")),
        (
            &attached,
            "https://d.test/key-1?key=2",
            &c,
            format!("MCP credential '{c}' does not match server_url at 'd.test'"),
        ),
        (&attached, "http://c.test", &c, format!("MCP credential '{c}' does not match server_url at 'c.test'")),
        (
            &attached,
            "nonsense",
            &variable,
            format!("MCP credential '{variable}' does not match server_url at 'no host'"),
        ),
    ] {
        assert_eq!(token(vaults, url, Some(id)).await.unwrap_err(), said);
    }
    stage.vaults.delete_credential(&stage.project, &vault, &c).await.unwrap();
    assert_eq!(token(&attached, "https://c.test/", None).await, Ok(None));
}

#[tokio::test]
async fn a_bearer_that_is_refused_has_no_other() {
    let stage = Stage::new().await;
    let vaults = [stage.vault().await];
    let id = stage.credential(&vaults[0], bearer("https://a.test", "a")).await;
    let found = stage.vaults.bearer(&stage.project, &vaults, "https://a.test", None).await.unwrap().unwrap();
    assert_eq!(stage.vaults.refused(&stage.project, &found).await.unwrap(), None);
    let change = crate::AuthChange::StaticBearer { token: Secret::new("b") };
    let change = crate::CredentialChange { auth: Some(change), metadata: None };
    stage.vaults.update_credential(&stage.project, &vaults[0], &id, change).await.unwrap();
    let newer = stage.vaults.refused(&stage.project, &found).await.unwrap().unwrap();
    assert_eq!(newer.token.reveal(), "b");
}

#[tokio::test]
async fn a_token_without_a_refresh_ends() {
    let stage = Stage::new().await;
    let vaults = [stage.vault().await];
    let now = moment::write(stage.around.clock.now().after(Duration::from_secs(30)));
    let NewAuth::McpOauth { server_url, access_token, .. } = oauth(None, EndpointAuth::None) else { panic!() };
    let auth = NewAuth::McpOauth { server_url, access_token, expires_at: Some(now), refresh: None };
    let id = stage.credential(&vaults[0], auth).await;
    let ask = || stage.vaults.bearer(&stage.project, &vaults, "https://mcp.test/mcp", None);
    assert_eq!(ask().await.unwrap().unwrap().token.reveal(), "access-1");
    stage.clock.pass(31);
    assert_eq!(ask().await, Err(BearerError::Expired(id)));
}

#[test]
fn no_token_lives_for_ever() {
    let now = moment::read("2026-01-01T00:00:00Z").unwrap();
    assert_eq!(end(now, Some(u64::MAX)).as_deref(), Some("2035-12-30T00:00:00Z"));
    assert_eq!(end(now, Some(60)).as_deref(), Some("2026-01-01T00:01:00Z"));
    assert_eq!(end(now, None), None);
}
