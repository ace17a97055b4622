//! A fork: where it is cut off, and what is different about its agent.

use super::MAX_ID;
use super::agent::AgentPatch;
use super::tool::Place;
use crate::error::Fault;
use crate::reader::{Node, Object};
use serde_json::{Map, Value};

/// `POST /agents/sessions/{id}/fork`.
#[derive(Clone, PartialEq, Debug)]
pub struct SessionFork {
    /// The last item that is shared; None for all that there are.
    pub after_item_id: Option<String>,
    pub agent: AgentPatch,
}

impl SessionFork {
    pub fn read(body: Map<String, Value>) -> Result<Self, Fault> {
        let mut object = Object::root(body);
        let after_item_id = object.present("after_item_id").map(|node| node.short_text(MAX_ID)).transpose()?;
        let agent = object.present("agent").map_or(Ok(AgentPatch::default()), agent)?;
        object.finish()?;
        Ok(Self { after_item_id, agent })
    }
}

fn agent(node: Node) -> Result<AgentPatch, Fault> {
    let mut object = node.object()?;
    let patch = AgentPatch::read(&mut object, Place::Session)?;
    object.finish()?;
    Ok(patch)
}

#[cfg(test)]
mod tests {
    use super::SessionFork;
    use crate::agents::request::AgentPatch;
    use serde_json::json;

    fn read(body: serde_json::Value) -> Result<SessionFork, crate::Fault> {
        SessionFork::read(body.as_object().cloned().unwrap_or_default())
    }

    #[test]
    fn nothing_need_be_said() {
        let plain = SessionFork { after_item_id: None, agent: AgentPatch::default() };
        for body in [json!({}), json!({"after_item_id": null, "agent": null}), json!({"agent": {}})] {
            assert_eq!(read(body).unwrap(), plain);
        }
        let fork = read(json!({"after_item_id": "msg_1", "agent": {"model": "m"}})).unwrap();
        assert_eq!((fork.after_item_id.as_deref(), fork.agent.model.as_deref()), (Some("msg_1"), Some("m")));
    }

    #[test]
    fn faults_are_where_they_are() {
        let long = "x".repeat(65);
        for (body, param) in [
            (json!({"after_item_id": 7}), "after_item_id"),
            (json!({"after_item_id": ""}), "after_item_id"),
            (json!({"after_item_id": long}), "after_item_id"),
            (json!({"agent": "m"}), "agent"),
            (json!({"agent": {"model": ""}}), "agent.model"),
            (json!({"agent": {"id": "agent_1"}}), "agent.id"),
            (json!({"input": "hello"}), "input"),
        ] {
            let fault = read(body.clone()).unwrap_err();
            assert_eq!(fault.param.as_deref(), Some(param), "{body}: {fault:?}");
        }
    }
}
