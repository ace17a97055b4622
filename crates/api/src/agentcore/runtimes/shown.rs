//! What of runtimes is shown, and under which names.

use crate::Door;
use hosting::{DEFAULT, Details, Endpoint, Hosting, Runtime, Version};
use types::Timestamp;
use wire::agentcore::runtime as wired;

/// Everything is there, or gone, as soon as it was asked for.
pub const READY: &str = "READY";
pub const DELETING: &str = "DELETING";

pub fn arn(door: &Door, runtime: &str) -> String {
    door.aws.account.arn("bedrock-agentcore", format!("runtime/{runtime}")).to_string()
}

pub fn endpoint_arn(door: &Door, runtime: &str, endpoint: &str) -> String {
    let resource = format!("runtime/{runtime}/runtime-endpoint/{endpoint}");
    door.aws.account.arn("bedrock-agentcore", resource).to_string()
}

/// The words of which answers are made.
pub struct Words {
    pub arn: String,
    pub version: String,
    pub created_at: String,
    pub updated_at: String,
}

impl Words {
    pub fn of(door: &Door, runtime: &Runtime, version: &Version) -> Self {
        Self {
            arn: arn(door, &runtime.id),
            version: version.number.to_string(),
            created_at: iso(runtime.created_at),
            updated_at: iso(version.created_at),
        }
    }

    pub fn made<'a>(&'a self, runtime: &'a Runtime) -> wired::RuntimeMade<'a> {
        wired::RuntimeMade {
            agent_runtime_arn: &self.arn,
            agent_runtime_id: &runtime.id,
            agent_runtime_version: &self.version,
            created_at: &self.created_at,
            status: READY,
        }
    }

    pub fn changed<'a>(&'a self, runtime: &'a Runtime) -> wired::RuntimeChanged<'a> {
        wired::RuntimeChanged { made: self.made(runtime), last_updated_at: &self.updated_at }
    }
}

pub fn runtime<'a>(
    words: &'a Words,
    hosting: &Hosting,
    runtime: &'a Runtime,
    details: &'a Details,
) -> wired::Runtime<'a> {
    let (idle, lifetime) = hosting.lifecycle(details);
    let configuration = wired::CodeConfiguration {
        code: wired::Code { s3: wired::S3 { bucket: &details.bucket, prefix: &details.prefix } },
        runtime: details.language.word(),
        entry_point: &details.entry_point,
    };
    let headers = wired::Headers { request_header_allowlist: &details.headers };
    wired::Runtime {
        changed: words.changed(runtime),
        agent_runtime_name: &runtime.name,
        description: details.description.as_deref(),
        role_arn: &details.role,
        agent_runtime_artifact: wired::Artifact { code_configuration: configuration },
        network_configuration: wired::Network { network_mode: "PUBLIC" },
        lifecycle_configuration: wired::Lifecycle { idle_runtime_session_timeout: idle, max_lifetime: lifetime },
        protocol_configuration: details.protocol.as_deref().map(|word| wired::Protocol { server_protocol: word }),
        request_header_configuration: Some(headers).filter(|_| !details.headers.is_empty()),
        environment_variables: &details.variables,
    }
}

pub fn summary<'a>(door: &Door, runtime: &'a Runtime, version: &'a Version) -> wired::RuntimeSummary<'a> {
    wired::RuntimeSummary {
        agent_runtime_arn: arn(door, &runtime.id),
        agent_runtime_id: &runtime.id,
        agent_runtime_version: version.number.to_string(),
        agent_runtime_name: &runtime.name,
        description: version.details.description.as_deref().unwrap_or_default(),
        last_updated_at: iso(version.created_at),
        status: READY,
    }
}

pub fn endpoint(door: &Door, runtime: &Runtime, endpoint: &Endpoint) -> wired::Endpoint {
    let version = endpoint.version.to_string();
    // The mark of its runtime: an endpoint has no other of its own.
    let mark = runtime.id.rsplit('-').next().unwrap_or_default();
    wired::Endpoint {
        live_version: version.clone(),
        target_version: version,
        agent_runtime_endpoint_arn: endpoint_arn(door, &runtime.id, &endpoint.name),
        agent_runtime_arn: arn(door, &runtime.id),
        description: endpoint.description.clone(),
        status: READY,
        created_at: iso(endpoint.created_at),
        last_updated_at: iso(endpoint.updated_at),
        name: endpoint.name.clone(),
        id: format!("{}-{mark}", endpoint.name),
    }
}

/// The endpoint that a call names.
pub fn qualifier(said: Option<&str>) -> String {
    said.unwrap_or(DEFAULT).to_owned()
}

/// `2026-11-23T23:40:00.123Z`.
pub fn iso(at: Timestamp) -> String {
    let (seconds, millis) = (at.seconds(), at.0 % 1000);
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Counted from the first of March of the year 0, in eras of 400 years.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * month + 2) / 5 + 1;
    let (month, year) = if month < 10 { (month + 3, year + era * 400) } else { (month - 9, year + era * 400 + 1) };
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{of_month:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_dates() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (4_107_542_400_001, "2100-03-01T00:00:00.001Z"),
            (1_795_477_245_678, "2026-11-23T23:40:45.678Z"),
        ] {
            assert_eq!(iso(Timestamp(millis)), text);
        }
    }
}
