//! Messages within a stream of bytes: each behind its length, as four bytes.

use crate::Fault;

/// The largest message, in bytes.
pub const MESSAGE_LIMIT: usize = 64 * 1024 * 1024;
const HEAD: usize = 4;

/// The bytes of a message that is not complete.
#[derive(Default)]
pub struct Assembly {
    bytes: Vec<u8>,
}

impl Assembly {
    /// Takes what came and gives the messages that are complete. A length beyond the limit is refused before anything is
    /// kept for it; nothing is reserved for a length that is only said.
    pub fn push(&mut self, plaintext: &[u8]) -> Result<Vec<Vec<u8>>, Fault> {
        self.bytes.extend_from_slice(plaintext);
        let mut messages = Vec::new();
        let mut from = 0;
        while let Some((head, rest)) = self.bytes[from..].split_first_chunk::<HEAD>() {
            let length = u32::from_be_bytes(*head) as usize;
            if length > MESSAGE_LIMIT {
                return Err(Fault::TooLarge("a message"));
            }
            let Some(message) = rest.get(..length) else { break };
            messages.push(message.to_vec());
            from += HEAD + length;
        }
        self.bytes.drain(..from);
        Ok(messages)
    }
}

/// The message behind its length.
pub fn frame(message: &[u8]) -> Result<Vec<u8>, Fault> {
    if message.len() > MESSAGE_LIMIT {
        return Err(Fault::TooLarge("a message"));
    }
    let mut bytes = Vec::with_capacity(HEAD + message.len());
    bytes.extend_from_slice(&(message.len() as u32).to_be_bytes());
    bytes.extend_from_slice(message);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_found_however_the_bytes_are_cut() {
        let messages = [b"{}".to_vec(), Vec::new(), vec![9; 300]];
        let stream: Vec<u8> = messages.iter().flat_map(|message| frame(message).expect("small")).collect();
        for size in 1..stream.len() {
            let mut assembly = Assembly::default();
            let pieces = stream.chunks(size).map(|piece| assembly.push(piece).expect("small"));
            assert_eq!(pieces.flatten().collect::<Vec<_>>(), messages, "{size}");
        }
    }

    #[test]
    fn a_length_beyond_the_limit_is_refused() {
        let fault = Err(Fault::TooLarge("a message"));
        assert_eq!(Assembly::default().push(&(MESSAGE_LIMIT as u32 + 1).to_be_bytes()), fault);
        assert_eq!(Assembly::default().push(&MESSAGE_LIMIT.to_be_bytes()[4..]), Ok(Vec::new()));
        assert!(frame(&vec![0; MESSAGE_LIMIT + 1]).is_err());
    }
}
