//! The line to an executor in a sandbox: a WebSocket over a Unix socket that lies outside, so that nothing inside can name
//! or replace it. A line that drops is taken up again for as long as the sandbox runs.

use environments::client::Client;
use environments::line::Line;
use futures_util::{SinkExt, StreamExt};
use rustix::fs::{Mode, OFlags};
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use types::Clock;

const SOCKET: &str = "executor.sock";
/// As the executor's own.
const MESSAGE: usize = 64 << 20;
/// From the first pause between two tries to the longest.
const PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// A socket's name has 107 bytes; a folder's path may have more, and so it is named by a descriptor.
fn place(folder: &Path) -> io::Result<(rustix::fd::OwnedFd, PathBuf)> {
    let folder = rustix::fs::open(folder, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let path = PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", folder.as_raw_fd()));
    Ok((folder, path))
}

/// The socket at which an executor will listen.
pub(crate) fn listen(folder: &Path) -> io::Result<std::os::unix::net::UnixListener> {
    let (_open, path) = place(folder)?;
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    std::os::unix::net::UnixListener::bind(path)
}

/// Gives the client a line, and another when that is lost, until it is over.
pub(crate) async fn hold(
    folder: PathBuf,
    client: Arc<Client>,
    clock: Arc<dyn Clock>,
    mut is_over: watch::Receiver<bool>,
) {
    let holding = async {
        let mut pause = PAUSE;
        loop {
            match open(&folder).await {
                Ok(socket) => {
                    let (near, far) = Line::pair();
                    client.attach(near);
                    let begun = clock.monotonic();
                    carry(socket, far).await;
                    if clock.monotonic() - begun > LONGEST_PAUSE {
                        pause = PAUSE;
                    }
                }
                Err(error) => tracing::debug!(%error, "an executor's socket"),
            }
            clock.sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    };
    tokio::select! {
        biased;
        _ = is_over.wait_for(|over| *over) => {}
        () = holding => {}
    }
    client.detach();
}

/// A connection to the executor, of which nothing is said yet.
pub(crate) async fn connect(folder: &Path) -> io::Result<UnixStream> {
    let (_open, path) = place(folder)?;
    UnixStream::connect(path).await
}

async fn open(folder: &Path) -> io::Result<WebSocketStream<UnixStream>> {
    let stream = connect(folder).await?;
    let config = WebSocketConfig::default().max_message_size(Some(MESSAGE)).max_frame_size(Some(MESSAGE));
    let opened = tokio_tungstenite::client_async_with_config("ws://executor/", stream, Some(config)).await;
    opened.map(|(socket, _)| socket).map_err(io::Error::other)
}

/// Moves messages until one side ends.
async fn carry(socket: WebSocketStream<UnixStream>, far: Line) {
    let (mut mouth, mut ear) = socket.split();
    let Line { outgoing, mut incoming } = far;
    let out = async {
        while let Some(said) = incoming.recv().await {
            let Ok(text) = String::from_utf8(said) else { break };
            if mouth.send(Message::text(text)).await.is_err() {
                break;
            }
        }
    };
    let back = async {
        while let Some(Ok(heard)) = ear.next().await {
            let bytes = match heard {
                Message::Text(text) => text.as_str().as_bytes().to_vec(),
                Message::Binary(bytes) => bytes.to_vec(),
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => continue,
                Message::Close(_) => break,
            };
            if outgoing.send(bytes).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        () = out => {}
        () = back => {}
    }
}
