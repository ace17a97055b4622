//! Servers that hang, tear, lie and babble: always a report with failures, never a hang or a panic.
#![expect(clippy::expect_used, reason = "integration tests may")]
#![expect(clippy::disallowed_methods, reason = "the servers of these tests need tasks, and a watchdog the real clock")]

use conform::{Area, Outcome, Report, Target};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What a server does with each connection, once it has read something.
#[derive(Clone, Copy, Debug)]
enum Manner {
    /// Takes the request and says nothing.
    Hangs,
    /// Hangs up.
    Tears,
    /// Says this and hangs up.
    Says(&'static str),
    /// Says the first, then the second for ever.
    Babbles(&'static str, &'static str),
}

async fn serve(mut connection: TcpStream, manner: Manner) {
    let mut request = [0_u8; 65_536];
    while let Ok(1..) = connection.read(&mut request).await {
        match manner {
            Manner::Hangs => {}
            Manner::Tears => return,
            Manner::Says(text) => {
                if connection.write_all(text.as_bytes()).await.is_err() || !text.contains("keep-alive") {
                    return;
                }
            }
            Manner::Babbles(first, then) => {
                let mut text = first;
                while connection.write_all(text.as_bytes()).await.is_ok() {
                    text = then;
                    tokio::task::yield_now().await;
                }
                return;
            }
        }
    }
}

/// The report about such a server.
async fn report(manner: Manner, only: &[Area]) -> Report {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let server = tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            tokio::spawn(serve(connection, manner));
        }
    });
    let target = Target {
        base: format!("http://{address}/some/where/v1/"),
        key: "sk-x".to_owned(),
        model: "m".to_owned(),
        priced: Some("p".to_owned()),
        embedding: Some("e".to_owned()),
        scripted: Some(true),
        patience: Duration::from_millis(300),
        run: "conform-hostile".to_owned(),
        only: only.to_vec(),
        parts: Vec::new(),
    };
    let report = tokio::time::timeout(Duration::from_secs(50), conform::run(target)).await;
    server.abort();
    report.expect("the suite hangs").expect("a target that makes sense")
}

const JSON: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\n{}";
const LIES: &str = "HTTP/1.1 201 Created\r\ncontent-type: application/json\r\nconnection: keep-alive\r\n\
    content-length: 22\r\n\r\n{\"id\": [1], \"data\": 7}";
const EVENTS: &str = "HTTP/1.1 201 Created\r\ncontent-type: text/event-stream\r\n\r\n";
const CREATED: &str = "data: {\"type\":\"agent.session.created\",\"session\":{\"id\":\"s\"}}\n\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_out_of_its_mind_is_a_report() {
    for (manner, what) in [
        (Manner::Hangs, "hangs"),
        (Manner::Tears, "tears"),
        (Manner::Says("SSH-2.0-OpenSSH_9.9\r\n"), "another protocol"),
        (Manner::Says("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"object\":"), "a torn body"),
        (Manner::Says("HTTP/1.1 500 Oops\r\nconnection: keep-alive\r\ncontent-length: 4\r\n\r\noops"), "500 for all"),
        (
            Manner::Says("HTTP/1.1 302 Found\r\nlocation: /\r\nconnection: keep-alive\r\ncontent-length: 0\r\n\r\n"),
            "redirects",
        ),
        (Manner::Says(JSON), "{} for all"),
        (Manner::Says(LIES), "JSON of other types"),
    ] {
        let report = report(manner, &[]).await;
        assert!(!report.is_good() && report.counts.failed > 100, "{what}: {:?}", report.counts);
        assert!(report.to_string().contains("FAILED"), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_without_end_comes_to_an_end() {
    let only = [Area::Order, Area::Streams, Area::Calls];
    for (first, then, what) in [
        (EVENTS, CREATED, "one event for ever"),
        (EVENTS, ": still here\n\n", "comments for ever"),
        (EVENTS, "data: {\"type\":", "an event for ever"),
        (EVENTS, "data: {\n\n", "no JSON"),
        ("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n[", "[", "a list for ever"),
    ] {
        let report = report(Manner::Babbles(first, then), &only).await;
        let reached = report.checks.iter().filter(|check| check.id.starts_with("order."));
        let passed = reached.filter(|check| check.outcome == Outcome::Passed).count();
        assert!(!report.is_good() && passed < 10, "{what}: {report}");
    }
}

#[tokio::test]
async fn a_target_that_makes_no_sense_is_an_error() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    for (base, key) in [("nonsense", "k"), ("ftp://x/v1", "k"), ("http://x/v1?y", "k"), ("http://x/v1", "a\nb")] {
        let target = Target {
            base: base.to_owned(),
            key: key.to_owned(),
            model: "m".to_owned(),
            priced: None,
            embedding: None,
            scripted: None,
            patience: Duration::from_millis(100),
            run: "conform-nothing".to_owned(),
            only: Vec::new(),
            parts: Vec::new(),
        };
        assert!(conform::run(target).await.is_err(), "{base}");
    }
}
