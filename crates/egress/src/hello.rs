//! Reads the first message of a TLS client without taking part in the handshake: which name it asks for. Pure; takes
//! what has come so far and says whether it needs more.

/// The most that a first message may have, with its records' heads. Post-quantum key shares make about 2 KiB.
pub const HELLO: usize = 32 * 1024;

const RECORD_HEAD: usize = 5;
const RECORD: usize = 16 * 1024;
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: u16 = 0;
const PROTOCOLS: u16 = 16;
const ENCRYPTED_CLIENT_HELLO: u16 = 0xfe0d;

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The name in clear, as written. Clients send none to a bare address.
    pub server_name: Option<String>,
    /// An encrypted first message travels within this one. Browsers send a meaningless one to everybody.
    pub encrypted: bool,
    /// HTTP/1.1 may be spoken: the client offers it, or offers nothing in particular.
    pub http1: bool,
}

/// What the bytes so far are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    More,
    Hello(Hello),
    NotTls,
    Broken,
}

/// Reads a first message, which may be cut into several records.
#[must_use]
pub fn read(bytes: &[u8]) -> Reading {
    let mut message = Vec::new();
    let mut rest = bytes;
    loop {
        if let Some(hello) = whole(&message) {
            return hello;
        }
        match rest {
            [] => return if bytes.len() > HELLO { Reading::Broken } else { Reading::More },
            [kind, ..] if *kind != HANDSHAKE => return foreign(bytes, rest),
            [_, major, ..] if *major != 3 => return foreign(bytes, rest),
            [_, _, _, high, low, ..] => {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                if length == 0 || length > RECORD {
                    return Reading::Broken;
                }
                let end = RECORD_HEAD + length;
                message.extend_from_slice(&rest[RECORD_HEAD..end.min(rest.len())]);
                rest = rest.get(end..).unwrap_or_default();
            }
            _ => return Reading::More,
        }
        if message.len() > HELLO {
            return Reading::Broken;
        }
    }
}

/// A record of another kind: no TLS at all, or a first message that is broken off.
fn foreign(bytes: &[u8], rest: &[u8]) -> Reading {
    if bytes.len() == rest.len() { Reading::NotTls } else { Reading::Broken }
}

/// The first message, if all of it is here.
fn whole(message: &[u8]) -> Option<Reading> {
    match message {
        [] => None,
        [kind, ..] if *kind != CLIENT_HELLO => Some(Reading::Broken),
        [_, a, b, c, body @ ..] => {
            let length = usize::try_from(u32::from_be_bytes([0, *a, *b, *c])).unwrap_or(usize::MAX);
            if length > HELLO {
                return Some(Reading::Broken);
            }
            // Nothing may follow it within the flight: what follows would be read by nobody here.
            if body.len() > length {
                return Some(Reading::Broken);
            }
            let body = body.get(..length)?;
            Some(hello(body).map_or(Reading::Broken, Reading::Hello))
        }
        _ => None,
    }
}

fn hello(body: &[u8]) -> Option<Hello> {
    let mut body = Cursor(body);
    body.take(2 + 32)?;
    body.short()?;
    body.long()?;
    body.short()?;
    let mut found = Hello { server_name: None, encrypted: false, http1: true };
    if body.0.is_empty() {
        return Some(found);
    }
    let mut extensions = Cursor(body.long()?);
    if !body.0.is_empty() {
        return None;
    }
    let mut named = false;
    while !extensions.0.is_empty() {
        let kind = extensions.number()?;
        let value = extensions.long()?;
        match kind {
            // A second one could be read by the server where the first is read here.
            SERVER_NAME if named => return None,
            SERVER_NAME => {
                named = true;
                found.server_name = Some(server_name(value)?);
            }
            PROTOCOLS => found.http1 = protocols(value)?.contains(&&b"http/1.1"[..]),
            ENCRYPTED_CLIENT_HELLO => found.encrypted = true,
            _ => {}
        }
    }
    Some(found)
}

/// One name of kind `host_name`, and nothing beside it.
fn server_name(value: &[u8]) -> Option<String> {
    let mut value = Cursor(value);
    let mut list = Cursor(value.long()?);
    let kind = list.take(1)?;
    let name = list.long()?;
    let good = value.0.is_empty() && list.0.is_empty() && kind == [0] && !name.is_empty() && name.is_ascii();
    good.then(|| String::from_utf8_lossy(name).into_owned())
}

fn protocols(value: &[u8]) -> Option<Vec<&[u8]>> {
    let mut value = Cursor(value);
    let mut list = Cursor(value.long()?);
    let mut all = Vec::new();
    while !list.0.is_empty() {
        all.push(list.short()?);
    }
    value.0.is_empty().then_some(all)
}

struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u16> {
        let bytes = self.take(2)?;
        Some(u16::from_be_bytes([*bytes.first()?, *bytes.last()?]))
    }

    fn short(&mut self) -> Option<&'a [u8]> {
        let length = usize::from(*self.take(1)?.first()?);
        self.take(length)
    }

    fn long(&mut self) -> Option<&'a [u8]> {
        let length = usize::from(self.number()?);
        self.take(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long(body: &[u8]) -> Vec<u8> {
        [&u16::try_from(body.len()).unwrap().to_be_bytes()[..], body].concat()
    }

    fn extension(kind: u16, value: &[u8]) -> Vec<u8> {
        [&kind.to_be_bytes()[..], &long(value)].concat()
    }

    fn name(text: &str) -> Vec<u8> {
        extension(0, &long(&[&[0], &long(text.as_bytes())[..]].concat()))
    }

    fn message(extensions: &[u8]) -> Vec<u8> {
        let mut body = vec![3, 3];
        body.extend([7; 32]);
        body.push(0);
        body.extend(long(&[0x13, 0x01]));
        body.extend([1, 0]);
        body.extend(long(extensions));
        let length = u32::try_from(body.len()).unwrap().to_be_bytes();
        [&[1, length[1], length[2], length[3]], &body[..]].concat()
    }

    fn record(message: &[u8]) -> Vec<u8> {
        [&[22, 3, 1], &long(message)[..]].concat()
    }

    fn real(server_name: &str) -> Vec<u8> {
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        let name = server_name.to_owned().try_into().unwrap();
        let mut connection = rustls::ClientConnection::new(config.into(), name).unwrap();
        let mut out = Vec::new();
        connection.write_tls(&mut out).unwrap();
        out
    }

    #[test]
    fn a_real_client_is_read_and_every_piece_of_it_needs_more() {
        let bytes = real("example.com");
        for end in 0..bytes.len() {
            assert_eq!(read(&bytes[..end]), Reading::More, "{end}");
        }
        let expected = Hello { server_name: Some("example.com".into()), encrypted: false, http1: true };
        assert_eq!(read(&bytes), Reading::Hello(expected));
    }

    #[test]
    fn a_client_of_a_bare_address_names_nobody() {
        assert_eq!(
            read(&real("127.0.0.1")),
            Reading::Hello(Hello { server_name: None, encrypted: false, http1: true })
        );
    }

    #[test]
    fn a_message_in_many_records_is_one() {
        let whole = message(&name("example.com"));
        for size in [1, 2, 3, 5, 40] {
            let bytes: Vec<u8> = whole.chunks(size).flat_map(record).collect();
            assert!(matches!(read(&bytes), Reading::Hello(h) if h.server_name.as_deref() == Some("example.com")));
        }
    }

    #[test]
    fn offered_protocols_are_seen() {
        for (offer, expected) in [
            (&[&b"http/1.1"[..]][..], true),
            (&[b"h2", b"http/1.1"], true),
            (&[b"h2"], false),
            (&[b"http/1.1x"], false),
            (&[], false),
        ] {
            let list: Vec<u8> = offer.iter().flat_map(|word| [&[word.len() as u8], *word].concat()).collect();
            let bytes = record(&message(&[name("a.com"), extension(16, &long(&list))].concat()));
            assert!(matches!(read(&bytes), Reading::Hello(hello) if hello.http1 == expected), "{offer:?}");
        }
        assert_eq!(read(&record(&message(&extension(16, &[0, 3, 9, 1, 1])))), Reading::Broken);
    }

    #[test]
    fn an_encrypted_hello_is_seen() {
        let both = [name("front.example"), extension(0xfe0d, &[0; 40])].concat();
        let Reading::Hello(hello) = read(&record(&message(&both))) else { panic!("no hello") };
        assert_eq!(hello, Hello { server_name: Some("front.example".into()), encrypted: true, http1: true });
        let alone = extension(0xfe0d, &[0; 40]);
        let Reading::Hello(hello) = read(&record(&message(&alone))) else { panic!("no hello") };
        assert_eq!(hello, Hello { server_name: None, encrypted: true, http1: true });
    }

    #[test]
    fn what_is_no_tls_is_told_from_what_is_broken() {
        assert_eq!(read(b""), Reading::More);
        assert_eq!(read(b"GET / HTTP/1.1\r\n"), Reading::NotTls);
        assert_eq!(read(b"SSH-2.0-x"), Reading::NotTls);
        assert_eq!(read(&[22, 2, 0]), Reading::NotTls);
        assert_eq!(read(&[22, 3, 1, 0, 0]), Reading::Broken);
        assert_eq!(read(&[22, 3, 1, 0xff, 0xff]), Reading::Broken);
        assert_eq!(read(&record(&[2, 0, 0, 0])), Reading::Broken);
        assert_eq!(read(&record(&[1, 0xff, 0xff, 0xff])), Reading::Broken);
        // An alert between two pieces.
        let whole = message(&name("example.com"));
        let cut = [record(&whole[..20]), vec![21, 3, 3, 0, 2, 1, 0]].concat();
        assert_eq!(read(&cut), Reading::Broken);
    }

    #[test]
    fn a_hello_that_two_readers_could_read_differently_is_broken() {
        let two_names = extension(0, &long(&[&[0], &long(b"a.com")[..], &[0], &long(b"b.com")].concat()));
        let mut after = message(&name("a.com"));
        after.extend(message(&name("b.com")));
        for (what, bytes) in [
            ("two extensions", record(&message(&[name("a.com"), name("b.com")].concat()))),
            ("two names", record(&message(&two_names))),
            ("another kind of name", record(&message(&extension(0, &long(&[&[1], &long(b"a.com")[..]].concat()))))),
            ("an empty name", record(&message(&name("")))),
            ("no ASCII", record(&message(&name("bücher.example")))),
            ("a cut extension", record(&message(&[0, 0, 0, 99, 1]))),
            ("two messages", record(&after)),
        ] {
            assert_eq!(read(&bytes), Reading::Broken, "{what}");
        }
    }

    #[test]
    fn what_never_ends_is_broken_at_the_bound() {
        let piece = [1, 0, 0x7f, 0xff];
        let mut bytes = record(&piece);
        while read(&bytes) == Reading::More {
            bytes.extend(record(&[0; 1024]));
            assert!(bytes.len() < 3 * HELLO, "no bound");
        }
        assert_eq!(read(&bytes), Reading::Broken);
    }
}
