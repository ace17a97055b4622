//! CONNECT without an end of TLS.

use crate::world::{Papers, World, echo, fixed, head, rest, rules, shake, soon, whole, world};
use egress::Limits;
use std::sync::atomic::Ordering::SeqCst;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn open() -> (World, u16, Papers) {
    let papers = Papers::of("a.test");
    let (server, _) = echo(Some(&papers)).await;
    let world = world(rules(&["a.test"], &[server]), Limits::default(), &[]).await;
    world.names.tell("a.test", &[&["127.0.0.1"]]);
    (world, server.port(), papers)
}

#[tokio::test]
async fn tls_passes_untouched() {
    let (world, port, papers) = open().await;
    // The client sees the server's own certificate: nobody stands between.
    let mut tls = world.tls(&format!("A.test.:{port}"), "a.test", &papers.certificate).await.expect("TLS");
    for n in 0..3 {
        let request = format!("GET /{n} HTTP/1.1\r\nHost: whatever\r\n\r\n");
        tls.write_all(request.as_bytes()).await.expect("a request");
        let answer = whole(&mut tls).await;
        assert!(answer.contains(&format!("GET /{n}\n")), "{answer}");
    }
}

#[tokio::test]
async fn tls_that_asks_for_another_host_is_refused_with_an_alert() {
    let (world, port, papers) = open().await;
    let target = format!("a.test:{port}");
    let error = world.tls(&target, "b.test", &papers.certificate).await.map(|_| ()).expect_err("refused");
    assert!(error.to_string().contains("AccessDenied"), "{error}");
    // An address as the name is no name in TLS.
    let error = world.tls(&target, "127.0.0.1", &papers.certificate).await.map(|_| ()).expect_err("refused");
    assert!(error.to_string().contains("AccessDenied"), "{error}");
}

#[tokio::test]
async fn a_tunnel_carries_nothing_but_tls() {
    let (server, heard) = fixed("HTTP/1.1 200 OK\r\n\r\n").await;
    let world = world(rules(&["a.test"], &[server]), Limits::default(), &[]).await;
    world.names.tell("a.test", &[&["127.0.0.1"]]);
    let target = format!("a.test:{}", server.port());
    for bytes in ["GET / HTTP/1.1\r\nHost: b.test\r\n\r\n", "SSH-2.0-x\r\n\r\n\r\n", "\u{16}\u{3}\u{1}\0\0\r\n\r\n"] {
        let mut stream = world.tunnel(&target).await;
        stream.write_all(bytes.as_bytes()).await.expect("the proxy reads");
        assert_eq!(rest(&mut stream).await, "", "{bytes:?}");
    }
    assert_eq!(heard.lock().expect("notes").as_str(), "", "nothing of it went out");
}

#[tokio::test]
async fn connect_is_read_strictly() {
    let (world, port, _) = open().await;
    for (request, status) in [
        (format!("CONNECT a.test:{port} HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"), 400),
        ("CONNECT a.test HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("CONNECT http://a.test:443/ HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("CONNECT a.test:0 HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("CONNECT [fe80::1%25lo]:443 HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("CONNECT b.test:443 HTTP/1.1\r\n\r\n".to_owned(), 403),
        (format!("CONNECT a.test:{port} HTTP/2.0\r\n\r\n"), 505),
        ("\u{5}\u{1}\0\r\n\r\n".to_owned(), 400),
    ] {
        let text = world.say(&request).await;
        assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{request:?}: {text}");
    }
    assert_eq!(world.names.asked.load(SeqCst), 0);
}

/// The first message may come with the request, and in any pieces.
#[tokio::test]
async fn a_client_of_http_1_0_and_a_first_message_in_single_bytes() {
    let (world, port, papers) = open().await;
    let mut stream = world.open().await;
    stream.write_all(format!("CONNECT a.test:{port} HTTP/1.0\r\n\r\n").as_bytes()).await.expect("a request");
    assert!(head(&mut stream).await.starts_with("HTTP/1.1 200 "));
    stream.set_nodelay(true).expect("single bytes");
    let mut tls = shake(stream, "a.test", &papers.certificate, &[]).await.expect("TLS");
    tls.write_all(b"GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.expect("a request");
    assert!(rest(&mut tls).await.contains("GET /x\n"));
}

#[tokio::test]
async fn new_rules_end_what_old_rules_opened() {
    let (world, port, papers) = open().await;
    let mut tls = world.tls(&format!("a.test:{port}"), "a.test", &papers.certificate).await.expect("TLS");
    tls.write_all(b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("a request");
    assert!(whole(&mut tls).await.contains("GET /x\n"));
    world.proxy.change(egress::Rules::default());
    let mut byte = [0];
    assert!(!matches!(soon(tls.read(&mut byte)).await, Ok(1..)), "the tunnel goes on");
    assert_eq!(world.proxy.rules().access, egress::Access::Disabled);
    let text = world.say(&format!("CONNECT a.test:{port} HTTP/1.1\r\n\r\n")).await;
    assert!(text.contains("network_disabled"), "{text}");
}
