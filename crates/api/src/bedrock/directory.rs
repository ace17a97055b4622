//! What clients of Bedrock may call the configured models: the name of an entry, one of its aliases, or the ARN of either. The
//! configuration decides; a name says nothing of who answers.
//!
//! A name in the form `vendor.model` is a foundation model's id. With a geography before it (`us.vendor.model`) it is an
//! inference profile's. Other names are taken where models are asked, and are in no list: AWS has no such ids.

use crate::aws::AwsFailure;
use std::collections::BTreeMap;
use types::{Arn, AwsAccount};

/// AWS's words for a model that is not there.
const NO_MODEL: &str = "The provided model identifier is invalid.";
/// The longest id, in bytes.
const LONGEST: usize = 256;
/// Geographies of inference profiles.
const GEOGRAPHIES: [&str; 12] = ["us", "us-gov", "eu", "apac", "ap", "jp", "au", "ca", "sa", "me", "af", "global"];

/// All names, and whether what each of them names makes embeddings.
#[derive(Default, Debug)]
pub struct Directory {
    names: BTreeMap<String, bool>,
    /// Whether an entry answers every other name.
    is_open: bool,
}

/// A name in a list.
#[derive(PartialEq, Eq, Debug)]
pub struct Listed<'a> {
    pub id: &'a str,
    pub embeds: bool,
}

impl Directory {
    /// Of each name whether it stands for embeddings. An entry `*` answers what no other does.
    pub fn new(names: impl IntoIterator<Item = (String, bool)>) -> Self {
        let mut names: BTreeMap<String, bool> = names.into_iter().collect();
        let is_open = names.remove("*").is_some();
        Self { names, is_open }
    }

    /// The name of the model that is asked under `id`, which may be an ARN.
    pub fn model(&self, account: &AwsAccount, id: &str) -> Result<String, AwsFailure> {
        let name = bare(account, id, &["foundation-model", "inference-profile"]);
        let name = name.filter(|name| !name.is_empty() && name.len() <= LONGEST && !name.chars().any(char::is_control));
        let known = name.filter(|name| self.names.contains_key(*name) || (self.is_open && *name != "*"));
        known.map(str::to_owned).ok_or_else(|| AwsFailure::validation(NO_MODEL))
    }

    /// Foundation models, by id.
    pub fn foundation_models(&self) -> impl Iterator<Item = Listed<'_>> {
        self.names.iter().filter(|(id, _)| is_foundation_model(id)).map(|(id, embeds)| Listed { id, embeds: *embeds })
    }

    /// Ids of inference profiles, in order.
    pub fn profiles(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(String::as_str).filter(|id| behind_geography(id).is_some())
    }
}

/// The id that `text` is or, as an ARN of one of `kinds`, holds. None for an ARN of anything else, or of anybody else.
pub fn bare<'a>(account: &AwsAccount, text: &'a str, kinds: &[&str]) -> Option<&'a str> {
    if !text.starts_with("arn:") {
        return Some(text);
    }
    let arn: Arn = text.parse().ok()?;
    let (kind, id) = arn.resource.split_once('/')?;
    let is_ours = arn.service == "bedrock" && !arn.region.is_empty() && account.owns(&arn) && kinds.contains(&kind);
    // Models are everybody's, profiles are somebody's.
    let fits = arn.account.is_empty() == (kind == "foundation-model");
    (is_ours && fits).then(|| &text[text.len() - id.len()..])
}

/// The id of the foundation model that an inference profile stands for; None where `id` is no profile's.
pub fn behind_geography(id: &str) -> Option<&str> {
    let (geography, model) = id.split_once('.')?;
    (GEOGRAPHIES.contains(&geography) && fits(model)).then_some(model)
}

pub fn is_foundation_model(id: &str) -> bool {
    behind_geography(id).is_none() && fits(id)
}

/// `vendor.model`, where the model may have further parts: `vendor.model-v1.5:0`.
fn fits(id: &str) -> bool {
    let (name, versions) = id.split_once(':').map_or((id, None), |(name, versions)| (name, Some(versions)));
    let is_word = |word: &str| {
        (1..=63).contains(&word.len())
            && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    let parts = name.split('.').count();
    id.len() <= 140
        && (2..=4).contains(&parts)
        && name.split('.').all(is_word)
        && versions.is_none_or(|versions| versions.split(':').count() <= 2 && versions.split(':').all(is_word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(open: bool) -> Directory {
        let names = ["small", "amazon.nova-lite-v1:0", "us.amazon.nova-lite-v1:0"];
        Directory::new(names.into_iter().chain(open.then_some("*")).map(|name| (name.to_owned(), false)))
    }

    fn asked(directory: &Directory, id: &str) -> Option<String> {
        directory.model(&AwsAccount::default(), id).ok()
    }

    #[test]
    fn a_model_has_several_names() {
        let closed = directory(false);
        for id in [
            "small",
            "amazon.nova-lite-v1:0",
            "us.amazon.nova-lite-v1:0",
            "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0",
            "arn:aws:bedrock:us-east-1:000000000000:inference-profile/us.amazon.nova-lite-v1:0",
        ] {
            assert_eq!(asked(&closed, id).as_deref(), id.rsplit('/').next(), "{id}");
        }
        for id in [
            "",
            "*",
            "other",
            "eu.amazon.nova-lite-v1:0",
            "arn:aws:bedrock:eu-west-1::foundation-model/amazon.nova-lite-v1:0",
            "arn:aws-cn:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0",
            "arn:aws:bedrock:us-east-1:111111111111:inference-profile/us.amazon.nova-lite-v1:0",
            "arn:aws:bedrock:us-east-1::inference-profile/us.amazon.nova-lite-v1:0",
            "arn:aws:bedrock:us-east-1:000000000000:foundation-model/amazon.nova-lite-v1:0",
            "arn:aws:s3:us-east-1::foundation-model/amazon.nova-lite-v1:0",
            "arn:aws:bedrock:us-east-1:000000000000:custom-model/amazon.nova-lite-v1:0",
            "arn:aws:bedrock:us-east-1::foundation-model",
        ] {
            assert_eq!(asked(&closed, id), None, "{id}");
        }
    }

    #[test]
    fn the_open_entry_answers_every_other_name() {
        let open = directory(true);
        assert_eq!(asked(&open, "meta.llama").as_deref(), Some("meta.llama"));
        let arn = "arn:aws:bedrock:us-east-1::foundation-model/meta.llama";
        assert_eq!(asked(&open, arn).as_deref(), Some("meta.llama"));
        for id in ["*", "a\nb", &"x".repeat(257)] {
            assert_eq!(asked(&open, id), None, "{id}");
        }
    }

    #[test]
    fn names_are_listed_as_what_they_look_like() {
        let open = directory(true);
        let models: Vec<&str> = open.foundation_models().map(|listed| listed.id).collect();
        assert_eq!(models, ["amazon.nova-lite-v1:0"]);
        assert_eq!(open.profiles().collect::<Vec<_>>(), ["us.amazon.nova-lite-v1:0"]);
        for id in ["openai.gpt-oss-20b-1:0", "meta.llama3-1-8b-instruct-v1:0", "openai.gpt-5.6-luna"] {
            assert!(is_foundation_model(id), "{id}");
        }
        for id in ["small", "us.small", "Open.ai", "a.b:c:d:e", "a..b", "a.b c"] {
            assert!(!is_foundation_model(id) || id == "us.small", "{id}");
        }
        assert_eq!(behind_geography("global.a.b:0"), Some("a.b:0"));
    }
}
