//! `[vaults]`: where the root keys of this server are.

use super::complaint::{Complaint, Text};
use super::{Kms, Variables, Vaults, raw};
use ::vaults::{Access, KmsKey, Secret};
use std::path::PathBuf;
use toml::Spanned;
use zeroize::Zeroizing;

/// Of a root key.
const BYTES: usize = 32;

pub fn resolve(raw: &raw::Vaults, variables: &Variables, text: &Text<'_>) -> Result<Vaults, Complaint> {
    let root_key_file = match &raw.root_key_file {
        Some(raw) if raw.get_ref().is_empty() => return Err(text.complain(raw.span(), "the name of a file is missing")),
        raw => raw.as_ref().map(|raw| PathBuf::from(raw.get_ref())),
    };
    let root_keys = raw.root_key_env.as_ref().map(|raw| keys(raw, variables, text)).transpose()?;
    let kms = raw.kms.as_ref().map(|raw| kms(raw, variables, text)).transpose()?;
    Ok(Vaults { root_key_file, root_keys, kms })
}

/// Several are separated by commas. No complaint shows any of them.
fn keys(raw: &Spanned<String>, variables: &Variables, text: &Text<'_>) -> Result<Zeroizing<Vec<[u8; 32]>>, Complaint> {
    let name = raw.get_ref();
    // Somebody who wrote the key itself here must not find it in a log.
    let is_name = name.len() < 64 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if name.is_empty() || !is_name {
        return Err(text.complain(raw.span(), "root_key_env is the name of a variable, never the key itself"));
    }
    let Some(value) = variables.get(name) else {
        return Err(
            text.complain(raw.span(), format!("the variable {name} is not set; it holds the root key of vaults"))
        );
    };
    let keys: Option<Vec<_>> = value.split(',').map(|key| root_key(key.trim())).collect();
    let message = || {
        format!("the variable {name} holds no root keys: each is 64 hexadecimal digits, and commas are between them")
    };
    keys.map(Zeroizing::new).ok_or_else(|| text.complain(raw.span(), message()))
}

fn kms(section: &Spanned<raw::Kms>, variables: &Variables, text: &Text<'_>) -> Result<Kms, Complaint> {
    let raw = section.get_ref();
    let region = variables.get("AWS_REGION").or_else(|| variables.get("AWS_DEFAULT_REGION"));
    let read =
        |raw: &Spanned<String>| KmsKey::parse(raw.get_ref(), region).map_err(|why| text.complain(raw.span(), why));
    let keys = raw.keys.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    if keys.is_empty() {
        return Err(text.complain(section.span(), "keys names no key of KMS"));
    }
    let variable = |name: &str| {
        let value = variables.get(name).map(str::to_owned);
        value.ok_or_else(|| {
            text.complain(section.span(), format!("the variable {name} is not set; requests to KMS are signed with it"))
        })
    };
    let access = Access {
        id: variable("AWS_ACCESS_KEY_ID")?,
        secret: Secret::new(variable("AWS_SECRET_ACCESS_KEY")?),
        session_token: variables.get("AWS_SESSION_TOKEN").map(Secret::new),
    };
    let endpoint = raw.endpoint.as_ref().map(|raw| endpoint(raw, text)).transpose()?;
    Ok(Kms { keys, endpoint, access, wraps: raw.wraps.unwrap_or(true) })
}

/// Data keys go there: over TLS, save on this machine itself.
fn endpoint(raw: &Spanned<String>, text: &Text<'_>) -> Result<String, Complaint> {
    let url = url::Url::parse(raw.get_ref()).ok().filter(|url| {
        let is_here = match url.host() {
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            _ => false,
        };
        let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        let is_open = url.username().is_empty() && url.password().is_none();
        (url.scheme() == "https" || (url.scheme() == "http" && is_here)) && is_bare && is_open && url.has_host()
    });
    let message = "an endpoint is https:// and a host, without a path, such as \"https://kms.eu-central-1.amazonaws.com\"; \
                   http:// is taken for a loopback address";
    url.map(String::from).ok_or_else(|| text.complain(raw.span(), message))
}

/// 64 hexadecimal digits.
pub fn root_key(text: &str) -> Option<[u8; BYTES]> {
    let mut bytes = [0; BYTES];
    if text.len() != 2 * BYTES || !text.is_ascii() {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let digit = |digit: u8| char::from(digit).to_digit(16);
        *byte = u8::try_from(digit(digits[0])? << 4 | digit(digits[1])?).ok()?;
    }
    Some(bytes)
}
