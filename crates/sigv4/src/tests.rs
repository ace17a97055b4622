//! Vectors that AWS publishes, and what is refused.

use super::*;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
/// 2015-08-30 12:36:00.
const NOW: u64 = 1_440_938_160;
const POLICY: Policy<'_> = Policy { services: &["service", "iam"], unsigned_payload: false, longest: 3600 };
const NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// A request of the suite of test vectors: method, target, headers without host and date, body, signature.
struct Vector {
    method: &'static str,
    target: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
    signed: &'static str,
    signature: &'static str,
}

const VANILLA: Vector = Vector {
    method: "GET",
    target: "/",
    headers: &[],
    body: "",
    signed: "host;x-amz-date",
    signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
};

impl Vector {
    fn authorization(&self) -> String {
        format!(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE123456/20150830/us-east-1/service/aws4_request, SignedHeaders={}, \
             Signature={}",
            self.signed, self.signature
        )
    }

    fn headers<'a>(&'a self, authorization: &'a str) -> Vec<(&'a str, &'a [u8])> {
        let mut headers: Vec<(&str, &[u8])> =
            vec![("host", b"example.amazonaws.com"), ("x-amz-date", b"20150830T123600Z")];
        headers.extend(self.headers.iter().map(|(name, value)| (*name, value.as_bytes())));
        headers.push(("authorization", authorization.as_bytes()));
        headers
    }

    fn check(&self) -> Result<(), Refusal> {
        check(self.method, self.target, &self.headers(&self.authorization()), self.body, &POLICY, NOW)
    }
}

fn check(
    method: &str,
    target: &str,
    headers: &[(&str, &[u8])],
    body: &str,
    policy: &Policy<'_>,
    now: u64,
) -> Result<(), Refusal> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let head = Head { method, path, query, headers };
    assert!(head.is_signed());
    Claim::read(&head, policy, now)?.verify(SECRET, &BodyHash::of(body.as_bytes()))
}

#[test]
fn the_published_requests_are_what_they_say() {
    for vector in [
        VANILLA,
        Vector {
            method: "POST",
            signature: "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            ..VANILLA
        },
        Vector {
            target: "/?Param2=value2&Param1=value1",
            signature: "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ..VANILLA
        },
        Vector {
            headers: &[("my-header1", " value1"), ("my-header2", " \"a   b   c\"")],
            signed: "host;my-header1;my-header2;x-amz-date",
            signature: "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
            ..VANILLA
        },
        Vector {
            method: "POST",
            headers: &[("content-type", "application/x-www-form-urlencoded")],
            body: "Param1=value1",
            signed: "content-type;host;x-amz-date",
            signature: "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
            ..VANILLA
        },
    ] {
        assert_eq!(vector.check(), Ok(()), "{} {}", vector.method, vector.target);
    }
}

#[test]
fn the_documented_request_and_key() {
    let key = mac::signing_key(SECRET, "20150830", "us-east-1", "iam");
    assert_eq!(hexadecimal(&key), "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9");
    let authorization = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE123456/20150830/us-east-1/iam/aws4_request, \
                         SignedHeaders=content-type;host;x-amz-date, \
                         Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7";
    let headers: [(&str, &[u8]); 4] = [
        ("authorization", authorization.as_bytes()),
        ("content-type", b"application/x-www-form-urlencoded; charset=utf-8"),
        ("host", b"iam.amazonaws.com"),
        ("x-amz-date", b"20150830T123600Z"),
    ];
    let target = "/?Action=ListUsers&Version=2010-05-08";
    assert_eq!(check("GET", target, &headers, "", &POLICY, NOW), Ok(()));
    assert_eq!(check("GET", target, &headers, "x", &POLICY, NOW), Err(Refusal::Mismatch));
}

/// The presigned request of the documentation of S3: another secret, no body, its path as it is.
#[test]
fn the_documented_presigned_request() {
    let query = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2F\
                 aws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=\
                 aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
    let headers: [(&str, &[u8]); 1] = [("host", b"examplebucket.s3.amazonaws.com")];
    let head = Head { method: "GET", path: "/test.txt", query, headers: &headers };
    let signed = 1_369_353_600;
    let read = |unsigned_payload, longest, now| {
        let policy = Policy { services: &["s3"], unsigned_payload, longest };
        Claim::read(&head, &policy, now)
    };
    let verify = |claim: Claim| claim.verify("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", &BodyHash::of(b"anything"));
    for now in [signed - SKEW, signed, signed + 86_400] {
        let claim = read(true, 86_400, now).expect("read");
        assert_eq!((claim.access_key(), claim.payload()), ("AKIAIOSFODNN7EXAMPLE", Payload::Unsigned));
        assert_eq!(verify(claim), Ok(()));
    }
    assert_eq!(read(true, 86_400, signed + 86_401).err(), Some(Refusal::Expired));
    assert!(matches!(read(true, 86_400, signed - SKEW - 1).err(), Some(Refusal::Invalid(_))));
    assert!(matches!(read(true, 86_399, signed).err(), Some(Refusal::Invalid(_))));
    assert!(matches!(read(false, 86_400, signed).err(), Some(Refusal::Invalid(_))));
}

#[test]
fn what_is_changed_is_refused() {
    assert_eq!(VANILLA.check(), Ok(()));
    assert_eq!(Vector { method: "PUT", ..VANILLA }.check(), Err(Refusal::Mismatch));
    assert_eq!(Vector { target: "//", ..VANILLA }.check(), Err(Refusal::Mismatch));
    assert_eq!(Vector { target: "/.", ..VANILLA }.check(), Err(Refusal::Mismatch));
    assert_eq!(Vector { target: "/?a", ..VANILLA }.check(), Err(Refusal::Mismatch));
    assert_eq!(Vector { body: "x", ..VANILLA }.check(), Err(Refusal::Mismatch));
    let other = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf32";
    assert_eq!(Vector { signature: other, ..VANILLA }.check(), Err(Refusal::Mismatch));
    let head = VANILLA.authorization();
    let mut headers = VANILLA.headers(&head);
    headers[0].1 = b"example.amazonaws.org";
    assert_eq!(check("GET", "/", &headers, "", &POLICY, NOW), Err(Refusal::Mismatch));
    headers[0].1 = b" example.amazonaws.com ";
    assert_eq!(check("GET", "/", &headers, "", &POLICY, NOW), Ok(()));
}

#[test]
fn times_and_services_count() {
    let (head, at) = (VANILLA.authorization(), |now| {
        check("GET", "/", &VANILLA.headers(&VANILLA.authorization()), "", &POLICY, now)
    });
    for now in [NOW - SKEW, NOW + SKEW] {
        assert_eq!(at(now), Ok(()));
    }
    for now in [0, NOW - SKEW - 1, NOW + SKEW + 1, u64::MAX] {
        assert!(matches!(at(now), Err(Refusal::Invalid(_))), "{now}");
    }
    let policy = Policy { services: &["iam"], ..POLICY };
    let refused = check("GET", "/", &VANILLA.headers(&head), "", &policy, NOW);
    assert!(matches!(refused, Err(Refusal::Invalid(_))));
    let yesterday = head.replace("/20150830/", "/20150829/");
    let refused = check("GET", "/", &VANILLA.headers(&yesterday), "", &POLICY, NOW);
    assert!(matches!(refused, Err(Refusal::Invalid(_))));
}

#[test]
fn headers_that_are_not_whole_are_refused() {
    let head = VANILLA.authorization();
    for (wrong, replaced) in [
        ("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"),
        ("Credential=", "Credentials="),
        ("/aws4_request", ""),
        ("/aws4_request", "/aws5_request"),
        ("AKIDEXAMPLE123456", "AKID"),
        ("AKIDEXAMPLE123456", "AKIDEXAMPLE/23456"),
        ("us-east-1", ""),
        ("us-east-1", "us/east"),
        ("host;x-amz-date", "x-amz-date"),
        ("host;x-amz-date", "x-amz-date;host"),
        ("host;x-amz-date", "host;host;x-amz-date"),
        ("host;x-amz-date", "Host;x-amz-date"),
        ("host;x-amz-date", "host;nowhere;x-amz-date"),
        ("host;x-amz-date", ""),
        ("Signature=5f", "Signature=5F"),
        ("Signature=5f", "Signature="),
        (", Signature=", ", Signature=00, Signature="),
        (", Signature=", ", More=1, Signature="),
        (", Signature=", " "),
    ] {
        let head = head.replace(wrong, replaced);
        let refused = check("GET", "/", &VANILLA.headers(&head), "", &POLICY, NOW);
        assert!(matches!(refused, Err(Refusal::Incomplete(_))), "{head}: {refused:?}");
    }
    let is_incomplete = |headers: &[(&str, &[u8])], target: &str| {
        let refused = check("GET", target, headers, "", &POLICY, NOW);
        assert!(matches!(refused, Err(Refusal::Incomplete(_))), "{refused:?}");
    };
    let headers = VANILLA.headers(&head);
    for (index, (name, _)) in headers.iter().enumerate() {
        let twice: Vec<_> = headers.iter().chain(headers.get(index)).copied().collect();
        is_incomplete(&twice, "/");
        if *name != "authorization" {
            let less: Vec<_> = headers.iter().filter(|(own, _)| own != name).copied().collect();
            is_incomplete(&less, "/");
        }
    }
    is_incomplete(&headers, "/?a=%2");
    is_incomplete(&headers, "/?a=%zz");
    is_incomplete(&headers, "/?X-Amz-Algorithm=AWS4-HMAC-SHA256");
    is_incomplete(&headers, &format!("/?{}", "a&".repeat(300)));
    is_incomplete(&headers, &format!("/{}", "a".repeat(40_000)));
    let many: Vec<_> = (0..200).map(|_| ("a", b"b".as_slice())).chain(headers.iter().copied()).collect();
    is_incomplete(&many, "/");
}

#[test]
fn bodies_are_signed_where_they_have_to_be() {
    let said = |said: &'static str, signed: &'static str, policy: &Policy<'_>| {
        let head = Vector { signed, ..VANILLA }.authorization();
        let mut headers = VANILLA.headers(&head);
        headers.push(("x-amz-content-sha256", said.as_bytes()));
        check("GET", "/", &headers, "", policy, NOW)
    };
    let signed = "host;x-amz-content-sha256;x-amz-date";
    assert!(matches!(said(NOTHING, "host;x-amz-date", &POLICY), Err(Refusal::Invalid(_))), "a loose header");
    assert!(matches!(said("UNSIGNED-PAYLOAD", signed, &POLICY), Err(Refusal::Invalid(_))));
    let streaming = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
    let loose = Policy { unsigned_payload: true, ..POLICY };
    assert!(matches!(said(streaming, signed, &loose), Err(Refusal::Invalid(_))));
    assert!(matches!(said("abc", signed, &loose), Err(Refusal::Incomplete(_))));
    // Let through, and then another request than the one that was signed.
    assert_eq!(said("UNSIGNED-PAYLOAD", signed, &loose), Err(Refusal::Mismatch));
    assert_eq!(said(NOTHING, signed, &POLICY), Err(Refusal::Mismatch));
}

#[test]
fn queries_have_one_form() {
    for (text, expected) in [
        ("", ""),
        ("b=2&a=1", "a=1&b=2"),
        ("a=2&a=1", "a=1&a=2"),
        ("a", "a="),
        ("a=b=c&&", "a=b%3Dc"),
        ("a=%7e%2f&%c3%a4=~", "%C3%A4=~&a=~%2F"),
        ("a=b+c&d=%2B%20", "a=b+c&d=%2B%20"),
        ("X-Amz-Signature=00&a=1", "a=1"),
    ] {
        assert_eq!(query::Query::read(text).ok().map(|query| query.canonical()).as_deref(), Some(expected));
    }
}

#[test]
fn who_is_not_signed() {
    let headers: [(&str, &[u8]); 1] = [("authorization", b"Bearer sk-AWS4-")];
    let head = Head { method: "GET", path: "/", query: "x=X-Amz-Algorithm", headers: &headers };
    assert!(!head.is_signed());
    assert_eq!(Claim::read(&head, &POLICY, NOW).err(), Some(Refusal::Missing));
}

#[test]
fn secrets_are_derived() {
    let (one, other) = (RootKey::new([1; ROOT_BYTES]), RootKey::new([2; ROOT_BYTES]));
    let secret = one.secret("AKIAAAAAAAAAAAAAAAAA");
    assert_eq!(secret.len(), 40);
    assert_eq!(secret, one.clone().secret("AKIAAAAAAAAAAAAAAAAA"));
    assert_ne!(secret, one.secret("AKIAAAAAAAAAAAAAAAAB"));
    assert_ne!(secret, other.secret("AKIAAAAAAAAAAAAAAAAA"));
    assert_eq!(format!("{one:?}"), "RootKey");
}

/// Whatever comes: it is refused, and nothing breaks.
#[test]
fn odd_bytes_do_no_harm() {
    let mut state = 1_u64;
    let mut draw = |most: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % most
    };
    let authorization = VANILLA.authorization();
    let query = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20150830%2Fus-east-1%2Fiam%2F\
                 aws4_request&X-Amz-Date=20150830T123600Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=00";
    for _ in 0..20_000 {
        let mut spoil = |text: &str| {
            let mut letters: Vec<char> = text.chars().collect();
            for _ in 0..draw(4) {
                let place = draw(letters.len().max(1)).min(letters.len().saturating_sub(1));
                let odd = ['%', '/', ';', ',', '=', '&', ' ', 'ä', '\u{0}', '0', 'Z', '\u{202e}'][draw(12)];
                match draw(3) {
                    0 => letters.truncate(place),
                    1 => letters.insert(place, odd),
                    _ => letters.splice(place..letters.len().min(place + 1), [odd]).for_each(drop),
                }
            }
            letters.into_iter().collect::<String>()
        };
        let (head, date) = (spoil(&authorization), spoil("20150830T123600Z"));
        let (path, presigned) = (spoil("/a/b"), spoil(query));
        let headers: [(&str, &[u8]); 3] =
            [("host", b"example.amazonaws.com"), ("x-amz-date", date.as_bytes()), ("authorization", head.as_bytes())];
        for (query, headers) in [("", &headers[..]), (&presigned, &headers[..1])] {
            // Nobody has signed this method.
            let head = Head { method: "PATCH", path: &path, query, headers };
            if let Ok(claim) = Claim::read(&head, &POLICY, NOW) {
                assert_eq!(claim.verify(SECRET, &BodyHash::of(b"")), Err(Refusal::Mismatch));
            }
        }
    }
}
