//! Bytes as hexadecimal: how digests, drawn ids and secrets are written everywhere. A crate that does not depend on this one
//! (see the table in ARCHITECTURE.md) writes its own few lines: an edge between crates costs more.

/// Two lowercase digits for each byte.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(digit(byte >> 4));
        text.push(digit(byte & 15));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::hex;

    #[test]
    fn two_lowercase_digits_for_each_byte() {
        assert_eq!(hex(&[0, 9, 10, 0x7f, 0xf0, 255]), "00090a7ff0ff");
        assert_eq!(hex(&[]), "");
    }
}
