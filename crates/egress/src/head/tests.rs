//! Heads that are read, and the many that are not.

use super::*;

fn request(text: &str) -> Result<Request, Refusal> {
    Request::read(text.as_bytes())
}

#[track_caller]
fn framing(headers: &str) -> Result<Framing, Refusal> {
    request(&format!("POST / HTTP/1.1\r\nHost: a\r\n{headers}\r\n")).and_then(|request| request.framing())
}

#[test]
fn a_request_is_read() {
    let head = request("GET http://a.com/x?y=1 HTTP/1.1\r\nHost: a.com\r\nX-A:  b \r\n\r\n").unwrap();
    assert_eq!((head.method.as_str(), head.minor), ("GET", 1));
    assert_eq!(head.headers[1], ("X-A".to_owned(), b"b".to_vec()));
}

#[test]
fn what_two_readers_could_read_differently_is_refused() {
    for (what, text) in [
        ("folded", "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n"),
        ("folded with a tab", "GET / HTTP/1.1\r\nA: b\r\n\tc\r\n\r\n"),
        ("bare LF", "GET / HTTP/1.1\r\nA: b\nC: d\r\n\r\n"),
        ("bare CR", "GET / HTTP/1.1\r\nA: b\rC: d\r\n\r\n"),
        ("NUL", "GET / HTTP/1.1\r\nA: b\0\r\n\r\n"),
        ("space before the colon", "GET / HTTP/1.1\r\nA : b\r\n\r\n"),
        ("no colon", "GET / HTTP/1.1\r\nA\r\n\r\n"),
        ("empty name", "GET / HTTP/1.1\r\n: b\r\n\r\n"),
        ("space in the target", "GET /a b HTTP/1.1\r\n\r\n"),
        ("empty line first", "\r\nGET / HTTP/1.1\r\n\r\n"),
        ("no version", "GET /\r\n\r\n"),
        ("HTTP/2", "PRI * HTTP/2.0\r\n\r\n"),
        ("TLS", "\u{16}\u{3}\u{1}\r\n\r\n"),
        ("nothing", "\r\n\r\n"),
        ("two heads", "GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n"),
    ] {
        assert!(request(text).is_err(), "{what}");
    }
    let many: String = (0..=HEADERS).map(|n| format!("h{n}: x\r\n")).collect();
    assert!(matches!(request(&format!("GET / HTTP/1.1\r\n{many}\r\n")), Err(Refusal::Large(_))));
}

#[test]
fn framings() {
    assert_eq!(framing(""), Ok(Framing::None));
    assert_eq!(framing("Content-Length: 12\r\n"), Ok(Framing::Length(12)));
    assert_eq!(framing("Transfer-Encoding: Chunked\r\n"), Ok(Framing::Chunked));
    for headers in [
        "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 1\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: \u{b}chunked\r\n",
        "Transfer-Encoding:\r\n",
        "Content-Length: 1\r\nContent-Length: 1\r\n",
        "Content-Length: 1\r\nContent-Length: 2\r\n",
        "Content-Length: 1, 1\r\n",
        "Content-Length: +1\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 0x1\r\n",
        "Content-Length: 1 2\r\n",
        "Content-Length:\r\n",
        "Content-Length: 99999999999999999999\r\n",
    ] {
        assert!(framing(headers).is_err(), "{headers:?}");
    }
    let old = request("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
    assert!(old.framing().is_err());
}

#[test]
fn answers() {
    let read = |text: &str| Answer::read(text.as_bytes()).unwrap();
    let plain = read("HTTP/1.1 200 OK\r\n\r\n");
    assert_eq!(plain.framing(false), Ok(Framing::Close));
    assert_eq!(plain.framing(true), Ok(Framing::None));
    assert_eq!(read("HTTP/1.1 304 \r\nContent-Length: 9\r\n\r\n").framing(false), Ok(Framing::None));
    assert_eq!(read("HTTP/1.1 204\r\n\r\n").framing(false), Ok(Framing::None));
    assert_eq!(read("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n").framing(false), Ok(Framing::Length(9)));
    let both = read("HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert!(both.framing(false).is_err() && both.framing(true).is_err());
    for text in ["HTTP/1.1 200 OK\nA: b\r\n\r\n", "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", "hello\r\n\r\n"] {
        assert!(Answer::read(text.as_bytes()).is_err(), "{text:?}");
    }
}

#[test]
fn absolute_addresses() {
    let check = |target: &str| {
        let head = request(&format!("GET {target} HTTP/1.1\r\n\r\n"))?;
        head.absolute().map(|(target, path)| format!("{target} {path}"))
    };
    assert_eq!(check("http://A.com./x?y").as_deref(), Ok("a.com:80 /x?y"));
    assert_eq!(check("HTTP://a.com:8080").as_deref(), Ok("a.com:8080 /"));
    assert_eq!(check("http://a.com?y").as_deref(), Ok("a.com:80 /?y"));
    assert_eq!(check("http://2130706433/").as_deref(), Ok("127.0.0.1:80 /"));
    assert_eq!(check("http://[::1]:81/").as_deref(), Ok("[::1]:81 /"));
    for target in [
        "/",
        "*",
        "a.com:443",
        "https://a.com/",
        "ftp://a.com/",
        "gopher://127.0.0.1:6379/_FLUSHALL",
        "unix:///var/run/x",
        "http://",
        "http:///x",
        "http://evil@a.com/",
        "http://127.0.0.1%2523@ok.test/",
        "http://a.com:0/",
        "http://a.com:99999/",
        "http://a.com/#b",
        "http://a.com\\@b.com/",
    ] {
        assert!(check(target).is_err(), "{target}: {:?}", check(target));
    }
}

#[test]
fn the_host_header_must_be_the_connections_host() {
    let target = Target::parse("a.com:443", None).unwrap();
    let check = |headers: &str| request(&format!("GET / HTTP/1.1\r\n{headers}\r\n")).unwrap().is_for(&target, 443);
    for headers in ["Host: a.com\r\n", "host: A.COM.:443\r\n"] {
        assert_eq!(check(headers), Ok(true), "{headers}");
    }
    for headers in [
        "",
        "Host: b.com\r\n",
        "Host: a.com:444\r\n",
        "Host: a.com\r\nHost: a.com\r\n",
        "Host: a.com\r\nHost: b.com\r\n",
    ] {
        assert_eq!(check(headers), Ok(false), "{headers}");
    }
    assert!(check("Host: a.com@b.com\r\n").is_err());
    assert!(check("Host:\r\n").is_err());
}

#[test]
fn headers_of_the_connection_stay_on_it() {
    let head = request(
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: X-Hop, close\r\nX-Hop: 1\r\nProxy-Authorization: x\r\nTE: x\r\n\
         Upgrade: h2c\r\nKeep-Alive: 1\r\nContent-Length: 0\r\nX-Stays: 1\r\n\r\n",
    )
    .unwrap();
    let names: Vec<&str> = lasting(&head.headers).map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["X-Stays"]);
    assert!(!keeps(&head.headers, 1));
    assert!(keeps(&[], 1) && !keeps(&[], 0));
}
