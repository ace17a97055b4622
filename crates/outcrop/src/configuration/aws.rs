//! `[aws]`: whose names this server writes where it speaks as AWS does, and how close to the original its managed agents are.

use super::complaint::{Complaint, Text};
use super::{Aws, hint, raw};
use toml::Spanned;
use types::{AwsAccount, is_account};

pub fn resolve(raw: &raw::Aws, text: &Text<'_>) -> Result<Aws, Complaint> {
    let default = AwsAccount::default();
    let account = AwsAccount {
        partition: word(raw.partition.as_ref(), default.partition, "partition", text)?,
        region: word(raw.region.as_ref(), default.region, "region", text)?,
        id: account(raw.account.as_ref(), default.id, text)?,
    };
    let strict = match &raw.managed_agents {
        None => false,
        Some(said) => match said.get_ref().as_str() {
            "open" => false,
            "strict" => true,
            other => {
                let message = format!("unknown manner of managed agents; {}", hint(other, ["open", "strict"]));
                return Err(text.complain(said.span(), message));
            }
        },
    };
    Ok(Aws { account, strict, unsigned_payload: raw.unsigned_payload.unwrap_or(false) })
}

fn word(raw: Option<&Spanned<String>>, default: String, name: &str, text: &Text<'_>) -> Result<String, Complaint> {
    let Some(raw) = raw else { return Ok(default) };
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let word = raw.get_ref();
    if word.is_empty() || word.len() > 32 || !word.bytes().all(fits) {
        return Err(text.complain(raw.span(), format!("a {name} is 1 to 32 small letters, digits and dashes")));
    }
    Ok(word.clone())
}

fn account(raw: Option<&Spanned<String>>, default: String, text: &Text<'_>) -> Result<String, Complaint> {
    let Some(raw) = raw else { return Ok(default) };
    if !is_account(raw.get_ref()) {
        return Err(text.complain(raw.span(), "an account is 12 digits, in quotes"));
    }
    Ok(raw.get_ref().clone())
}

#[cfg(test)]
mod tests {
    use super::super::resolve::resolve;
    use super::super::{Configuration, Flags, Variables};
    use std::path::Path;

    fn load(section: &str) -> Result<Configuration, String> {
        let file = format!("[aws]\n{section}");
        resolve(Some((Path::new("outcrop.toml"), &file)), &Flags::default(), &Variables::default())
            .map_err(|complaint| complaint.to_string())
    }

    #[test]
    fn names_are_configurable() {
        let default = load("").unwrap().aws;
        let account = &default.account;
        assert_eq!((account.partition.as_str(), account.region.as_str()), ("aws", "us-east-1"));
        assert_eq!((account.id.as_str(), default.strict, default.unsigned_payload), ("000000000000", false, false));
        let section = "partition='aws-cn'\nregion='cn-north-1'\naccount='123456789012'\nmanaged_agents='strict'\n\
                       unsigned_payload=true";
        let said = load(section).unwrap().aws;
        let arn = said.account.arn("bedrock-agentcore", "runtime/a-1").to_string();
        assert_eq!(arn, "arn:aws-cn:bedrock-agentcore:cn-north-1:123456789012:runtime/a-1");
        assert!(said.strict && said.unsigned_payload);
    }

    #[test]
    fn what_no_arn_can_hold_is_refused() {
        for (section, expected) in [
            ("partition='AWS'", "a partition is 1 to 32 small letters"),
            ("region=''", "a region is 1 to 32 small letters"),
            ("account='1234'", "an account is 12 digits"),
            ("account='12345678901x'", "an account is 12 digits"),
            ("managed_agents='strikt'", "did you mean `strict`?"),
            ("acount='000000000000'", "account"),
        ] {
            let said = load(section).expect_err(section);
            assert!(said.contains(expected), "{said}");
        }
    }
}
