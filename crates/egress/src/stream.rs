//! Byte streams with something already read from them: the reading side of a connection, bounded, and the whole of one
//! put together again for TLS.

use crate::activity::{Activity, Way};
use bytes::{Buf, Bytes, BytesMut};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

/// Bytes that are asked for at a time.
const PIECE: usize = 16 * 1024;

/// The reading side of a connection.
pub(crate) struct Source<R> {
    reader: R,
    buffer: BytesMut,
    way: Way,
    activity: Arc<Activity>,
}

/// Why no line or head could be read.
#[derive(Debug)]
pub(crate) enum Unread {
    /// The other side ended before its first byte.
    Ended,
    /// It is longer than it may be.
    Long,
    /// It does not end with CR LF.
    Line,
    Io(io::Error),
}

impl From<io::Error> for Unread {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl<R: AsyncRead + Unpin> Source<R> {
    pub fn new(reader: R, way: Way, activity: Arc<Activity>) -> Self {
        Self { reader, buffer: BytesMut::new(), way, activity }
    }

    pub fn buffered(&self) -> &[u8] {
        &self.buffer
    }

    pub fn into_parts(self) -> (BytesMut, R) {
        (self.buffer, self.reader)
    }

    /// Reads more; 0 at the end.
    pub async fn fill(&mut self) -> io::Result<usize> {
        self.buffer.reserve(PIECE);
        let read = self.reader.read_buf(&mut self.buffer).await?;
        self.activity.count(self.way, read)?;
        Ok(read)
    }

    /// A head with its empty line.
    pub async fn head(&mut self, limit: usize) -> Result<Bytes, Unread> {
        let mut seen = 0;
        loop {
            let from = usize::saturating_sub(seen, 3);
            let end = self.buffer.get(from..).and_then(|new| new.windows(4).position(|four| four == b"\r\n\r\n"));
            match end {
                Some(at) if from + at + 4 > limit => return Err(Unread::Long),
                Some(at) => return Ok(self.buffer.split_to(from + at + 4).freeze()),
                None if self.buffer.len() >= limit => return Err(Unread::Long),
                None => seen = self.buffer.len(),
            }
            if self.fill().await? == 0 {
                return Err(if self.buffer.is_empty() { Unread::Ended } else { Unread::Io(cut()) });
            }
        }
    }

    /// A line without its CR LF.
    pub async fn line(&mut self, limit: usize) -> Result<Bytes, Unread> {
        loop {
            if let Some(at) = self.buffer.iter().position(|b| *b == b'\n') {
                if at > limit + 1 {
                    return Err(Unread::Long);
                }
                let line = self.buffer.split_to(at + 1).freeze();
                return match line.strip_suffix(b"\r\n") {
                    Some(text) if !text.contains(&b'\r') => Ok(line.slice(..text.len())),
                    _ => Err(Unread::Line),
                };
            }
            if self.buffer.len() > limit + 1 {
                return Err(Unread::Long);
            }
            if self.fill().await? == 0 {
                return Err(Unread::Io(cut()));
            }
        }
    }

    /// What is there of a body, at most `most` bytes; empty at the end.
    pub async fn piece(&mut self, most: u64) -> io::Result<Bytes> {
        if self.buffer.is_empty() {
            self.fill().await?;
        }
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        Ok(self.buffer.split_to(self.buffer.len().min(most)).freeze())
    }
}

pub(crate) fn cut() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the connection ended in the middle of a message")
}

/// A stream whose first bytes were read before.
pub(crate) struct Again<S> {
    first: BytesMut,
    stream: S,
}

impl<S> Again<S> {
    pub fn new(first: BytesMut, stream: S) -> Self {
        Self { first, stream }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Again<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.first.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let length = self.first.len().min(buf.remaining());
        buf.put_slice(self.first.get(..length).unwrap_or_default());
        self.first.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Again<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Carries bytes one way until their end, and passes the end on.
pub(crate) async fn pump<R, W>(mut from: Source<R>, mut to: W) -> io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    loop {
        let piece = from.piece(u64::MAX).await?;
        if piece.is_empty() {
            return to.shutdown().await;
        }
        to.write_all(&piece).await?;
        to.flush().await?;
    }
}
