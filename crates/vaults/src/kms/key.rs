//! Which key of KMS: as an operator writes it, and as KMS names it.

/// What the ids of such root keys begin with.
const KIND: &str = "aws-kms:";
const LONGEST: usize = 256;

/// Whether a root key with this id is one that KMS keeps.
#[must_use]
pub fn is_kms(id: &str) -> bool {
    id.starts_with(KIND)
}

/// A key of KMS by its id or its ARN.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KmsKey {
    /// As it was written: KMS takes both.
    pub(super) written: String,
    /// Behind the last slash of an ARN. It is the same, whichever way the key is written.
    bare: String,
    pub(super) region: String,
    /// `aws`, `aws-cn`, …
    partition: String,
}

impl KmsKey {
    /// `region` is for an id; an ARN has its own. The error is a sentence for an operator.
    pub fn parse(text: &str, region: Option<&str>) -> Result<Self, String> {
        let wrong = || {
            Err("a key is the id or the ARN of a key of KMS, such as \"arn:aws:kms:eu-central-1:111122223333:key/…\""
                .to_owned())
        };
        if text.len() > LONGEST || !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_:/".contains(&byte)) {
            return wrong();
        }
        if text.contains("alias/") {
            return Err(
                "an alias may come to name another key, and what the first has wrapped stays its own; name the \
                        key itself, by its id or its ARN"
                    .to_owned(),
            );
        }
        if !text.starts_with("arn:") {
            let Some(region) = region else {
                return Err(
                    "a key that is named by its id alone needs a region: set AWS_REGION, or write its ARN".to_owned()
                );
            };
            let is_id = !text.is_empty() && !text.contains([':', '/', '_']);
            return match is_id && is_region(region) {
                true => Ok(Self::of(text, text, region, "aws")),
                false if is_id => Err("AWS_REGION is no region, such as eu-central-1".to_owned()),
                false => wrong(),
            };
        }
        let parts: Vec<&str> = text.split(':').collect();
        let ["arn", partition, "kms", region, account, resource] = parts.as_slice() else { return wrong() };
        match resource.strip_prefix("key/") {
            Some(bare) if !bare.is_empty() && !bare.contains('/') && !account.is_empty() && is_region(region) => {
                Ok(Self::of(text, bare, region, partition))
            }
            _ => wrong(),
        }
    }

    fn of(written: &str, bare: &str, region: &str, partition: &str) -> Self {
        let [written, bare, region, partition] = [written, bare, region, partition].map(str::to_owned);
        Self { written, bare, region, partition }
    }

    /// That of a root key.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{KIND}{}", self.bare)
    }

    /// Whether this is what KMS means by `arn`.
    pub(super) fn is(&self, arn: &str) -> bool {
        let bare = arn.rsplit_once("key/").map_or(arn, |(_, bare)| bare);
        bare == self.bare && (!self.written.starts_with("arn:") || arn == self.written)
    }

    /// Where AWS serves it.
    pub(super) fn endpoint(&self) -> String {
        let domain = if self.partition == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
        format!("https://kms.{}.{domain}", self.region)
    }
}

fn is_region(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:kms:eu-central-1:111122223333:key/mrk-1234";

    #[test]
    fn a_key_is_the_same_whichever_way_it_is_written() {
        let (arn, id) = (KmsKey::parse(ARN, None).unwrap(), KmsKey::parse("mrk-1234", Some("us-east-1")).unwrap());
        assert_eq!(arn.id(), id.id());
        assert_eq!((arn.region.as_str(), id.region.as_str()), ("eu-central-1", "us-east-1"));
        assert!(is_kms(&arn.id()));
        assert_eq!(id.endpoint(), "https://kms.us-east-1.amazonaws.com");
        let chinese = KmsKey::parse("arn:aws-cn:kms:cn-north-1:1:key/k", None).unwrap();
        assert_eq!(chinese.endpoint(), "https://kms.cn-north-1.amazonaws.com.cn");
        assert!(arn.is(ARN) && id.is(ARN));
        for other in
            ["", "mrk-1234", "arn:aws:kms:eu-central-1:999:key/mrk-1234", "arn:aws:kms:eu-central-1:1:key/other"]
        {
            assert!(!arn.is(other), "{other}");
        }
        assert!(!id.is("arn:aws:kms:eu-central-1:111122223333:key/mrk-12345"));
    }

    #[test]
    fn what_names_no_key_is_refused() {
        for wrong in [
            "",
            "alias/mine",
            "arn:aws:kms:r:1:alias/mine",
            "arn:aws:kms:r:1:key/",
            "arn:aws:kms::1:key/k",
            "arn:aws:s3:r:1:key/k",
            "arn:aws:kms:r:1:key/k/l",
            "a b",
            "a\n",
            "key/k",
            "ä",
            "arn:aws:kms:R.evil:1:key/k",
        ] {
            assert!(KmsKey::parse(wrong, Some("us-east-1")).is_err(), "{wrong}");
        }
        assert!(KmsKey::parse("k", None).unwrap_err().contains("AWS_REGION"));
        assert!(KmsKey::parse("k", Some("evil.test/")).is_err());
        assert!(KmsKey::parse(&"k".repeat(LONGEST + 1), Some("us-east-1")).is_err());
    }
}
