//! What a server says when it wants a token: the `WWW-Authenticate` header of RFC 6750 and RFC 9728.

/// Of a 401 or a 403. What the server does not say is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Challenge {
    pub status: u16,
    pub error: Option<String>,
    pub scope: Option<String>,
    /// Where the server describes itself (RFC 9728). Not checked yet.
    pub resource_metadata: Option<String>,
}

/// Longer headers are cut off: nobody means them.
const LONGEST: usize = 8 * 1024;

impl Challenge {
    /// Reads the parameters of the `Bearer` scheme; others are passed over.
    #[must_use]
    pub fn read(status: u16, header: Option<&str>) -> Self {
        let mut challenge = Self { status, ..Self::default() };
        let Some(header) = header else { return challenge };
        let header = header.get(..LONGEST).unwrap_or(header);
        let mut bearer = false;
        for (scheme, name, value) in parameters(header) {
            if let Some(scheme) = scheme {
                bearer = scheme.eq_ignore_ascii_case("bearer");
            }
            if !bearer {
                continue;
            }
            let place = match name.to_ascii_lowercase().as_str() {
                "error" => &mut challenge.error,
                "scope" => &mut challenge.scope,
                "resource_metadata" => &mut challenge.resource_metadata,
                _ => continue,
            };
            place.get_or_insert(value);
        }
        challenge
    }

    /// Whether it asks for more than the token may.
    #[must_use]
    pub fn wants_more(&self) -> bool {
        self.status == 403 && self.error.as_deref().is_none_or(|error| error == "insufficient_scope")
    }
}

/// Each `name=value`, with the scheme that stands before it if one does.
fn parameters(mut text: &str) -> Vec<(Option<&str>, &str, String)> {
    let mut found = Vec::new();
    let mut scheme = None;
    loop {
        text = text.trim_start_matches([' ', '\t', ',']);
        let end = text.find([' ', '\t', ',', '=', '"']).unwrap_or(text.len());
        let (word, rest) = text.split_at(end);
        if word.is_empty() {
            // A stray quote or sign: nothing behind it can be told apart.
            return found;
        }
        let after = rest.trim_start_matches([' ', '\t']);
        let Some(after) = after.strip_prefix('=') else {
            scheme = Some(word);
            text = rest;
            continue;
        };
        let (value, rest) = value(after.trim_start_matches([' ', '\t']));
        found.push((scheme.take(), word, value));
        text = rest;
    }
}

fn value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([' ', '\t', ',']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut escaped = false;
    for (at, c) in quoted.char_indices() {
        match c {
            _ if escaped => {
                value.push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => return (value, &quoted[at + 1..]),
            _ => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_of_the_bearer_scheme_are_read() {
        let read = Challenge::read(
            401,
            Some(r#"Basic realm="x", Bearer error="invalid_token", scope="a b", resource_metadata="https://h/p?q=1""#),
        );
        assert_eq!(read.error.as_deref(), Some("invalid_token"));
        assert_eq!(read.scope.as_deref(), Some("a b"));
        assert_eq!(read.resource_metadata.as_deref(), Some("https://h/p?q=1"));
        assert_eq!(Challenge::read(401, Some(r#"Basic scope="a""#)).scope, None);
        assert_eq!(Challenge::read(401, Some("Bearer scope=a")).scope.as_deref(), Some("a"));
        assert_eq!(Challenge::read(401, Some(r#"Bearer scope="a\"b"#)).scope.as_deref(), Some("a\"b"));
    }

    #[test]
    fn nonsense_is_nothing() {
        for text in ["", "\"", "=", "Bearer", "Bearer =", "Bearer \"\"\"", ",,,,", "Bearer scope", "é=é"] {
            let read = Challenge::read(403, Some(text));
            assert_eq!((read.status, read.scope), (403, None), "{text}");
        }
    }
}
