//! Clients that are slow, silent, large or many. Time is wound by hand: nothing here waits.

use crate::world::{Papers, World, echo, fixed, head, rest, rules, soon, world};
use egress::{Limits, Rules};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

async fn with(limits: Limits, server: SocketAddr) -> World {
    let world = world(rules(&["a.test"], &[server]), limits, &[]).await;
    world.names.tell("a.test", &[&["127.0.0.1"]]);
    world
}

async fn alone(limits: Limits) -> World {
    world(Rules::default(), limits, &[]).await
}

#[tokio::test]
async fn a_head_that_trickles_in_is_ended_at_its_time() {
    let world = alone(Limits::default()).await;
    let mut stream = world.open().await;
    stream.write_all(b"GET http://a.test/ HT").await.expect("a piece");
    world.hand.waited_for(2).await;
    // Every further byte keeps a connection from being idle, none gives the head more time.
    for _ in 0..14 {
        world.hand.wind(Duration::from_secs(1));
        stream.write_all(b"x").await.expect("a piece");
    }
    world.hand.wind(Duration::from_secs(1));
    let text = rest(&mut stream).await;
    assert!(text.starts_with("HTTP/1.1 408 "), "{text}");
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused_before_its_end() {
    let world = alone(Limits { head: 1024, ..Limits::default() }).await;
    let text = world.say(&format!("GET http://a.test/{} HTTP/1.1\r\n", "x".repeat(1100))).await;
    assert!(text.starts_with("HTTP/1.1 431 "), "{text}");
}

#[tokio::test]
async fn a_silent_tunnel_ends_at_its_time() {
    let papers = Papers::of("a.test");
    let (server, _) = echo(Some(&papers)).await;
    let world = with(Limits::default(), server).await;
    let target = format!("a.test:{}", server.port());
    let mut tls = world.tls(&target, "a.test", &papers.certificate).await.expect("TLS");
    tls.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("a request");
    assert!(crate::world::whole(&mut tls).await.starts_with("HTTP/1.1 200 "));
    world.hand.waited_for(1).await;
    world.hand.wind(Limits::default().idle_time);
    let mut byte = [0];
    assert!(!matches!(soon(tls.read(&mut byte)).await, Ok(1..)), "the tunnel goes on");
}

#[tokio::test]
async fn tls_that_does_not_come_is_not_waited_for() {
    let (server, heard) = fixed("").await;
    let world = with(Limits::default(), server).await;
    let mut stream = world.tunnel(&format!("a.test:{}", server.port())).await;
    stream.write_all(&[22, 3, 1]).await.expect("a piece");
    world.hand.waited_for(2).await;
    world.hand.wind(Limits::default().head_time);
    assert_eq!(rest(&mut stream).await, "");
    assert_eq!(heard.lock().expect("notes").as_str(), "");
}

#[tokio::test]
async fn a_server_that_never_answers_is_not_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let server = listener.local_addr().expect("an address");
    let world = with(Limits::default(), server).await;
    let mut stream = world.open().await;
    let port = server.port();
    let request = format!("GET http://a.test:{port}/ HTTP/1.1\r\nHost: a.test:{port}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("a request");
    let (mut upstream, _) = listener.accept().await.expect("a connection");
    assert!(head(&mut upstream).await.starts_with("GET / "));
    world.hand.waited_for(1).await;
    world.hand.wind(Limits::default().idle_time);
    assert_eq!(rest(&mut stream).await, "");
}

#[tokio::test]
async fn one_connection_more_is_told_so_and_an_end_makes_room() {
    let world = alone(Limits { connections: 1, ..Limits::default() }).await;
    let mut first = world.open().await;
    first.write_all(b"GET").await.expect("a piece");
    world.hand.waited_for(2).await;
    let text = rest(&mut world.open().await).await;
    assert!(text.starts_with("HTTP/1.1 503 ") && text.contains("too_many_connections"), "{text}");
    drop(first);
    loop {
        let text = world.say("GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
        if !text.contains("too_many_connections") {
            assert!(text.contains("network_disabled"), "{text}");
            break;
        }
    }
}

#[tokio::test]
async fn a_connection_has_a_share_of_bytes() {
    let (server, _) = fixed("HTTP/1.1 200 OK\r\n\r\n0123456789012345678901234567890123456789").await;
    let world = with(Limits { bytes: 100, ..Limits::default() }, server).await;
    let port = server.port();
    let text = world.say(&format!("GET http://a.test:{port}/ HTTP/1.1\r\nHost: a.test:{port}\r\n\r\n")).await;
    assert!(!text.contains("0123456789012345678901234567890123456789"), "{text}");
}
