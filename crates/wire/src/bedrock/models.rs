//! What `bedrock` tells of models: foundation models and inference profiles. Of what AWS says, only what this server knows.

use crate::words::words;
use serde::Serialize;

words! {
    Modality { Text => "TEXT", Image => "IMAGE", Embedding => "EMBEDDING" }
    Customization { FineTuning => "FINE_TUNING", Pretraining => "CONTINUED_PRE_TRAINING", Distillation => "DISTILLATION" }
    InferenceType { OnDemand => "ON_DEMAND", Provisioned => "PROVISIONED" }
    ProfileType { SystemDefined => "SYSTEM_DEFINED", Application => "APPLICATION" }
}

/// The longest name of a model or a provider that AWS's clients expect, in characters.
pub const MAX_BRAND: usize = 20;

#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct FoundationModel<'a> {
    pub model_arn: String,
    pub model_id: &'a str,
    pub model_name: String,
    pub provider_name: String,
    pub input_modalities: &'static [Modality],
    pub output_modalities: &'static [Modality],
    pub response_streaming_supported: bool,
    pub customizations_supported: [(); 0],
    pub inference_types_supported: [InferenceType; 1],
    pub model_lifecycle: Lifecycle,
}

#[derive(Serialize, Clone, Copy, Debug)]
pub struct Lifecycle {
    pub status: &'static str,
}

#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct FoundationModels<'a> {
    pub model_summaries: Vec<FoundationModel<'a>>,
}

#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct FoundationModelDetails<'a> {
    pub model_details: FoundationModel<'a>,
}

#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct InferenceProfile<'a> {
    pub inference_profile_name: String,
    pub inference_profile_arn: String,
    pub inference_profile_id: &'a str,
    pub models: [ProfileModel; 1],
    pub status: &'static str,
    pub r#type: ProfileType,
}

#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct ProfileModel {
    pub model_arn: String,
}

#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct InferenceProfiles<'a> {
    pub inference_profile_summaries: Vec<InferenceProfile<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<&'a str>,
}
