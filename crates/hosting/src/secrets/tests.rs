//! Which secret goes where, what commands see of it, and from when on a change counts.

use super::*;
use crate::stage::{Stage, settings};
use crate::wanted::{Claim, Wanted};
use types::{BoxFuture, NetworkSettings};
use vaults::{
    Answer, Around, AuthChange, CredentialChange, Networking, NewAuth, NewCredential, Ring, Secret, TokenEndpoint,
    TokenRequest, Unanswered, Vaults,
};

/// Nothing is refreshed here.
struct Silent;

impl TokenEndpoint for Silent {
    fn post<'a>(&'a self, _: &'a TokenRequest) -> BoxFuture<'a, Result<Answer, Unanswered>> {
        Box::pin(async { Err(Unanswered::Forbidden("nobody is asked".to_owned())) })
    }
}

struct Full {
    stage: Stage,
    vaults: Vaults,
    vault: String,
}

impl Full {
    async fn new() -> Self {
        let mut stage = Stage::new();
        let vaults = Vaults::new(Around {
            clock: stage.clock.clone(),
            entropy: stage.entropy.clone(),
            spawn: stage.world.spawn.clone(),
            store: stage.world.store.clone(),
            root: Arc::new(Ring::new([[1; 32]], stage.entropy.clone())),
            endpoint: Arc::new(Silent),
        });
        stage.vaults = Some(vaults.clone());
        let vault = vaults.create(&stage.project, None, BTreeMap::new()).await.unwrap().id;
        Self { stage, vaults, vault }
    }

    /// The id of a new credential.
    async fn variable(&self, name: &str, value: &str, hosts: Option<&[&str]>) -> String {
        let networking = match hosts {
            None => Networking::Unrestricted,
            Some(hosts) => Networking::Limited { allowed_hosts: hosts.iter().map(|host| (*host).to_owned()).collect() },
        };
        let auth = NewAuth::EnvironmentVariable { name: name.to_owned(), value: Secret::new(value), networking };
        let new = NewCredential { name: name.to_owned(), metadata: BTreeMap::new(), auth };
        self.vaults.create_credential(&self.stage.project, &self.vault, new).await.unwrap().id
    }

    async fn in_an_environment(&self, network: NetworkSettings) -> OfEnvironment {
        let held = self.vaults.hold(&self.stage.project, vec![self.vault.clone()]).await;
        OfEnvironment::new(Some(held), &settings(network))
    }
}

fn network(access: NetworkAccess) -> NetworkSettings {
    NetworkSettings { access, ..NetworkSettings::default() }
}

fn only(domains: &[&str]) -> NetworkSettings {
    let allowed_domains = domains.iter().map(|domain| (*domain).to_owned()).collect();
    NetworkSettings { allowed_domains, ..network(NetworkAccess::Restricted) }
}

fn at(secrets: &OfEnvironment, host: &str) -> Vec<Substitution> {
    secrets.of(&Host::parse(host).unwrap())
}

fn pair(credential: &str, value: &str) -> Substitution {
    Substitution::new(format!("outcrop-secret-{credential}"), value).unwrap()
}

#[tokio::test]
async fn a_secret_goes_to_its_own_hosts_alone() {
    let full = Full::new().await;
    let id = full.variable("A", "value-a", Some(&["API.example.com", "192.0.2.1"])).await;
    for network in [network(NetworkAccess::Enabled), only(&["other.example"])] {
        let secrets = full.in_an_environment(network).await;
        for host in ["api.example.com", "API.EXAMPLE.COM.", "192.0.2.1"] {
            assert_eq!(at(&secrets, host), [pair(&id, "value-a")], "{host}");
        }
        for host in ["example.com", "x.api.example.com", "api.example.com.evil.test", "other.example", "192.0.2.2"] {
            assert_eq!(at(&secrets, host), [], "{host}");
        }
    }
}

#[tokio::test]
async fn without_hosts_of_its_own_it_goes_to_those_that_the_environment_names() {
    let full = Full::new().await;
    let id = full.variable("A", "value-a", None).await;
    let secrets = full.in_an_environment(only(&["one.example", "two.example"])).await;
    assert_eq!(at(&secrets, "two.example"), [pair(&id, "value-a")]);
    assert_eq!(at(&secrets, "x.two.example"), []);
    let all_but =
        NetworkSettings { blocked_domains: vec!["three.example".to_owned()], ..network(NetworkAccess::Restricted) };
    // A list that does not count where the network is not restricted.
    let open = NetworkSettings { access: NetworkAccess::Enabled, ..only(&["one.example"]) };
    for nowhere in [network(NetworkAccess::Disabled), network(NetworkAccess::Enabled), open, all_but] {
        let secrets = full.in_an_environment(nowhere.clone()).await;
        assert_eq!(at(&secrets, "one.example"), [], "{nowhere:?}");
        assert_eq!(secrets.variables().len(), 1, "its placeholder is there all the same");
    }
}

#[tokio::test]
async fn commands_see_placeholders() {
    let full = Full::new().await;
    let id = full.variable("A", "value-a", None).await;
    let secrets = full.in_an_environment(only(&["one.example"])).await;
    assert_eq!(secrets.variables(), [("A".to_owned(), format!("outcrop-secret-{id}"))].into());
    let none = OfEnvironment::new(None, &settings(only(&["one.example"])));
    assert_eq!((none.variables(), at(&none, "one.example")), (BTreeMap::new(), vec![]));
}

#[tokio::test]
async fn what_was_changed_counts_at_once() {
    let full = Full::new().await;
    let (project, vault) = (&full.stage.project, &full.vault);
    let secrets = full.in_an_environment(only(&["one.example"])).await;
    assert_eq!(at(&secrets, "one.example"), []);
    let id = full.variable("A", "value-a", None).await;
    assert_eq!(at(&secrets, "one.example"), [pair(&id, "value-a")]);
    let change = AuthChange::EnvironmentVariable { value: Secret::new("value-b") };
    let change = CredentialChange { auth: Some(change), metadata: None };
    full.vaults.update_credential(project, vault, &id, change).await.unwrap();
    assert_eq!(at(&secrets, "one.example"), [pair(&id, "value-b")]);
    full.vaults.delete_credential(project, vault, &id).await.unwrap();
    assert_eq!((at(&secrets, "one.example"), secrets.variables().len()), (vec![], 0));
}

#[tokio::test]
async fn an_environment_that_runs_has_the_vaults_of_the_session_that_takes_it() {
    let full = Full::new().await;
    let hosting = full.stage.hosting().await;
    let (project, session) = (&full.stage.project, SessionId::new("sess_1"));
    let id = full.variable("A", "value-a", None).await;
    let wanted = Wanted { network: Some(only(&["one.example"])), ..Wanted::default() };
    let hosted = hosting.claim(project, &session, Claim::New(Box::new(wanted))).await.unwrap();
    let seat = hosting.seat(project, hosted.id.as_str());
    let secrets = hosting.inner.secrets_of(&seat, &hosted).await;
    assert_eq!((at(&secrets, "one.example"), secrets.variables().len()), (vec![], 0));
    hosting.attach(project, &session, vec![full.vault.clone()]).await.unwrap();
    assert_eq!(at(&secrets, "one.example"), [pair(&id, "value-a")]);
    assert_eq!(secrets.variables().len(), 1);
    // And so it has after its next start.
    let again = hosting.inner.secrets_of(&seat, &hosted).await;
    assert_eq!(at(&again, "one.example"), [pair(&id, "value-a")]);
    drop((secrets, again));
    assert!(hosting.inner.secrets_now(&seat.id).is_none(), "nothing is held of what does not run");
}
