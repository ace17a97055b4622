//! Carries one body from a reader to a writer: takes its framing off strictly and puts its own on, so what the two
//! sides see can never differ in where a message ends. Extensions of chunks and trailers are dropped.

use crate::head::Framing;
use crate::placeholder::Mask;
use crate::stream::{Source, Unread, cut};
use std::io;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

/// Bytes of a chunk's size line, and of all trailers together.
const LINE: usize = 256;
const TRAILERS: usize = 16 * 1024;

/// How the body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Plain,
    Chunked,
}

/// Which side broke the body off.
#[derive(Debug)]
pub(crate) enum Broken {
    /// Its sender ended or failed.
    Cut(io::Error),
    /// Its sender wrote what is no body.
    Malformed(&'static str),
    /// Its receiver takes no more.
    Refused(io::Error),
}

/// Carries the whole body.
pub(crate) async fn carry<R, W>(
    from: &mut Source<R>,
    framing: Framing,
    to: &mut W,
    coding: Coding,
    mut mask: Option<&mut Mask>,
) -> Result<(), Broken>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    match framing {
        Framing::None => return Ok(()),
        Framing::Length(length) => plain(from, Some(length), to, coding, &mut mask).await?,
        Framing::Close => plain(from, None, to, coding, &mut mask).await?,
        Framing::Chunked => chunks(from, to, coding, &mut mask).await?,
    }
    if let Some(mask) = mask {
        let rest = mask.end();
        write(to, &rest, coding).await?;
    }
    if coding == Coding::Chunked {
        to.write_all(b"0\r\n\r\n").await.map_err(Broken::Refused)?;
    }
    to.flush().await.map_err(Broken::Refused)
}

/// So many bytes, or all until the end.
async fn plain<R, W>(
    from: &mut Source<R>,
    length: Option<u64>,
    to: &mut W,
    coding: Coding,
    mask: &mut Option<&mut Mask>,
) -> Result<(), Broken>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut left = length.unwrap_or(u64::MAX);
    while left > 0 {
        let piece = from.piece(left).await.map_err(Broken::Cut)?;
        if piece.is_empty() {
            return if length.is_none() { Ok(()) } else { Err(Broken::Cut(cut())) };
        }
        if length.is_some() {
            left = left.saturating_sub(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        }
        match mask {
            Some(mask) => write(to, &mask.body(&piece), coding).await?,
            None => write(to, &piece, coding).await?,
        }
    }
    Ok(())
}

async fn chunks<R, W>(
    from: &mut Source<R>,
    to: &mut W,
    coding: Coding,
    mask: &mut Option<&mut Mask>,
) -> Result<(), Broken>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    loop {
        let line = from.line(LINE).await.map_err(broken)?;
        let size = size(&line).ok_or(Broken::Malformed("a chunk's size that is no number"))?;
        if size == 0 {
            break;
        }
        plain(from, Some(size), to, coding, mask).await?;
        if !from.line(0).await.map_err(broken)?.is_empty() {
            return Err(Broken::Malformed("a chunk that is longer than its size"));
        }
    }
    let mut left = TRAILERS;
    loop {
        let line = from.line(left).await.map_err(broken)?;
        if line.is_empty() {
            return Ok(());
        }
        left = left.saturating_sub(line.len() + 2);
    }
}

async fn write<W: AsyncWrite + Unpin>(to: &mut W, piece: &[u8], coding: Coding) -> Result<(), Broken> {
    // An empty chunk would be the end.
    if piece.is_empty() {
        return Ok(());
    }
    let done = async {
        if coding == Coding::Chunked {
            to.write_all(format!("{:x}\r\n", piece.len()).as_bytes()).await?;
        }
        to.write_all(piece).await?;
        if coding == Coding::Chunked {
            to.write_all(b"\r\n").await?;
        }
        to.flush().await
    };
    done.await.map_err(Broken::Refused)
}

/// Hexadecimal digits, then nothing or an extension.
fn size(line: &[u8]) -> Option<u64> {
    let digits = line.split(|b| *b == b';').next().unwrap_or_default();
    let plain = (1..=15).contains(&digits.len()) && digits.iter().all(u8::is_ascii_hexdigit);
    let sane = line.iter().all(|b| *b == b'\t' || (*b >= b' ' && *b != 0x7f));
    let text = std::str::from_utf8(digits).ok().filter(|_| plain && sane)?;
    u64::from_str_radix(text, 16).ok()
}

fn broken(unread: Unread) -> Broken {
    match unread {
        Unread::Ended => Broken::Cut(cut()),
        Unread::Long => Broken::Malformed("a line of a chunk that is too long"),
        Unread::Line => Broken::Malformed("a line of a chunk that does not end with CR LF"),
        Unread::Io(error) => Broken::Cut(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activity::{Activity, Way};
    use crate::limits::Limits;
    use std::sync::Arc;
    use std::time::Duration;
    use types::{BoxFuture, Clock, Timestamp};

    struct Still;

    impl Clock for Still {
        fn now(&self) -> Timestamp {
            Timestamp(0)
        }
        fn monotonic(&self) -> Duration {
            Duration::ZERO
        }
        fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
            Box::pin(std::future::pending())
        }
    }

    async fn run(body: &str, framing: Framing, coding: Coding) -> Result<(String, String), Broken> {
        let activity = Activity::begin(Arc::new(Still), Limits::default());
        let mut source = Source::new(body.as_bytes(), Way::Up, activity);
        let mut out = Vec::new();
        carry(&mut source, framing, &mut out, coding, None).await?;
        let mut rest = String::new();
        loop {
            let piece = source.piece(u64::MAX).await.unwrap();
            if piece.is_empty() {
                return Ok((String::from_utf8(out).unwrap(), rest));
            }
            rest.push_str(std::str::from_utf8(&piece).unwrap());
        }
    }

    #[tokio::test]
    async fn a_body_is_taken_and_what_follows_is_left() {
        for (body, framing, coding, out, rest) in [
            ("abcdef", Framing::Length(4), Coding::Plain, "abcd", "ef"),
            ("abcdef", Framing::Length(0), Coding::Plain, "", "abcdef"),
            ("abcdef", Framing::None, Coding::Plain, "", "abcdef"),
            ("abcdef", Framing::Close, Coding::Plain, "abcdef", ""),
            ("3\r\nabc\r\n0\r\n\r\nGET", Framing::Chunked, Coding::Plain, "abc", "GET"),
            (
                "3;x=\"y\"\r\nabc\r\nA\r\n0123456789\r\n000\r\nT: x\r\n\r\nGET",
                Framing::Chunked,
                Coding::Chunked,
                "3\r\nabc\r\na\r\n0123456789\r\n0\r\n\r\n",
                "GET",
            ),
            ("0\r\n\r\n", Framing::Chunked, Coding::Chunked, "0\r\n\r\n", ""),
        ] {
            assert_eq!(run(body, framing, coding).await.unwrap(), (out.into(), rest.into()), "{body:?}");
        }
    }

    #[tokio::test]
    async fn what_is_no_body_is_refused() {
        let long = format!("3;{}\r\nabc\r\n0\r\n\r\n", "x".repeat(300));
        let trailers = format!("0\r\nT: {}\r\n\r\n", "x".repeat(TRAILERS));
        for body in [
            "x\r\nabc\r\n0\r\n\r\n",
            "-3\r\nabc\r\n0\r\n\r\n",
            "+3\r\nabc\r\n0\r\n\r\n",
            "0x3\r\nabc\r\n0\r\n\r\n",
            " 3\r\nabc\r\n0\r\n\r\n",
            "3 \r\nabc\r\n0\r\n\r\n",
            "\r\nabc\r\n0\r\n\r\n",
            "3\nabc\r\n0\r\n\r\n",
            "3\r\nabcd\r\n0\r\n\r\n",
            "3\r\nab\r\n0\r\n\r\n",
            "3\r\nabc\n0\r\n\r\n",
            "3\r\nabc0\r\n\r\n",
            "3;a\rb\r\nabc\r\n0\r\n\r\n",
            "10000000000000000\r\nabc",
            "0\r\nT: x\n\r\n",
            &long,
            &trailers,
        ] {
            let result = run(body, Framing::Chunked, Coding::Plain).await;
            assert!(matches!(result, Err(Broken::Malformed(_))), "{body:?}: {result:?}");
        }
    }

    #[tokio::test]
    async fn what_is_cut_off_is_no_end() {
        for (body, framing) in [
            ("abc", Framing::Length(4)),
            ("3\r\nab", Framing::Chunked),
            ("3\r\nabc\r\n", Framing::Chunked),
            ("3\r\nabc\r\n0\r\n", Framing::Chunked),
            ("", Framing::Chunked),
        ] {
            let result = run(body, framing, Coding::Plain).await;
            assert!(matches!(result, Err(Broken::Cut(_))), "{body:?}: {result:?}");
        }
    }
}
