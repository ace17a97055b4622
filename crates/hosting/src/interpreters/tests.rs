//! What needs no sandbox: paths, what is kept of an output, and the marks in it.

use super::cell::Cell;
use super::kept::Kept;
use super::place::{file, place};

#[test]
fn no_path_leads_out() {
    for (path, relative) in [
        ("a.txt", "a.txt"),
        ("./a//b/", "a/b"),
        ("/workspace/a", "a"),
        ("workspace/a", "workspace/a"),
        (".hidden", ".hidden"),
        ("ü \n", "ü \n"),
    ] {
        assert_eq!(file(path).expect(path).relative(), relative);
    }
    for path in ["..", "../a", "a/../b", "a/..", "/a", "/workspace/../a", "/workspacex/a", "a\0b", "/etc/passwd", "//a"]
    {
        assert!(place(path).is_none(), "{path:?}");
    }
    for path in ["", ".", "/workspace", "/workspace/"] {
        assert_eq!(place(path).expect(path).relative(), "");
        assert!(file(path).is_none(), "{path:?}");
    }
    assert!(place(&"a".repeat(256)).is_none());
}

#[test]
fn an_output_keeps_its_ends() {
    let kept = |sizes: &[usize]| {
        let mut kept = Kept::default();
        sizes.iter().for_each(|size| kept.push(&vec![b'x'; *size]));
        kept
    };
    assert_eq!(kept(&[10, 0, 5]).text().len(), 15);
    assert_eq!(kept(&[384 << 10]).text().len(), 384 << 10);
    // However it came.
    assert_eq!(kept(&[1 << 20]), kept(&[1 << 10; 1 << 10]));
    let mut long = kept(&[1 << 20]);
    long.push(b"the end");
    let text = long.text();
    assert!(text.ends_with("xthe end") && text.contains("\n[655367 bytes or more left out]\n"), "{}", text.len());
    let mut gap = kept(&[3]);
    gap.note_gap();
    assert!(gap.text().starts_with("xxx\n[some output is missing"));
}

/// What is said between the marks, however the bytes are cut.
#[test]
fn a_piece_has_what_lies_between_its_marks() {
    let out = b"before\0m:begin\0one\0two \0m\n\0m:0\0after";
    let error = b"\0m:begin\0\xff\0n:1\0\0m:0\0";
    for size in 1..out.len() {
        let mut cell = Cell::new("m");
        assert!(!cell.has_begun());
        for piece in out.chunks(size) {
            cell.push(false, piece);
        }
        assert!(cell.has_begun());
        assert_eq!(cell.status(), None);
        for piece in error.chunks(size) {
            cell.push(true, piece);
        }
        assert_eq!(cell.status(), Some(0));
        assert_eq!(cell.said(), ["one\0two \0m\n", "\u{fffd}\0n:1\0"], "{size}");
    }
}

#[test]
fn a_piece_that_was_cut_off_has_what_came() {
    let mut cell = Cell::new("m");
    cell.push(false, b"\0m:begin\0so far \0m");
    cell.push(true, b"\0m:beg");
    assert_eq!(cell.status(), None);
    assert_eq!(cell.said(), ["so far \0m", ""]);
    let mut cell = Cell::new("m");
    cell.note_gap();
    cell.push(false, b"the rest\0m:3\0");
    cell.push(true, b"\0m:3\0");
    assert_eq!(cell.status(), Some(3));
    assert!(cell.said()[0].starts_with("the rest\n[some output"));
}
