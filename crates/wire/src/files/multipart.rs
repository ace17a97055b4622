//! `multipart/form-data` (RFC 7578), read as it comes: bytes in, pieces out, and never more kept than a part's head or
//! the beginning of a delimiter. Pure: it knows no socket and no limit on what a part's body may have.

use crate::error::Fault;

const CONTENT_TYPE: &str = "Unsupported content type. This API method only accepts 'multipart/form-data' requests.";
const BOUNDARY: &str = "The content type of your request names no boundary.";
const SYNTAX: &str = "We could not parse the multipart form of your request.";
const BROKEN: &str = "The multipart form of your request has no end.";
const CROWDED: &str = "The multipart form of your request has too many parts. Expected at most 64.";
const NAMELESS: &str = "A part of the multipart form of your request has no name.";

/// The longest boundary; the standard allows 70.
const MAX_BOUNDARY: usize = 200;
/// All headers of a part, what stands before the first part, and blanks after a delimiter, bytes.
const MAX_HEAD: usize = 16 << 10;
const MAX_PARTS: usize = 64;

/// What a form consists of. Of each part: a head, any number of bodies, an end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Piece {
    Head(Head),
    Body(Vec<u8>),
    End,
}

/// What a part says of itself.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Head {
    pub name: String,
    /// As it was sent: not safe to be a name.
    pub filename: Option<String>,
    pub media_type: Option<String>,
}

/// A form on its way.
#[derive(Debug)]
pub struct Form {
    /// What ends a part: a line break, two hyphens and the boundary.
    delimiter: Vec<u8>,
    /// What came and is not understood yet.
    rest: Vec<u8>,
    place: Place,
    parts: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    BeforeFirst,
    AfterDelimiter,
    Head,
    Body,
    AfterLast,
}

impl Form {
    /// A form of this content type.
    pub fn new(content_type: Option<&str>) -> Result<Self, Fault> {
        let (media, parameters) =
            content_type.map(|text| text.split_once(';').unwrap_or((text, ""))).unwrap_or_default();
        if !media.trim().eq_ignore_ascii_case("multipart/form-data") {
            return Err(Fault::new(CONTENT_TYPE));
        }
        let boundary =
            parameter(parameters, "boundary").filter(|boundary| (1..=MAX_BOUNDARY).contains(&boundary.len()));
        let boundary = boundary.ok_or_else(|| Fault::new(BOUNDARY))?;
        // The first delimiter may stand at the very beginning, without a line break of its own.
        let rest = b"\r\n".to_vec();
        Ok(Self { delimiter: [b"\r\n--", boundary.as_bytes()].concat(), rest, place: Place::BeforeFirst, parts: 0 })
    }

    /// Takes the next bytes.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<Piece>, Fault> {
        let mut pieces = Vec::new();
        if self.place == Place::AfterLast {
            return Ok(pieces);
        }
        self.rest.extend_from_slice(bytes);
        let mut rest = std::mem::take(&mut self.rest);
        let mut read = 0;
        while let Some(more) = self.step(&rest[read..], &mut pieces)? {
            read += more;
        }
        rest.drain(..read);
        self.rest = rest;
        Ok(pieces)
    }

    /// Err where the last part has not ended.
    pub fn finish(self) -> Result<(), Fault> {
        if self.place == Place::AfterLast { Ok(()) } else { Err(Fault::new(BROKEN)) }
    }

    /// How many bytes were understood; None where more are needed first.
    fn step(&mut self, rest: &[u8], pieces: &mut Vec<Piece>) -> Result<Option<usize>, Fault> {
        match self.place {
            Place::BeforeFirst => match find(rest, &self.delimiter) {
                Some(at) if at > MAX_HEAD => Err(Fault::new(SYNTAX)),
                Some(at) => {
                    self.place = Place::AfterDelimiter;
                    Ok(Some(at + self.delimiter.len()))
                }
                None => short(rest),
            },
            Place::AfterDelimiter => self.after_delimiter(rest),
            Place::Head => self.head(rest, pieces),
            Place::Body => Ok(self.body(rest, pieces)),
            Place::AfterLast => Ok((!rest.is_empty()).then_some(rest.len())),
        }
    }

    fn after_delimiter(&mut self, rest: &[u8]) -> Result<Option<usize>, Fault> {
        let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        match rest.get(blanks..blanks + 2) {
            None => short(rest),
            Some(b"\r\n") => {
                self.parts += 1;
                if self.parts > MAX_PARTS {
                    return Err(Fault::new(CROWDED));
                }
                self.place = Place::Head;
                // The line break may be the empty line that ends a head without headers.
                Ok(Some(blanks))
            }
            Some(b"--") if blanks == 0 => {
                self.place = Place::AfterLast;
                Ok(Some(2))
            }
            Some(_) => Err(Fault::new(SYNTAX)),
        }
    }

    fn head(&mut self, rest: &[u8], pieces: &mut Vec<Piece>) -> Result<Option<usize>, Fault> {
        const END: &[u8] = b"\r\n\r\n";
        let Some(end) = find(rest, END) else { return short(rest) };
        if end > MAX_HEAD {
            return Err(Fault::new(SYNTAX));
        }
        pieces.push(Piece::Head(head(&rest[..end])?));
        self.place = Place::Body;
        Ok(Some(end + END.len()))
    }

    fn body(&mut self, rest: &[u8], pieces: &mut Vec<Piece>) -> Option<usize> {
        if let Some(at) = find(rest, &self.delimiter) {
            if at > 0 {
                pieces.push(Piece::Body(rest[..at].to_vec()));
            }
            pieces.push(Piece::End);
            self.place = Place::AfterDelimiter;
            return Some(at + self.delimiter.len());
        }
        // The end may be the beginning of a delimiter.
        let sure = (rest.len() + 1).saturating_sub(self.delimiter.len());
        if sure == 0 {
            return None;
        }
        pieces.push(Piece::Body(rest[..sure].to_vec()));
        Some(sure)
    }
}

/// What has no end yet may still come to one within its bound.
fn short(rest: &[u8]) -> Result<Option<usize>, Fault> {
    const END: usize = MAX_BOUNDARY + 4;
    if rest.len() > MAX_HEAD + END { Err(Fault::new(SYNTAX)) } else { Ok(None) }
}

/// Where `what`, which begins with a line break, first stands.
fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + text.get(from..)?.iter().position(|byte| *byte == b'\r')?;
        if text[at..].starts_with(what) {
            return Some(at);
        }
        from = at + 1;
    }
}

/// The lines of a head.
fn head(lines: &[u8]) -> Result<Head, Fault> {
    let text = std::str::from_utf8(lines).map_err(|_| Fault::new(SYNTAX))?;
    let mut head = None;
    let mut media_type = None;
    for line in text.split("\r\n").filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').ok_or_else(|| Fault::new(SYNTAX))?;
        if name.eq_ignore_ascii_case("content-disposition") {
            head = Some(disposition(value)?);
        } else if name.eq_ignore_ascii_case("content-type") {
            media_type = Some(value.trim().to_owned());
        }
    }
    let head = head.ok_or_else(|| Fault::new(NAMELESS))?;
    Ok(Head { media_type, ..head })
}

fn disposition(value: &str) -> Result<Head, Fault> {
    let (kind, parameters) = value.split_once(';').unwrap_or((value, ""));
    if !kind.trim().eq_ignore_ascii_case("form-data") {
        return Err(Fault::new(SYNTAX));
    }
    let name = parameter(parameters, "name").ok_or_else(|| Fault::new(NAMELESS))?;
    let extended = parameter(parameters, "filename*").and_then(|text| {
        let (charset, rest) = text.split_once('\'')?;
        let (_, name) = rest.split_once('\'')?;
        charset.eq_ignore_ascii_case("utf-8").then(|| decode(name, |_| true))
    });
    // What browsers write for three characters; other percent signs are the name's own.
    let plain =
        || parameter(parameters, "filename").map(|name| decode(&name, |byte| matches!(byte, b'"' | b'\r' | b'\n')));
    Ok(Head { name, filename: extended.or_else(plain), media_type: None })
}

/// The value of `wanted` among `; name=value` and `; name="value"`.
fn parameter(mut text: &str, wanted: &str) -> Option<String> {
    loop {
        let (name, rest) = text.split_once('=')?;
        let rest = rest.trim_start();
        let (value, after) = match rest.strip_prefix('"') {
            Some(quoted) => unquote(quoted)?,
            None => {
                let (value, after) = rest.split_once(';').unwrap_or((rest, ""));
                (value.trim().to_owned(), after)
            }
        };
        if name.trim_matches([' ', '\t', ';']).eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        text = after;
    }
}

/// What stands up to the closing quotation mark, and what comes after it. A backslash escapes that mark and itself;
/// before anything else it is one, as in the paths of old browsers.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match (c, chars.peek()) {
            ('"', _) => return Some((value, &text[at + 1..])),
            ('\\', Some((_, escaped @ ('"' | '\\')))) => {
                value.push(*escaped);
                chars.next();
            }
            _ => value.push(c),
        }
    }
    None
}

/// Percent signs undone, where what they stand for is `meant`.
fn decode(text: &str, meant: impl Fn(u8) -> bool) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let digits =
            bytes.get(at + 1..at + 3).filter(|digits| *byte == b'%' && digits.iter().all(u8::is_ascii_hexdigit));
        let stands_for = digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        match stands_for.filter(|byte| meant(*byte)) {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests;
