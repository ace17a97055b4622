//! docs/schemas.md says of every keyword what the code does.

use super::super::format::FORMATS;
use super::super::keyword::{Fate, KEYWORDS};

#[test]
fn the_page_says_what_the_code_does() {
    let page = include_str!("../../../../../../docs/schemas.md");
    let mut rows: Vec<(String, String)> = page
        .lines()
        .filter_map(|line| {
            let cells: Vec<&str> = line.strip_prefix("| `")?.strip_suffix(" |")?.splitn(2, "` | ").collect();
            Some((cells[0].to_owned(), (*cells.get(1)?).to_owned()))
        })
        .collect();
    rows.sort();
    let mut expected: Vec<(String, String)> = KEYWORDS
        .iter()
        .map(|(keyword, fate)| {
            let says = match fate {
                Fate::Enforced => "enforced".to_owned(),
                Fate::Annotation => "annotation".to_owned(),
                Fate::Refused(why) => format!("refused: {why}"),
            };
            ((*keyword).to_owned(), says)
        })
        .collect();
    expected.sort();
    assert_eq!(rows, expected);
    let formats: Vec<String> = FORMATS.iter().map(|(name, _)| format!("`{name}`")).collect();
    assert!(page.contains(&formats.join(", ")), "the formats: {}", formats.join(", "));
}
