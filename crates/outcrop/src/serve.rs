//! `outcrop serve`: puts the parts together, serves, and takes them apart in order. Nothing is kept here; whatever was
//! answered is in the store, so that a kill at any moment costs nothing but time.

use crate::cli::Hidden;
use crate::configuration::{Configuration, Task};
use crate::data::DataFolder;
use crate::hosting::Environments;
use crate::http::Server;
use crate::identity::{self, Entrance};
use crate::rendezvous;
use crate::signals::Signals;
use crate::{address, assembly, hosting, metrics, terminal, vault};
use anyhow::{Context, Result, bail};
use api::{Door, Traffic};
use axum::Router;
use axum::routing::get;
use models::Models;
use recall::Recall;
use runtime::{Catalog, Files, Handle, World};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use store::Sqlite;
use store::Store;
use store::memory::MemoryStore;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tools::Toolbox;
use types::Clock;
use vaults::Vaults;

/// Files beside connections: the store's, the log's, upstreams'.
const OTHER_FILES: usize = 256;
/// How often the store's health is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long a server whose store has stopped still answers 503.
const FAREWELL: Duration = Duration::from_secs(1);
/// How long sockets may take to be closed; the server of HTTP does not know them any more.
const GOODBYE: Duration = Duration::from_secs(5);

/// Why it ended.
enum End {
    Asked,
    StoreStopped,
    /// Another server has begun on the same data.
    Superseded,
}

impl End {
    fn failure(&self) -> Option<&'static str> {
        match self {
            Self::Asked => None,
            Self::StoreStopped => Some("the store has stopped"),
            Self::Superseded => Some("another server has begun on this data folder"),
        }
    }
}

async fn vaults(configuration: &Configuration, data: &DataFolder, around: &hosting::World) -> Result<Vaults> {
    let http = Arc::new(vault::http(configuration, around)?);
    vault::prepare(configuration, data, around, Arc::new(vault::Endpoint(http))).await
}

/// What agents remember, and what of it is over goes from now on.
fn memories(around: &hosting::World) -> Recall {
    let hosting::World { clock, entropy, spawn, store } = around.clone();
    let recall = Recall::new(recall::Around { clock, entropy, spawn, store });
    recall.keep_swept();
    recall
}

/// The same world for what is not journaled, with so many bytes of memory instead of the disk.
fn beside(world: &World, bytes: usize) -> World {
    World { store: Arc::new(MemoryStore::new(bytes)), ..world.clone() }
}

fn open(configuration: &Configuration) -> Result<(DataFolder, hosting::World)> {
    let data = DataFolder::create(&configuration.data)?;
    let store = Sqlite::open(data.path()).context("the store cannot be opened")?;
    Ok((data, hosting::World::real(Arc::new(store))))
}

/// What serves, begun and not yet reachable.
struct Started {
    environments: Environments,
    tools: Arc<Toolbox>,
    files: Files,
    vaults: Vaults,
    catalog: Catalog,
    handle: Handle,
    passing: Handle,
}

async fn start(
    configuration: &Configuration,
    data: &DataFolder,
    around: &hosting::World,
    models: Models,
    room: &Room,
) -> Result<Started> {
    let vaults = vaults(configuration, data, around).await?;
    let environments = Environments::prepare(configuration, data, around.clone(), room.environments, vaults.clone());
    let tools = assembly::toolbox(configuration, around, &environments, vaults.clone())?;
    let world = environments.world(models, assembly::rules(configuration), tools.clone());
    let (files, beside) = (Files::new(world.clone()), beside(&world, configuration.unjournaled));
    let (handle, catalog) = runtime::start(world).await.context("the runtime cannot start")?;
    environments.begin(&handle, &files).await?;
    let (passing, _) = runtime::start(beside).await.context("the runtime cannot start")?;
    around.spawn.spawn("expired files", Box::pin(files.clone().sweep()));
    Ok(Started { environments, tools, files, vaults, catalog, handle, passing })
}

pub async fn run(configuration: &Configuration, hidden: &Hidden) -> Result<()> {
    let for_parent = hidden.while_stdin_is_open;
    let room = make_room(configuration.limits.streams, configuration.environments.hosted);
    let (data, around) = open(configuration)?;
    let hosting::World { clock, entropy, spawn, store } = around.clone();
    let models = assembly::models(configuration, &data, &clock, &entropy, hidden.call_first)?;
    let listener = bind(configuration).await?;
    let listening = listener.local_addr()?;
    let mut signals = Signals::new()?;
    let Started { environments, tools, files, vaults, catalog, handle, passing } =
        start(configuration, &data, &around, models, &room).await?;
    let entrance = identity::ensure(configuration, &data, &catalog, &*store, &*clock).await?;
    show_key(&entrance, for_parent);
    let traffic = Arc::new(Traffic::default());
    let app = routes(Door {
        handle: handle.clone(),
        passing: passing.clone(),
        journal: configuration.journal,
        catalog,
        models: Arc::new(directory(configuration)),
        files,
        vaults,
        recall: memories(&around),
        clock: clock.clone(),
        entropy,
        traffic: traffic.clone(),
        limits: api::Limits { body: configuration.body, streams: configuration.limits.streams },
        remote_url: Some(rendezvous::remote_url(configuration, listening)),
        rendezvous: Some(environments.rendezvous.clone()),
        access_secrets: Some(Arc::new(identity::root::Secrets::new(configuration, &data))),
        hosting: environments.hosting.clone(),
        no_hosting: environments.no_hosting.clone(),
        aws: aws(configuration),
    });
    let (stop, stopped) = watch::channel(false);
    let server = Server { app, clock: clock.clone(), spawn, connections: room.connections };
    let served = server.run(listener, stopped);
    tokio::pin!(served);

    announce(&data, listening)?;
    let end = tokio::select! {
        end = ended(&mut signals, for_parent, &*store, &*clock) => end,
        () = handle.draining() => End::Superseded,
        () = &mut served => bail!("the server stopped listening"),
    };
    let taken_apart = async {
        match end.failure() {
            None => {
                environments.begin_ending();
                drain([&handle, &passing], configuration.drain, &mut served).await;
                tools.end().await;
                environments.stop().await;
            }
            Some(failure) => {
                tracing::error!("{failure}; answering 503 and ending");
                say_farewell(&*clock, &mut served).await;
            }
        }
        let _ = stop.send(true);
        served.await;
        sockets_closed(&traffic, &*clock).await;
    };
    tokio::select! {
        () = taken_apart => {}
        () = signals.next() => tracing::warn!("ending at once; unfinished work goes on at the next start"),
    }
    environments.leave();
    outcome(&end, &data, &*store)
}

/// What cannot be copied now is copied at the next start.
fn settle(data: &DataFolder) {
    if let Err(error) = Sqlite::settle(data.path()) {
        tracing::warn!(%error, "the log of the database stays: what was deleted lately may still be in it");
    }
}

/// Whoever looks for this server finds it from now on.
fn announce(data: &DataFolder, listening: SocketAddr) -> Result<()> {
    types::failpoint!(BeforeListening);
    address::publish(data, listening)?;
    terminal::say(format_args!("listening on http://{listening}"));
    Ok(())
}

async fn ended(signals: &mut Signals, for_parent: bool, store: &dyn Store, clock: &dyn Clock) -> End {
    tokio::select! {
        () = signals.next() => End::Asked,
        () = parent_gone(), if for_parent => End::Asked,
        () = store_stopped(store, clock) => End::StoreStopped,
    }
}

/// A disk that has failed may not take the address back either: that is not why the server ends.
fn outcome(end: &End, data: &DataFolder, store: &dyn Store) -> Result<()> {
    match end {
        End::Asked => {
            if store.is_healthy() {
                settle(data);
            }
            address::withdraw(data)
        }
        End::StoreStopped => {
            let _ = address::withdraw(data);
            bail!("the store stopped after a failed write; see the log, check the disk, start again")
        }
        // The address that stands there is the other's.
        End::Superseded => bail!("another server has begun on this data folder; only one may serve it"),
    }
}

/// The one time that a key which was just made can be shown. A parent shows it itself.
fn show_key(entrance: &Entrance, for_parent: bool) {
    if let (Entrance::Made(key), false) = (entrance, for_parent) {
        terminal::warn(format_args!("API key of this server, shown this once and kept in DATA/api-key: {key}"));
    }
}

/// Whoever asks now is told that nothing is taken any more.
async fn say_farewell(clock: &dyn Clock, served: &mut (impl Future<Output = ()> + Unpin)) {
    tokio::select! { () = clock.sleep(FAREWELL) => {}, () = served => {} }
}

/// Answers go on while running work ends.
async fn drain(handles: [&Handle; 2], time: Duration, served: &mut (impl Future<Output = ()> + Unpin)) {
    tracing::info!("draining: no new work; what runs may end");
    tokio::select! {
        _ = futures_util::future::join_all(handles.map(|handle| handle.drain(time))) => {}
        () = served => {}
    }
}

/// What clients of Bedrock call the models.
fn directory(configuration: &Configuration) -> api::Directory {
    let entries = configuration.models.iter();
    api::Directory::new(
        entries.flat_map(|entry| entry.names().map(move |name| (name.clone(), entry.task == Task::Embedding))),
    )
}

fn aws(configuration: &Configuration) -> api::Aws {
    let said = &configuration.aws;
    api::Aws::new(said.account.clone(), said.strict, said.unsigned_payload)
}

/// The doors, and `/metrics`, which counts what goes through them.
fn routes(door: Door) -> Router {
    let (handles, traffic) = ([door.handle.clone(), door.passing.clone()], door.traffic.clone());
    let show = async move || {
        (
            [(axum::http::header::CONTENT_TYPE, metrics::CONTENT_TYPE)],
            metrics::text(&traffic, &handles.each_ref().map(Handle::activity)),
        )
    };
    Router::new().route("/metrics", get(show)).merge(api::router(door))
}

async fn bind(configuration: &Configuration) -> Result<TcpListener> {
    let listen = configuration.listen;
    TcpListener::bind(listen).await.with_context(|| {
        format!("cannot listen on {listen}; name another address with --listen (port 0 takes a free one)")
    })
}

/// How many open files there are for whom.
#[derive(Debug, PartialEq, Eq)]
struct Room {
    connections: usize,
    environments: usize,
}

impl Room {
    /// Environments have their part beside the doors', and where files are short no more than a third: what runs in them
    /// cannot take the place of whoever calls.
    fn new(files: usize, connections: usize, hosted: bool) -> Self {
        let files = files.saturating_sub(OTHER_FILES);
        let environments = if hosted { ::hosting::FILES.min(files / 3) } else { 0 };
        Self { connections: (files - environments).max(16).min(connections), environments }
    }
}

/// Raises the limit of open files as far as it goes and says what that leaves room for.
fn make_room(streams: usize, hosted: bool) -> Room {
    let connections = streams.saturating_mul(2).saturating_add(1024);
    let wanted = connections + OTHER_FILES + if hosted { ::hosting::FILES } else { 0 };
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(u64::MAX);
    let raised = u64::try_from(wanted).unwrap_or(u64::MAX).min(most).max(limit.current.unwrap_or(most));
    let now = match setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum: limit.maximum }) {
        Ok(()) => raised,
        Err(_) => limit.current.unwrap_or(most),
    };
    let room = Room::new(usize::try_from(now).unwrap_or(usize::MAX), connections, hosted);
    if room.connections < streams {
        tracing::warn!(files = now, streams, "the limit of open files allows fewer streams than are configured");
    }
    room
}

/// Returns when no stream is open, and in any case soon.
async fn sockets_closed(traffic: &Traffic, clock: &dyn Clock) {
    const LOOK: Duration = Duration::from_millis(5);
    let end = clock.monotonic() + GOODBYE;
    while traffic.streams() > 0 && clock.monotonic() < end {
        clock.sleep(LOOK).await;
    }
}

async fn store_stopped(store: &dyn Store, clock: &dyn Clock) {
    while store.is_healthy() {
        clock.sleep(LOOK_EVERY).await;
    }
}

/// Resolves when the standard input is closed: the kernel closes it however the parent ended.
async fn parent_gone() {
    let mut stdin = tokio::io::stdin();
    let mut scrap = [0_u8; 64];
    while matches!(stdin.read(&mut scrap).await, Ok(read) if read > 0) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn environments_leave_the_doors_their_files() {
        let room = |files| Room::new(files, 21_024, true);
        assert_eq!(room(100_000), Room { connections: 21_024, environments: ::hosting::FILES });
        assert_eq!(
            room(24_000),
            Room { connections: 24_000 - OTHER_FILES - ::hosting::FILES, environments: ::hosting::FILES }
        );
        assert_eq!(room(1024), Room { connections: 512, environments: 256 });
        assert_eq!(room(100), Room { connections: 16, environments: 0 });
        assert_eq!(Room::new(1024, 21_024, false), Room { connections: 768, environments: 0 });
    }
}
