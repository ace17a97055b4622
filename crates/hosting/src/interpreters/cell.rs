//! The two streams of a Python that runs pieces of code one after the other: what belongs to one piece lies between two
//! marks, on each of them. Pure.

use super::kept::Kept;

/// One piece of code on both streams.
pub(super) struct Cell {
    tracks: [Track; 2],
}

struct Track {
    /// What every mark of this piece begins with.
    mark: Vec<u8>,
    held: Vec<u8>,
    has_begun: bool,
    status: Option<i32>,
    kept: Kept,
}

impl Cell {
    /// `mark`: the one that was sent with it.
    pub(super) fn new(mark: &str) -> Self {
        let track = || Track {
            mark: format!("\0{mark}:").into_bytes(),
            held: Vec::new(),
            has_begun: false,
            status: None,
            kept: Kept::default(),
        };
        Self { tracks: [track(), track()] }
    }

    pub(super) fn push(&mut self, error_stream: bool, bytes: &[u8]) {
        self.tracks[usize::from(error_stream)].push(bytes);
    }

    /// Some of what was said never came, the beginning perhaps.
    pub(super) fn note_gap(&mut self) {
        for track in &mut self.tracks {
            track.has_begun = true;
            track.kept.note_gap();
        }
    }

    pub(super) fn has_begun(&self) -> bool {
        self.tracks.iter().any(|track| track.has_begun)
    }

    /// Its exit code, when it has ended on both.
    pub(super) fn status(&self) -> Option<i32> {
        let [out, error] = &self.tracks;
        out.status.and(error.status)
    }

    /// What it said on standard output and on standard error.
    pub(super) fn said(self) -> [String; 2] {
        self.tracks.map(|mut track| {
            if track.has_begun && track.status.is_none() {
                track.kept.push(&track.held);
            }
            track.kept.text()
        })
    }
}

impl Track {
    fn push(&mut self, bytes: &[u8]) {
        if self.status.is_some() {
            return;
        }
        self.held.extend_from_slice(bytes);
        while let Some(at) = find(&self.held, &self.mark) {
            if self.has_begun {
                self.kept.push(&self.held[..at]);
            }
            self.held.drain(..at);
            let word = self.mark.len();
            let Some(length) = self.held[word..].iter().position(|byte| *byte == 0) else { return };
            let word = String::from_utf8_lossy(&self.held[word..word + length]).into_owned();
            self.held.drain(..self.mark.len() + length + 1);
            match word.parse() {
                Ok(status) => {
                    self.status = Some(status);
                    return;
                }
                Err(_) => self.has_begun = true,
            }
        }
        // The beginning of a mark may be at its end.
        let ready = self.held.len().saturating_sub(self.mark.len() - 1);
        if self.has_begun {
            self.kept.push(&self.held[..ready]);
        }
        self.held.drain(..ready);
    }
}

fn find(bytes: &[u8], mark: &[u8]) -> Option<usize> {
    bytes.windows(mark.len()).position(|window| window == mark)
}
