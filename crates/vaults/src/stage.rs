//! What tests stand on: a store in memory, chance that counts, a token endpoint that says what it is told to.

use crate::auth::{EndpointAuth, Networking, NewAuth, NewCredential, NewRefresh, Refresh};
use crate::refresh::endpoint::{Answer, TokenEndpoint, TokenRequest, Unanswered};
use crate::root::{Ring, RootKey};
use crate::secret::Secret;
use crate::vaults::{Around, Vaults};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use store::KeyRow;
use store::memory::MemoryStore;
use tokio::sync::Semaphore;
use types::{BoxFuture, Clock, Entropy, KeyId, ProjectId, Spawn, Task, Timestamp};

/// Bytes that differ each time.
#[derive(Default)]
pub(crate) struct Counting(AtomicU64);

impl Entropy for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        for piece in bytes.chunks_mut(8) {
            let next = self.0.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
            piece.copy_from_slice(&next[..piece.len()]);
        }
    }
}

/// Moved by hand; whoever sleeps is woken at once, except that nobody's patience ends.
pub(crate) struct Hand(AtomicU64);

impl Hand {
    pub(crate) fn pass(&self, seconds: u64) {
        self.0.fetch_add(seconds * 1000, Ordering::Relaxed);
    }
}

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            if duration >= Duration::from_secs(30) {
                std::future::pending::<()>().await;
            }
        })
    }
}

pub(crate) struct Tasks;

impl Spawn for Tasks {
    #[expect(clippy::disallowed_methods, reason = "tests run on tokio")]
    fn spawn(&self, _name: &'static str, task: Task) {
        tokio::spawn(task);
    }
}

/// Answers in turn; each waits for leave.
pub(crate) struct Endpoint {
    pub(crate) answers: Mutex<VecDeque<Result<(u16, String), Unanswered>>>,
    pub(crate) asked: Mutex<Vec<TokenRequest>>,
    pub(crate) leave: Semaphore,
}

impl Endpoint {
    pub(crate) fn will(&self, status: u16, body: &str) {
        self.answers.lock().unwrap().push_back(Ok((status, body.to_owned())));
    }

    pub(crate) fn will_not(&self, why: Unanswered) {
        self.answers.lock().unwrap().push_back(Err(why));
    }

    /// The forms, each as `name=value` lines.
    pub(crate) fn asked(&self) -> Vec<String> {
        let line = |(name, value): &(&str, Secret)| format!("{name}={}", value.reveal());
        let form = |request: &TokenRequest| request.form.iter().map(line).collect::<Vec<_>>().join("&");
        self.asked.lock().unwrap().iter().map(form).collect()
    }
}

impl TokenEndpoint for Endpoint {
    fn post<'a>(&'a self, request: &'a TokenRequest) -> BoxFuture<'a, Result<Answer, Unanswered>> {
        Box::pin(async {
            self.asked.lock().unwrap().push(request.clone());
            let _leave = self.leave.acquire().await.unwrap();
            let next = self.answers.lock().unwrap().pop_front().expect("nobody thought of this request");
            next.map(|(status, body)| Answer { status, body: body.into_bytes().into() })
        })
    }
}

pub(crate) struct Stage {
    pub(crate) vaults: Vaults,
    pub(crate) around: Around,
    pub(crate) clock: Arc<Hand>,
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) project: ProjectId,
}

pub(crate) fn ring(keys: &[u8]) -> Ring {
    Ring::new(keys.iter().map(|byte| [*byte; 32]), Arc::new(Counting::default()))
}

impl Stage {
    pub(crate) async fn new() -> Self {
        let clock = Arc::new(Hand(AtomicU64::new(1_800_000_000_000)));
        let endpoint = Arc::new(Endpoint {
            answers: Mutex::default(),
            asked: Mutex::default(),
            leave: Semaphore::new(Semaphore::MAX_PERMITS),
        });
        let around = Around {
            clock: clock.clone(),
            entropy: Arc::new(Counting::default()),
            spawn: Arc::new(Tasks),
            store: Arc::new(MemoryStore::new(1 << 30)),
            root: Arc::new(ring(&[1])),
            endpoint: endpoint.clone(),
        };
        let project = ProjectId::from("p");
        for name in ["p", "q"] {
            let key = KeyRow {
                id: KeyId::new(format!("key_{name}")),
                project: ProjectId::from(name),
                hash: name.to_owned(),
                hint: String::new(),
                scopes: Vec::new(),
                created_at: Timestamp(0),
                revoked_at: None,
            };
            around.store.put_key(key).await.unwrap();
        }
        Self { vaults: Vaults::new(around.clone()), around, clock, endpoint, project }
    }

    /// The same store after a new start, with other root keys.
    pub(crate) fn again(&self, root: impl RootKey) -> Vaults {
        Vaults::new(Around { root: Arc::new(root), ..self.around.clone() })
    }

    pub(crate) async fn vault(&self) -> String {
        self.vaults.create(&self.project, None, BTreeMap::new()).await.unwrap().id
    }

    pub(crate) async fn credential(&self, vault: &str, auth: NewAuth) -> String {
        self.vaults.create_credential(&self.project, vault, new(auth)).await.unwrap().id
    }

    /// Everything that is written, as text.
    pub(crate) async fn written(&self, vault: &str) -> String {
        let mut all = String::new();
        for collection in ["vault", "vault_key", &crate::rows::credentials(vault), &crate::rows::sealed(vault)] {
            let (rows, _) = self.around.store.rows(&self.project, collection, crate::vaults::whole()).await.unwrap();
            for row in rows {
                all.push_str(std::str::from_utf8(&row.body).unwrap());
            }
        }
        all
    }
}

pub(crate) fn new(auth: NewAuth) -> NewCredential {
    NewCredential { name: " name ".to_owned(), metadata: BTreeMap::new(), auth }
}

pub(crate) fn bearer(url: &str, token: &str) -> NewAuth {
    NewAuth::StaticBearer { server_url: url.to_owned(), token: Secret::new(token) }
}

pub(crate) fn variable(name: &str, value: &str) -> NewAuth {
    let networking = Networking::Limited { allowed_hosts: vec!["API.example.com".to_owned()] };
    NewAuth::EnvironmentVariable { name: name.to_owned(), value: Secret::new(value), networking }
}

pub(crate) fn oauth(expires_at: Option<&str>, endpoint_auth: EndpointAuth) -> NewAuth {
    NewAuth::McpOauth {
        server_url: "https://mcp.test/mcp".to_owned(),
        access_token: Secret::new("access-1"),
        expires_at: expires_at.map(str::to_owned),
        refresh: Some(NewRefresh {
            refresh: Refresh {
                client_id: "id & co".to_owned(),
                token_endpoint: "https://auth.test/token".to_owned(),
                endpoint_auth,
                scope: Some("a b".to_owned()),
                resource: Some("https://mcp.test".to_owned()),
            },
            refresh_token: Secret::new("refresh-1"),
            client_secret: (endpoint_auth != EndpointAuth::None).then(|| Secret::new("s3cret:%")),
        }),
    }
}
