//! A check on what stands in the database beside the logs, whose records have their chains: a flipped bit in a head or a
//! row shows as an error and is never served. A seal says what the bytes are, too, so that they cannot stand in for
//! others.
//!
//! Form: the bytes, a zero, and eight bytes of FNV-1a. JSON holds no zero byte, so that rows from before there were
//! seals are told apart.

use crate::Error;

const LENGTH: usize = 9;

pub(super) fn close(name: [&str; 2], mut bytes: Vec<u8>) -> Vec<u8> {
    let seal = digest(name, &bytes);
    bytes.push(0);
    bytes.extend_from_slice(&seal.to_le_bytes());
    bytes
}

pub(super) fn open<'a>(name: [&str; 2], bytes: &'a [u8]) -> Result<&'a [u8], Error> {
    let Some((content, [0, seal @ ..])) = bytes.split_at_checked(bytes.len().saturating_sub(LENGTH)) else {
        return Ok(bytes);
    };
    if seal == digest(name, content).to_le_bytes() {
        return Ok(content);
    }
    Err(Error::Failed(format!("{} of {} is damaged", name[0], name[1])))
}

/// Any change of one byte changes it.
fn digest(name: [&str; 2], bytes: &[u8]) -> u64 {
    let parts = [name[0].as_bytes(), &[0], name[1].as_bytes(), &[0], bytes];
    let all = parts.into_iter().flatten();
    all.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::{close, open};

    #[test]
    fn every_bit_counts() {
        let sealed = close(["head", "sess_1"], br#"{"a":1}"#.to_vec());
        assert_eq!(open(["head", "sess_1"], &sealed).unwrap(), br#"{"a":1}"#);
        assert!(open(["head", "sess_2"], &sealed).is_err());
        assert!(open(["settings", "sess_1"], &sealed).is_err());
        for bit in 0..sealed.len() * 8 {
            let mut spoiled = sealed.clone();
            spoiled[bit / 8] ^= 1 << (bit % 8);
            let read = open(["head", "sess_1"], &spoiled).map(serde_json::from_slice::<serde_json::Value>);
            assert!(!matches!(read, Ok(Ok(_))), "bit {bit}");
        }
    }

    #[test]
    fn what_has_no_seal_is_older() {
        for old in [&b"{}"[..], b"", b"{\"a\":\"0123456789\"}"] {
            assert_eq!(open(["row", "x"], old).unwrap(), old);
        }
    }
}
