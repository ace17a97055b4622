//! Text as words that can be compared: names are taken apart, letters are small, endings are left off. It knows English
//! endings and no language besides.

/// Longer runs of letters are no words.
const MAX: usize = 40;

/// Calls `each` with every word of a text.
pub fn words(text: &str, each: &mut dyn FnMut(&str)) {
    let mut word = String::new();
    for run in text.split(|letter: char| !letter.is_alphanumeric()) {
        let mut parts = 0;
        let mut last = Kind::Other;
        let mut letters = run.chars().peekable();
        word.clear();
        while let Some(letter) = letters.next() {
            let kind = Kind::of(letter);
            let next_is_small = letters.peek().is_some_and(|next| Kind::of(*next) == Kind::Small);
            let begins = match (last, kind) {
                _ if word.is_empty() => false,
                (Kind::Digit, Kind::Digit) | (Kind::Small | Kind::Large, Kind::Small) => false,
                // The last capital of several belongs to the word that follows: HTTPServer.
                (Kind::Large, Kind::Large) => next_is_small,
                (Kind::Other, Kind::Other) => false,
                _ => true,
            };
            if begins {
                tell(&word, each);
                parts += 1;
                word.clear();
            }
            word.extend(letter.to_lowercase());
            last = kind;
        }
        if word.is_empty() {
            continue;
        }
        tell(&word, each);
        if parts > 0 {
            // Whoever writes it in one word finds it too.
            tell(&run.to_lowercase(), each);
        }
    }
}

fn tell(word: &str, each: &mut dyn FnMut(&str)) {
    if word.chars().count() <= MAX {
        let (stem, ending) = stem(word);
        if ending.is_empty() { each(stem) } else { each(&format!("{stem}{ending}")) }
    }
}

/// A word without its ending, and what is put in its place.
fn stem(word: &str) -> (&str, &'static str) {
    if !word.is_ascii() || word.len() < 4 {
        return (word, "");
    }
    let cut = |ending: &str, least: usize| word.strip_suffix(ending).filter(|stem| stem.len() >= least);
    if let Some(stem) = cut("ies", 2) {
        return (stem, "y");
    }
    if word.ends_with("ss") || word.ends_with("us") || word.ends_with("is") {
        return (word, "");
    }
    if let Some(stem) = cut("sses", 2) {
        return (stem, "ss");
    }
    for ending in ["ing", "ed"] {
        if let Some(stem) = cut(ending, 3) {
            return (undouble(stem), "");
        }
    }
    if let Some(stem) =
        cut("es", 3).filter(|stem| stem.ends_with(['x', 'z']) || stem.ends_with("ch") || stem.ends_with("sh"))
    {
        return (stem, "");
    }
    let stem = cut("s", 3).unwrap_or(word);
    // `delete`, `deleting` and `deleted` are one word.
    (stem.strip_suffix('e').filter(|stem| stem.len() >= 3).unwrap_or(stem), "")
}

fn undouble(stem: &str) -> &str {
    let bytes = stem.as_bytes();
    match bytes {
        [.., a, b] if a == b && stem.len() > 3 && !b"lsz".contains(a) => &stem[..stem.len() - 1],
        _ => stem,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Small,
    Large,
    Digit,
    Other,
}

impl Kind {
    fn of(letter: char) -> Self {
        if letter.is_numeric() {
            Self::Digit
        } else if letter.is_uppercase() {
            Self::Large
        } else if letter.is_lowercase() {
            Self::Small
        } else {
            Self::Other
        }
    }
}

#[cfg(test)]
mod tests {
    fn words(text: &str) -> Vec<String> {
        let mut words = Vec::new();
        super::words(text, &mut |word| words.push(word.to_owned()));
        words
    }

    #[test]
    fn names_are_taken_apart() {
        for (text, expected) in [
            ("get_weather-report", vec!["get", "weather", "report"]),
            ("getHTTPServer2", vec!["get", "http", "server", "2", "gethttpserver2"]),
            ("HTTP", vec!["http"]),
            ("  ", vec![]),
            ("Über_Straße", vec!["über", "straße"]),
            ("天气 report", vec!["天气", "report"]),
        ] {
            assert_eq!(words(text), expected, "{text}");
        }
        assert!(words(&"x".repeat(1000)).is_empty());
    }

    #[test]
    fn endings_do_not_matter() {
        for group in [
            "delete deletes deleted deleting",
            "query queries",
            "file files",
            "stop stops stopped stopping",
            "search searches searching",
            "address addresses",
            "call calls called calling",
            "issue issues",
        ] {
            let words = words(group);
            assert!(words.iter().all(|word| *word == words[0]), "{group}: {words:?}");
        }
        assert_eq!(words("status analysis gas"), ["status", "analysis", "gas"]);
    }
}
