//! Which places of an answer name what the turn has found on the web.

use types::{Citation, Source};

/// Places of one answer; what comes after them is not noted.
const MAX_CITATIONS: usize = 500;

/// The places where the text names the address of a source, whole. Places are counted in characters.
pub(super) fn annotations(text: &str, sources: &[Source]) -> Vec<Citation> {
    let mut found = Vec::new();
    if sources.is_empty() {
        return found;
    }
    let (mut bytes, mut characters) = (0, 0);
    while let Some(start) = text[bytes..].find("http").map(|place| bytes + place) {
        characters += count(&text[bytes..start]);
        let named = sources.iter().filter_map(|source| Some((source, named(&text[start..], &source.url)?)));
        // Of two that begin alike the longer one is meant.
        let Some((source, length)) = named.max_by_key(|(_, length)| *length) else {
            (bytes, characters) = (start + "http".len(), characters + count("http"));
            continue;
        };
        if found.len() == MAX_CITATIONS {
            break;
        }
        let end = characters + count(&text[start..start + length]);
        found.push(Citation { start: characters, end, url: source.url.clone(), title: source.title.clone() });
        (bytes, characters) = (start + length, end);
    }
    found
}

/// Bytes of the address that the text begins with, if it is this one and not one that only begins so. A slash at its end
/// makes no difference.
fn named(text: &str, url: &str) -> Option<usize> {
    let bare = url.trim_end_matches('/');
    let rest = text.strip_prefix(bare).filter(|_| bare.starts_with("http"))?;
    let slashes = rest.len() - rest.trim_start_matches('/').len();
    let rest = &rest[slashes.min(1)..];
    ends(rest).then(|| bare.len() + slashes.min(1))
}

/// Whether an address ends before this: what closes a sentence is no part of it, unless more of an address follows.
fn ends(rest: &str) -> bool {
    let of_sentence = |c: char| ".,;:!?)]}'\"*_".contains(c);
    rest.trim_start_matches(of_sentence).chars().next().is_none_or(|c| !is_of_address(c))
        || rest.chars().next().is_none_or(|c| !is_of_address(c))
}

fn is_of_address(c: char) -> bool {
    c.is_alphanumeric() || "-._~:/?#[]@!$&'()*+,;=%".contains(c)
}

fn count(text: &str) -> u32 {
    u32::try_from(text.chars().count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::annotations;
    use types::Source;

    fn cited(text: &str) -> Vec<String> {
        let source = |url: &str| Source { url: url.to_owned(), title: "t".to_owned() };
        let sources = ["https://a.example/", "https://a.example/b", "https://a.example/w_(x)", "ftp://a.example"];
        let found = annotations(text, &sources.map(source));
        let characters: Vec<char> = text.chars().collect();
        let named = |start: u32, end: u32| characters[start as usize..end as usize].iter().collect::<String>();
        found.iter().map(|one| format!("{} -> {}", named(one.start, one.end), one.url)).collect()
    }

    #[test]
    fn a_place_names_the_whole_address() {
        for (text, expected) in [
            ("none", &[][..]),
            ("é (https://a.example/b).", &["https://a.example/b -> https://a.example/b"]),
            ("[t](https://a.example) und", &["https://a.example -> https://a.example/"]),
            ("**https://a.example/**", &["https://a.example/ -> https://a.example/"]),
            ("see https://a.example/w_(x), or", &["https://a.example/w_(x) -> https://a.example/w_(x)"]),
            // Another page of the same place is not what was found.
            ("https://a.example/bc https://a.example.org https://a.example/b/c http httpS://", &[]),
            ("https://a.example/b?q=1 https://a.example/b? yes", &["https://a.example/b -> https://a.example/b"]),
            ("ftp://a.example", &[]),
        ] {
            assert_eq!(cited(text), expected, "{text}");
        }
    }

    #[test]
    fn places_are_counted_in_characters() {
        let source = Source { url: "https://a.example".to_owned(), title: "A".to_owned() };
        let found = annotations("ü𝄞 http https://a.example!", &[source]);
        assert_eq!(found.iter().map(|one| (one.start, one.end)).collect::<Vec<_>>(), [(8, 25)]);
    }
}
