//! An executor's own words, where they are shown: in the log, in an error, to a model. They are somebody else's.

/// The longest that is shown, in bytes.
const MOST: usize = 1024;
/// Stands where the rest is left out.
const CUT: &str = "…";

/// At most a KiB of a text in one line: without control characters, and without those that turn text around.
pub fn plain(words: &str) -> String {
    let mut shown = String::with_capacity(words.len().min(MOST));
    for letter in words.chars().filter_map(shown_as) {
        if shown.len() + letter.len_utf8() > MOST {
            while shown.len() > MOST - CUT.len() {
                shown.pop();
            }
            shown.push_str(CUT);
            break;
        }
        shown.push(letter);
    }
    shown
}

fn shown_as(letter: char) -> Option<char> {
    match letter {
        '\n' | '\t' | '\u{85}' | '\u{2028}' | '\u{2029}' => Some(' '),
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => None,
        letter if letter.is_control() => None,
        letter => Some(letter),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_one_line_and_short() {
        assert_eq!(plain("no such file: é"), "no such file: é");
        assert_eq!(plain("a\r\nb\tc\u{1b}[31m\0\u{7f}\u{9b}\u{202e}d\u{2028}e"), "a b c[31md e");
        assert_eq!(plain(&"x".repeat(MOST)), "x".repeat(MOST));
        assert_eq!(plain(&"x".repeat(MOST + 1)), format!("{}…", "x".repeat(MOST - 3)));
        let cut = plain(&"é".repeat(MOST));
        assert!(cut.ends_with("é…") && cut.len() <= MOST, "{cut}");
        assert_eq!(plain(&"\u{7}".repeat(9 * MOST)), "");
    }
}
