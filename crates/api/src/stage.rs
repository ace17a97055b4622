//! What tests stand on: a clock that is moved by hand, chance that is none, and a whole server in a simulated world.

use crate::{Door, Limits, router};
use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use runtime::World;
use serde_json::Value;
use sim::{MemStore, Sim};
use std::collections::BTreeMap;
use std::future::{Future, pending};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tower_service::Service;
use types::{BoxFuture, Clock, Entropy, ModelRules, ProjectId, Rules, Timestamp};
use vaults::{Around, Ring, TokenEndpoint, TokenRequest, Unanswered, Vaults};

/// Every route, over the very runtime. Any model can be named and none answers.
pub struct Server {
    sim: Sim,
    router: Router,
    door: Arc<Door>,
    secret: String,
    authorization: String,
}

/// No token endpoint is ever reached.
struct Nowhere;

impl TokenEndpoint for Nowhere {
    fn post<'a>(&'a self, _: &'a TokenRequest) -> BoxFuture<'a, Result<vaults::Answer, Unanswered>> {
        Box::pin(async { Err(Unanswered::Forbidden("there is no network".to_owned())) })
    }
}

/// What it answered.
pub struct Answer {
    pub status: StatusCode,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }
}

impl Server {
    pub fn new(seed: u64) -> Self {
        Self::start(seed, None)
    }

    /// One whose sessions may have environments.
    pub fn with_environments(seed: u64) -> Self {
        Self::start(seed, Some("https://host/v1/agents/api".into()))
    }

    fn start(seed: u64, remote_url: Option<Arc<str>>) -> Self {
        let sim = Sim::new(seed);
        let models = BTreeMap::from([("*".to_owned(), ModelRules::default())]);
        let world = World {
            clock: sim.clock(),
            entropy: sim.entropy(),
            spawn: sim.spawn(),
            store: MemStore::new(&sim),
            models: Arc::default(),
            tools: Arc::new(types::NoTools),
            rules: Arc::new(Rules { models, ..Rules::default() }),
        };
        let (clock, entropy) = (world.clock.clone(), world.entropy.clone());
        let files = runtime::Files::new(world.clone());
        let vaults = Vaults::new(Around {
            clock: clock.clone(),
            entropy: entropy.clone(),
            spawn: world.spawn.clone(),
            store: world.store.clone(),
            root: Arc::new(Ring::new([[7; 32]], entropy.clone())),
            endpoint: Arc::new(Nowhere),
        });
        let recall = recall::Recall::new(recall::Around {
            clock: clock.clone(),
            entropy: entropy.clone(),
            spawn: world.spawn.clone(),
            store: world.store.clone(),
        });
        let started = async {
            let beside = World { store: MemStore::new(&sim), ..world.clone() };
            let (handle, catalog) = runtime::start(world).await.unwrap();
            let (passing, _) = runtime::start(beside).await.unwrap();
            let key = catalog.create_key(&ProjectId::new("default"), Vec::new()).await.unwrap();
            (handle, passing, catalog, key.secret)
        };
        let (handle, passing, catalog, secret) = sim.run(started).unwrap();
        let door = Door {
            handle,
            passing,
            journal: true,
            catalog,
            models: Arc::default(),
            files,
            vaults,
            recall,
            clock,
            entropy,
            traffic: Arc::default(),
            limits: Limits::default(),
            remote_url,
            rendezvous: None,
            hosting: None,
            no_hosting: Arc::default(),
            access_secrets: None,
            aws: crate::Aws::default(),
        };
        let (authorization, kept) = (format!("Bearer {secret}"), Arc::new(door.clone()));
        Self { sim, router: router(door), door: kept, secret, authorization }
    }

    /// What its routes are given, and the key that opens them.
    pub fn door(&self) -> (Arc<Door>, &str) {
        (Arc::clone(&self.door), &self.secret)
    }

    pub fn run<T>(&self, future: impl Future<Output = T>) -> T {
        self.sim.run(future).unwrap()
    }

    pub fn get(&self, path: &str) -> impl Future<Output = Answer> + use<> {
        self.ask(Method::GET, path, Body::empty(), &[])
    }

    pub fn delete(&self, path: &str) -> impl Future<Output = Answer> + use<> {
        self.ask(Method::DELETE, path, Body::empty(), &[])
    }

    pub fn post(&self, path: &str, body: &str, headers: &[(&str, &str)]) -> impl Future<Output = Answer> + use<> {
        self.ask(Method::POST, path, Body::from(body.to_owned()), headers)
    }

    fn ask(
        &self,
        method: Method,
        path: &str,
        body: Body,
        headers: &[(&str, &str)],
    ) -> impl Future<Output = Answer> + use<> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in [
            ("authorization", self.authorization.as_str()),
            ("openai-beta", "agents=v1"),
            ("content-type", "application/json"),
        ]
        .iter()
        .chain(headers)
        {
            request = request.header(*name, *value);
        }
        let (mut router, request) = (self.router.clone(), request.body(body).unwrap());
        async move {
            let response = router.call(request).await.unwrap();
            let status = response.status();
            let bytes = response.into_body().collect().await.unwrap().to_bytes();
            Answer { status, text: String::from_utf8(bytes.to_vec()).unwrap() }
        }
    }
}

/// Time stands still until `rushes`: then every sleep ends at once, and the time is as if it had been slept.
#[derive(Default)]
pub struct HandClock {
    pub rushes: AtomicBool,
    passed: Arc<AtomicU64>,
}

impl HandClock {
    pub fn rushing() -> Self {
        Self { rushes: AtomicBool::new(true), passed: Arc::default() }
    }

    pub fn advance(&self, duration: Duration) {
        pass(&self.passed, duration);
    }
}

fn pass(passed: &AtomicU64, duration: Duration) {
    passed.fetch_add(u64::try_from(duration.as_millis()).unwrap(), Ordering::Relaxed);
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.passed.load(Ordering::Relaxed))
    }
    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.passed.load(Ordering::Relaxed))
    }
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        if self.rushes.load(Ordering::Relaxed) || duration.is_zero() {
            let passed = Arc::clone(&self.passed);
            Box::pin(async move { pass(&passed, duration) })
        } else {
            Box::pin(pending())
        }
    }
}

/// Draws nothing but sevens.
pub struct Sevens;

impl Entropy for Sevens {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}
