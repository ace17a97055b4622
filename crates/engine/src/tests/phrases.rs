//! What stands in nearly every case, in one line: runs of records that always say the same. Nothing is lost: a phrase
//! stands for these very lines, and where one of them is otherwise, all of them are shown.

use std::collections::BTreeMap;

/// What is said in the place of a run. `*1` to `*5` are one word each, and the same one wherever they stand.
const PHRASES: [(&str, &[&str]); 13] = [
    (
        "a session, and a turn that runs",
        &[
            "session created: session.created[InProgress]",
            TURN,
            SAID,
            "turn started: session.in_progress, turn.in_progress[InProgress]",
        ],
    ),
    (
        "a session, and a turn that waits for its machine",
        &[
            "session created: session.created(1)[RequiresAction], environment[Pending]",
            TURN,
            SAID,
            "turn held: session.requires_action(1)",
        ],
    ),
    (
        "a session, and a turn that waits for its setup",
        &[
            "session created: session.created[InProgress], environment[Pending]",
            TURN,
            SAID,
            "turn held: session.in_progress",
        ],
    ),
    ("a turn that runs", &[TURN, SAID, "turn started: session.in_progress, turn.in_progress[InProgress]"]),
    ("a turn that waits for its machine", &[TURN, SAID, "turn held: session.requires_action(1)"]),
    ("a turn that waits for its setup", &[TURN, SAID, "turn held: session.in_progress"]),
    (
        "the model answers, *1 *2, and the turn is over",
        &[ASKED, LAST, PAID, "turn Completed: turn.completed, session.idle"],
    ),
    ("the model answers, *1 *2", &[ASKED, LAST, PAID]),
    ("the model says meanwhile, *1 *2", &[ASKED, COMMENT, PAID]),
    ("the model says meanwhile and rests, *1 *2", &[ASKED, COMMENT, "committed *1 charged 120, rests: "]),
    (
        "the model, *1, calls *3 of its caller: *2 is effect *4",
        &[ASKED, "call *2 *3 effect *4: item.added, item.done", "committed *1 charged 120: session.requires_action(1)"],
    ),
    ("the model, *1, calls *3 (*5): *2 is effect *4", &[ASKED, "tool call *2 *3 effect *4 *5: item.added", PAID]),
    ("a crash, after *1", &["recovered: ", "abandoned *1 charged 0, next m tried 0: attempt.dropped"]),
];

const TURN: &str = "turn created: turn.created[Queued]";
const SAID: &str = "user message: item.added";
const ASKED: &str = "intended *1 m: ";
const LAST: &str = "answer *2 FinalAnswer: item.added, part.added, delta, text.done, part.done, item.done";
const COMMENT: &str = "answer *2 Commentary: item.added, part.added, delta, text.done, part.done, item.done";
const PAID: &str = "committed *1 charged 120: ";

/// The same with phrases.
pub(super) fn shortened(out: &str) -> String {
    let lines: Vec<&str> = out.lines().collect();
    let mut short = String::new();
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        let found = PHRASES.iter().find_map(|(phrase, run)| Some((spoken(phrase, run, &lines[at..])?, run.len())));
        let (said, count) = found.unwrap_or(((*line).to_owned(), 1));
        short.push_str(&said);
        short.push('\n');
        at += count;
    }
    short
}

/// The phrase with its words, where the lines begin with the run.
fn spoken(phrase: &str, run: &[&str], lines: &[&str]) -> Option<String> {
    let mut words = BTreeMap::new();
    let (first, _) = numbered(lines.first()?)?;
    let mut rest = lines.iter();
    for (number, pattern) in (first..).zip(run) {
        let (of_line, text) = numbered(rest.next()?)?;
        (of_line == number && fits(pattern, text, &mut words)).then_some(())?;
    }
    let said = words.iter().fold(phrase.to_owned(), |said, (place, word)| said.replace(place, word));
    Some(format!("  {first}-{} {said}", first + run.len() as u64 - 1))
}

fn numbered(line: &str) -> Option<(u64, &str)> {
    let (number, text) = line.strip_prefix("  ")?.split_once(' ')?;
    Some((number.parse().ok()?, text))
}

fn fits<'a>(pattern: &'a str, text: &'a str, words: &mut BTreeMap<&'a str, &'a str>) -> bool {
    let mut parts = text.split(' ');
    let fit = pattern.split(' ').all(|expected| match parts.next() {
        // A colon ends the record; what comes before it is the word.
        Some(part) if expected.starts_with('*') => {
            let (place, end) = expected.split_at(2);
            part.strip_suffix(end).is_some_and(|word| *words.entry(place).or_insert(word) == word)
        }
        part => part == Some(expected),
    });
    fit && parts.next().is_none()
}

#[test]
fn a_phrase_stands_for_its_very_lines() {
    let whole = "says x\n  7 intended 1.2 m: \n  8 answer msg_1 FinalAnswer: item.added, part.added, delta, text.done, \
                 part.done, item.done\n  9 committed 1.2 charged 120: \n";
    assert_eq!(shortened(whole), "says x\n  7-9 the model answers, 1.2 msg_1\n");
    for other in [
        whole.replace("9 committed", "10 committed"),
        whole.replace("committed 1.2", "committed 1.3"),
        whole.replace("120: ", "120: item.done"),
        whole.replace("1.2 m", "1.2 spare"),
        whole.replace(", item.done", ""),
    ] {
        assert_eq!(shortened(&other), other);
    }
}
