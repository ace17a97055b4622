//! Answers of a Chat Completions server, as bytes of its stream.

use crate::upstream;
use models::fuzz::Wire;

pub fn target(data: &[u8]) {
    upstream::target(Wire::Chat, data);
}
