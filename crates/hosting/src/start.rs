//! From a disk to an environment that runs, and from a sandbox that an earlier server left to one that this server has.

use crate::disk::Disk;
use crate::hosting::{Hosting, Inner};
use crate::live::{Keep, Live, Parts, Place};
use crate::record::{Environment, Setup};
use crate::rows::SETUPS;
use crate::seat::Seat;
use crate::{link, plan};
use egress::{Authority, Limits, Proxy, Rules, Secrets, Surroundings};
use environments::client;
use rustls::RootCertStore;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long an executor may take to answer.
const ANSWER: Duration = Duration::from_secs(60);

/// The machine's certificates, read the first time that they are needed.
#[derive(Default)]
pub(crate) struct Trust(std::sync::OnceLock<(Arc<RootCertStore>, String)>);

impl Trust {
    /// Blocks the first time.
    fn get(&self) -> &(Arc<RootCertStore>, String) {
        self.0.get_or_init(|| (Arc::new(egress::system_roots()), egress::system_certificates()))
    }
}

impl Hosting {
    /// Starts a sandbox on the disk that there is. Why not, in words for the session.
    pub(crate) async fn start(
        &self,
        seat: &Seat,
        row: &Environment,
        rules: Rules,
        place: Place,
    ) -> Result<Arc<Live>, String> {
        let inner = &self.inner;
        let setup: Option<Setup> = inner.rows.read(&seat.project, SETUPS, &seat.id).await.map_err(|refusal| {
            tracing::warn!(environment = seat.id, %refusal, "what an environment is made of cannot be read");
            refusal.message
        })?;
        let _start = inner.starts.acquire().await.map_err(|error| error.to_string())?;
        let folder = inner.folder(&seat.id);
        let disk = Disk::new(&folder);
        let secrets = inner.secrets_of(seat, &row.settings).await;
        let mut variables = setup.unwrap_or_default().env;
        variables.extend(secrets.variables());
        let mut plan = plan::plan(&inner.settings, &row.settings, &variables, &folder, disk.folder());
        let guests = row.guest.as_ref().map(|guest| guest.code.as_path());
        // The runtime that it is of may be gone.
        let code = guests.or_else(|| row.code.as_deref().filter(|code| code.is_dir()));
        plan.binds.extend(code.map(plan::code));
        let (whole, at, known) = (inner.clone(), folder.clone(), secrets.clone());
        let started = blocking(move || {
            let proxy = whole.way_out(rules, &at, known)?;
            let socket = link::listen(&at).map_err(|error| format!("its socket: {error}"))?;
            let running = whole.around.driver.start(&plan, Some(socket.into())).map_err(|error| error.to_string())?;
            Ok((running, proxy))
        });
        let (running, proxy) = started.await.map_err(|why| {
            tracing::warn!(environment = seat.id, why, "a sandbox could not be started");
            format!("the sandbox could not be started: {why}")
        })?;
        let live = self.join(seat, Parts { running, proxy, folder, session: None, secrets, place });
        if self.answers(&live).await {
            return Ok(live);
        }
        live.end().await;
        Err("the sandbox was started, and its executor does not answer".to_owned())
    }

    /// The sandbox of an earlier server, where there is one.
    pub(crate) async fn find(&self, seat: &Seat, row: &Environment, place: Place) -> Option<Arc<Live>> {
        let inner = &self.inner;
        let _start = inner.starts.acquire().await.ok()?;
        let folder = inner.folder(&seat.id);
        let rules = plan::rules(&row.settings.network).unwrap_or_default();
        let secrets = inner.secrets_of(seat, &row.settings).await;
        let (whole, at, known) = (inner.clone(), folder.clone(), secrets.clone());
        let found = blocking(move || {
            let Some(running) = whole.resume(&at) else { return Ok(None) };
            Ok(Some((running, whole.way_out(rules, &at, known)?)))
        });
        let (running, proxy) = match found.await {
            Ok(found) => found?,
            Err(why) => {
                tracing::warn!(environment = seat.id, why, "a sandbox of an earlier server cannot be taken over");
                return None;
            }
        };
        let session = row.executor_session.clone();
        let live = self.join(seat, Parts { running, proxy, folder, session, secrets, place });
        if self.answers(&live).await {
            return Some(live);
        }
        live.end().await;
        None
    }

    /// Ends what an earlier server left in that folder, where it does.
    pub(crate) async fn end_left(&self, folder: &Path) {
        let (whole, at) = (self.inner.clone(), folder.to_owned());
        // Dropped, it ends.
        let _ = blocking(move || Ok(whole.resume(&at).map(drop))).await;
    }

    async fn answers(&self, live: &Live) -> bool {
        tokio::select! {
            biased;
            connected = live.connected() => connected,
            () = self.inner.around.clock.sleep(ANSWER) => false,
        }
    }

    pub(crate) fn join(&self, seat: &Seat, parts: Parts) -> Arc<Live> {
        let around = &self.inner.around;
        let (clock, entropy, spawn) = (around.clock.clone(), around.entropy.clone(), around.spawn.clone());
        let (inner, project, id) = (Arc::downgrade(&self.inner), seat.project.clone(), seat.id.clone());
        let keep: Keep = Arc::new(move |session| {
            let (inner, project, id) = (inner.clone(), project.clone(), id.clone());
            Box::pin(async move {
                let Some(inner) = inner.upgrade() else { return false };
                inner.change(&project, &id, |row| row.executor_session = Some(session)).await.is_ok()
            })
        });
        Live::begin(parts, keep, self.inner.ways.clone(), client::World { clock, entropy, spawn })
    }
}

impl Inner {
    /// Blocks. The certificates that are believed inside are written anew: the authority is a new one.
    pub(crate) fn way_out(&self, rules: Rules, folder: &Path, secrets: Arc<dyn Secrets>) -> Result<Proxy, String> {
        let now = self.around.clock.now();
        let authority = Arc::new(Authority::create(now).map_err(|error| error.to_string())?);
        let (roots, certificates) = self.trust.get();
        let bundle = format!("{certificates}{}", authority.certificate_pem());
        // In its place: a sandbox that runs sees this very file.
        std::fs::write(folder.join(plan::BUNDLE), bundle).map_err(|error| format!("its certificates: {error}"))?;
        let around = Surroundings {
            resolver: Arc::new(self.lookups.of_one()),
            secrets,
            authority,
            roots: roots.clone(),
            clock: self.around.clock.clone(),
        };
        Proxy::new(rules, Limits::default(), around).map_err(|error| error.to_string())
    }

    /// Blocks.
    fn resume(&self, folder: &Path) -> Option<sandbox::Running> {
        match self.around.driver.resume(&folder.join(plan::CONTROL)) {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(%error, "a sandbox of an earlier server cannot be found");
                None
            }
        }
    }
}

/// A panic in it is a defect, and told as one.
#[expect(clippy::disallowed_methods, reason = "an edge: the driver and the disk block their thread")]
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(error.to_string()))
}
