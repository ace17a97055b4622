//! TLS with a private authority. Which roots are trusted is told by the environment of a process, so the test runs
//! itself twice more: once with the authority in `SSL_CERT_FILE` and once with another.
//!
//! The files in `authority/` are a root made for this test, and a certificate of it for `localhost` with its key.

use crate::{ask, chat, hello, text, upstream_at};
use models::OpenaiChat;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::json;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::{TlsAcceptor, rustls};

const BASE: &str = "OUTCROP_TEST_TLS_BASE";

#[tokio::test]
async fn private_authorities_are_trusted_by_ssl_cert_file() {
    #[expect(clippy::disallowed_methods, reason = "tells the test which part it plays")]
    if let Ok(base_url) = std::env::var(BASE) {
        return play_client(&base_url).await;
    }
    let base_url = start_server().await;
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/providers/authority");
    let trusting = run_client(&base_url, &format!("{folder}/root.pem")).await;
    assert!(trusting.contains("answer: Ok(\"hi\")"), "{trusting}");
    let doubting = run_client(&base_url, &format!("{folder}/other.pem")).await;
    assert!(doubting.contains("answer: Err(Connect)"), "{doubting}");
}

async fn play_client(base_url: &str) {
    let (events, end) = ask(&OpenaiChat::new(upstream_at(base_url)), &hello()).await;
    #[expect(clippy::print_stdout, reason = "the parent reads it")]
    {
        println!("answer: {:?}", end.map(|_| text(&events)).map_err(|error| error.kind));
    }
}

async fn run_client(base_url: &str, roots: &str) -> String {
    let output = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["tls::private_authorities_are_trusted_by_ssl_cert_file", "--exact", "--nocapture"])
        .env(BASE, base_url)
        .env("SSL_CERT_FILE", roots)
        .env_remove("SSL_CERT_DIR")
        .output()
        .await
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

async fn start_server() -> String {
    let certificate = CertificateDer::from(include_bytes!("authority/server.der").to_vec());
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(include_bytes!("authority/server.key.der").to_vec()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("https://localhost:{}/v1", listener.local_addr().unwrap().port());
    #[expect(clippy::disallowed_methods, reason = "a server of the test, gone with its runtime")]
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            // A client that does not trust us breaks off here.
            if let Ok(mut tls) = acceptor.accept(tcp).await {
                // The whole request, which ends with two nested objects: closing on unread bytes would reset the answer.
                let mut asked = Vec::new();
                while !asked.ends_with(b"}}") {
                    asked.push(tls.read_u8().await.unwrap());
                }
                tls.write_all(&answer()).await.unwrap();
                let _ = tls.shutdown().await;
            }
        }
    });
    base_url
}

fn answer() -> Vec<u8> {
    let mut answer = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n".to_vec();
    answer.extend(chat::chunks(&[json!({"choices": [{"delta": {"content": "hi"}}]})]).chunks.concat());
    answer
}
