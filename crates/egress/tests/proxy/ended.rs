//! Hosts that are given secrets.

use crate::world::{Papers, World, echo, fixed_tls, head, rest, rules, shake, whole, world};
use egress::Limits;
use std::net::SocketAddr;
use std::sync::atomic::Ordering::SeqCst;
use tokio::io::AsyncWriteExt;

const PLACEHOLDER: &str = "outcrop-secret-0001";
const VALUE: &str = "the/real value";

async fn over(server: SocketAddr, papers: &[&Papers]) -> (World, String) {
    let world = world(rules(&["a.test", "b.test"], &[server]), Limits::default(), papers).await;
    world.names.tell("a.test", &[&["127.0.0.1"]]);
    world.names.tell("b.test", &[&["127.0.0.1"]]);
    give(&world, VALUE);
    (world, format!("a.test:{}", server.port()))
}

fn give(world: &World, value: &str) {
    let pair = (PLACEHOLDER.to_owned(), value.to_owned());
    world.vault.0.lock().expect("vault").insert("a.test".into(), vec![pair]);
}

#[tokio::test]
async fn placeholders_become_secrets_and_an_echo_becomes_none() {
    let papers = Papers::of("a.test");
    let (server, connections) = echo(Some(&papers)).await;
    let (world, target) = over(server, &[&papers]).await;
    let authority = world.authority.certificate().clone();
    let mut tls = world.tls(&target, "a.test", &authority).await.expect("TLS with the proxy");
    assert_eq!(tls.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    for n in 0..3 {
        let body = format!("body {PLACEHOLDER}");
        let request = format!(
            "POST /{n}/{PLACEHOLDER}?k={PLACEHOLDER} HTTP/1.1\r\nHost: {target}\r\nContent-Length: {}\r\n\
             Authorization: Bearer {PLACEHOLDER}\r\nAccept-Encoding: gzip\r\n\r\n{body}",
            body.len()
        );
        tls.write_all(request.as_bytes()).await.expect("a request");
        let answer = whole(&mut tls).await;
        // What the server got came back, with stars in the place of the value.
        let stars = "*".repeat(VALUE.len());
        assert!(answer.contains(&format!("authorization: Bearer {stars}\n")), "{answer}");
        assert!(answer.contains(&format!("POST /{n}/{0}?k={0}\n", "*".repeat(VALUE.len() + 4))), "{answer}");
        assert!(answer.contains("accept-encoding: identity\n") && !answer.contains("gzip"), "{answer}");
        assert!(answer.contains(&format!("x-echo: Bearer {PLACEHOLDER}\r\n")), "{answer}");
        assert!(answer.ends_with(&body), "a body is left alone: {answer}");
        assert!(!answer.contains(VALUE), "{answer}");
    }
    assert_eq!(connections.load(SeqCst), 1, "the connection was kept");
}

#[tokio::test]
async fn the_server_gets_the_value_itself() {
    let papers = Papers::of("a.test");
    let (server, heard) = fixed_tls(&papers, "HTTP/1.1 204 No Content\r\n\r\n").await;
    let (world, target) = over(server, &[&papers]).await;
    let authority = world.authority.certificate().clone();
    let mut tls = world.tls(&target, "a.test", &authority).await.expect("TLS with the proxy");
    let request = format!(
        "GET /?k={PLACEHOLDER} HTTP/1.1\r\nHost: {target}\r\nX-Key: {PLACEHOLDER}\r\nConnection: close\r\n\r\n"
    );
    tls.write_all(request.as_bytes()).await.expect("a request");
    assert_eq!(rest(&mut tls).await, "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n");
    let heard = heard.lock().expect("notes").clone();
    assert_eq!(
        heard,
        format!(
            "GET /?k=the%2Freal%20value HTTP/1.1\r\nhost: {target}\r\nX-Key: the/real value\r\n\
             accept-encoding: identity\r\nconnection: close\r\n\r\n"
        )
    );
}

#[tokio::test]
async fn a_value_that_is_rotated_counts_with_the_next_request() {
    let papers = Papers::of("a.test");
    let (server, _) = echo(Some(&papers)).await;
    let (world, target) = over(server, &[&papers]).await;
    let authority = world.authority.certificate().clone();
    let mut tls = world.tls(&target, "a.test", &authority).await.expect("TLS with the proxy");
    for (value, shown) in [("first-value", "***********"), ("another-value", "*************"), ("short", "short")] {
        give(&world, value);
        let request = format!("GET / HTTP/1.1\r\nHost: {target}\r\nX-Key: {PLACEHOLDER}\r\n\r\n");
        tls.write_all(request.as_bytes()).await.expect("a request");
        let answer = whole(&mut tls).await;
        assert!(answer.contains(&format!("x-key: {shown}\n")), "{answer}");
    }
}

/// Another host of the same environment gets the placeholder, and its TLS is not ended.
#[tokio::test]
async fn a_host_without_the_secret_gets_the_placeholder() {
    let papers = Papers::of("b.test");
    let (server, _) = echo(Some(&papers)).await;
    let (world, _) = over(server, &[]).await;
    let target = format!("b.test:{}", server.port());
    let mut tls = world.tls(&target, "b.test", &papers.certificate).await.expect("TLS with the server itself");
    let request = format!("GET / HTTP/1.1\r\nHost: {target}\r\nX-Key: {PLACEHOLDER}\r\n\r\n");
    tls.write_all(request.as_bytes()).await.expect("a request");
    assert!(whole(&mut tls).await.contains(&format!("x-key: {PLACEHOLDER}\n")));
}

/// The inner request cannot go to another host than the connection, by whatever it says.
#[tokio::test]
async fn an_inner_request_for_another_host_is_refused() {
    let papers = Papers::of("a.test");
    let (server, heard) = fixed_tls(&papers, "HTTP/1.1 204 No Content\r\n\r\n").await;
    let (world, target) = over(server, &[&papers]).await;
    let authority = world.authority.certificate().clone();
    for (request, status) in [
        ("GET / HTTP/1.1\r\nHost: b.test\r\n\r\n".to_owned(), 421),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), 421),
        (format!("GET / HTTP/1.1\r\nHost: {target}\r\nHost: b.test\r\n\r\n"), 421),
        (format!("GET http://b.test/ HTTP/1.1\r\nHost: {target}\r\n\r\n"), 400),
        (format!("TRACE / HTTP/1.1\r\nHost: {target}\r\nX-Key: {PLACEHOLDER}\r\n\r\n"), 405),
        (format!("CONNECT b.test:443 HTTP/1.1\r\nHost: {target}\r\n\r\n"), 405),
        (format!("POST / HTTP/1.1\r\nHost: {target}\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"), 400),
    ] {
        let mut tls = world.tls(&target, "a.test", &authority).await.expect("TLS with the proxy");
        tls.write_all(request.as_bytes()).await.expect("a request");
        let text = rest(&mut tls).await;
        assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{request:?}: {text}");
    }
    assert_eq!(heard.lock().expect("notes").as_str(), "");
}

#[tokio::test]
async fn a_server_that_cannot_prove_itself_gets_no_secret() {
    let (papers, wrong) = (Papers::of("a.test"), Papers::of("b.test"));
    for (shown, trusted) in [(&papers, &[][..]), (&wrong, &[&wrong][..])] {
        let (server, heard) = fixed_tls(shown, "HTTP/1.1 204 No Content\r\n\r\n").await;
        let (world, target) = over(server, trusted).await;
        let authority = world.authority.certificate().clone();
        let mut tls = world.tls(&target, "a.test", &authority).await.expect("TLS with the proxy");
        let text = rest(&mut tls).await;
        assert!(text.starts_with("HTTP/1.1 502 ") && text.contains("upstream_untrusted"), "{text}");
        assert_eq!(heard.lock().expect("notes").as_str(), "");
    }
}

#[tokio::test]
async fn a_client_that_speaks_only_http_2_is_refused_by_tls() {
    let papers = Papers::of("a.test");
    let (server, _) = echo(Some(&papers)).await;
    let (world, target) = over(server, &[&papers]).await;
    let authority = world.authority.certificate().clone();
    let stream = world.tunnel(&target).await;
    let error = shake(stream, "a.test", &authority, &[b"h2"]).await.map(|_| ()).expect_err("refused");
    assert!(error.to_string().contains("NoApplicationProtocol"), "{error}");
}

/// A stream of events passes as it comes, and a secret in it is masked though it comes in two pieces.
#[tokio::test]
async fn a_streamed_answer_is_masked_across_its_chunks() {
    let answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nLocation: /?k=the%2Freal%20value\r\n\r\n\
                  9\r\nsaid: the\r\nb\r\n/real value\r\n1\r\n.\r\n0\r\n\r\n";
    let papers = Papers::of("a.test");
    let (server, _) = fixed_tls(&papers, answer).await;
    let (world, target) = over(server, &[&papers]).await;
    let authority = world.authority.certificate().clone();
    let mut tls = world.tls(&target, "a.test", &authority).await.expect("TLS with the proxy");
    let request = format!("GET / HTTP/1.1\r\nHost: {target}\r\nConnection: close\r\n\r\n");
    tls.write_all(request.as_bytes()).await.expect("a request");
    let head = head(&mut tls).await;
    assert!(head.contains(&format!("Location: /?k={PLACEHOLDER}\r\n")), "{head}");
    let body = rest(&mut tls).await;
    assert_eq!(body, "6\r\nsaid: \r\ne\r\n**************\r\n1\r\n.\r\n0\r\n\r\n");
}

/// A server that has had enough of a kept connection: the client sees an end, not an error in answer to a request.
#[tokio::test]
async fn a_server_that_ends_an_idle_connection_ends_the_clients() {
    let papers = Papers::of("a.test");
    let (server, _) = fixed_tls(&papers, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    let (world, target) = over(server, &[&papers]).await;
    let authority = world.authority.certificate().clone();
    let mut tls = world.tls(&target, "a.test", &authority).await.expect("TLS with the proxy");
    let request = format!("GET / HTTP/1.1\r\nHost: {target}\r\n\r\n");
    tls.write_all(request.as_bytes()).await.expect("a request");
    let text = rest(&mut tls).await;
    assert_eq!(text, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: keep-alive\r\n\r\nok");
}

/// An answer to a question that nobody asked is not kept for the next one.
#[tokio::test]
async fn what_a_server_says_unasked_answers_no_later_request() {
    let papers = Papers::of("a.test");
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
    let (server, _) = fixed_tls(&papers, answer).await;
    let (world, target) = over(server, &[&papers]).await;
    let authority = world.authority.certificate().clone();
    let mut tls = world.tls(&target, "a.test", &authority).await.expect("TLS with the proxy");
    let request = format!("GET / HTTP/1.1\r\nHost: {target}\r\n\r\n").repeat(2);
    tls.write_all(request.as_bytes()).await.expect("two requests");
    let text = rest(&mut tls).await;
    assert!(text.ends_with("\r\n\r\nok") && !text.contains("evil"), "{text}");
}

#[test]
fn the_authority_is_written_as_pem() {
    let authority = egress::Authority::create(types::Timestamp(1_800_000_000_000)).expect("an authority");
    let pem = authority.certificate_pem();
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----\n") && pem.ends_with("-----END CERTIFICATE-----\n"));
    assert!(pem.lines().all(|line| line.len() <= 64));
}
