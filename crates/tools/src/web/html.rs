//! The text of a page: what a reader would see of it, a line for each block, headings and list items marked. It runs
//! nothing, fetches nothing and takes any bytes.

/// What is not for readers, with all that stands in it.
const UNSEEN: [&str; 8] = ["script", "style", "noscript", "template", "svg", "iframe", "object", "head"];
/// What begins a line.
const BLOCKS: [&str; 29] = [
    "address",
    "article",
    "aside",
    "blockquote",
    "br",
    "dd",
    "div",
    "dl",
    "dt",
    "figcaption",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "li",
    "main",
    "ol",
    "p",
    "pre",
    "section",
    "table",
    "tr",
    "ul",
];
const CELLS: [&str; 2] = ["td", "th"];

/// A page as it is read.
#[derive(Default, PartialEq, Eq, Debug)]
pub struct Page {
    pub title: String,
    pub text: String,
}

pub fn read(html: &str) -> Page {
    let mut page = Page::default();
    let mut rest = html;
    while !rest.is_empty() {
        let Some(at) = rest.find('<') else {
            page.say(rest);
            break;
        };
        page.say(&rest[..at]);
        rest = page.tag(&rest[at..]);
    }
    page.title = folded(&page.title);
    page.text = page.text.trim().to_owned();
    page
}

impl Page {
    /// Takes in what begins with `<`; what is left after it.
    fn tag<'a>(&mut self, from: &'a str) -> &'a str {
        if let Some(comment) = from.strip_prefix("<!--") {
            return comment.find("-->").map_or("", |end| &comment[end + 3..]);
        }
        let Some(next) = from[1..].chars().next() else { return "" };
        if !next.is_ascii_alphabetic() && !matches!(next, '/' | '!' | '?') {
            self.say("<");
            return &from[1..];
        }
        let (inside, rest) = split_tag(&from[1..]);
        let (closes, inside) = inside.strip_prefix('/').map_or((false, inside), |inside| (true, inside));
        let name: String =
            inside.chars().take_while(char::is_ascii_alphanumeric).take(16).collect::<String>().to_ascii_lowercase();
        if name == "title" && !closes && self.title.is_empty() {
            let (title, rest) = until_closed(rest, "title");
            self.title = decoded(title);
            return rest;
        }
        if !closes && UNSEEN.contains(&name.as_str()) {
            if name == "head" {
                return self.head(rest);
            }
            return if inside.ends_with('/') { rest } else { until_closed(rest, &name).1 };
        }
        if CELLS.contains(&name.as_str()) && !closes {
            self.say(" | ");
        } else if BLOCKS.contains(&name.as_str()) {
            self.line();
            match (closes, name.as_str()) {
                (false, "li") => self.text.push_str("- "),
                (false, "h1" | "h2" | "h3" | "h4" | "h5" | "h6") => {
                    let depth = usize::from(name.as_bytes()[1] - b'0');
                    self.text.push_str(&"#".repeat(depth));
                    self.text.push(' ');
                }
                _ => {}
            }
        }
        rest
    }

    /// Of a page's head only its title is for readers.
    fn head<'a>(&mut self, from: &'a str) -> &'a str {
        let (head, rest) = until_closed(from, "head");
        // A head that is never closed ends where the body begins.
        let (head, rest) = match find_tag(head, "<body") {
            Some(body) if rest.is_empty() => (&head[..body], &from[body..]),
            _ => (head, rest),
        };
        if let Some(at) = find_tag(head, "<title") {
            let (_, after) = split_tag(&head[at + 1..]);
            self.title = decoded(until_closed(after, "title").0);
        }
        rest
    }

    /// White space counts as one blank, and as none where a line begins.
    fn say(&mut self, text: &str) {
        let text = decoded(text);
        for letter in text.chars() {
            let is_blank = letter.is_whitespace() || letter.is_control();
            let last = self.text.chars().next_back();
            if !is_blank {
                self.text.push(letter);
            } else if last.is_some_and(|last| last != ' ' && last != '\n') {
                self.text.push(' ');
            }
        }
    }

    fn line(&mut self) {
        let kept = self.text.trim_end_matches(' ').len();
        self.text.truncate(kept);
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push('\n');
        }
    }
}

/// The inside of a tag and what comes after it. `>` in a quoted value does not end it.
fn split_tag(from: &str) -> (&str, &str) {
    let mut quote = None;
    for (at, letter) in from.char_indices() {
        match (quote, letter) {
            (Some(open), letter) if open == letter => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') if from[..at].trim_end().ends_with('=') => quote = Some(letter),
            (None, '>') => return (&from[..at], &from[at + 1..]),
            (None, _) => {}
        }
    }
    // A quote that is never closed: then the first end counts.
    from.split_once('>').unwrap_or((from, ""))
}

/// What stands before the end of an element, and what comes after it.
fn until_closed<'a>(from: &'a str, name: &str) -> (&'a str, &'a str) {
    match find_tag(from, &format!("</{name}")) {
        Some(at) => (&from[..at], split_tag(&from[at + 1..]).1),
        None => (from, ""),
    }
}

/// Where a tag begins, whatever the size of its letters.
fn find_tag(text: &str, tag: &str) -> Option<usize> {
    let (bytes, tag) = (text.as_bytes(), tag.as_bytes());
    let is_here = |at: &usize| {
        let found = bytes.get(*at..*at + tag.len()).is_some_and(|found| found.eq_ignore_ascii_case(tag));
        found && !bytes.get(*at + tag.len()).is_some_and(u8::is_ascii_alphanumeric)
    };
    bytes.iter().zip(0..).filter(|(byte, _)| **byte == b'<').map(|(_, at)| at).find(is_here)
}

/// Without the signs that stand for letters.
fn decoded(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.bytes().take(12).position(|byte| byte == b';');
        match end.and_then(|end| Some((letter(&rest[1..end])?, end))) {
            Some((letter, end)) => {
                plain.push(letter);
                rest = &rest[end + 1..];
            }
            None => {
                plain.push('&');
                rest = &rest[1..];
            }
        }
    }
    plain.push_str(rest);
    plain
}

fn letter(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        };
        return char::from_u32(code);
    }
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" | "rsquo" | "lsquo" => '\'',
        "ldquo" | "rdquo" => '"',
        "nbsp" => ' ',
        "ndash" => '–',
        "mdash" => '—',
        "hellip" => '…',
        "copy" => '©',
        "reg" => '®',
        "euro" => '€',
        "middot" => '·',
        "bull" => '•',
        "times" => '×',
        "auml" => 'ä',
        "ouml" => 'ö',
        "uuml" => 'ü',
        "Auml" => 'Ä',
        "Ouml" => 'Ö',
        "Uuml" => 'Ü',
        "szlig" => 'ß',
        "eacute" => 'é',
        "egrave" => 'è',
        _ => return None,
    })
}

/// In one line, with single blanks.
pub fn folded(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Text of a result, in which an engine marks words by tags.
pub fn plain(text: &str) -> String {
    folded(&read(text).text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_what_a_reader_sees() {
        let html = r#"<!doctype html><html><HEAD><meta x><Title>A &amp; B
            page</Title><style>p{}</style></head><body class="a>b"><!-- no <p>comment</p> -->
            <nav><ul><li>One<li><a href='/x?a=1&b=2'>Two</a></ul></nav>
            <h2>Head</h2><p>First   line,
            <b>bold</b>&nbsp;text &#8364; &#x41; &unknown; &.</p><SCRIPT>if (a < b) { "</p>" }</script >
            <table><tr><td>1</td><td>2</td></tr></table>a < b<br/>end<svg><text>no</text></svg>"#;
        let page = read(html);
        assert_eq!(page.title, "A & B page");
        let expected = "- One\n- Two\n## Head\nFirst line, bold text € A &unknown; &.\n| 1 | 2\na < b\nend";
        assert_eq!(page.text, expected);
    }

    #[test]
    fn anything_at_all_is_read_to_its_end() {
        for html in [
            "",
            "<",
            "</",
            "<!--",
            "<a",
            "<a href=\"",
            "&",
            "&#;",
            "&#x110000;",
            "<script>never closed",
            "a<title>t",
            "é<é>é",
            "<head><title>t",
            "<head><body>text",
            "<!",
            "<?xml",
            "</p",
            "&é;",
            "<a b='c>d",
            "<p title=\"x>y",
        ] {
            read(html);
        }
        assert_eq!(read("<head><title>t</title><body>text").text, "text");
        assert_eq!(read("plain").text, "plain");
        assert_eq!(plain("a <b>c</b>\n d"), "a c d");
        let deep = "<div>".repeat(200_000);
        assert_eq!(read(&deep).text, "");
    }
}
