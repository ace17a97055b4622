//! Patches by example, then by chance against simple oracles: what is written is what is read, what was made from two
//! texts leads from the one to the other and back, and no text whatever makes anything panic.

use super::*;

fn update(body: &str) -> Vec<Hunk> {
    let patch = Patch::parse(&format!("*** Begin Patch\n*** Update File: f\n{body}*** End Patch")).unwrap();
    let [Change::Update { hunks, .. }] = &patch.changes[..] else { panic!("{patch:?}") };
    hunks.clone()
}

#[test]
fn hunks_find_their_place() {
    for (text, body, expected) in [
        ("a\nb\nc\n", "@@\n a\n-b\n+B\n c\n", "a\nB\nc\n"),
        // The first one needs no sign.
        ("a\nb\n", "-a\n+A\n b\n", "A\nb\n"),
        // An anchor says which of two.
        ("fn a\n x\nfn b\n x\n", "@@ fn b\n- x\n+ y\n", "fn a\n x\nfn b\n y\n"),
        ("c1\nf\nx\nc2\nf\nx\n", "@@ c2\n@@ f\n-x\n+y\n", "c1\nf\nx\nc2\nf\ny\n"),
        // The anchor may be the first line of the part.
        ("a\nf\nx\n", "@@ f\n f\n-x\n+y\n", "a\nf\ny\n"),
        // Numbers of lines, as other formats have them, are passed over.
        ("a\nb\n", "@@ -1,2 +1,2 @@\n a\n-b\n+B\n", "a\nB\n"),
        // Several parts, top to bottom.
        ("x\na\nx\nb\nx\n", "@@\n-x\n+1\n a\n@@\n b\n-x\n+2\n", "1\na\nx\nb\n2\n"),
        // Nothing to look for: after the anchor, or at the end.
        ("a\nb\n", "@@ a\n+x\n", "a\nx\nb\n"),
        ("a\nb\n", "@@\n+x\n", "a\nb\nx\n"),
        ("", "@@\n+x\n", "x\n"),
        ("a\n", "@@\n-a\n", ""),
        // The end of the file is not the first place.
        ("x\na\nx\n", "@@\n-x\n+y\n*** End of File\n", "x\na\ny\n"),
        // An empty line is one of context.
        ("a\n\nb\n", "@@\n a\n\n-b\n+B\n", "a\n\nB\n"),
        // Blanks that differ: what is kept stays as the file has it.
        ("\ta  \nb\n", "@@\n a\n-b\n+B\n", "\ta  \nB\n"),
        // To the letter goes before nearly, wherever it is.
        (" a\na\n", "@@\n-a\n+A\n", " a\nA\n"),
        // Line ends are the file's.
        ("a\r\nb\r\n", "@@\n a\n-b\n+B\n+c\n", "a\r\nB\r\nc\r\n"),
        ("a\r\nb", "@@\n b\n+c\n", "a\r\nb\r\nc"),
        ("a\nb", "@@\n-b\n+B\n", "a\nB"),
        ("a\nb", "@@\n b\n+c\n", "a\nb\nc"),
    ] {
        assert_eq!(apply(text, &update(body)).as_deref(), Ok(expected), "{text:?} {body:?}");
    }
}

#[test]
fn what_does_not_fit_says_where_and_why() {
    for (text, body, expected) in [
        (
            "a\nb\n",
            "@@\n x\n-b\n",
            "the part at line 3 of the patch does not fit: the file has no line \"x\" after line 0",
        ),
        ("a\nb\n", "@@ x\n-b\n", "the part at line 3 of the patch does not fit: no line \"x\" after line 0"),
        ("a\nb\n", "@@\n a\n-x\n", "it expects \"x\" at line 2, where the file has \"b\""),
        ("a\nb\n", "@@\n b\n-c\n", "it expects \"c\" after line 2, where the file ends"),
        ("a\nb\n", "@@\n-b\n@@\n-a\n", "its lines stand at line 1, before the part that comes earlier in the patch"),
        ("a\nb\n", "@@\n-a\n*** End of File\n", "the file does not end with its lines"),
        ("", "@@\n-a\n", "the file has no line \"a\" after line 0"),
    ] {
        let error = apply(text, &update(body)).unwrap_err().to_string();
        assert!(error.contains(expected), "{text:?} {body:?}: {error}");
    }
}

#[test]
fn what_is_no_patch_says_where_and_why() {
    for (text, expected) in [
        ("", "line 1 of the patch: a patch begins with \"*** Begin Patch\""),
        ("hello", "line 1 of the patch: a patch begins with"),
        ("*** Begin Patch", "line 1 of the patch: a patch ends with \"*** End Patch\""),
        ("*** Begin Patch\n*** End Patch", "line 2 of the patch: the patch changes nothing"),
        ("*** Begin Patch\nhello\n*** End Patch", "line 2 of the patch: expected \"*** Add File:\""),
        ("*** Begin Patch\n*** Add File: \n*** End Patch", "line 2 of the patch: that is no path"),
        ("*** Begin Patch\n*** Add File: a\nb\n*** End Patch", "line 3 of the patch: expected"),
        (
            "*** Begin Patch\n*** Update File: a\n*** End Patch",
            "line 3 of the patch: a is to be updated, but no lines follow",
        ),
        (
            "*** Begin Patch\n*** Update File: a\n@@\nb\n*** End Patch",
            "line 4 of the patch: a line of an update begins with",
        ),
        (
            "*** Begin Patch\n*** Update File: a\n@@\n b\n*** End Patch",
            "line 3 of the patch: this part changes no line",
        ),
        ("*** Begin Patch\n*** Update File: a\n@@ x\n*** End Patch", "line 3 of the patch: this part changes no line"),
        (
            "*** Begin Patch\n*** Update File: a\n-b\n*** End of File\n@@\n-c\n*** End Patch",
            "line 5 of the patch: nothing comes after the end of the file",
        ),
        (
            "*** Begin Patch\n*** Delete File: a\n*** Delete File: a\n*** End Patch",
            "line 3 of the patch: a is named twice",
        ),
        ("*** Begin Patch\n*** Delete File: a\n*** End Patch\nmore", "line 4 of the patch: nothing comes after"),
    ] {
        let error = Patch::parse(text).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{text:?}: {error}");
    }
}

#[test]
fn a_strange_patch_for_a_large_file_ends_in_time() {
    let text = "a\n".repeat(200_000);
    let body = format!("@@\n{}-b\n", " a\n".repeat(100_000));
    let error = apply(&text, &update(&body)).unwrap_err();
    assert!(error.problem.starts_with("looking for its lines takes too long"), "{error}");
}

/// A small generator, the same on every machine.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % most as u64).unwrap()
    }

    fn line(&mut self, kinds: usize) -> String {
        let words = ["", "a", " b", "\tc", "d  ", "ä€", "+", "-", "@@", "*** End of File", "{", "}"];
        let n = self.below(kinds);
        words.get(n).map_or_else(|| format!("line {n}"), |word| (*word).to_owned())
    }
}

/// Writes a patch as a model would.
fn written(patch: &Patch) -> String {
    let mut text = "*** Begin Patch\n".to_owned();
    for change in &patch.changes {
        match change {
            Change::Add { path, text: lines } => {
                text += &format!("*** Add File: {path}\n");
                lines.lines().for_each(|line| text += &format!("+{line}\n"));
            }
            Change::Delete { path } => text += &format!("*** Delete File: {path}\n"),
            Change::Update { path, to, hunks } => {
                text += &format!("*** Update File: {path}\n");
                to.iter().for_each(|to| text += &format!("*** Move to: {to}\n"));
                for hunk in hunks {
                    text += "@@\n";
                    for line in &hunk.lines {
                        text += &match line {
                            Line::Kept(line) => format!(" {line}\n"),
                            Line::Removed(line) => format!("-{line}\n"),
                            Line::Added(line) => format!("+{line}\n"),
                        };
                    }
                    text += if hunk.at_end { "*** End of File\n" } else { "" };
                }
            }
        }
    }
    text + "*** End Patch\n"
}

/// A text of lines that are all different, another that comes of it by some changes, and the hunks between the two.
fn edited(chance: &mut Chance) -> (String, String, Vec<Hunk>) {
    let before: Vec<String> = (0..chance.below(40) + 1).map(|n| format!("{} {n}", chance.line(12))).collect();
    let (mut after, mut hunks, mut hunk) = (Vec::new(), Vec::new(), Hunk::default());
    for (n, line) in before.iter().enumerate() {
        match chance.below(8) {
            0 => hunk.lines.push(Line::Removed(line.clone())),
            1 => {
                let fresh = format!("fresh {n}");
                hunk.lines.extend([Line::Kept(line.clone()), Line::Added(fresh.clone())]);
                after.extend([line.clone(), fresh]);
            }
            // Far from the last change: the part ends here, with this line or without.
            2 if hunk.lines.iter().any(|line| !matches!(line, Line::Kept(_))) => {
                if chance.below(2) == 0 {
                    hunk.lines.push(Line::Kept(line.clone()));
                }
                after.push(line.clone());
                hunks.push(std::mem::take(&mut hunk));
            }
            // Before the first change of a part there is context, or some of it.
            3 if hunk.lines.is_empty() => after.push(line.clone()),
            _ => {
                hunk.lines.push(Line::Kept(line.clone()));
                after.push(line.clone());
            }
        }
    }
    if hunk.lines.iter().any(|line| !matches!(line, Line::Kept(_))) {
        hunks.push(hunk);
    }
    let text = |lines: &[String]| lines.iter().map(|line| format!("{line}\n")).collect();
    (text(&before), text(&after), hunks)
}

#[test]
fn a_patch_made_of_two_texts_leads_from_one_to_the_other_and_back() {
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    let mut changed = 0;
    for _ in 0..4000 {
        let (before, after, hunks) = edited(&mut chance);
        if hunks.is_empty() {
            assert_eq!(before, after);
            continue;
        }
        changed += 1;
        let patch = Patch { changes: vec![Change::Update { path: "f".to_owned(), to: None, hunks }] };
        // Through its text, as it comes from a model.
        let read = Patch::parse(&written(&patch)).unwrap();
        let Change::Update { hunks, .. } = &read.changes[0] else { panic!("{read:?}") };
        assert_eq!(apply(&before, hunks).as_ref(), Ok(&after), "{before}\n{}", written(&patch));
        let unended = |text: &str| text.strip_suffix('\n').unwrap_or_default().to_owned();
        if !after.is_empty() {
            assert_eq!(apply(&unended(&before), hunks), Ok(unended(&after)));
        }
        let returns = |text: &str| text.replace('\n', "\r\n");
        assert_eq!(apply(&returns(&before), hunks), Ok(returns(&after)));
        assert!(is_undoable(&after, hunks));
        // Lines that went without a trace nobody can put back where they were.
        if hunks.iter().all(|hunk| hunk.inverse().old().next().is_some()) {
            let inverse: Vec<Hunk> = hunks.iter().map(Hunk::inverse).collect();
            assert_eq!(apply(&after, &inverse), Ok(before));
        }
    }
    assert!(changed > 3000);
}

#[test]
fn what_is_written_is_what_is_read() {
    let mut chance = Chance(42);
    for _ in 0..2000 {
        let mut changes = Vec::new();
        for n in 0..chance.below(4) + 1 {
            let path = format!("a dir/ä {n}");
            changes.push(match chance.below(3) {
                0 => Change::Delete { path },
                1 => {
                    let text = (0..chance.below(4)).map(|_| chance.line(30) + "\n").collect();
                    Change::Add { path, text }
                }
                _ => {
                    let (_, _, hunks) = edited(&mut chance);
                    let to = (hunks.is_empty() || chance.below(2) == 0).then(|| format!("{path} moved"));
                    Change::Update { path, to, hunks }
                }
            });
        }
        let patch = Patch { changes };
        let mut read = Patch::parse(&written(&patch)).unwrap();
        for change in &mut read.changes {
            if let Change::Update { hunks, .. } = change {
                hunks.iter_mut().for_each(|hunk| hunk.at = 0);
            }
        }
        assert_eq!(read, patch);
    }
}

#[test]
fn any_text_is_read_or_refused_and_what_was_found_is_kept_to_the_letter() {
    let mut chance = Chance(7);
    let pieces = [
        "*** Begin Patch\n",
        "*** Update File: f\n",
        "*** Add File: g\n",
        "*** Delete File: h\n",
        "*** Move to: i\n",
        "@@\n",
        "@@ a\n",
        " a\n",
        "-a\n",
        "+a\n",
        "\n",
        "*** End of File\n",
        "*** End Patch\n",
        "ä",
        "\r\n",
        "***",
        "@",
    ];
    let mut read = 0;
    for _ in 0..20_000 {
        let mut patch = "*** Begin Patch\n*** Update File: f\n".to_owned();
        (0..chance.below(12)).for_each(|_| patch += pieces[chance.below(pieces.len())]);
        let Ok(patch) = Patch::parse(&(patch + "*** End Patch\n")) else { continue };
        let text: String = (0..chance.below(8)).map(|_| chance.line(4) + "\n").collect();
        for change in &patch.changes {
            let Change::Update { hunks, .. } = change else { continue };
            let Ok(after) = apply(&text, hunks) else { continue };
            read += 1;
            let count = |wanted: fn(&Line) -> bool| hunks.iter().flat_map(|h| &h.lines).filter(|l| wanted(l)).count();
            let (added, removed) = (count(|l| matches!(l, Line::Added(_))), count(|l| matches!(l, Line::Removed(_))));
            assert_eq!(after.lines().count() + removed, text.lines().count() + added, "{text:?} {hunks:?}");
        }
    }
    assert!(read > 100, "{read}");
}
