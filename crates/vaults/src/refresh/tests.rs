//! Refreshes: when, how often, what is asked, and what stays of an answer.

use super::*;
use crate::auth::{AuthChange, RefreshChange};
use crate::bearer::Bearer;
use crate::credentials::CredentialChange;
use crate::owner::Owner;
use crate::root::{Fresh, KeyError, Ring, RootKey, Wrapped};
use crate::stage::{Stage, oauth, ring};
use crate::vaults::Vaults;
use std::sync::atomic::{AtomicUsize, Ordering};
use types::BoxFuture;
use zeroize::Zeroizing;

const URL: &str = "https://mcp.test/mcp";
/// 90 seconds after the stage's beginning.
const SOON: &str = "2027-01-15T08:01:30Z";

struct Scene {
    stage: Stage,
    vault: String,
    id: String,
}

async fn scene(auth: EndpointAuth) -> Scene {
    let stage = Stage::new().await;
    let vault = stage.vault().await;
    let id = stage.credential(&vault, oauth(Some(SOON), auth)).await;
    Scene { stage, vault, id }
}

impl Scene {
    async fn bearer(&self) -> Result<Bearer, BearerError> {
        self.bearer_of(&self.stage.vaults).await
    }

    async fn bearer_of(&self, vaults: &Vaults) -> Result<Bearer, BearerError> {
        let found = vaults.bearer(&self.stage.project, std::slice::from_ref(&self.vault), URL, None).await;
        found.map(|bearer| bearer.expect("there is one"))
    }

    async fn token(&self) -> String {
        self.bearer().await.expect("a token").token.reveal().to_owned()
    }

    async fn update(&self, access_token: Option<&str>, refresh_token: Option<&str>) {
        let refresh = RefreshChange { refresh_token: refresh_token.map(Secret::new), ..RefreshChange::default() };
        let auth = AuthChange::McpOauth {
            access_token: access_token.map(Secret::new),
            expires_at: Some(Some(SOON.to_owned())),
            refresh: Some(refresh),
        };
        let change = CredentialChange { auth: Some(auth), metadata: None };
        let changed = self.stage.vaults.update_credential(&self.stage.project, &self.vault, &self.id, change).await;
        changed.expect("changed");
    }

    fn forms(&self) -> Vec<String> {
        self.stage.endpoint.asked()
    }
}

#[tokio::test]
async fn a_token_is_refreshed_before_it_ends() {
    let scene = scene(EndpointAuth::ClientSecretPost).await;
    assert_eq!(scene.token().await, "access-1");
    assert_eq!(scene.forms(), [""; 0]);
    scene.stage.clock.pass(30);
    scene.stage.endpoint.will(200, r#"{"access_token":"access-2","expires_in":3600,"refresh_token":"refresh-2"}"#);
    assert_eq!(scene.token().await, "access-2");
    assert_eq!(scene.token().await, "access-2");
    assert_eq!(
        scene.forms(),
        [
            "grant_type=refresh_token&refresh_token=refresh-1&client_id=id & co&client_secret=s3cret:%&scope=a b&resource=https://mcp.test"
        ]
    );
    let (credential, sealed) =
        scene.stage.vaults.inner.current(&scene.stage.project, &scene.vault, &scene.id).await.unwrap().unwrap();
    let Auth::McpOauth { expires_at, .. } = &credential.auth else { panic!() };
    assert_eq!(expires_at.as_deref(), Some("2027-01-15T09:00:30Z"));
    assert_eq!(credential.updated_at, credential.created_at, "nobody changed it");
    assert!(!sealed.begun);
    // The new refresh token is the one that counts.
    scene.stage.clock.pass(3600);
    scene.stage.endpoint.will(200, r#"{"access_token":"access-3"}"#);
    assert_eq!(scene.token().await, "access-3");
    assert!(scene.forms()[1].contains("refresh_token=refresh-2&"));
    // Of this one it is not known when it ends, and the old refresh token goes on.
    scene.stage.clock.pass(1_000_000);
    assert_eq!(scene.token().await, "access-3");
}

#[tokio::test]
async fn a_client_shows_who_it_is_as_it_was_configured() {
    for auth in [EndpointAuth::None, EndpointAuth::ClientSecretBasic] {
        let scene = scene(auth).await;
        scene.stage.clock.pass(60);
        scene.stage.endpoint.will(200, r#"{"access_token":"access-2"}"#);
        assert_eq!(scene.token().await, "access-2");
        let asked = scene.stage.endpoint.asked.lock().unwrap();
        let basic = asked[0].basic.as_ref().map(|(client, secret)| (client.as_str(), secret.reveal()));
        let is_basic = auth == EndpointAuth::ClientSecretBasic;
        assert_eq!(basic, is_basic.then_some(("id & co", "s3cret:%")));
        assert_eq!(asked[0].url, "https://auth.test/token");
        let names: Vec<_> = asked[0].form.iter().map(|(name, _)| *name).collect();
        assert_eq!(names.contains(&"client_id"), !is_basic);
        assert!(!names.contains(&"client_secret"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_refresh_counts_for_all() {
    let scene = Arc::new(scene(EndpointAuth::None).await);
    scene.stage.clock.pass(60);
    scene.stage.endpoint.will(200, r#"{"access_token":"access-2","expires_in":3600}"#);
    #[expect(clippy::disallowed_methods, reason = "tests run on tokio")]
    let all: Vec<_> = (0..50)
        .map(|_| {
            let scene = scene.clone();
            tokio::spawn(async move { scene.token().await })
        })
        .collect();
    for one in all {
        assert_eq!(one.await.unwrap(), "access-2");
    }
    assert_eq!(scene.forms().len(), 1);
}

#[tokio::test]
async fn a_refresh_goes_on_where_nobody_waits_for_it() {
    let scene = scene(EndpointAuth::None).await;
    scene.stage.clock.pass(120);
    scene.stage.endpoint.will(200, r#"{"access_token":"access-2","expires_in":3600,"refresh_token":"refresh-2"}"#);
    {
        let mut waiting = std::pin::pin!(scene.bearer());
        // As far as the question to the endpoint, and no further.
        while scene.forms().is_empty() {
            tokio::select! { biased; _ = &mut waiting => break, () = tokio::task::yield_now() => {} }
        }
    }
    assert_eq!(scene.token().await, "access-2");
    assert_eq!(scene.forms().len(), 1);
}

#[tokio::test]
async fn a_server_that_refuses_a_token_gets_another_one_time() {
    let scene = scene(EndpointAuth::None).await;
    let first = scene.bearer().await.unwrap();
    scene.stage.endpoint.will(200, r#"{"access_token":"access-2"}"#);
    let second = scene.stage.vaults.refused(&scene.stage.project, &first).await.unwrap().unwrap();
    assert_eq!(second.token.reveal(), "access-2");
    // Somebody else was refused with the first one, too.
    let again = scene.stage.vaults.refused(&scene.stage.project, &first).await.unwrap().unwrap();
    assert_eq!((again, scene.forms().len()), (second, 1));
}

#[tokio::test]
async fn an_endpoint_that_is_away_is_asked_again() {
    let scene = scene(EndpointAuth::None).await;
    scene.stage.clock.pass(120);
    let away = || Unanswered::NotSent("it is away".to_owned());
    scene.stage.endpoint.will_not(away());
    scene.stage.endpoint.will_not(away());
    scene.stage.endpoint.will(200, r#"{"access_token":"access-2"}"#);
    assert_eq!(scene.token().await, "access-2");
    assert_eq!(scene.forms().len(), 3);
}

/// An endpoint that takes each refresh token one time may revoke all that came of one that it is shown twice.
#[tokio::test]
async fn a_refresh_token_that_may_be_used_up_is_not_shown_again_at_once() {
    let lost = |error: BearerError| error.to_string().contains("what it was answered may be lost");
    for status in [None, Some(502)] {
        let scene = scene(EndpointAuth::None).await;
        scene.stage.clock.pass(120);
        match status {
            None => scene.stage.endpoint.will_not(Unanswered::Network("the connection broke".to_owned())),
            Some(status) => scene.stage.endpoint.will(status, ""),
        }
        scene.bearer().await.unwrap_err();
        assert_eq!(scene.forms().len(), 1, "{status:?}");
        scene.stage.endpoint.will(400, r#"{"error":"invalid_grant"}"#);
        assert!(lost(scene.bearer().await.unwrap_err()), "{status:?}");
    }
    // What was never sent has no answer that could be lost.
    let scene = scene(EndpointAuth::None).await;
    scene.stage.clock.pass(120);
    for _ in 0..3 {
        scene.stage.endpoint.will_not(Unanswered::NotSent("nobody listens".to_owned()));
    }
    scene.bearer().await.unwrap_err();
    assert_eq!(scene.forms().len(), 3);
    scene.stage.endpoint.will(400, r#"{"error":"invalid_grant"}"#);
    assert!(!lost(scene.bearer().await.unwrap_err()));
}

#[tokio::test]
async fn what_may_not_be_reached_is_asked_one_time() {
    let scene = scene(EndpointAuth::None).await;
    scene.stage.clock.pass(120);
    scene.stage.endpoint.will_not(Unanswered::Forbidden("10.0.0.1 is a private address".to_owned()));
    let error = scene.bearer().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("the token endpoint of credential '{}' cannot be reached: 10.0.0.1 is a private address", scene.id)
    );
}

#[tokio::test]
async fn a_token_that_still_lives_is_used_where_no_other_comes() {
    let scene = scene(EndpointAuth::None).await;
    scene.stage.clock.pass(60);
    scene.stage.endpoint.will(500, "");
    assert_eq!(scene.token().await, "access-1");
    scene.stage.clock.pass(31);
    scene.stage.endpoint.will(500, "");
    assert!(matches!(scene.bearer().await, Err(BearerError::NoToken { .. })));
}

#[tokio::test]
async fn a_dead_refresh_token_is_remembered_until_the_credential_changes() {
    let scene = scene(EndpointAuth::None).await;
    scene.stage.clock.pass(120);
    scene.stage.endpoint.will(400, r#"{"error":"invalid_grant","error_description":"refresh-1 was revoked"}"#);
    let dead = scene.bearer().await.unwrap_err();
    let said = format!(
        "the token endpoint of credential '{}' refuses its refresh token (invalid_grant); authorize again and update the credential",
        scene.id
    );
    assert_eq!(dead.to_string(), said);
    let next = scene.stage.again(crate::stage::ring(&[1]));
    assert_eq!(scene.bearer_of(&next).await, Err(dead));
    assert_eq!(scene.forms().len(), 1, "it is not asked again, after a new start neither");
    scene.update(None, Some("refresh-2")).await;
    scene.stage.endpoint.will(200, r#"{"access_token":"access-2"}"#);
    assert_eq!(scene.token().await, "access-2");
    assert!(scene.forms()[1].contains("refresh_token=refresh-2"));
}

#[tokio::test]
async fn another_refusal_is_not_remembered() {
    let scene = scene(EndpointAuth::None).await;
    scene.stage.clock.pass(120);
    scene.stage.endpoint.will(401, r#"{"error":"invalid_client"}"#);
    assert!(matches!(scene.bearer().await, Err(BearerError::NoToken { why, .. }) if why == "invalid_client"));
    scene.stage.endpoint.will(200, r#"{"access_token":"access-2"}"#);
    assert_eq!(scene.token().await, "access-2");
}

#[tokio::test]
async fn an_answer_that_was_lost_is_said_to_be() {
    let scene = scene(EndpointAuth::None).await;
    scene.stage.clock.pass(120);
    // The server dies while the endpoint answers.
    let inner = &scene.stage.vaults.inner;
    let (credential, sealed) = inner.current(&scene.stage.project, &scene.vault, &scene.id).await.unwrap().unwrap();
    let seen = sealed.fields.get(field::ACCESS).cloned();
    begin(inner, &scene.stage.project, &credential, seen).await.unwrap().unwrap();
    let next = scene.stage.again(crate::stage::ring(&[1]));
    scene.stage.endpoint.will(400, r#"{"error":"invalid_grant"}"#);
    let lost = scene.bearer_of(&next).await.unwrap_err().to_string();
    assert!(lost.contains("an earlier refresh was cut off, and what it was answered may be lost"), "{lost}");
}

#[tokio::test]
async fn what_a_client_changed_meanwhile_stays() {
    let scene = scene(EndpointAuth::None).await;
    scene.stage.clock.pass(120);
    scene.stage.endpoint.will(200, r#"{"access_token":"access-2","expires_in":3600,"refresh_token":"refresh-2"}"#);
    let inner = &scene.stage.vaults.inner;
    let (credential, sealed) = inner.current(&scene.stage.project, &scene.vault, &scene.id).await.unwrap().unwrap();
    let seen = sealed.fields.get(field::ACCESS).cloned();
    let begun = begin(inner, &scene.stage.project, &credential, seen).await.unwrap().unwrap();
    scene.update(Some("access-9"), None).await;
    let asked = request(&scene.stage.project, &begun).unwrap();
    let Ok(Reply::Token(token)) = ask(inner, &asked).await else { panic!() };
    keep(inner, &scene.stage.project, &begun, token).await.unwrap();
    let (credential, sealed) = inner.current(&scene.stage.project, &scene.vault, &scene.id).await.unwrap().unwrap();
    let opened = async |name| inner.opened(&scene.stage.project, &credential, &sealed, name).await.unwrap();
    assert_eq!(opened(field::ACCESS).await.reveal(), "access-9");
    assert_eq!(opened(field::REFRESH).await.reveal(), "refresh-2");
    let Auth::McpOauth { expires_at, .. } = &credential.auth else { panic!() };
    assert_eq!(expires_at.as_deref(), Some(SOON));
}

/// A key service that goes away after so many keys.
struct Fading {
    ring: Ring,
    left: AtomicUsize,
}

impl RootKey for Fading {
    fn ids(&self) -> BoxFuture<'_, Result<Vec<String>, KeyError>> {
        RootKey::ids(&self.ring)
    }

    fn wrap<'a>(&'a self, data_key: &'a [u8; 32], owner: Owner<'a>) -> BoxFuture<'a, Result<Fresh, KeyError>> {
        RootKey::wrap(&self.ring, data_key, owner)
    }

    fn unwrap<'a>(
        &'a self,
        wrapped: &'a Wrapped,
        owner: Owner<'a>,
    ) -> BoxFuture<'a, Result<Zeroizing<[u8; 32]>, KeyError>> {
        let is_there = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        match is_there {
            true => RootKey::unwrap(&self.ring, wrapped, owner),
            false => {
                Box::pin(async { Err(KeyError::Away { root: wrapped.root.clone(), why: "it is gone".to_owned() }) })
            }
        }
    }
}

#[tokio::test]
async fn a_key_service_that_goes_away_costs_no_refresh_token() {
    let scene = scene(EndpointAuth::None).await;
    scene.stage.clock.pass(120);
    let fading = |left| scene.stage.again(Fading { ring: ring(&[1]), left: AtomicUsize::new(left) });
    // Gone before: the endpoint is not asked, and nothing counts as begun.
    assert!(matches!(scene.bearer_of(&fading(0)).await, Err(BearerError::Vault(_))));
    assert_eq!(scene.forms(), [""; 0]);
    // Gone while the endpoint answers: what it says is kept.
    scene.stage.endpoint.will(200, r#"{"access_token":"access-2","expires_in":3600,"refresh_token":"refresh-2"}"#);
    assert!(matches!(scene.bearer_of(&fading(1)).await, Err(BearerError::Vault(_))));
    assert_eq!(scene.forms().len(), 1);
    assert_eq!(scene.token().await, "access-2");
    let inner = &scene.stage.vaults.inner;
    let (credential, sealed) = inner.current(&scene.stage.project, &scene.vault, &scene.id).await.unwrap().unwrap();
    let kept = inner.opened(&scene.stage.project, &credential, &sealed, field::REFRESH).await.unwrap();
    assert_eq!((kept.reveal(), sealed.begun, scene.forms().len()), ("refresh-2", false, 1));
}
