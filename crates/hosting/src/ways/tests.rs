//! More connections than places, and one that the kernel refuses.

use super::*;
use crate::stage::{RealClock, Tasks};
use egress::{Authority, Limits, Lookups, NoSecrets, Rules, Surroundings};
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use types::{BoxFuture, Timestamp};

const HEAD: &[u8] = b"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n";

/// Says that somebody sleeps, who then sleeps no longer.
struct Watched(UnboundedSender<Duration>);

impl Clock for Watched {
    fn now(&self) -> Timestamp {
        Timestamp(1_700_000_000_000)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let _ = self.0.send(duration);
        Box::pin(tokio::task::yield_now())
    }
}

fn ways(places: usize) -> (Ways, UnboundedReceiver<Duration>) {
    let (slept, sleeps) = unbounded_channel();
    let clock = Arc::new(Watched(slept));
    (Ways { places: Arc::new(Semaphore::new(places)), clock, spawn: Arc::new(Tasks) }, sleeps)
}

/// A proxy that refuses everything. Its own time is the machine's.
#[expect(clippy::disallowed_methods, reason = "a test's edge")]
fn proxy() -> Arc<Proxy> {
    let clock: Arc<dyn Clock> = Arc::new(RealClock(Instant::now()));
    let around = Surroundings {
        resolver: Arc::new(Lookups::default().of_one()),
        secrets: Arc::new(NoSecrets),
        authority: Arc::new(Authority::create(clock.now()).unwrap()),
        roots: rustls::RootCertStore::empty().into(),
        clock,
    };
    Arc::new(Proxy::new(Rules::default(), Limits::default(), around).unwrap())
}

/// An environment's door, open from now on.
fn door(ways: &Ways, is_over: &watch::Receiver<bool>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    ways.spawn.spawn("way", Box::pin(ways.clone().serve(listener, proxy(), is_over.clone())));
    address
}

async fn answer(mut stream: TcpStream) -> String {
    stream.write_all(HEAD).await.unwrap();
    let mut text = String::new();
    let _ = stream.read_to_string(&mut text).await;
    text
}

#[tokio::test]
async fn environments_share_the_places_that_there_are() {
    let (ways, _sleeps) = ways(1);
    let (_over, is_over) = watch::channel(false);
    let (one, other) = (door(&ways, &is_over), door(&ways, &is_over));
    let held = TcpStream::connect(one).await.unwrap();
    while ways.places.available_permits() > 0 {
        tokio::task::yield_now().await;
    }
    let mut waits = Box::pin(answer(TcpStream::connect(other).await.unwrap()));
    tokio::select! {
        biased;
        text = &mut waits => panic!("served beyond the places: {text}"),
        () = async { for _ in 0..1000 { tokio::task::yield_now().await } } => {}
    }
    drop(held);
    let text = waits.await;
    assert!(text.contains("network_disabled"), "{text}");
}

#[tokio::test]
async fn a_connection_that_cannot_be_accepted_is_not_the_last() {
    let (ways, mut sleeps) = ways(4);
    let (over, is_over) = watch::channel(false);
    // A socket at which nothing can be accepted yet.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let same = TcpListener::from(socket.as_fd().try_clone_to_owned().unwrap());
    ways.spawn.spawn("way", Box::pin(ways.clone().serve(same, proxy(), is_over)));
    assert_eq!(sleeps.recv().await, Some(BREATH));
    assert_eq!(sleeps.recv().await, Some(BREATH));
    over.send_replace(true);
}
