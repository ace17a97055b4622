//! Answers of a Responses server, as bytes of its stream.

use crate::upstream;
use models::fuzz::Wire;

pub fn target(data: &[u8]) {
    upstream::target(Wire::Responses, data);
}
