//! The socket: accepts connections and hands requests to the router, within bounds: the time and the size of a head, and
//! how many may be here at once. Bodies and streams are bounded by the doors. It knows no route.

use axum::Router;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tower_service::Service;
use types::{BoxFuture, Clock, Spawn};

/// Time for a request's head; also how long an unused connection is kept.
const HEAD_TIME: Duration = Duration::from_secs(30);
/// All headers of a request together, bytes.
const HEAD_SIZE: u32 = 64 << 10;
/// How long answers may take to leave after the end was asked for.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// Pause after the kernel refused a connection (mostly: no file left).
const BREATH: Duration = Duration::from_millis(50);

/// What a connection needs.
#[derive(Clone)]
pub struct Server {
    pub app: Router,
    pub clock: Arc<dyn Clock>,
    pub spawn: Arc<dyn Spawn>,
    /// Connections at one time; more wait in the kernel's queue.
    pub connections: usize,
}

impl Server {
    /// Serves until `stop` says true; then lets answers end for a moment.
    pub async fn run(self, listener: TcpListener, mut stop: watch::Receiver<bool>) {
        let places = Arc::new(Semaphore::new(self.connections));
        let graceful = GracefulShutdown::new();
        loop {
            let next = async {
                let place = places.clone().acquire_owned().await;
                (place, listener.accept().await)
            };
            let (place, accepted) = tokio::select! {
                biased;
                // An error means that nobody is left who could say stop: that is one too.
                _ = stop.wait_for(|stop| *stop) => break,
                next = next => next,
            };
            match accepted {
                Ok((stream, _)) => {
                    let connection = self.connection(stream, &graceful);
                    let task = async move {
                        connection.await;
                        drop(place);
                    };
                    self.spawn.spawn("connection", Box::pin(task));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    self.clock.sleep(BREATH).await;
                }
            }
        }
        drop(listener);
        tokio::select! {
            () = graceful.shutdown() => {}
            () = self.clock.sleep(LAST_WORDS) => tracing::info!("some connections were still open at the end"),
        }
    }

    fn connection(&self, stream: TcpStream, graceful: &GracefulShutdown) -> BoxFuture<'static, ()> {
        // Deltas are small and each is worth sending.
        let _ = stream.set_nodelay(true);
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIME)
            .max_buf_size(HEAD_SIZE as usize)
            .http2()
            .timer(TokioTimer::new())
            .max_header_list_size(HEAD_SIZE)
            .max_concurrent_streams(256)
            .keep_alive_interval(HEAD_TIME)
            .keep_alive_timeout(HEAD_TIME);
        // hyper's own time for a head begins only when it knows which version of HTTP it hears.
        let begun = Arc::new(AtomicBool::new(false));
        let (app, heard) = (self.app.clone(), begun.clone());
        let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
            heard.store(true, Ordering::Relaxed);
            app.clone().call(request)
        });
        let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned();
        let connection = graceful.watch(connection);
        let silence = self.clock.sleep(HEAD_TIME);
        Box::pin(async move {
            tokio::pin!(connection);
            let end = tokio::select! {
                end = &mut connection => end,
                () = silence => {
                    if !begun.load(Ordering::Relaxed) {
                        tracing::debug!("a connection said nothing for too long");
                        return;
                    }
                    connection.await
                }
            };
            if let Err(error) = end {
                tracing::debug!(error, "a connection broke off");
            }
        })
    }
}
