//! Skills: directories with a `SKILL.md`, whose first lines say what it is for. Only name, description and path are read
//! here; the rest the model reads itself when it needs it.

use crate::machine::{Entry, Fault, FileKind, Machine};
use crate::truncate::text_of;

pub const FILE: &str = "SKILL.md";
/// Most skills of one session.
pub const MAX_SKILLS: usize = 100;
/// Directories that are looked into, and how deep.
const MAX_DIRECTORIES: usize = 500;
const MAX_DEPTH: u32 = 4;
const MAX_FILE: u64 = 256 << 10;
const MAX_NAME: usize = 64;
const MAX_DESCRIPTION: usize = 1024;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Skill {
    pub name: String,
    pub description: String,
    /// Of its `SKILL.md`, absolute.
    pub path: String,
}

/// What was found, and why some of it is no skill.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Skills {
    /// By directory, then by path.
    pub skills: Vec<Skill>,
    pub warnings: Vec<String>,
}

/// Looks for skills in directories that are absolute, and below them. Links are not followed, hidden directories not
/// looked into, and nothing is looked for below a skill. Errs only where the machine does not answer.
pub async fn find(machine: &dyn Machine, directories: &[String]) -> Result<Skills, Fault> {
    let mut found = Skills::default();
    let mut left = MAX_DIRECTORIES;
    for top in directories {
        let mut waiting = vec![(top.clone(), 0)];
        while let Some((directory, level)) = waiting.pop() {
            if left == 0 || found.skills.len() == MAX_SKILLS {
                found.warnings.push(format!("{top}: there is more than is looked at"));
                return Ok(found);
            }
            left -= 1;
            let mut entries = match machine.list(&directory).await {
                Ok(entries) => entries,
                Err(fault) => {
                    found.warn(&directory, fault)?;
                    continue;
                }
            };
            let join = |name: &str| crate::workbench::join(&directory, name);
            if entries.iter().any(|entry| entry.name == FILE && entry.kind == FileKind::File) {
                found.read(machine, join(FILE)).await?;
                continue;
            }
            let is_open = |entry: &Entry| entry.kind == FileKind::Directory && !entry.name.starts_with('.');
            entries.retain(|entry| is_open(entry) && entry.name != "node_modules");
            if level < MAX_DEPTH {
                entries.sort_by(|a, b| b.name.cmp(&a.name));
                waiting.extend(entries.iter().map(|entry| (join(&entry.name), level + 1)));
            }
        }
    }
    Ok(found)
}

impl Skills {
    fn warn(&mut self, path: &str, fault: Fault) -> Result<(), Fault> {
        if matches!(fault, Fault::Disconnected | Fault::Lost) {
            return Err(fault);
        }
        self.warnings.push(format!("{path}: {fault}"));
        Ok(())
    }

    async fn read(&mut self, machine: &dyn Machine, path: String) -> Result<(), Fault> {
        let bytes = match machine.read_file(&path, MAX_FILE).await {
            Ok(bytes) => bytes,
            Err(fault) => return self.warn(&path, fault),
        };
        match described(&bytes) {
            Err(problem) => self.warnings.push(format!("{path}: {problem}")),
            Ok((name, _)) if self.skills.iter().any(|skill| skill.name == name) => {
                self.warnings.push(format!("{path}: there is a skill {name:?} already"));
            }
            Ok((name, description)) => self.skills.push(Skill { name, description, path }),
        }
        Ok(())
    }
}

/// Name and description in the bytes of a `SKILL.md`; or why it is none: the rest of a sentence.
pub fn described(bytes: &[u8]) -> Result<(String, String), &'static str> {
    text_of(bytes).ok_or("it is no text").and_then(|text| front_matter(&text))
}

/// Name and description from the lines between the two `---`. Of YAML it reads what such files are made of: plain and
/// quoted values on a line, and blocks after `>` and `|`; every value becomes one line.
fn front_matter(text: &str) -> Result<(String, String), &'static str> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = text.lines();
    if lines.next().map(str::trim_end) != Some("---") {
        return Err("it does not begin with a line `---`");
    }
    let lines: Vec<&str> = lines.collect();
    let end = lines.iter().position(|line| line.trim_end() == "---").ok_or("its front matter does not end")?;
    let (name, description) = (value(&lines[..end], "name"), value(&lines[..end], "description"));
    let name =
        name.filter(|name| !name.is_empty() && name.len() <= MAX_NAME).ok_or("its `name` is missing or too long")?;
    let mut description = description.filter(|text| !text.is_empty()).ok_or("its `description` is missing")?;
    if description.len() > MAX_DESCRIPTION {
        description.truncate(description.floor_char_boundary(MAX_DESCRIPTION));
        description.push('…');
    }
    Ok((name, description))
}

fn value(lines: &[&str], key: &str) -> Option<String> {
    let of_key = |line: &&str| line.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with(':'));
    let at = lines.iter().position(of_key)?;
    let first = lines[at].split_once(':')?.1.trim();
    let is_block = first.starts_with(['>', '|']) && first[1..].chars().all(|c| "+-0123456789".contains(c));
    let more = lines[at + 1..].iter().take_while(|line| line.is_empty() || line.starts_with([' ', '\t']));
    let words: Vec<&str> = Some(first).filter(|_| !is_block).into_iter().chain(more.copied()).collect();
    let text = words.join(" ").split_whitespace().collect::<Vec<_>>().join(" ");
    for quote in ['"', '\''] {
        if !is_block && let Some(inner) = text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote)) {
            let twice: String = [quote, quote].iter().collect();
            let escaped = format!("\\{quote}");
            return Some(inner.replace(if quote == '"' { &escaped } else { &twice }, &quote.to_string()));
        }
    }
    // A comment, as YAML has them after a plain value.
    let plain = if is_block { text.as_str() } else { text.split(" #").next().unwrap_or_default() };
    Some(plain.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn front_matter_is_read_as_it_is_written() {
        let read = |head: &str| front_matter(&format!("---\n{head}\n---\nbody\nname: no\n"));
        for (head, description) in [
            ("name: a\ndescription: plain words", "plain words"),
            ("description: plain # a comment\nname: a", "plain"),
            ("name: a\ndescription: \"say \\\"x\\\": yes\"", "say \"x\": yes"),
            ("name: a\ndescription: 'it''s # here'", "it's # here"),
            ("name: a\ndescription: >-\n  two\n  lines\nother: 1", "two lines"),
            ("name: a\ndescription: |\n  two\n\n  parts", "two parts"),
            ("name: a\ndescription: begins\n  and goes on", "begins and goes on"),
            ("name: a\r\ndescription: with returns\r", "with returns"),
        ] {
            assert_eq!(read(head), Ok(("a".to_owned(), description.to_owned())), "{head:?}");
        }
    }

    #[test]
    fn what_is_no_skill_says_why() {
        for (text, problem) in [
            ("", "it does not begin with a line `---`"),
            ("# A title\n", "it does not begin with a line `---`"),
            ("---\nname: a\n", "its front matter does not end"),
            ("---\ndescription: b\n---\n", "its `name` is missing or too long"),
            ("---\nname: a\n---\n", "its `description` is missing"),
            ("---\nname: a\ndescription:\n---\n", "its `description` is missing"),
        ] {
            assert_eq!(front_matter(text), Err(problem), "{text:?}");
        }
        let long = format!("---\nname: a\ndescription: {}\n---\n", "ä".repeat(2000));
        assert_eq!(front_matter(&long).unwrap().1, format!("{}…", "ä".repeat(512)));
    }
}
