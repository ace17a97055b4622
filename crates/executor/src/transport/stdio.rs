//! Messages as lines on the standard input and output. There is one connection, and with its end all is over.

use super::{Carrier, Transport};
use crate::{session::Executor, world};
use std::sync::Arc;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use wire::executor::MESSAGE_LIMIT;

/// Serves one client until its input ends, then ends its processes.
pub async fn serve(executor: Arc<Executor>) {
    serve_lines(executor, tokio::io::stdin(), tokio::io::stdout()).await;
}

/// The same over any pair of byte streams.
pub async fn serve_lines<R, W>(executor: Arc<Executor>, input: R, output: W)
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let (transport, Carrier { inbox, mut outbox }) = Transport::pair();
    let reading = world::spawn(async move {
        let mut input = BufReader::with_capacity(64 * 1024, input);
        while let Ok(Some(line)) = read_line(&mut input).await {
            if inbox.push(line).await.is_err() {
                break;
            }
        }
    });
    let mut output = output;
    let writing = world::spawn(async move {
        while let Some(mut line) = outbox.recv().await {
            line.push('\n');
            if output.write_all(line.as_bytes()).await.is_err() || output.flush().await.is_err() {
                break;
            }
        }
    });
    executor.serve(transport).await;
    executor.end().await;
    reading.abort();
    // What was answered before the end still goes out.
    _ = writing.await;
}

/// A line without its end; `None` at the end of the input. A line that is too long is read to its end and not kept.
async fn read_line(input: &mut (impl AsyncBufRead + Unpin)) -> std::io::Result<Option<Result<Vec<u8>, String>>> {
    let mut line = Vec::new();
    let mut too_long = false;
    loop {
        let available = input.fill_buf().await?;
        let end = available.iter().position(|&byte| byte == b'\n');
        let part = &available[..end.unwrap_or(available.len())];
        let (read, nothing) = (part.len() + usize::from(end.is_some()), available.is_empty());
        too_long |= line.len() + part.len() > MESSAGE_LIMIT;
        if too_long {
            line = Vec::new();
        } else {
            line.extend_from_slice(part);
        }
        input.consume(read);
        match (end, nothing) {
            (_, true) if line.is_empty() && !too_long => return Ok(None),
            (None, false) => {}
            _ if too_long => return Ok(Some(Err(format!("a message has at most {MESSAGE_LIMIT} bytes")))),
            (Some(_), _) if line.iter().all(u8::is_ascii_whitespace) => line.clear(),
            _ => return Ok(Some(Ok(line))),
        }
    }
}
