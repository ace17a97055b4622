//! Forms, however they are cut.

use super::*;

const TYPE: Option<&str> = Some("multipart/form-data; boundary=\"B\"");

type Part = (Head, Vec<u8>);

/// The parts of a form that comes in pieces of `step` bytes.
fn read(content_type: Option<&str>, bytes: &[u8], step: usize) -> Result<Vec<Part>, String> {
    let mut form = Form::new(content_type).map_err(|fault| fault.message)?;
    let mut parts: Vec<Part> = Vec::new();
    let mut open = false;
    for chunk in bytes.chunks(step) {
        for piece in form.push(chunk).map_err(|fault| fault.message)? {
            match piece {
                Piece::Head(head) => {
                    assert!(!open);
                    open = true;
                    parts.push((head, Vec::new()));
                }
                Piece::Body(bytes) => {
                    assert!(open && !bytes.is_empty());
                    parts.last_mut().unwrap().1.extend(bytes);
                }
                Piece::End => {
                    assert!(open);
                    open = false;
                }
            }
        }
    }
    form.finish().map_err(|fault| fault.message)?;
    assert!(!open);
    Ok(parts)
}

fn part(name: &str, filename: Option<&str>, media_type: Option<&str>, body: &[u8]) -> Part {
    let head =
        Head { name: name.into(), filename: filename.map(str::to_owned), media_type: media_type.map(str::to_owned) };
    (head, body.to_vec())
}

#[test]
fn a_form_is_read_however_it_is_cut() {
    let text = b"--B\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nvision\r\n\
        --B\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\n\
        \r\n--\r\n--A\r\r\n\x00\xff\r\n-\r\n--B\r\n\
        Content-Disposition: form-data; name=empty\r\n\r\n\r\n--B--\r\nwhat comes after it";
    let wanted = vec![
        part("purpose", None, None, b"vision"),
        part("file", Some("a.png"), Some("image/png"), b"\r\n--\r\n--A\r\r\n\x00\xff\r\n-"),
        part("empty", None, None, b""),
    ];
    for step in 1..text.len() {
        assert_eq!(read(TYPE, text, step), Ok(wanted.clone()), "{step}");
    }
    let preamble = [b"a preamble\r\n".as_slice(), text].concat();
    assert_eq!(read(TYPE, &preamble, 7), Ok(wanted));
    assert_eq!(read(TYPE, b"--B--", 2), Ok(Vec::new()));
}

#[test]
fn little_is_kept_of_a_large_part() {
    let mut form = Form::new(TYPE).unwrap();
    form.push(b"--B\r\nContent-Disposition: form-data; name=file\r\n\r\n").unwrap();
    for _ in 0..100 {
        let pieces = form.push(&[b'\r'; 10_000]).unwrap();
        assert_eq!(pieces.len(), 1);
        assert!(form.rest.len() < 10);
    }
}

#[test]
fn names_come_in_many_ways() {
    for (parameters, filename) in [
        ("filename=\"a b.txt\"", "a b.txt"),
        ("filename=a.txt", "a.txt"),
        ("filename=\"a\\\"b\\\\c\\d.txt\"", "a\"b\\c\\d.txt"),
        ("filename=\"a%22b%0D%0Ac%41.txt\"", "a\"b\r\nc%41.txt"),
        ("filename=\"fallback\"; filename*=UTF-8''%E2%82%AC%20x.txt", "€ x.txt"),
        ("filename=\"name=x; y\"", "name=x; y"),
        ("filename=\"äöü\"", "äöü"),
        ("filename=\"\"", ""),
    ] {
        let text = format!("--B\r\nContent-Disposition: form-data; {parameters}; name=\"f\"\r\n\r\nx\r\n--B--\r\n");
        assert_eq!(read(TYPE, text.as_bytes(), 5), Ok(vec![part("f", Some(filename), None, b"x")]), "{parameters}");
    }
}

#[test]
fn what_is_no_form_is_said() {
    let long = [b"--B\r\nX: ".as_slice(), &[b'x'; MAX_HEAD + 300], b"\r\n\r\n"].concat();
    let crowd = b"--B\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n".repeat(MAX_PARTS + 1);
    let cases: [(&[u8], &str); 12] = [
        (b"", BROKEN),
        (b"--B", BROKEN),
        (b"--B\r\n", BROKEN),
        (b"--B\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n--B", BROKEN),
        (b"--B\r\nContent-Disposition: form-data; name=a\r\n\r\nx", BROKEN),
        (b"--Bxy", SYNTAX),
        (b"--B\r\nno colon\r\n\r\n", SYNTAX),
        (b"--B\r\nContent-Disposition: attachment; name=a\r\n\r\n", SYNTAX),
        (b"--B\r\nContent-Disposition: form-data\r\n\r\n", NAMELESS),
        (b"--B\r\n\r\nx\r\n--B--", NAMELESS),
        (&long, SYNTAX),
        (&crowd, CROWDED),
    ];
    for (bytes, message) in cases {
        for step in [1, 3, 1 << 20] {
            let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(80)]);
            assert_eq!(read(TYPE, bytes, step), Err(message.to_owned()), "{shown}");
        }
    }
    for wrong in [None, Some(""), Some("application/json"), Some("multipart/mixed; boundary=B")] {
        assert_eq!(read(wrong, b"", 1), Err(CONTENT_TYPE.to_owned()), "{wrong:?}");
    }
    let long = format!("multipart/form-data; boundary={}", "x".repeat(201));
    for wrong in ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=\"x", &long] {
        assert_eq!(read(Some(wrong), b"", 1), Err(BOUNDARY.to_owned()), "{wrong}");
    }
}
