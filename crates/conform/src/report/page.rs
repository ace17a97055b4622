//! The coverage as a page of Markdown: its tables stand between two marks, what people wrote around them stays.

use super::{Covered, Report};

const BEGIN: &str = "<!-- written by outcrop conform --coverage; do not edit between the marks -->";
const END: &str = "<!-- end of what outcrop conform writes -->";

impl Report {
    /// `old` with its tables replaced, or a page of the tables alone.
    pub fn page(&self, old: Option<&str>) -> String {
        let tables = self.tables();
        let kept = old.and_then(|old| {
            let (before, rest) = old.split_once(BEGIN)?;
            let (_, after) = rest.split_once(END)?;
            Some((before, after))
        });
        match kept {
            Some((before, after)) => format!("{before}{BEGIN}\n{tables}{END}{after}"),
            None => format!("# What of the Agents API is served\n\n{BEGIN}\n{tables}{END}\n"),
        }
    }

    fn tables(&self) -> String {
        let mut page = String::new();
        for (part, title, heads) in [
            ("endpoints", "Endpoints", ["endpoint", "in the SDK", "state"].as_slice()),
            ("events", "Stream events", ["event", "state"].as_slice()),
            ("inputs", "Inputs", ["input", "state"].as_slice()),
            ("tools", "Tools", ["tool", "saved in agents", "in sessions"].as_slice()),
            ("environments", "Environments", ["kind", "state"].as_slice()),
            ("doors", "Endpoints of the other doors", ["endpoint", "in the SDK", "state"].as_slice()),
            ("told", "Events of a response", ["event", "state"].as_slice()),
            ("items", "Input items of a response", ["item", "state"].as_slice()),
            ("contents", "Parts of messages to a response", ["part", "state"].as_slice()),
            ("functions", "Tools of a response", ["tool", "state"].as_slice()),
        ] {
            let rows = self.coverage.get(part).map(Vec::as_slice).unwrap_or_default();
            page.push_str(&format!("\n## {title}\n\n| {} |\n|{}\n", heads.join(" | "), "---|".repeat(heads.len())));
            for Covered { name, also, state } in rows {
                let middle = match (part, also.is_empty()) {
                    ("endpoints" | "doors", _) => format!("`{also}` | "),
                    (_, true) => String::new(),
                    (_, false) => format!("{also} | "),
                };
                page.push_str(&format!("| `{name}` | {middle}{state} |\n"));
            }
        }
        page.push('\n');
        page
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_wrote_stays() {
        let mut report = Report::new("http://x/v1", "m", true, Vec::new());
        let row = Covered { name: "message".into(), also: String::new(), state: "served".into() };
        report.coverage.insert("inputs", vec![row]);
        let first = report.page(None);
        assert!(first.contains("| `message` | served |"));
        let written = first.replace("# What", "# My own: what") + "\nMore.\n";
        report.coverage.get_mut("inputs").unwrap()[0].state = "missing".into();
        let second = report.page(Some(&written));
        assert!(second.starts_with("# My own: what") && second.ends_with("\nMore.\n"));
        assert!(second.contains("| `message` | missing |") && !second.contains("| `message` | served |"));
        assert_eq!(report.page(Some(&second)), second);
    }
}
