//! Ways in: bytes of a server on loopback, over a socket that was handed in and over no other.

use super::*;
use crate::transport::websocket::Listener;
use std::os::fd::OwnedFd;
use std::os::unix::net as blocking;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};

async fn asked(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), path: &str, upgrade: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nhost: executor\r\nconnection: upgrade\r\nupgrade: {upgrade}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    head.split(' ').nth(1).unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_go_to_a_server_on_loopback_and_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("executor.sock");
    let listener = Listener::inherited(OwnedFd::from(blocking::UnixListener::bind(&path).unwrap())).unwrap();
    let serving = crate::world::spawn(listener.serve(executor(LONG)));
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = server.local_addr().unwrap().port();
    let echo = crate::world::spawn(async move {
        let (mut stream, _) = server.accept().await.unwrap();
        let (mut read, mut write) = stream.split();
        tokio::io::copy(&mut read, &mut write).await.unwrap();
    });
    let mut way_in = UnixStream::connect(&path).await.unwrap();
    assert_eq!(asked(&mut way_in, &format!("/port/{port}"), "tcp").await, "101");
    let sent: Vec<u8> = (0..1_000_000_u32).map(|number| number as u8).collect();
    let (mut read, mut write) = way_in.into_split();
    let (out, back) = (sent.clone(), async move {
        let mut heard = Vec::new();
        read.read_to_end(&mut heard).await.unwrap();
        heard
    });
    let writing = async move {
        write.write_all(&out).await.unwrap();
        write.shutdown().await.unwrap();
    };
    let ((), heard) = tokio::join!(writing, back);
    assert!(heard == sent);
    echo.await.unwrap();
    // Nobody listens there any more; and what is no port, or no upgrade to it, is no way in.
    for (path, upgrade, status) in [
        (format!("/port/{port}"), "tcp", "502"),
        (format!("/port/{port}"), "websocket", "404"),
        ("/port/0".to_owned(), "tcp", "404"),
        ("/port/99999".to_owned(), "tcp", "404"),
        ("/port/".to_owned(), "tcp", "404"),
    ] {
        let mut stream = UnixStream::connect(folder.path().join("executor.sock")).await.unwrap();
        assert_eq!(asked(&mut stream, &path, upgrade).await, status, "{path} {upgrade}");
    }
    serving.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loopback_socket_of_the_executors_own_has_no_way_in() {
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.url().unwrap().strip_prefix("ws://").unwrap().to_owned();
    let serving = crate::world::spawn(listener.serve(executor(LONG)));
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    assert_eq!(asked(&mut stream, &format!("/port/{}", server.local_addr().unwrap().port()), "tcp").await, "404");
    serving.abort();
}
