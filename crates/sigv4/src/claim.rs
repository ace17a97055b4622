//! One signature: what it claims, and whether the secret of its access key makes the same.

use crate::query::Query;
use crate::stated::{Credential, Stated, read_hexadecimal};
use crate::{BodyHash, Head, Policy, Refusal, SKEW, canonical, hexadecimal, mac, moment};
use hmac::Mac;

const UNSIGNED: &str = "UNSIGNED-PAYLOAD";
const NOT_FOR_NOW: &str = "its time is too far from this server's";

/// What a signature says of the body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Payload {
    /// Its hash is part of what is signed. Where the request says it, a false signature is known before the body is there.
    Signed { stated: Option<BodyHash> },
    /// Nothing, and that is allowed.
    Unsigned,
}

/// A signature that is whole, for one of the services asked for, and for now. Whether it is true, [`Claim::verify`] says.
pub struct Claim {
    credential: Credential,
    session_token: Option<String>,
    signature: [u8; 32],
    date: String,
    /// When its time is over, in seconds since 1970.
    until: u64,
    head: Vec<u8>,
    payload: Payload,
}

impl Claim {
    /// `now` in seconds since 1970. What is looked at here needs no key and no body.
    pub fn read(head: &Head<'_>, policy: &Policy<'_>, now: u64) -> Result<Self, Refusal> {
        head.check_size()?;
        let query = Query::read(head.query)?;
        let stated = Stated::find(head, &query)?;
        let credential = stated.credential;
        if !policy.services.contains(&credential.service.as_str()) {
            return Err(Refusal::Invalid("it is for another service"));
        }
        let at = moment::read(&stated.date).ok_or(Refusal::Incomplete("X-Amz-Date cannot be read"))?;
        if credential.date != stated.date[..8] {
            return Err(Refusal::Invalid("the day of its Credential is not that of X-Amz-Date"));
        }
        check_time(at, stated.expires, policy.longest, now)?;
        check_headers(head, &stated.signed_headers)?;
        let is_s3 = credential.service == "s3";
        let payload = payload(head, &query, stated.expires.is_some() && is_s3, policy)?;
        let canonical = canonical::head(head, &query, &stated.signed_headers, is_s3)?;
        let token = match query.once("X-Amz-Security-Token")? {
            Some(token) => Some(token),
            None => head.once("x-amz-security-token")?.map(|token| String::from_utf8_lossy(token).into_owned()),
        };
        let until = at.saturating_add(stated.expires.unwrap_or(SKEW));
        let (signature, date) = (stated.signature, stated.date);
        Ok(Self { credential, session_token: token, signature, date, until, head: canonical, payload })
    }

    pub fn access_key(&self) -> &str {
        &self.credential.access_key
    }

    /// Whose signature it would be with temporary credentials. It is covered by the signature; what it is worth is the
    /// caller's to say.
    pub fn session_token(&self) -> Option<&str> {
        self.session_token.as_deref()
    }

    pub fn region(&self) -> &str {
        &self.credential.region
    }

    pub fn service(&self) -> &str {
        &self.credential.service
    }

    pub fn payload(&self) -> Payload {
        self.payload
    }

    pub(crate) fn signature(&self) -> &[u8; 32] {
        &self.signature
    }

    pub(crate) fn until(&self) -> u64 {
        self.until
    }

    /// Whether the holder of `secret` made it for this very request. The body's hash counts where it is signed. Takes as
    /// long for every wrong signature.
    pub fn verify(&self, secret: &str, body: &BodyHash) -> Result<(), Refusal> {
        let last = match self.payload {
            Payload::Signed { .. } => hexadecimal(&body.0),
            Payload::Unsigned => UNSIGNED.to_owned(),
        };
        let text = canonical::text(&self.date, &self.credential.scope(), &self.head, &last);
        let Credential { date, region, service, .. } = &self.credential;
        let key = mac::signing_key(secret, date, region, service);
        mac::begin(&key).chain_update(text).verify_slice(&self.signature).map_err(|_| Refusal::Mismatch)
    }
}

fn check_time(at: u64, expires: Option<u64>, longest: u64, now: u64) -> Result<(), Refusal> {
    if at > now.saturating_add(SKEW) {
        return Err(Refusal::Invalid(NOT_FOR_NOW));
    }
    match expires {
        Some(expires) if expires > longest => Err(Refusal::Invalid("it was made for too long a time")),
        Some(expires) if now > at.saturating_add(expires) => Err(Refusal::Expired),
        None if now > at.saturating_add(SKEW) => Err(Refusal::Invalid(NOT_FOR_NOW)),
        _ => Ok(()),
    }
}

/// Headers by which a request says something to AWS count only where they are signed.
fn check_headers(head: &Head<'_>, signed: &str) -> Result<(), Refusal> {
    const TELLING: [&str; 2] = ["x-amz-", "x-amzn-bedrock-"];
    let tells = |name: &str| TELLING.iter().any(|begin| name.starts_with(begin));
    if head.headers.iter().any(|(name, _)| tells(name) && !signed.split(';').any(|own| own == *name)) {
        return Err(Refusal::Invalid("a header whose name begins with x-amz- or x-amzn-bedrock- is not signed"));
    }
    Ok(())
}

fn payload(head: &Head<'_>, query: &Query, is_loose: bool, policy: &Policy<'_>) -> Result<Payload, Refusal> {
    let said = match head.once("x-amz-content-sha256")? {
        Some(said) => Some(String::from_utf8_lossy(said.trim_ascii()).into_owned()),
        None => query.once("X-Amz-Content-Sha256")?,
    };
    match said.as_deref() {
        // What S3 presigns says nothing of a body where it says nothing else.
        None if !is_loose => Ok(Payload::Signed { stated: None }),
        None | Some(UNSIGNED) if policy.unsigned_payload => Ok(Payload::Unsigned),
        None | Some(UNSIGNED) => Err(Refusal::Invalid("the body is not signed")),
        Some(said) if said.starts_with("STREAMING-") => Err(Refusal::Invalid("bodies signed in chunks are not taken")),
        Some(said) => match read_hexadecimal(said) {
            Some(hash) => Ok(Payload::Signed { stated: Some(BodyHash(hash)) }),
            None => Err(Refusal::Incomplete("x-amz-content-sha256 cannot be read")),
        },
    }
}
