//! The nearest right word: what somebody may have meant. It only ever suggests; nothing is corrected in silence.

/// The candidate that is near enough to be worth naming.
pub fn nearest<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = wrong.chars().count();
    let allowed = length.div_ceil(3).min(3);
    let wrong = wrong.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| {
            let distance = strsim::damerau_levenshtein(&wrong, &candidate.to_lowercase());
            // Half a name is a better hint than a slip of the finger in another one.
            let begun = length >= 3 && candidate.to_lowercase().starts_with(&wrong);
            (if begun { 1 } else { distance }, candidate)
        })
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `did you mean …?` where a word is near, otherwise the words that there are.
pub fn hint<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str> + Clone) -> String {
    if let Some(near) = nearest(wrong, candidates.clone()) {
        return format!("did you mean `{near}`?");
    }
    let all: Vec<String> = candidates.into_iter().map(|word| format!("`{word}`")).collect();
    if all.is_empty() { "there is none".to_owned() } else { format!("there is {}", all.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::{hint, nearest};

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        for (wrong, expected) in [
            ("stal", Some("stall")),
            ("frist_byte", Some("first_byte")),
            ("CONNECT", Some("connect")),
            ("first", Some("first_byte")),
            ("x", None),
            ("", None),
            ("bananas", None),
        ] {
            assert_eq!(nearest(wrong, ["connect", "first_byte", "stall"]), expected, "{wrong}");
        }
        assert_eq!(hint("zzz", ["a", "b"]), "there is `a`, `b`");
        assert_eq!(hint("zzz", []), "there is none");
    }
}
