//! Plain HTTP through the proxy.

use crate::world::{World, echo, fixed, head, rest, rules, spawn, world};
use egress::{Access, Limits, Rules};
use std::sync::atomic::Ordering::SeqCst;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

async fn open() -> (World, u16) {
    let (server, _) = echo(None).await;
    let world = world(rules(&["a.test"], &[server]), Limits::default(), &[]).await;
    world.names.tell("a.test", &[&["127.0.0.1"]]);
    (world, server.port())
}

#[tokio::test]
async fn a_request_goes_and_its_answer_comes() {
    let (world, port) = open().await;
    let text = world
        .say(&format!(
            "POST http://A.test:{port}/x?y=1 HTTP/1.1\r\nHost: a.test:{port}\r\nContent-Length: 5\r\nX-A: b\r\n\
             Proxy-Connection: keep-alive\r\nProxy-Authorization: Basic eA==\r\n\r\nhello"
        ))
        .await;
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
    let (_, body) = text.split_once("\r\n\r\n").expect("a body");
    assert_eq!(
        body,
        format!("POST /x?y=1\nhost: a.test:{port}\nx-a: b\ncontent-length: 5\nconnection: close\n\nhello")
    );
}

#[tokio::test]
async fn chunks_are_framed_anew() {
    let (world, port) = open().await;
    let text = world
        .say(&format!(
            "POST http://a.test:{port}/ HTTP/1.1\r\nHost: a.test:{port}\r\nTransfer-Encoding: chunked\r\n\r\n\
             3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nT: x\r\n\r\n"
        ))
        .await;
    assert!(text.ends_with("\n\nabcde") && text.contains("transfer-encoding: chunked"), "{text}");
}

#[tokio::test]
async fn a_client_of_http_1_0_is_served() {
    let (server, heard) = fixed("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n").await;
    let world = world(rules(&["a.test"], &[server]), Limits::default(), &[]).await;
    world.names.tell("a.test", &[&["127.0.0.1"]]);
    let text = world.say(&format!("GET http://a.test:{}/ HTTP/1.0\r\n\r\n", server.port())).await;
    assert_eq!(text, "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nabc");
    assert!(heard.lock().expect("notes").starts_with("GET / HTTP/1.1\r\nhost: a.test:"));
}

#[tokio::test]
async fn what_the_rules_do_not_open_is_refused_before_any_name_is_asked() {
    let (world, port) = open().await;
    for (url, status, code) in [
        (format!("http://b.test:{port}/"), 403, "host_not_allowed"),
        (format!("http://www.a.test:{port}/"), 403, "host_not_allowed"),
        (format!("http://127.0.0.1:{port}/"), 403, "host_not_allowed"),
        ("http://a.test:25/".to_owned(), 403, "port_not_allowed"),
        ("/".to_owned(), 400, "bad_request"),
        ("https://a.test/".to_owned(), 400, "bad_request"),
        ("gopher://127.0.0.1:6379/_FLUSHALL".to_owned(), 400, "bad_request"),
        ("http://evil@a.test/".to_owned(), 400, "bad_host"),
        ("http://127.0.0.1%2523@a.test/".to_owned(), 400, "bad_host"),
    ] {
        let host = url.strip_prefix("http://").and_then(|rest| rest.split('/').next()).unwrap_or("a.test").to_owned();
        let text = world.say(&format!("GET {url} HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{url}: {text}");
        assert!(text.contains(&format!("outcrop-egress: {code}\r\n")), "{url}: {text}");
    }
    assert_eq!(world.names.asked.load(SeqCst), 0);
}

#[tokio::test]
async fn without_network_nothing_is_opened() {
    let world = world(Rules::default(), Limits::default(), &[]).await;
    let text = world.say("GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    assert!(text.contains("outcrop-egress: network_disabled\r\n"), "{text}");
    let text = world.say("CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n").await;
    assert!(text.contains("outcrop-egress: network_disabled\r\n"), "{text}");
    assert_eq!(world.names.asked.load(SeqCst), 0);
}

/// Every writing of an address that must not be reached, with the network wide open. A server listens on loopback and
/// must never hear of it.
#[tokio::test]
async fn reserved_addresses_are_refused_in_every_writing() {
    let (server, connections) = echo(None).await;
    let port = server.port();
    let mut open = Rules { access: Access::Enabled, ..Rules::default() };
    open.ports.insert(port);
    let world = world(open, Limits::default(), &[]).await;
    world.names.tell("rebind.test", &[&["127.0.0.1"]]);
    world.names.tell("mapped.test", &[&["::ffff:127.0.0.1"]]);
    world.names.tell("metadata.google.internal", &[&["169.254.169.254"]]);
    world.names.tell("localhost", &[&["127.0.0.1", "::1"]]);
    for host in [
        "127.0.0.1",
        "127.1",
        "0",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "localhost",
        "169.254.169.254",
        "2852039166",
        "0xA9FEA9FE",
        "0251.0376.0251.0376",
        "[::ffff:169.254.169.254]",
        "[fd00:ec2::254]",
        "169.254.170.2",
        "10.0.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "rebind.test",
        "mapped.test",
        "metadata.google.internal",
        "224.0.0.1",
        "255.255.255.255",
    ] {
        let request = format!("GET http://{host}:{port}/ HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n");
        let text = world.say(&request).await;
        assert!(text.contains("outcrop-egress: address_not_allowed\r\n"), "{host}: {text}");
        let text = world.say(&format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        assert!(text.contains("outcrop-egress: address_not_allowed\r\n"), "{host}: {text}");
    }
    assert_eq!(connections.load(SeqCst), 0);
}

/// A name whose second answer would be another: it is asked once, and of several addresses only the good one is used.
#[tokio::test]
async fn the_address_that_was_checked_is_the_one_that_is_used() {
    let (server, connections) = echo(None).await;
    let port = server.port();
    let world = world(rules(&["a.test"], &[server]), Limits::default(), &[]).await;
    world.names.tell("a.test", &[&["10.0.0.1", "127.0.0.1"], &["127.0.0.2"]]);
    let request = format!("GET http://a.test:{port}/ HTTP/1.1\r\nHost: a.test:{port}\r\n\r\n");
    assert!(world.say(&request).await.starts_with("HTTP/1.1 200 "));
    assert_eq!((world.names.asked.load(SeqCst), connections.load(SeqCst)), (1, 1));
    // The next connection asks anew, and is judged anew.
    assert!(world.say(&request).await.contains("address_not_allowed"));
    assert_eq!((world.names.asked.load(SeqCst), connections.load(SeqCst)), (2, 1));
}

#[tokio::test]
async fn requests_that_could_be_read_in_two_ways_reach_no_server() {
    let (server, heard) = fixed("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let port = server.port();
    let world = world(rules(&["a.test"], &[server]), Limits::default(), &[]).await;
    world.names.tell("a.test", &[&["127.0.0.1"]]);
    let host = format!("Host: a.test:{port}");
    for (what, headers) in [
        ("CL and TE", format!("{host}\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n")),
        ("TE twice", format!("{host}\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n")),
        ("two lengths", format!("{host}\r\nContent-Length: 4\r\nContent-Length: 5\r\n")),
        ("folded", format!("{host}\r\nX: y\r\n z\r\n")),
        ("bare LF", format!("{host}\r\nX: y\nZ: z\r\n")),
        ("space before the colon", format!("{host}\r\nContent-Length : 4\r\n")),
        ("another host", "Host: b.test\r\n".to_owned()),
        ("two hosts", format!("{host}\r\n{host}\r\n")),
        ("no host", String::new()),
    ] {
        let text = world.say(&format!("POST http://a.test:{port}/ HTTP/1.1\r\n{headers}\r\n0\r\n\r\n")).await;
        assert!(text.starts_with("HTTP/1.1 400 ") || text.starts_with("HTTP/1.1 421 "), "{what}: {text}");
    }
    assert_eq!(heard.lock().expect("notes").as_str(), "");
    let text = world.say(&format!("TRACE http://a.test:{port}/ HTTP/1.1\r\n{host}\r\n\r\n")).await;
    assert!(text.starts_with("HTTP/1.1 405 "), "{text}");
}

#[tokio::test]
async fn a_bad_chunk_ends_the_request() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let server = listener.local_addr().expect("an address");
    let world = world(rules(&["a.test"], &[server]), Limits::default(), &[]).await;
    world.names.tell("a.test", &[&["127.0.0.1"]]);
    let (tell, heard) = tokio::sync::oneshot::channel();
    spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let _ = tell.send(rest(&mut stream).await);
    });
    let port = server.port();
    let text = world
        .say(&format!(
            "POST http://a.test:{port}/ HTTP/1.1\r\nHost: a.test:{port}\r\nTransfer-Encoding: chunked\r\n\r\n\
             3\r\nabcGET / HTTP/1.1\r\n\r\n"
        ))
        .await;
    assert!(text.starts_with("HTTP/1.1 400 "), "{text}");
    let heard = heard.await.expect("what the server heard");
    assert!(heard.ends_with("3\r\nabc\r\n"), "no end of the body, and nothing after it: {heard}");
}

#[tokio::test]
async fn answers_that_are_none_are_told_as_such() {
    for (answer, code) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "bad_answer"),
        ("HTTP/1.1 200 OK\r\nX: y\r\n z\r\n\r\n", "bad_answer"),
        ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", "bad_answer"),
        ("", "no_answer"),
        ("SSH-2.0\r\n\r\n", "bad_answer"),
    ] {
        let (server, _) = fixed(answer).await;
        let port = server.port();
        let world = world(rules(&["a.test"], &[server]), Limits::default(), &[]).await;
        world.names.tell("a.test", &[&["127.0.0.1"]]);
        let text = world.say(&format!("GET http://a.test:{port}/ HTTP/1.1\r\nHost: a.test:{port}\r\n\r\n")).await;
        assert!(text.contains(&format!("outcrop-egress: {code}\r\n")), "{answer:?}: {text}");
    }
}

#[tokio::test]
async fn interim_answers_pass_and_an_answer_to_head_has_no_body() {
    let answer = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n";
    let (server, _) = fixed(answer).await;
    let port = server.port();
    let world = world(rules(&["a.test"], &[server]), Limits::default(), &[]).await;
    world.names.tell("a.test", &[&["127.0.0.1"]]);
    let text = world.say(&format!("HEAD http://a.test:{port}/ HTTP/1.1\r\nHost: a.test:{port}\r\n\r\n")).await;
    let expected = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 99\r\nconnection: close\r\n\r\n";
    assert_eq!(text, expected);
}

#[tokio::test]
async fn a_name_that_is_not_there_and_a_port_where_nobody_is() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let server = listener.local_addr().expect("an address");
    drop(listener);
    let port = server.port();
    let world = world(rules(&["a.test", "b.test"], &[server]), Limits::default(), &[]).await;
    world.names.tell("a.test", &[&["127.0.0.1"]]);
    for (host, code) in [("a.test", "unreachable"), ("b.test", "name_not_found")] {
        let text = world.say(&format!("GET http://{host}:{port}/ HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n")).await;
        assert!(text.contains(&format!("outcrop-egress: {code}\r\n")), "{host}: {text}");
    }
}

/// Plain HTTP is read by everybody on its way: a placeholder stays one.
#[tokio::test]
async fn no_secret_goes_out_in_clear() {
    let (world, port) = open().await;
    let pair = ("outcrop-secret-0001".to_owned(), "the-real-value".to_owned());
    world.vault.0.lock().expect("vault").insert("a.test".into(), vec![pair]);
    let mut stream = world.open().await;
    let request = format!(
        "GET http://a.test:{port}/?k=outcrop-secret-0001 HTTP/1.1\r\nHost: a.test:{port}\r\n\
         Authorization: Bearer outcrop-secret-0001\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.expect("a request");
    let text = rest(&mut stream).await;
    assert!(text.contains("/?k=outcrop-secret-0001") && text.contains("Bearer outcrop-secret-0001"), "{text}");
    assert!(!text.contains("the-real-value"), "{text}");
}

/// A client that goes on writing its body still gets to read why it was refused.
#[tokio::test]
async fn a_refusal_is_heard_over_a_body_that_goes_on() {
    let (world, port) = open().await;
    let mut stream = world.open().await;
    let request =
        format!("POST http://b.test:{port}/ HTTP/1.1\r\nHost: b.test:{port}\r\nContent-Length: 900000\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("a request");
    assert!(head(&mut stream).await.starts_with("HTTP/1.1 403 "));
    for _ in 0..9 {
        stream.write_all(&[b'x'; 100_000]).await.expect("the body is still read");
    }
    assert!(rest(&mut stream).await.ends_with("of this environment\n"));
}
