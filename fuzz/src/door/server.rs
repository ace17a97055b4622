//! A whole server in a simulated world, made anew for every conversation.

use api::{Door, Limits};
use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode, Uri};
use futures_util::future::{Either, select};
use http_body_util::BodyExt;
use models::{Entry, Models, Script};
use recall::Recall;
use runtime::World;
use sim::{MemStore, Sim};
use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tower_service::Service;
use types::{BoxFuture, Clock, ModelRules, NoTools, ProjectId, Rules};
use vaults::{Around, Ring, TokenEndpoint, TokenRequest, Unanswered, Vaults};

/// How long an answer is listened to, in the world's own time: turns of the scripted model are over by then.
const LISTEN: Duration = Duration::from_secs(2);

pub struct Server {
    sim: Sim,
    clock: Arc<dyn Clock>,
    router: Router,
    authorization: String,
}

/// No token endpoint is ever reached.
struct Nowhere;

impl TokenEndpoint for Nowhere {
    fn post<'a>(&'a self, _: &'a TokenRequest) -> BoxFuture<'a, Result<vaults::Answer, Unanswered>> {
        Box::pin(async { Err(Unanswered::Forbidden("there is no network".to_owned())) })
    }
}

pub struct Answer {
    pub status: StatusCode,
    pub is_stream: bool,
    /// Of a stream, what came until nothing more did.
    pub text: String,
}

impl Server {
    pub fn new() -> Self {
        let sim = Sim::new(1);
        let (clock, entropy) = (sim.clock(), sim.entropy());
        let script = Entry {
            model: Arc::new(Script::new(clock.clone(), entropy.clone())),
            upstream_model: None,
            first_byte: Duration::from_secs(60),
            stall: Duration::from_secs(30),
        };
        let rules = BTreeMap::from([("*".to_owned(), ModelRules::default())]);
        let world = World {
            clock: clock.clone(),
            entropy: entropy.clone(),
            spawn: sim.spawn(),
            store: MemStore::new(&sim),
            models: Arc::new(Models { entries: BTreeMap::from([("*".to_owned(), script)]) }),
            tools: Arc::new(NoTools),
            rules: Arc::new(Rules { models: rules, ..Rules::default() }),
        };
        let files = runtime::Files::new(world.clone());
        let vaults = Vaults::new(Around {
            clock: clock.clone(),
            entropy: entropy.clone(),
            spawn: world.spawn.clone(),
            store: world.store.clone(),
            root: Arc::new(Ring::new([[7; 32]], entropy.clone())),
            endpoint: Arc::new(Nowhere),
        });
        let recall = Recall::new(recall::Around {
            clock: clock.clone(),
            entropy: entropy.clone(),
            spawn: world.spawn.clone(),
            store: world.store.clone(),
        });
        let beside = World { store: MemStore::new(&sim), ..world.clone() };
        let started = sim.run(async {
            let (handle, catalog) = runtime::start(world).await.expect("an empty store starts");
            let (passing, _) = runtime::start(beside).await.expect("an empty store starts");
            let key = catalog.create_key(&ProjectId::new("default"), Vec::new()).await.expect("a key can be made");
            (handle, passing, catalog, key.secret)
        });
        let (handle, passing, catalog, secret) = started.expect("starting ends");
        let (limits, traffic, time) = (Limits::default(), Arc::default(), clock.clone());
        let door = Door {
            handle,
            passing,
            journal: true,
            catalog,
            files,
            vaults,
            recall,
            clock: time,
            entropy,
            traffic,
            limits,
            remote_url: None,
            rendezvous: None,
            hosting: None,
            models: Arc::default(),
            no_hosting: Arc::default(),
            access_secrets: None,
            aws: api::Aws::default(),
        };
        Self { sim, clock, router: api::router(door), authorization: format!("Bearer {secret}") }
    }

    /// None where this is no request that HTTP could carry.
    pub fn ask(&self, method: &Method, path: &str, body: String) -> Option<Answer> {
        let uri: Uri = path.parse().ok()?;
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .header("authorization", &self.authorization)
            .header("openai-beta", "agents=v1")
            .header("content-type", "application/json")
            .body(Body::from(body))
            .ok()?;
        let mut router = self.router.clone();
        let answer = self.sim.run(async {
            let response = router.call(request).await.expect("a router has no errors of its own");
            let status = response.status();
            let kind = response.headers().get("content-type").and_then(|value| value.to_str().ok());
            let is_stream = kind.is_some_and(|kind| kind.starts_with("text/event-stream"));
            let mut bytes = Vec::new();
            self.listen(response.into_body(), &mut bytes).await;
            let text = String::from_utf8(bytes).expect("an answer is UTF-8");
            Answer { status, is_stream, text }
        });
        Some(answer.expect("an answer ends"))
    }

    /// Reads until the end, or until the time is over.
    async fn listen(&self, mut body: Body, bytes: &mut Vec<u8>) {
        let mut over = pin!(self.clock.sleep(LISTEN));
        loop {
            match select(pin!(body.frame()), over.as_mut()).await {
                Either::Left((Some(Ok(frame)), _)) => bytes.extend(frame.data_ref().into_iter().flatten()),
                Either::Left(_) | Either::Right(_) => return,
            }
        }
    }
}
