//! What is kept, as it is shown.

use crate::Door;
use types::Timestamp;
use wire::agentcore::memory as shown;

/// A memory is usable when it is there.
const ACTIVE: &str = "ACTIVE";

/// With its fraction.
#[expect(clippy::cast_precision_loss, reason = "until the year 280000 no millisecond is lost")]
pub fn seconds(at: Timestamp) -> f64 {
    at.0 as f64 / 1000.0
}

pub fn event<'a>(memory: &'a str, event: &'a recall::Event) -> shown::Event<'a> {
    let metadata = event.metadata.iter();
    shown::Event {
        memory_id: memory,
        actor_id: &event.actor,
        session_id: &event.session,
        event_id: &event.id,
        event_timestamp: seconds(event.at),
        payload: event.payload.as_deref().unwrap_or_default(),
        branch: event
            .branch
            .as_ref()
            .map(|branch| shown::BranchShown { name: &branch.name, root_event_id: branch.root.as_deref() }),
        metadata: metadata.map(|(key, value)| (key.as_str(), shown::Text { string_value: value })).collect(),
    }
}

pub fn memory<'a>(door: &Door, memory: &'a recall::Memory) -> shown::Memory<'a> {
    shown::Memory {
        arn: arn(door, memory),
        id: &memory.id,
        name: &memory.name,
        description: memory.description.as_deref(),
        memory_execution_role_arn: memory.role.as_deref(),
        event_expiry_duration: memory.days,
        status: ACTIVE,
        created_at: seconds(memory.created_at),
        updated_at: seconds(memory.updated_at),
        strategies: [],
        indexed_keys: memory
            .indexed_keys
            .iter()
            .map(|key| shown::IndexedKeyShown { key: &key.key, r#type: &key.kind })
            .collect(),
    }
}

pub fn summary<'a>(door: &Door, memory: &'a recall::Memory) -> shown::MemorySummary<'a> {
    shown::MemorySummary {
        arn: arn(door, memory),
        id: &memory.id,
        status: ACTIVE,
        created_at: seconds(memory.created_at),
        updated_at: seconds(memory.updated_at),
    }
}

fn arn(door: &Door, memory: &recall::Memory) -> String {
    door.aws.account.arn("bedrock-agentcore", format!("memory/{}", memory.id)).to_string()
}
