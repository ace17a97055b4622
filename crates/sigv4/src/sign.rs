//! The other side: the signature of a request that this server sends itself, in its header. The canonical form is the one
//! by which the requests of others are checked.

use crate::query::Query;
use crate::{BodyHash, Head, Refusal, canonical, hexadecimal, mac, moment};

/// Who signs, and for which service in which region.
#[derive(Clone, Copy)]
pub struct Signer<'a> {
    pub access_key: &'a str,
    pub secret: &'a str,
    pub region: &'a str,
    pub service: &'a str,
}

impl Signer<'_> {
    /// The value of `Authorization`. Every header of `head` is signed; `host` and `x-amz-date`, as [`date`] writes it, have to
    /// be among them. `Incomplete` says what is missing, stands there twice, or is too large.
    pub fn authorization(&self, head: &Head<'_>, body: &BodyHash) -> Result<String, Refusal> {
        head.check_size()?;
        let date = head.once("x-amz-date")?.and_then(|date| std::str::from_utf8(date).ok());
        let date = date.filter(|date| moment::read(date).is_some());
        let date = date.ok_or(Refusal::Incomplete("there is no X-Amz-Date"))?;
        head.once("host")?.ok_or(Refusal::Incomplete("the header host is not there"))?;
        let mut names: Vec<&str> = head.headers.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        let (signed, query) = (names.join(";"), Query::read(head.query)?);
        let canonical = canonical::head(head, &query, &signed, self.service == "s3")?;
        let (day, region, service) = (&date[..8], self.region, self.service);
        let scope = format!("{day}/{region}/{service}/aws4_request");
        let text = canonical::text(date, &scope, &canonical, &hexadecimal(&body.0));
        let key = mac::signing_key(self.secret, day, region, service);
        let signature = hexadecimal(&mac::of(&key, text.as_bytes()));
        let access_key = self.access_key;
        Ok(format!("AWS4-HMAC-SHA256 Credential={access_key}/{scope}, SignedHeaders={signed}, Signature={signature}"))
    }
}

/// `x-amz-date` of a moment in seconds since 1970.
pub fn date(now: u64) -> String {
    moment::write(now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Claim, Policy};

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    const SIGNER: Signer<'_> =
        Signer { access_key: "AKIDEXAMPLE", secret: SECRET, region: "us-east-1", service: "service" };

    fn head<'a>(headers: &'a [(&'a str, &'a [u8])]) -> Head<'a> {
        Head { method: "GET", path: "/", query: "", headers }
    }

    /// The case `get-vanilla` of AWS's own test suite.
    #[test]
    fn it_is_the_signature_that_aws_publishes() {
        let headers: [(&str, &[u8]); 2] = [("host", b"example.amazonaws.com"), ("x-amz-date", b"20150830T123600Z")];
        let signed = SIGNER.authorization(&head(&headers), &BodyHash::of(b"")).unwrap();
        assert_eq!(
            signed,
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date, \
             Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
        );
    }

    #[test]
    fn what_is_signed_here_is_true_here() {
        let (at, body) = (1_795_396_327, BodyHash::of(b"{}"));
        let signer = Signer { access_key: "AKIAAAAAAAAAAAAAAAAA", ..SIGNER };
        let date = date(at);
        let unsigned: Vec<(&str, &[u8])> = vec![
            ("x-amz-target", b"TrentService.Encrypt"),
            ("x-amz-security-token", b"a token"),
            ("host", b"127.0.0.1:8080"),
            ("x-amz-date", date.as_bytes()),
        ];
        let signed = signer.authorization(&head(&unsigned), &body).unwrap();
        let mut headers = unsigned.clone();
        headers.push(("authorization", signed.as_bytes()));
        let policy = Policy { services: &["service"], unsigned_payload: false, longest: 1 };
        let claim = Claim::read(&head(&headers), &policy, at).unwrap();
        assert_eq!(claim.session_token(), Some("a token"));
        assert_eq!(claim.verify(SECRET, &body), Ok(()));
        assert_eq!(claim.verify("another", &body), Err(Refusal::Mismatch));
        assert_eq!(claim.verify(SECRET, &BodyHash::of(b"")), Err(Refusal::Mismatch));
    }

    #[test]
    fn what_cannot_be_signed_is_not() {
        let host: (&str, &[u8]) = ("host", b"a");
        let date: (&str, &[u8]) = ("x-amz-date", b"20150830T123600Z");
        for wrong in [vec![], vec![host], vec![date], vec![host, date, date], vec![host, ("x-amz-date", b"now")]] {
            let refused = SIGNER.authorization(&head(&wrong), &BodyHash::of(b""));
            assert!(matches!(refused, Err(Refusal::Incomplete(_))), "{wrong:?}");
        }
    }
}
