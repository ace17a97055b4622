//! Puts secrets in the place of their placeholders, and takes them out of answers. Pure: bytes in, bytes out.
//!
//! Replaced are the values of headers (also inside `Basic` credentials), the path and the query, where credentials
//! travel. Bodies are not: what a body says is what services keep and show again, so a secret in it could be read
//! back by the sandbox; and a body has a length, an encoding and often a signature that would no longer be true.

use crate::secret::{SHOWN, Substitution};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// What a header's value becomes, or `None` where nothing stands for a secret in it.
#[must_use]
pub fn header(name: &str, value: &[u8], pairs: &[Substitution]) -> Option<Vec<u8>> {
    if name.eq_ignore_ascii_case("authorization")
        && let Some(changed) = basic(value, pairs)
    {
        return Some(changed);
    }
    swap(value, pairs, |value| value.as_bytes().to_vec())
}

/// What a path with its query becomes: values are percent-encoded, so none can end the path or begin another query.
#[must_use]
pub fn target(text: &str, pairs: &[Substitution]) -> Option<String> {
    let changed = swap(text.as_bytes(), pairs, |value| encoded(value).into_bytes())?;
    String::from_utf8(changed).ok()
}

/// `Basic` credentials hold their placeholder under base64.
fn basic(value: &[u8], pairs: &[Substitution]) -> Option<Vec<u8>> {
    let (scheme, credentials) = value.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let credentials = BASE64.decode(credentials.trim_ascii()).ok()?;
    let changed = swap(&credentials, pairs, |value| value.as_bytes().to_vec())?;
    Some([b"Basic ", BASE64.encode(changed).as_bytes()].concat())
}

/// One pass from left to right: what was put in is not read again. Where several placeholders fit, the longest counts.
fn swap(text: &[u8], pairs: &[Substitution], write: impl Fn(&str) -> Vec<u8>) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    let mut changed = false;
    while let Some((first, tail)) = rest.split_first() {
        let fits = |pair: &&Substitution| rest.starts_with(pair.placeholder().as_bytes());
        match pairs.iter().filter(fits).max_by_key(|pair| pair.placeholder().len()) {
            Some(pair) => {
                out.extend(write(pair.value()));
                rest = rest.get(pair.placeholder().len()..).unwrap_or_default();
                changed = true;
            }
            None => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    changed.then_some(out)
}

fn encoded(value: &str) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// Takes secrets out of an answer: out of its headers, and out of its body as it passes.
///
/// This is a second line: a host that is given a secret can show it in a thousand other ways. It catches what servers
/// do without malice: an error that quotes the request, a redirect to the same path, a service that echoes.
pub struct Mask {
    /// What is looked for (the value, and as it stands in a path), and its placeholder.
    shapes: Vec<(Vec<u8>, String)>,
    /// The end of what came, if it may be the beginning of a secret.
    held: Vec<u8>,
}

impl Mask {
    #[must_use]
    pub fn new(pairs: &[Substitution]) -> Self {
        let mut shapes = Vec::new();
        for pair in pairs.iter().filter(|pair| pair.value().len() >= SHOWN) {
            let encoded = encoded(pair.value());
            if encoded != pair.value() {
                shapes.push((encoded.into_bytes(), pair.placeholder().to_owned()));
            }
            shapes.push((pair.value().as_bytes().to_vec(), pair.placeholder().to_owned()));
        }
        shapes.sort_by_key(|(shape, _)| std::cmp::Reverse(shape.len()));
        Self { shapes, held: Vec::new() }
    }

    /// A header's value with placeholders for secrets, or `None` where there is nothing to hide.
    #[must_use]
    pub fn header(&self, value: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(value.len());
        let mut rest = value;
        let mut changed = false;
        while let Some((first, tail)) = rest.split_first() {
            if let Some((shape, placeholder)) = self.shapes.iter().find(|(shape, _)| rest.starts_with(shape)) {
                out.extend_from_slice(placeholder.as_bytes());
                rest = rest.get(shape.len()..).unwrap_or_default();
                changed = true;
            } else {
                out.push(*first);
                rest = tail;
            }
        }
        changed.then_some(out)
    }

    /// The next piece of a body, with `*` for each byte of a secret: lengths stay true. Held back is only an end that
    /// may be the beginning of a secret, so a stream of events is not slowed.
    #[must_use]
    pub fn body(&mut self, piece: &[u8]) -> Vec<u8> {
        self.pass(piece, false)
    }

    /// What was still held when the body ended.
    #[must_use]
    pub fn end(&mut self) -> Vec<u8> {
        self.pass(&[], true)
    }

    fn pass(&mut self, piece: &[u8], last: bool) -> Vec<u8> {
        let mut text = std::mem::take(&mut self.held);
        text.extend_from_slice(piece);
        let mut at = 0;
        while at < text.len() {
            let rest = &text[at..];
            // A longer secret may begin with a shorter one: the longer is waited for.
            if !last && self.shapes.iter().any(|(shape, _)| shape.len() > rest.len() && shape.starts_with(rest)) {
                self.held = text.split_off(at);
                break;
            }
            match self.shapes.iter().find(|(shape, _)| rest.starts_with(shape)) {
                Some((shape, _)) => {
                    let end = at + shape.len();
                    text[at..end].fill(b'*');
                    at = end;
                }
                None => at += 1,
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs() -> Vec<Substitution> {
        vec![
            Substitution::new("outcrop-secret-0001", "tok/en+é &1").unwrap(),
            Substitution::new("outcrop-secret-00012", "longer-value").unwrap(),
        ]
    }

    fn text(value: Option<Vec<u8>>) -> Option<String> {
        value.map(|value| String::from_utf8(value).unwrap())
    }

    #[test]
    fn headers() {
        let check = |value: &str| text(header("x-key", value.as_bytes(), &pairs()));
        assert_eq!(check("outcrop-secret-0001").as_deref(), Some("tok/en+é &1"));
        assert_eq!(check("Bearer outcrop-secret-0001, more").as_deref(), Some("Bearer tok/en+é &1, more"));
        assert_eq!(check("outcrop-secret-0001outcrop-secret-0001").as_deref(), Some("tok/en+é &1tok/en+é &1"));
        assert_eq!(check("outcrop-secret-00012").as_deref(), Some("longer-value"));
        assert_eq!(check("outcrop-secret-000"), None);
        assert_eq!(check("OUTCROP-SECRET-0001"), None);
        assert_eq!(check(""), None);
    }

    #[test]
    fn what_was_put_in_is_not_read_again() {
        let pairs = vec![
            Substitution::new("outcrop-secret-000a", "see outcrop-secret-000b").unwrap(),
            Substitution::new("outcrop-secret-000b", "deep").unwrap(),
        ];
        let value = header("x", b"outcrop-secret-000a outcrop-secret-000b", &pairs);
        assert_eq!(text(value).as_deref(), Some("see outcrop-secret-000b deep"));
    }

    #[test]
    fn basic_credentials() {
        let value = format!("basic {}", BASE64.encode("me:outcrop-secret-00012"));
        let changed = text(header("Authorization", value.as_bytes(), &pairs())).unwrap();
        assert_eq!(changed, format!("Basic {}", BASE64.encode("me:longer-value")));
        assert_eq!(text(header("x-other", value.as_bytes(), &pairs())), None);
        assert_eq!(text(header("authorization", b"Basic %%%", &pairs())), None);
        assert_eq!(
            text(header("authorization", b"Bearer outcrop-secret-00012", &pairs())).unwrap(),
            "Bearer longer-value"
        );
    }

    #[test]
    fn a_value_stays_within_its_place_of_a_path() {
        let check = |text: &str| target(text, &pairs());
        assert_eq!(
            check("/a/outcrop-secret-0001/b?k=outcrop-secret-0001&l=1").as_deref(),
            Some("/a/tok%2Fen%2B%C3%A9%20%261/b?k=tok%2Fen%2B%C3%A9%20%261&l=1")
        );
        assert_eq!(check("/a?b"), None);
    }

    #[test]
    fn answers_are_masked() {
        let mask = Mask::new(&pairs());
        assert_eq!(text(mask.header("x tok/en+é &1 y".as_bytes())).as_deref(), Some("x outcrop-secret-0001 y"));
        assert_eq!(text(mask.header(b"/?k=tok%2Fen%2B%C3%A9%20%261")).as_deref(), Some("/?k=outcrop-secret-0001"));
        assert_eq!(text(mask.header(b"nothing")), None);
        let short = Mask::new(&[Substitution::new("outcrop-secret-0001", "of").unwrap()]);
        assert_eq!(text(short.header(b"a word of it")), None);
    }

    #[test]
    fn a_body_is_masked_however_it_is_cut() {
        let body = "begin longer-value, longer-valu, longer-longer-value end longer-val".as_bytes();
        let expected = "begin ************, longer-valu, longer-************ end longer-val";
        for size in 1..body.len() {
            let mut mask = Mask::new(&pairs());
            let mut out: Vec<u8> = body.chunks(size).flat_map(|piece| mask.body(piece)).collect();
            out.extend(mask.end());
            assert_eq!(String::from_utf8(out).unwrap(), expected, "pieces of {size}");
        }
    }

    #[test]
    fn a_secret_that_begins_a_longer_one_is_masked_at_the_end_too() {
        let pairs = vec![
            Substitution::new("outcrop-secret-000a", "abcdefgh").unwrap(),
            Substitution::new("outcrop-secret-000b", "abcdefghijkl").unwrap(),
        ];
        for (body, expected) in
            [("abcdefgh", "********"), ("abcdefghijkl", "************"), ("abcdefghij", "********ij")]
        {
            let mut mask = Mask::new(&pairs);
            let mut out: Vec<u8> = body.as_bytes().chunks(3).flat_map(|piece| mask.body(piece)).collect();
            out.extend(mask.end());
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn what_begins_no_secret_is_not_held_back() {
        let mut mask = Mask::new(&pairs());
        assert_eq!(mask.body(b"data: {}\n\n"), b"data: {}\n\n");
        assert_eq!(mask.body(b"data: lon"), b"data: ");
        assert_eq!(mask.body(b"g\n\n"), b"long\n\n");
    }
}
