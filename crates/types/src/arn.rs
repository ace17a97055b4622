//! Names in AWS's form, `arn:partition:service:region:account:resource`, and the account whose names this server writes. A
//! name says nothing of whether there is such a thing.

use std::fmt;
use std::str::FromStr;

/// A name longer than this is none, in bytes.
const LONGEST: usize = 2048;

/// A name, taken apart. Region and account may be empty: models belong to no account, roles to no region.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Arn {
    pub partition: String,
    pub service: String,
    pub region: String,
    pub account: String,
    /// The rest: `runtime/abc-123`, or with a colon in it. Never empty.
    pub resource: String,
}

/// Whose names this server writes, and the only ones that it knows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AwsAccount {
    pub partition: String,
    pub region: String,
    /// 12 digits.
    pub id: String,
}

/// The text is no name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotAnArn;

impl fmt::Display for NotAnArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this is no ARN (arn:partition:service:region:account:resource)")
    }
}

impl std::error::Error for NotAnArn {}

impl FromStr for Arn {
    type Err = NotAnArn;

    fn from_str(text: &str) -> Result<Self, NotAnArn> {
        if text.len() > LONGEST || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(NotAnArn);
        }
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let ["arn", partition, service, region, account, resource] = parts.as_slice() else { return Err(NotAnArn) };
        let is_word =
            |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        let fits = !partition.is_empty()
            && !service.is_empty()
            && !resource.is_empty()
            && [partition, service, region].iter().all(|text| is_word(text))
            && (account.is_empty() || is_account(account) || *account == "aws");
        if !fits {
            return Err(NotAnArn);
        }
        Ok(Self {
            partition: (*partition).to_owned(),
            service: (*service).to_owned(),
            region: (*region).to_owned(),
            account: (*account).to_owned(),
            resource: (*resource).to_owned(),
        })
    }
}

impl fmt::Display for Arn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { partition, service, region, account, resource } = self;
        write!(f, "arn:{partition}:{service}:{region}:{account}:{resource}")
    }
}

/// Whether `text` is the number of an account: 12 digits.
pub fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl AwsAccount {
    /// The name of something of this account.
    pub fn arn(&self, service: &str, resource: impl Into<String>) -> Arn {
        Arn {
            partition: self.partition.clone(),
            service: service.to_owned(),
            region: self.region.clone(),
            account: self.id.clone(),
            resource: resource.into(),
        }
    }

    /// The name of something that AWS gives everybody, such as a model: it belongs to no account.
    pub fn public_arn(&self, service: &str, resource: impl Into<String>) -> Arn {
        Arn { account: String::new(), ..self.arn(service, resource) }
    }

    /// Whether `arn` could be the name of something here: partition, region and account are ours. An empty region or
    /// account, and the account `aws`, are everybody's.
    pub fn owns(&self, arn: &Arn) -> bool {
        arn.partition == self.partition
            && (arn.region.is_empty() || arn.region == self.region)
            && (arn.account.is_empty() || arn.account == "aws" || arn.account == self.id)
    }
}

impl Default for AwsAccount {
    fn default() -> Self {
        Self { partition: "aws".to_owned(), region: "us-east-1".to_owned(), id: "000000000000".to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_was_read() {
        for text in [
            "arn:aws:bedrock-agentcore:us-east-1:000000000000:runtime/a-1",
            "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0",
            "arn:aws:iam::000000000000:role/service-role/agent",
            "arn:aws-us-gov:bedrock:us-gov-west-1:000000000000:inference-profile/us.amazon.nova-lite-v1:0",
            "arn:aws:bedrock-agentcore:us-east-1:aws:code-interpreter/aws.codeinterpreter.v1",
        ] {
            let arn: Arn = text.parse().expect(text);
            assert_eq!(arn.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_name() {
        for text in [
            "",
            "arn",
            "arn:aws:bedrock:us-east-1:000000000000",
            "arn:aws:bedrock:us-east-1:000000000000:",
            "arn::bedrock:us-east-1:000000000000:a",
            "arn:aws::us-east-1:000000000000:a",
            "arn:aws:bedrock:us-east-1:12345:a",
            "arn:aws:bedrock:us-east-1:00000000000x:a",
            "arn:aws:Bedrock:us-east-1:000000000000:a",
            "arn:aws:bedrock:us east:000000000000:a",
            "arn:aws:bedrock:us-east-1:000000000000:a b",
            "arn:aws:bedrock:us-east-1:000000000000:ä",
            "ARN:aws:bedrock:us-east-1:000000000000:a",
        ] {
            assert_eq!(text.parse::<Arn>(), Err(NotAnArn), "{text}");
        }
        let long = format!("arn:aws:bedrock:us-east-1:000000000000:{}", "a".repeat(LONGEST));
        assert_eq!(long.parse::<Arn>(), Err(NotAnArn));
    }

    #[test]
    fn an_account_knows_its_own() {
        let account = AwsAccount::default();
        let own = account.arn("bedrock-agentcore", "runtime/a-1");
        assert_eq!(own.to_string(), "arn:aws:bedrock-agentcore:us-east-1:000000000000:runtime/a-1");
        assert!(account.owns(&own));
        assert!(account.owns(&account.public_arn("bedrock", "foundation-model/a")));
        for other in [
            Arn { partition: "aws-cn".to_owned(), ..own.clone() },
            Arn { region: "us-west-2".to_owned(), ..own.clone() },
            Arn { account: "000000000001".to_owned(), ..own },
        ] {
            assert!(!account.owns(&other), "{other}");
        }
    }
}
