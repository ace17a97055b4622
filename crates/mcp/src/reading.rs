//! What a server said, read within bounds: its values are counted before any is built, and what is large is read away from
//! the threads that serve everybody.

use crate::message::{self, Message};

/// Bytes from which on reading is worth another thread.
const LARGE: usize = 256 << 10;

/// One message, or why there is none.
pub(crate) async fn message(text: Vec<u8>, most: usize) -> Result<Message, String> {
    let is_large = text.len() > LARGE;
    let read = move || match values(&text) > most {
        true => Err(format!("more than {most} values")),
        false => message::read(&text),
    };
    if is_large { away(read).await? } else { read() }
}

/// Work that takes long, for another thread.
#[expect(clippy::disallowed_methods, reason = "what a server sends may take long to read")]
pub(crate) async fn away<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.map_err(|error| error.to_string())
}

/// The values in a text of JSON, without building one. Of what is no JSON, some number.
pub(crate) fn values(text: &[u8]) -> usize {
    let (mut values, mut quoted, mut escaped, mut opened) = (1_usize, false, false, false);
    for byte in text {
        if quoted {
            quoted = escaped || *byte != b'"';
            escaped = !escaped && *byte == b'\\';
            continue;
        }
        if byte.is_ascii_whitespace() {
            continue;
        }
        values += usize::from(*byte == b',' || opened && !matches!(byte, b']' | b'}'));
        opened = matches!(byte, b'[' | b'{');
        quoted = *byte == b'"';
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_without_being_built() {
        for (text, expected) in [
            ("1", 1),
            ("[]", 1),
            ("[ ]", 1),
            ("[1]", 2),
            ("[1,2,[3]]", 5),
            (r#"{"a":{},"b":[{}],"c":"x"}"#, 5),
            (r#"{"a":"[,{\\\",","b\\":1}"#, 3),
            ("[[],[]]", 3),
        ] {
            assert_eq!(values(text.as_bytes()), expected, "{text}");
        }
    }
}
