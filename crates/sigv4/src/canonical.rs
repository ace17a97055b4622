//! What is signed, as bytes in one form: the encoding of paths and queries, and the request's head.

use crate::query::Query;
use crate::{Head, Refusal, hexadecimal};
use sha2::{Digest, Sha256};

/// Everything of the canonical request but the last line, which is the body's hash.
pub fn head(head: &Head<'_>, query: &Query, signed: &str, is_s3: bool) -> Result<Vec<u8>, Refusal> {
    let path = if head.path.is_empty() { "/" } else { head.path };
    let path = if is_s3 { path.to_owned() } else { encode(path.as_bytes(), true) };
    let mut out = format!("{}\n{path}\n{}\n", head.method, query.canonical()).into_bytes();
    for name in signed.split(';') {
        let value = head.once(name)?.ok_or(Refusal::Incomplete("a header that it names is not there"))?;
        out.extend_from_slice(name.as_bytes());
        out.push(b':');
        for (index, word) in words(value).enumerate() {
            if index > 0 {
                out.push(b' ');
            }
            out.extend_from_slice(word);
        }
        out.push(b'\n');
    }
    out.push(b'\n');
    out.extend_from_slice(signed.as_bytes());
    out.push(b'\n');
    Ok(out)
}

/// The text that is signed. `body` is the last line of the canonical request.
pub fn text(date: &str, scope: &str, head: &[u8], body: &str) -> String {
    let request = Sha256::new().chain_update(head).chain_update(body).finalize();
    format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hexadecimal(&request))
}

fn words(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty())
}

/// `%XX` for all but letters, digits and `-._~`, and for slashes where they are not kept.
pub fn encode(bytes: &[u8], keeps_slashes: bool) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::with_capacity(bytes.len());
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) || (keeps_slashes && *byte == b'/') {
            out.push(char::from(*byte));
        } else {
            let digit = |value: u8| char::from(DIGITS[usize::from(value & 15)]);
            out.extend(['%', digit(byte >> 4), digit(*byte)]);
        }
    }
    out
}

/// None where a percent sign stands before anything but two hexadecimal digits.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let (mut out, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        if *first != b'%' {
            out.push(*first);
            continue;
        }
        let (digits, behind) = rest.split_at_checked(2)?;
        let digit = |index: usize| char::from(digits[index]).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        out.push(digit(0)? << 4 | digit(1)?);
        rest = behind;
    }
    Some(out)
}
