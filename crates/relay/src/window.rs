//! Numbered records brought back into their order, within limits.

use crate::Fault;
use std::collections::BTreeMap;

const KEPT_RECORDS: usize = 64;
const KEPT_BYTES: usize = 1024 * 1024;

/// What has come ahead of its turn.
#[derive(Default)]
pub struct Window {
    next: u32,
    kept: BTreeMap<u32, Vec<u8>>,
    bytes: usize,
}

impl Window {
    /// Takes one record and gives those whose turn it is now. One that came before is passed over.
    pub fn push(&mut self, seq: u32, payload: Vec<u8>) -> Result<Vec<Vec<u8>>, Fault> {
        if seq < self.next || self.kept.contains_key(&seq) {
            return Ok(Vec::new());
        }
        if seq != self.next {
            self.bytes += payload.len();
            self.kept.insert(seq, payload);
            let held = self.kept.len() <= KEPT_RECORDS && self.bytes <= KEPT_BYTES;
            return if held { Ok(Vec::new()) } else { Err(Fault::Sequence) };
        }
        let mut ready = vec![payload];
        self.advance()?;
        while let Some(payload) = self.kept.remove(&self.next) {
            self.bytes -= payload.len();
            ready.push(payload);
            self.advance()?;
        }
        Ok(ready)
    }

    /// The last number is never used: what would come after it has none.
    fn advance(&mut self) -> Result<(), Fault> {
        self.next = self.next.checked_add(1).ok_or(Fault::Sequence)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_out_in_order_and_once() {
        let mut window = Window::default();
        let mut out = Vec::new();
        for seq in [1, 0, 0, 3, 1, 2, 5, 5, 4] {
            out.extend(window.push(seq, vec![seq as u8]).expect("within the limits"));
        }
        assert_eq!(out, [[0], [1], [2], [3], [4], [5]]);
        assert_eq!(window.bytes, 0);
    }

    #[test]
    fn a_gap_that_does_not_close_is_a_fault() {
        let mut window = Window::default();
        for seq in 1..=64 {
            assert_eq!(window.push(seq, vec![0]), Ok(Vec::new()));
        }
        assert_eq!(window.push(65, vec![0]), Err(Fault::Sequence));
        let mut window = Window::default();
        assert_eq!(window.push(7, vec![0; KEPT_BYTES + 1]), Err(Fault::Sequence));
    }
}
