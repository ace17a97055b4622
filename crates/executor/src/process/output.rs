//! What a process has said and how it ended, under one count. The newest mebibyte is kept for who asks again; numbers
//! that are missing at the start of an answer were dropped.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use wire::executor::{Base64, Chunk, ProcessReadings, Stream};

const KEPT: usize = 1024 * 1024;
/// What a chunk costs beside its bytes, so that many small ones are bounded too.
const CHUNK_COST: usize = 64;

pub struct Output {
    log: Mutex<Log>,
    changed: watch::Sender<()>,
}

#[derive(Default)]
struct Log {
    chunks: VecDeque<Chunk>,
    size: usize,
    /// The newest number that was given.
    seq: u64,
    exit_code: Option<i32>,
    closed: bool,
}

impl Default for Output {
    fn default() -> Self {
        Self { log: Mutex::default(), changed: watch::channel(()).0 }
    }
}

impl Output {
    pub fn say(&self, stream: Stream, bytes: Vec<u8>) -> Chunk {
        let chunk = {
            let mut log = self.log();
            log.seq += 1;
            let chunk = Chunk { seq: log.seq, stream, chunk: Base64(bytes) };
            log.size += chunk.chunk.0.len() + CHUNK_COST;
            log.chunks.push_back(chunk.clone());
            while log.size > KEPT {
                let Some(oldest) = log.chunks.pop_front() else { break };
                log.size -= oldest.chunk.0.len() + CHUNK_COST;
            }
            chunk
        };
        self.changed.send_replace(());
        chunk
    }

    /// The number of the event.
    pub fn exit(&self, exit_code: i32) -> u64 {
        self.mark(|log| log.exit_code = Some(exit_code))
    }

    /// The number of the event.
    pub fn close(&self) -> u64 {
        self.mark(|log| log.closed = true)
    }

    fn mark(&self, change: impl FnOnce(&mut Log)) -> u64 {
        let seq = {
            let mut log = self.log();
            log.seq += 1;
            change(&mut log);
            log.seq
        };
        self.changed.send_replace(());
        seq
    }

    pub fn has_exited(&self) -> bool {
        self.log().exit_code.is_some()
    }

    pub fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// What came after a number, at most so many bytes but one chunk at least; and whether there is any news in it.
    pub fn read(&self, after: u64, most: usize) -> (ProcessReadings, bool) {
        let log = self.log();
        let mut size = 0;
        let fresh = log.chunks.iter().filter(|chunk| chunk.seq > after);
        let chunks: Vec<Chunk> = fresh
            .take_while(|chunk| {
                let first = size == 0;
                size += chunk.chunk.0.len();
                first || size <= most
            })
            .cloned()
            .collect();
        let news = !chunks.is_empty() || log.closed || (log.exit_code.is_some() && after < log.seq);
        let readings = ProcessReadings {
            next_seq: chunks.last().map_or(log.seq, |chunk| chunk.seq) + 1,
            chunks,
            exited: log.exit_code.is_some(),
            exit_code: log.exit_code,
            closed: log.closed,
            failure: None,
            sandbox_denied: false,
        };
        (readings, news)
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seqs(output: &Output, after: u64, most: usize) -> Vec<u64> {
        output.read(after, most).0.chunks.iter().map(|chunk| chunk.seq).collect()
    }

    #[test]
    fn a_reader_gets_what_came_after_and_one_chunk_at_least() {
        let output = Output::default();
        for text in ["one", "two", "three"] {
            output.say(Stream::Stdout, text.into());
        }
        assert_eq!(seqs(&output, 0, usize::MAX), [1, 2, 3]);
        assert_eq!(seqs(&output, 1, 8), [2, 3]);
        assert_eq!(seqs(&output, 1, 7), [2]);
        assert_eq!(seqs(&output, 2, 0), [3]);
        assert_eq!(output.read(0, 3).0.next_seq, 2);
        assert_eq!(output.read(3, 9).0.next_seq, 4);
        assert!(!output.read(3, 9).1);
    }

    #[test]
    fn the_oldest_is_dropped_and_its_numbers_stay_used() {
        let output = Output::default();
        for _ in 0..3 {
            output.say(Stream::Stdout, vec![0; KEPT / 2]);
        }
        assert_eq!(seqs(&output, 0, usize::MAX), [3]);
        for _ in 0..KEPT / CHUNK_COST {
            output.say(Stream::Stdout, vec![0]);
        }
        assert!(output.log().chunks.len() < KEPT / CHUNK_COST);
    }

    #[test]
    fn the_end_is_news_until_it_was_seen() {
        let output = Output::default();
        output.say(Stream::Stderr, b"x".to_vec());
        assert_eq!(output.exit(3), 2);
        let (readings, news) = output.read(1, 10);
        assert!(news && readings.exited && !readings.closed);
        assert_eq!((readings.exit_code, readings.next_seq), (Some(3), 3));
        assert!(!output.read(2, 10).1);
        assert_eq!(output.close(), 3);
        assert!(output.read(2, 10).1);
    }
}
