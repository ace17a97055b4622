//! Many connections in one second, and what the log has of them.

use super::*;
use crate::{Lookups, NoSecrets};
use std::fmt::Debug;
use tokio::io::AsyncReadExt;
use tracing::field::{Field, Visit as Fields};
use types::{BoxFuture, Timestamp};

/// Stands still until it is set.
#[derive(Default)]
struct Still(AtomicU64);

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp(1_700_000_000_000)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.0.load(Relaxed))
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

/// Counts the log's lines, and adds up what they say was left out.
#[derive(Clone, Default)]
struct Log(Arc<(AtomicU64, AtomicU64)>);

impl Fields for Log {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "left_out" {
            self.0.1.fetch_add(value, Relaxed);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}

impl tracing::Subscriber for Log {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.is_event() && metadata.target().starts_with("egress")
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        self.0.0.fetch_add(1, Relaxed);
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

fn proxy(clock: &Arc<Still>) -> Proxy {
    let around = Surroundings {
        resolver: Arc::new(Lookups::default().of_one()),
        secrets: Arc::new(NoSecrets),
        authority: Arc::new(Authority::create(clock.now()).unwrap()),
        roots: Arc::new(RootCertStore::empty()),
        clock: clock.clone(),
    };
    Proxy::new(Rules::default(), Limits::default(), around).unwrap()
}

async fn refused(proxy: &Proxy, times: usize) {
    for _ in 0..times {
        let (mut client, stream) = tokio::io::duplex(4096);
        client.write_all(b"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n").await.unwrap();
        client.shutdown().await.unwrap();
        proxy.serve(stream).await;
        let mut text = String::new();
        client.read_to_string(&mut text).await.unwrap();
        assert!(text.contains("network_disabled"), "{text}");
    }
}

#[tokio::test]
async fn a_sandbox_does_not_fill_the_log() {
    let log = Log::default();
    let _listening = tracing::subscriber::set_default(log.clone());
    let said = || (log.0.0.load(Relaxed), log.0.1.load(Relaxed));
    let clock = Arc::new(Still::default());
    let proxy = proxy(&clock);
    refused(&proxy, 50).await;
    assert_eq!(said(), (20, 0));
    clock.0.store(999, Relaxed);
    refused(&proxy, 5).await;
    assert_eq!(said(), (20, 0));
    // The next second begins with what the last one left out.
    clock.0.store(1000, Relaxed);
    refused(&proxy, 1).await;
    assert_eq!(said(), (22, 35));
    refused(&proxy, 20).await;
    assert_eq!(said(), (41, 35));
    drop(proxy);
    assert_eq!(said(), (42, 36));
}
