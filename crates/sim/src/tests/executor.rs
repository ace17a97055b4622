//! The schedule is the seed's, and nobody else's.

use crate::{Sim, Stuck, Trace};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore, mpsc, oneshot, watch};

/// Ten tasks that sleep, speak and wait for each other; what they said in which order, and the schedule.
fn busy(seed: u64) -> (Vec<(u64, u64)>, Trace, [u8; 16]) {
    let sim = Sim::new(seed);
    let (tell, mut hear) = mpsc::channel(4);
    let said = sim.run(async {
        for number in 0..10 {
            let (clock, tell) = (sim.clock(), tell.clone());
            let task = async move {
                for _ in 0..5 {
                    clock.sleep(Duration::from_millis(number % 3)).await;
                    if tell.send((number, clock.now().0)).await.is_err() {
                        return;
                    }
                }
            };
            sim.spawn().spawn("speaker", Box::pin(task));
        }
        drop(tell);
        let mut said = Vec::new();
        while let Some(word) = hear.recv().await {
            said.push(word);
        }
        said
    });
    let mut bytes = [0; 16];
    sim.entropy().fill(&mut bytes);
    (said.unwrap(), sim.trace(), bytes)
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in 0..10 {
        assert_eq!(busy(seed), busy(seed));
    }
}

#[test]
fn another_seed_is_another_run() {
    let runs: Vec<_> = (0..10).map(busy).collect();
    for (n, one) in runs.iter().enumerate() {
        assert_eq!(one.0.len(), 50);
        for other in &runs[n + 1..] {
            assert_ne!(one.0, other.0);
            assert_ne!(one.1.digest, other.1.digest);
            assert_ne!(one.2, other.2);
        }
    }
}

#[test]
fn time_jumps_and_takes_no_time() {
    let sim = Sim::new(1);
    let clock = sim.clock();
    let (start, wall) = (clock.monotonic(), clock.now());
    let year = Duration::from_secs(365 * 86_400);
    sim.run(async {
        let (late, early) = (clock.sleep(2 * year), clock.sleep(year));
        early.await;
        assert_eq!(clock.monotonic() - start, year);
        late.await;
        clock.sleep(Duration::ZERO).await;
    })
    .unwrap();
    assert_eq!(clock.monotonic() - start, 2 * year);
    assert_eq!(wall.until(clock.now()), 2 * year);
}

/// A timer that nobody waits for any more must not move time.
#[test]
fn a_dropped_sleep_is_forgotten() {
    let sim = Sim::new(1);
    let clock = sim.clock();
    sim.run(async {
        let mut long = clock.sleep(Duration::from_secs(100));
        std::future::poll_fn(|context| {
            assert!(long.as_mut().poll(context).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
        drop(long);
        clock.sleep(Duration::from_secs(1)).await;
    })
    .unwrap();
    let waiting = sim.run(std::future::pending::<()>());
    assert_eq!(waiting, Err(Stuck::Deadlock { waiting: Vec::new() }));
    assert_eq!(clock.monotonic(), Duration::from_secs(1));
}

#[test]
fn a_deadlock_names_who_waits() {
    let sim = Sim::new(1);
    let stuck = sim.run(async {
        let (tell, hear) = oneshot::channel::<()>();
        let waits = async move {
            let _ = hear.await;
        };
        sim.spawn().spawn("patient", Box::pin(waits));
        let _tell = tell;
        std::future::pending::<()>().await;
    });
    assert_eq!(stuck, Err(Stuck::Deadlock { waiting: vec!["patient"] }));
}

#[test]
fn what_tokio_sync_offers_works_here() {
    for seed in 0..50 {
        let sim = Sim::new(seed);
        let (bell, places) = (Arc::new(Notify::new()), Arc::new(Semaphore::new(2)));
        let (show, mut seen) = watch::channel(0);
        let inside = Arc::new(Mutex::new((0, 0)));
        sim.run(async {
            for _ in 0..6 {
                let (places, inside, clock, bell) = (places.clone(), inside.clone(), sim.clock(), bell.clone());
                let task = async move {
                    let place = places.acquire().await.unwrap();
                    {
                        let mut inside = inside.lock().unwrap();
                        inside.0 += 1;
                        inside.1 = inside.1.max(inside.0);
                    }
                    clock.sleep(Duration::from_millis(5)).await;
                    inside.lock().unwrap().0 -= 1;
                    drop(place);
                    bell.notify_one();
                };
                sim.spawn().spawn("guest", Box::pin(task));
            }
            let counts = async move {
                for count in 1..=3 {
                    let _ = show.send(count);
                }
            };
            sim.spawn().spawn("counter", Box::pin(counts));
            seen.wait_for(|count| *count == 3).await.unwrap();
            bell.notified().await;
            let _all = places.acquire_many(2).await.unwrap();
        })
        .unwrap();
        let (now, most) = *inside.lock().unwrap();
        assert_eq!((now, most), (0, 2), "seed {seed}");
    }
}

/// A task that is ended drops what it holds, also when that wakes others.
#[test]
fn a_killed_task_lets_go() {
    let sim = Sim::new(3);
    let (tell, hear) = oneshot::channel::<()>();
    let closed = sim.run(async {
        let holds = async move {
            let _tell = tell;
            std::future::pending::<()>().await;
        };
        sim.spawn().spawn("holder", Box::pin(holds));
        sim.clock().sleep(Duration::from_millis(1)).await;
        sim.kill();
        hear.await.is_err()
    });
    assert_eq!(closed, Ok(true));
}
