//! What a request says of its signature, in a header or in its query. The words are looked at here; whether they are true
//! is not this module's.

use crate::Refusal;
use crate::head::{Head, is_aws};
use crate::query::Query;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const ACCESS_KEY_LENGTH: std::ops::RangeInclusive<usize> = 16..=128;
const NAME_LENGTH: usize = 64;

pub struct Stated {
    pub credential: Credential,
    /// Names of headers in lower case, sorted, each once, with semicolons between them.
    pub signed_headers: String,
    pub signature: [u8; 32],
    pub date: String,
    /// Of a presigned query: for how many seconds.
    pub expires: Option<u64>,
}

/// `KEY/DATE/REGION/SERVICE/aws4_request`
pub struct Credential {
    pub access_key: String,
    pub date: String,
    pub region: String,
    pub service: String,
}

impl Stated {
    pub fn find(head: &Head<'_>, query: &Query) -> Result<Self, Refusal> {
        let header = head.once("authorization")?.filter(|value| is_aws(value));
        let algorithm = query.once("X-Amz-Algorithm")?;
        match (header, algorithm) {
            (Some(_), Some(_)) => Err(Refusal::Incomplete("it stands in a header and in the query")),
            (Some(header), None) => Self::in_header(head, header),
            (None, Some(algorithm)) => Self::in_query(query, &algorithm),
            (None, None) => Err(Refusal::Missing),
        }
    }

    fn in_header(head: &Head<'_>, authorization: &[u8]) -> Result<Self, Refusal> {
        let text = std::str::from_utf8(authorization).map_err(|_| Refusal::Incomplete("its header is not text"))?;
        let (algorithm, parts) = text.trim().split_once(' ').unwrap_or((text, ""));
        known(algorithm)?;
        let (mut credential, mut signed, mut signature) = (None, None, None);
        for part in parts.split(',') {
            let (name, value) = part.trim().split_once('=').ok_or(Refusal::Incomplete("its header cannot be read"))?;
            let place = match name {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut signed,
                "Signature" => &mut signature,
                _ => return Err(Refusal::Incomplete("its header has a part that is not known")),
            };
            if place.replace(value.to_owned()).is_some() {
                return Err(Refusal::Incomplete("a part of its header stands there twice"));
            }
        }
        let date = head.once("x-amz-date")?.and_then(|date| std::str::from_utf8(date.trim_ascii()).ok());
        Self::new(credential, signed, signature, date.map(str::to_owned), None)
    }

    fn in_query(query: &Query, algorithm: &str) -> Result<Self, Refusal> {
        known(algorithm)?;
        let expires = query.once("X-Amz-Expires")?.ok_or(Refusal::Incomplete("the query has no X-Amz-Expires"))?;
        let digits = !expires.is_empty() && expires.len() <= 7 && expires.bytes().all(|byte| byte.is_ascii_digit());
        let expires = expires.parse().ok().filter(|seconds| digits && *seconds > 0);
        let expires = expires.ok_or(Refusal::Incomplete("X-Amz-Expires is no number of seconds"))?;
        let (credential, signed) = (query.once("X-Amz-Credential")?, query.once("X-Amz-SignedHeaders")?);
        Self::new(credential, signed, query.once("X-Amz-Signature")?, query.once("X-Amz-Date")?, Some(expires))
    }

    fn new(
        credential: Option<String>,
        signed_headers: Option<String>,
        signature: Option<String>,
        date: Option<String>,
        expires: Option<u64>,
    ) -> Result<Self, Refusal> {
        let credential = credential.ok_or(Refusal::Incomplete("there is no Credential"))?;
        let credential = Credential::read(&credential).ok_or(Refusal::Incomplete("the Credential cannot be read"))?;
        let signed_headers = signed_headers.ok_or(Refusal::Incomplete("there are no SignedHeaders"))?;
        if !are_names(&signed_headers) {
            return Err(Refusal::Incomplete("SignedHeaders are names in lower case, sorted, each once"));
        }
        if !signed_headers.split(';').any(|name| name == "host") {
            return Err(Refusal::Incomplete("the header host is not signed"));
        }
        let signature = signature.ok_or(Refusal::Incomplete("there is no Signature"))?;
        let signature = read_hexadecimal(&signature).ok_or(Refusal::Incomplete("the Signature cannot be read"))?;
        let date = date.ok_or(Refusal::Incomplete("there is no X-Amz-Date"))?;
        Ok(Self { credential, signed_headers, signature, date, expires })
    }
}

impl Credential {
    fn read(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('/').collect();
        let [access_key, date, region, service, "aws4_request"] = parts.as_slice() else { return None };
        let is_name = |text: &str| {
            (1..=NAME_LENGTH).contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        };
        let fits = ACCESS_KEY_LENGTH.contains(&access_key.len())
            && access_key.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && date.len() == 8
            && date.bytes().all(|byte| byte.is_ascii_digit())
            && is_name(region)
            && is_name(service);
        fits.then(|| Self {
            access_key: (*access_key).to_owned(),
            date: (*date).to_owned(),
            region: (*region).to_owned(),
            service: (*service).to_owned(),
        })
    }

    /// As it is signed.
    pub fn scope(&self) -> String {
        format!("{}/{}/{}/aws4_request", self.date, self.region, self.service)
    }
}

fn known(algorithm: &str) -> Result<(), Refusal> {
    if algorithm == ALGORITHM { Ok(()) } else { Err(Refusal::Incomplete("its algorithm is not known")) }
}

fn are_names(text: &str) -> bool {
    let is_name = |name: &str| {
        let fits = |byte: u8| byte.is_ascii_graphic() && !byte.is_ascii_uppercase() && byte != b':' && byte != b',';
        !name.is_empty() && name.bytes().all(fits)
    };
    text.split(';').all(is_name) && text.split(';').is_sorted_by(|before, name| before < name)
}

/// 64 digits in lower case.
pub fn read_hexadecimal(text: &str) -> Option<[u8; 32]> {
    let digit = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut out = [0_u8; 32];
    if text.len() != 64 {
        return None;
    }
    for (byte, digits) in out.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = digit(digits[0])? << 4 | digit(digits[1])?;
    }
    Some(out)
}
