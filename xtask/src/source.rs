//! Reads Rust text as far as sizes need it: where functions and test modules begin and end. It parses nothing else and
//! judges nothing. A scanner of its own, because a real parser would cost more to build than the whole tool.

/// A function and how many lines it takes, from `fn` to its closing brace.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    pub name: String,
    pub lines: usize,
}

/// The sizes of one file, without its test modules.
#[derive(Debug, PartialEq, Eq)]
pub struct Sizes {
    pub lines: usize,
    pub functions: Vec<Function>,
}

/// Measures `text`; `text` is Rust that compiles.
pub fn measure(text: &str) -> Sizes {
    let mut code = blank(text);
    let total = text.lines().count();
    let mut tests = 0;
    // Test modules count for nothing: blank them too, so that their functions are not seen below.
    while let Some(start) = find(&code, b"#[cfg(test)]", 0) {
        let Some(end) = end_of_item(&code, start + "#[cfg(test)]".len()) else { break };
        tests += lines(&code[start..end]);
        for byte in &mut code[start..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
    }
    Sizes { lines: total.saturating_sub(tests), functions: functions(&code) }
}

fn functions(code: &[u8]) -> Vec<Function> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = find(code, b"fn ", at) {
        at = start + 3;
        let name: String = code[at..].iter().take_while(|b| is_word(**b)).map(|b| char::from(*b)).collect();
        let preceded = start > 0 && is_word(code[start - 1]);
        if name.is_empty() || preceded {
            continue;
        }
        // A function without a body (in a trait) ends at a semicolon and has no size.
        if let Some(end) = end_of_item(code, at)
            && code[end - 1] == b'}'
        {
            found.push(Function { name, lines: lines(&code[start..end]) });
        }
    }
    found
}

/// The end of the item that goes on at `from`: behind its closing brace, or behind its semicolon.
fn end_of_item(code: &[u8], from: usize) -> Option<usize> {
    let mut braces = 0usize;
    let mut brackets = 0usize;
    for (at, byte) in code.iter().enumerate().skip(from) {
        match byte {
            b'{' => braces += 1,
            b'}' => {
                braces = braces.checked_sub(1)?;
                if braces == 0 {
                    return Some(at + 1);
                }
            }
            b'(' | b'[' => brackets += 1,
            b')' | b']' => brackets = brackets.saturating_sub(1),
            // `[u8; 4]` in a signature is no end.
            b';' if braces == 0 && brackets == 0 => return Some(at + 1),
            _ => {}
        }
    }
    None
}

fn lines(code: &[u8]) -> usize {
    code.iter().filter(|b| **b == b'\n').count() + 1
}

fn find(code: &[u8], needle: &[u8], from: usize) -> Option<usize> {
    code.get(from..)?.windows(needle.len()).position(|w| w == needle).map(|at| at + from)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The text with comments, strings and character literals blanked; lines stay where they are.
pub fn blank(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match (bytes[at], bytes.get(at + 1)) {
            (b'/', Some(b'/')) => find(bytes, b"\n", at).unwrap_or(bytes.len()),
            (b'/', Some(b'*')) => end_of_comment(bytes, at),
            (b'"', _) => end_of_string(bytes, at),
            (b'r', Some(b'"' | b'#')) if at == 0 || !is_word(bytes[at - 1]) || bytes[at - 1] == b'b' => {
                end_of_raw(bytes, at)
            }
            (b'\'', Some(_)) => end_of_char(bytes, at),
            _ => at + 1,
        };
        if end > at + 1 {
            for byte in &mut out[at..end] {
                if *byte != b'\n' {
                    *byte = b' ';
                }
            }
        }
        at = end;
    }
    out
}

fn end_of_comment(bytes: &[u8], start: usize) -> usize {
    let mut depth = 0usize;
    let mut at = start;
    while at < bytes.len() {
        match (bytes[at], bytes.get(at + 1)) {
            (b'/', Some(b'*')) => {
                depth += 1;
                at += 2;
            }
            (b'*', Some(b'/')) => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    bytes.len()
}

fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// The end of `r"…"` or `r#"…"#`; of a raw identifier (`r#type`) only its `r`.
fn end_of_raw(bytes: &[u8], start: usize) -> usize {
    let hashes = bytes[start + 1..].iter().take_while(|b| **b == b'#').count();
    if bytes.get(start + 1 + hashes) != Some(&b'"') {
        return start + 1;
    }
    let close = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
    find(bytes, &close, start + hashes + 2).map_or(bytes.len(), |at| at + close.len())
}

/// The end of a character literal; of a lifetime only its quote.
fn end_of_char(bytes: &[u8], start: usize) -> usize {
    if bytes.get(start + 1) == Some(&b'\\') {
        return find(bytes, b"'", start + 3).map_or(bytes.len(), |at| at + 1);
    }
    // A character is at most four bytes long.
    (start + 2..start + 6)
        .find(|at| bytes.get(*at) == Some(&b'\''))
        .filter(|end| one_char(bytes, start + 1, *end))
        .map_or(start + 1, |end| end + 1)
}

fn one_char(bytes: &[u8], start: usize, end: usize) -> bool {
    std::str::from_utf8(&bytes[start..end]).is_ok_and(|text| text.chars().count() == 1)
}

#[cfg(test)]
mod tests {
    //! Small texts and what is measured of them.
    use super::*;

    fn sizes(text: &str) -> (usize, Vec<(String, usize)>) {
        let sizes = measure(text);
        (sizes.lines, sizes.functions.into_iter().map(|f| (f.name, f.lines)).collect())
    }

    #[test]
    fn functions_have_their_length() {
        let text =
            "//! x\nfn one() {}\nimpl A {\n    fn two(a: [u8; 4]) -> u8 {\n        1\n    }\n    fn none();\n}\n";
        assert_eq!(sizes(text), (8, vec![("one".into(), 1), ("two".into(), 3)]));
    }

    #[test]
    fn braces_in_strings_and_comments_are_no_braces() {
        let text = "fn a<'x>(s: &'x str) {\n    // }\n    let _ = (\"}\", '}', '\\'', r#\"}\"}\"#, b'{');\n    /* } /* } */ */\n}\n";
        assert_eq!(sizes(text), (5, vec![("a".into(), 5)]));
    }

    #[test]
    fn tests_count_for_nothing() {
        let text = "fn a() {}\n\n#[cfg(test)]\nmod tests {\n    fn b() {\n    }\n}\n";
        assert_eq!(sizes(text), (2, vec![("a".into(), 1)]));
        assert_eq!(sizes("#[cfg(test)]\nmod tests;\nfn c() {}\n"), (1, vec![("c".into(), 1)]));
    }
}
