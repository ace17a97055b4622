//! What `bedrock` tells of models: those of the directory whose names look like AWS's, and nothing that this server does not
//! know of them.

use super::ask::Id;
use super::directory::{Listed, bare, behind_geography};
use crate::Door;
use crate::aws::AwsFailure;
use crate::failure::Failure;
use crate::query::Pairs;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use types::AwsAccount;
use wire::Word;
use wire::bedrock::models::{
    Customization, FoundationModel, FoundationModelDetails, FoundationModels, InferenceProfile, InferenceProfiles,
    InferenceType, Lifecycle, MAX_BRAND, Modality, ProfileModel, ProfileType,
};

/// AWS's words for models and profiles that are not there.
const NO_MODEL: &str = "Could not resolve the foundation model from the provided model identifier.";
const NO_PROFILE: &str = "Could not find the inference profile from the provided identifier.";
/// Entries of a page, where nothing is said and at most.
const PAGE: usize = 1000;

pub async fn foundation_models(
    State(door): State<Arc<Door>>,
    pairs: Result<Pairs, Failure>,
) -> Result<Response, AwsFailure> {
    let pairs = pairs?;
    let provider = pairs.one("byProvider")?;
    let customization = word::<Customization>(&pairs, "byCustomizationType")?;
    let output = word::<Modality>(&pairs, "byOutputModality")?;
    let inference = word::<InferenceType>(&pairs, "byInferenceType")?;
    // Nothing here is trained any further, and nothing has throughput of its own.
    let is_empty = customization.is_some() || inference == Some(InferenceType::Provisioned);
    let models = door.models.foundation_models().filter(|_| !is_empty).map(|listed| shown(&door.aws.account, &listed));
    let models = models.filter(|model| {
        provider.is_none_or(|provider| model.provider_name.eq_ignore_ascii_case(provider))
            && output.is_none_or(|output| model.output_modalities.contains(&output))
    });
    Ok(Json(FoundationModels { model_summaries: models.collect() }).into_response())
}

pub async fn foundation_model(State(door): State<Arc<Door>>, Id(id): Id) -> Result<Response, AwsFailure> {
    let account = &door.aws.account;
    let wanted = bare(account, &id, &["foundation-model"]);
    let listed = wanted.and_then(|wanted| door.models.foundation_models().find(|listed| listed.id == wanted));
    let listed = listed.ok_or_else(|| AwsFailure::not_found(NO_MODEL))?;
    Ok(Json(FoundationModelDetails { model_details: shown(account, &listed) }).into_response())
}

pub async fn inference_profiles(
    State(door): State<Arc<Door>>,
    pairs: Result<Pairs, Failure>,
) -> Result<Response, AwsFailure> {
    let pairs = pairs?;
    let kind = word::<ProfileType>(&pairs, "type")?;
    let limit = match pairs.one("maxResults")? {
        None => PAGE,
        Some(text) => text.parse().ok().filter(|limit| (1..=PAGE).contains(limit)).ok_or_else(|| {
            AwsFailure::validation(format!("Value at 'maxResults' must be a number from 1 to {PAGE}."))
        })?,
    };
    let after = pairs.one("nextToken")?;
    if after.is_some_and(|after| !door.models.profiles().any(|id| id == after)) {
        return Err(AwsFailure::validation("The pagination token is invalid."));
    }
    // All are the service's own.
    let ids = door.models.profiles().filter(|_| kind != Some(ProfileType::Application));
    let mut ids: Vec<&str> = ids.filter(|id| after.is_none_or(|after| *id > after)).take(limit + 1).collect();
    let has_more = ids.len() > limit;
    ids.truncate(limit);
    let profiles = InferenceProfiles {
        next_token: ids.last().copied().filter(|_| has_more),
        inference_profile_summaries: ids.iter().filter_map(|id| profile(&door.aws.account, id)).collect(),
    };
    Ok(Json(profiles).into_response())
}

pub async fn inference_profile(State(door): State<Arc<Door>>, Id(id): Id) -> Result<Response, AwsFailure> {
    let account = &door.aws.account;
    let wanted = bare(account, &id, &["inference-profile"]);
    let known = wanted.and_then(|wanted| door.models.profiles().find(|id| *id == wanted));
    let shown = known.and_then(|id| profile(account, id)).ok_or_else(|| AwsFailure::not_found(NO_PROFILE))?;
    Ok(Json(shown).into_response())
}

/// One of a closed set of words, where it is said.
fn word<W: Word>(pairs: &Pairs, key: &str) -> Result<Option<W>, AwsFailure> {
    let Some(text) = pairs.one(key)? else { return Ok(None) };
    W::parse(text).map(Some).ok_or_else(|| {
        let words: Vec<&str> = W::ALL.iter().map(|word| word.as_str()).collect();
        let words = words.join(", ");
        AwsFailure::validation(format!(
            "1 validation error detected: Value at '{key}' failed to satisfy constraint: Member must satisfy enum value set: [{words}]"
        ))
    })
}

fn shown<'a>(account: &AwsAccount, listed: &Listed<'a>) -> FoundationModel<'a> {
    let (vendor, model) = listed.id.split_once('.').unwrap_or(("", listed.id));
    let short = |text: &str| text.chars().take(MAX_BRAND).collect();
    FoundationModel {
        model_arn: model_arn(account, listed.id),
        model_id: listed.id,
        model_name: short(model.split(':').next().unwrap_or(model)),
        provider_name: short(provider(vendor)),
        input_modalities: &[Modality::Text],
        output_modalities: if listed.embeds { &[Modality::Embedding] } else { &[Modality::Text] },
        response_streaming_supported: !listed.embeds,
        customizations_supported: [],
        inference_types_supported: [InferenceType::OnDemand],
        model_lifecycle: Lifecycle { status: "ACTIVE" },
    }
}

fn model_arn(account: &AwsAccount, id: &str) -> String {
    account.public_arn("bedrock", format!("foundation-model/{id}")).to_string()
}

fn profile<'a>(account: &AwsAccount, id: &'a str) -> Option<InferenceProfile<'a>> {
    let model = behind_geography(id)?;
    let letters = |of: char| if of.is_ascii_alphanumeric() { of } else { ' ' };
    Some(InferenceProfile {
        inference_profile_name: id.chars().map(letters).take(64).collect::<String>().trim_end().to_owned(),
        inference_profile_arn: account.arn("bedrock", format!("inference-profile/{id}")).to_string(),
        inference_profile_id: id,
        models: [ProfileModel { model_arn: model_arn(account, model) }],
        status: "ACTIVE",
        r#type: ProfileType::SystemDefined,
    })
}

/// Who makes a model, as AWS writes it.
fn provider(vendor: &str) -> &str {
    match vendor {
        "ai21" => "AI21 Labs",
        "amazon" => "Amazon",
        "anthropic" => "Anthropic",
        "cohere" => "Cohere",
        "deepseek" => "DeepSeek",
        "meta" => "Meta",
        "mistral" => "Mistral AI",
        "openai" => "OpenAI",
        "qwen" => "Qwen",
        other => other,
    }
}
