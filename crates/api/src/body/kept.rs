//! A body that was read before its request may pass, because its hash is part of what is signed: kept in pieces, within the
//! memory that all bodies share, and handed on as if it came only now. What is handed on is counted no longer: who reads
//! it counts it.

use super::{Flow, Held, IDLE};
use crate::Door;
use crate::failure::Failure;
use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use futures_util::stream::unfold;
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::convert::Infallible;

/// However small the pieces in which it comes, it is kept in such.
const PIECE: usize = 64 << 10;

/// A body, whole.
pub struct Kept {
    pieces: VecDeque<Vec<u8>>,
    size: usize,
    held: Held,
    hash: [u8; 32],
}

impl Kept {
    /// Reads at most `most` bytes, and no more than the door's limit.
    pub async fn read(door: &Door, headers: &HeaderMap, body: Body, most: usize) -> Result<Self, Failure> {
        let limit = most.min(door.limits.body);
        let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if announced.is_some_and(|length| length > limit as u64) {
            return Err(Failure::too_large(limit));
        }
        let mut held = door.traffic.bodies.enter();
        let (mut pieces, mut size, mut digest) = (VecDeque::<Vec<u8>>::new(), 0_usize, Sha256::new());
        let mut flow = Flow::new(body, &*door.clock);
        while let Some(data) = flow.next().await? {
            size = size.saturating_add(data.len());
            if size > limit {
                return Err(Failure::too_large(limit));
            }
            flow.pause(held.grow(size, IDLE, &*door.clock)).await?;
            digest.update(&data);
            match pieces.back_mut() {
                Some(last) if last.len() + data.len() <= PIECE => last.extend_from_slice(&data),
                _ => pieces.push_back(data.to_vec()),
            }
        }
        Ok(Self { pieces, size, held, hash: digest.finalize().into() })
    }

    /// SHA-256.
    pub fn hash(&self) -> [u8; 32] {
        self.hash
    }

    pub fn into_body(self) -> Body {
        if self.pieces.is_empty() {
            return Body::empty();
        }
        Body::from_stream(unfold(self, async |mut kept| {
            let piece = kept.pieces.pop_front()?;
            kept.size -= piece.len();
            kept.held.shrink(kept.size);
            Some((Ok::<_, Infallible>(Bytes::from(piece)), kept))
        }))
    }
}
