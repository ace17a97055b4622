//! The HTTP bodies by which an executor makes itself known, and by which it asks about a harness.

use super::Base64;
use serde::{Deserialize, Serialize};

/// `security_profile` of the Noise transport.
pub const NOISE_PROFILE: &str = "noise_hybrid_ik_v1";
/// `suite` of a public key.
pub const NOISE_SUITE: &str = "Noise_hybridIK_X25519+MLKEM768_AESGCM_SHA256";
/// `transport` of the direct transport.
pub const DIRECT_TRANSPORT: &str = "direct_jsonrpc_v1";

/// `POST …/cloud/environment/{id}/register`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NoiseRegistration {
    pub security_profile: String,
    pub executor_public_key: PublicKey,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicKey {
    pub suite: String,
    /// 32 bytes.
    pub x25519_public_key: Base64,
    /// 1184 bytes.
    pub mlkem768_public_key: Base64,
}

/// Its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoiseRegistered {
    pub environment_id: String,
    /// Where the executor connects to; whatever opens that door is in it.
    pub url: String,
    pub security_profile: String,
    pub executor_registration_id: String,
}

/// `POST …/cloud/environment/{id}/validate`: may this harness speak to this executor?
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Validation {
    pub executor_registration_id: String,
    pub harness_public_key: PublicKey,
    /// What the harness brought in its first message, 1 to 4096 bytes.
    pub harness_key_authorization: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validated {
    pub valid: bool,
}

/// `POST …/cloud/environment/{id}/direct/register`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectRegistration {
    pub transport: String,
}

/// Its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectRegistered {
    pub environment_id: String,
    pub transport: String,
    pub registration_id: String,
    pub url: String,
}

/// What a registry says where it refuses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryError {
    pub error: RegistryErrorBody,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryErrorBody {
    pub code: Option<String>,
    pub message: String,
}
