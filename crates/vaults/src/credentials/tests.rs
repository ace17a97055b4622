//! Credentials: what is seen of them, and what a change keeps.

use super::*;
use crate::auth::{Auth, EndpointAuth, NewAuth, RefreshChange};
use crate::record::field;
use crate::secret::Secret;
use crate::stage::{Stage, bearer, new, oauth, variable};
use types::RefusalKind;

fn change(auth: AuthChange) -> CredentialChange {
    CredentialChange { auth: Some(auth), metadata: None }
}

fn rotate(access: Option<&str>, expires_at: Option<Option<&str>>) -> CredentialChange {
    change(AuthChange::McpOauth {
        access_token: access.map(Secret::new),
        expires_at: expires_at.map(|moment| moment.map(str::to_owned)),
        refresh: None,
    })
}

#[tokio::test]
async fn no_secret_is_written_in_the_open() {
    let stage = Stage::new().await;
    let vault = stage.vault().await;
    for auth in
        [bearer("https://a.test", "s3cret:%"), variable("KEY", "s3cret:%"), oauth(None, EndpointAuth::ClientSecretPost)]
    {
        let made = stage.vaults.create_credential(&stage.project, &vault, new(auth)).await.unwrap();
        for secret in ["s3cret:%", "access-1", "refresh-1"] {
            assert!(!format!("{made:?}").contains(secret));
        }
    }
    let written = stage.written(&vault).await;
    for secret in ["s3cret:%", "access-1", "refresh-1"] {
        assert!(!written.contains(secret), "{written}");
    }
    assert_eq!(written.matches("\"name\":\"name\"").count(), 3);
}

#[tokio::test]
async fn a_new_access_token_lives_as_long_as_is_said_of_it() {
    let stage = Stage::new().await;
    let vault = stage.vault().await;
    let id = stage.credential(&vault, oauth(Some("2030-01-01T00:00:00Z"), EndpointAuth::None)).await;
    let expires =
        async |change| match stage.vaults.update_credential(&stage.project, &vault, &id, change).await.unwrap().auth {
            Auth::McpOauth { expires_at, .. } => expires_at,
            other => panic!("{other:?}"),
        };
    assert_eq!(expires(rotate(None, None)).await.as_deref(), Some("2030-01-01T00:00:00Z"));
    assert_eq!(expires(rotate(Some("access-2"), None)).await, None);
    let later = Some(Some("2031-01-01T00:00:00+01:00"));
    assert_eq!(expires(rotate(Some("access-3"), later)).await.as_deref(), Some("2031-01-01T00:00:00+01:00"));
    assert_eq!(expires(rotate(None, Some(None))).await, None);
}

#[tokio::test]
async fn what_is_not_said_stays() {
    let stage = Stage::new().await;
    let vault = stage.vault().await;
    let id = stage.credential(&vault, oauth(None, EndpointAuth::ClientSecretBasic)).await;
    let before = stage.vaults.inner.sealed(&stage.project, &vault, &id).await.unwrap();
    let refresh = RefreshChange {
        scope: Some(None),
        endpoint_auth: Some((EndpointAuth::ClientSecretBasic, Some(Secret::new("other")))),
        ..RefreshChange::default()
    };
    let rotated = change(AuthChange::McpOauth { access_token: None, expires_at: None, refresh: Some(refresh) });
    stage.clock.pass(5);
    let made = stage.vaults.update_credential(&stage.project, &vault, &id, rotated).await.unwrap();
    let after = stage.vaults.inner.sealed(&stage.project, &vault, &id).await.unwrap();
    for (name, is_same) in [(field::ACCESS, true), (field::REFRESH, true), (field::CLIENT, false)] {
        assert_eq!(before.fields[name] == after.fields[name], is_same, "{name}");
    }
    assert_eq!(made.updated_at.0 - made.created_at.0, 5000);
    let Auth::McpOauth { refresh: Some(refresh), .. } = made.auth else { panic!() };
    assert_eq!((refresh.scope, refresh.resource.as_deref()), (None, Some("https://mcp.test")));
}

#[tokio::test]
async fn a_change_that_cannot_be_is_refused() {
    let stage = Stage::new().await;
    let vault = stage.vault().await;
    let id = stage.credential(&vault, bearer("https://a.test", "t")).await;
    let plain = NewAuth::McpOauth {
        server_url: "https://a.test".to_owned(),
        access_token: Secret::new("t"),
        expires_at: None,
        refresh: None,
    };
    let plain = stage.credential(&vault, plain).await;
    let posted = stage.credential(&vault, oauth(None, EndpointAuth::ClientSecretPost)).await;
    let refresh =
        |refresh| change(AuthChange::McpOauth { access_token: None, expires_at: None, refresh: Some(refresh) });
    let other =
        RefreshChange { endpoint_auth: Some((EndpointAuth::ClientSecretBasic, None)), ..RefreshChange::default() };
    for (id, change, param) in [
        (&id, CredentialChange::default(), None),
        (&id, change(AuthChange::EnvironmentVariable { value: Secret::new("x") }), Some("auth.type")),
        (&id, change(AuthChange::StaticBearer { token: Secret::new("") }), Some("auth.token")),
        (&plain, rotate(None, Some(Some("tomorrow"))), Some("auth.expires_at")),
        (&plain, refresh(RefreshChange::default()), Some("auth.refresh")),
        (&posted, refresh(other), Some("auth.refresh.token_endpoint_auth.type")),
    ] {
        let refusal = stage.vaults.update_credential(&stage.project, &vault, id, change).await.unwrap_err();
        assert_eq!((refusal.kind, refusal.param.as_deref()), (RefusalKind::Invalid, param), "{refusal}");
    }
    for _ in 3..limits::CREDENTIALS {
        stage.credential(&vault, bearer("https://a.test", "t")).await;
    }
    let more = stage.vaults.create_credential(&stage.project, &vault, new(bearer("https://a.test", "t"))).await;
    assert_eq!(more.unwrap_err().kind, RefusalKind::Conflict);
}
