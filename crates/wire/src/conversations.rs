//! The JSON of the Conversations API: what makes a conversation, what is put into it, and what is said of it. Its items are
//! those of the Responses API.

use crate::agents::request::metadata;
use crate::error::Fault;
use crate::reader::{Node, Object};
use crate::responses::request::{InputItem, item_list};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Items of one request.
const MAX_ITEMS: usize = 20;

/// `POST /conversations`.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct ConversationCreate {
    pub items: Vec<InputItem>,
    pub metadata: BTreeMap<String, String>,
}

impl ConversationCreate {
    pub fn read(body: Map<String, Value>) -> Result<Self, Fault> {
        let mut object = Object::root(body);
        let items = object.present("items").map_or(Ok(Vec::new()), items)?;
        let metadata = object.present("metadata").map_or(Ok(BTreeMap::new()), metadata)?;
        object.finish()?;
        Ok(Self { items, metadata })
    }
}

/// `POST /conversations/{id}`: the metadata that replaces what was there; null takes all of it away.
pub fn conversation_update(body: Map<String, Value>) -> Result<BTreeMap<String, String>, Fault> {
    let mut object = Object::root(body);
    let given = object.nullable("metadata").ok_or_else(|| object.missing("metadata"))?;
    let metadata = given.map_or(Ok(BTreeMap::new()), metadata)?;
    object.finish()?;
    Ok(metadata)
}

/// `POST /conversations/{id}/items`.
pub fn items_create(body: Map<String, Value>) -> Result<Vec<InputItem>, Fault> {
    let mut object = Object::root(body);
    let items = items(object.required("items")?)?;
    object.finish()?;
    Ok(items)
}

fn items(node: Node) -> Result<Vec<InputItem>, Fault> {
    item_list(node, MAX_ITEMS)
}

/// A conversation as it is shown. `created_at` is in seconds of the Unix epoch.
#[derive(Serialize, Clone, Copy, Debug)]
#[serde(tag = "object", rename = "conversation")]
pub struct Conversation<'a> {
    pub id: &'a str,
    pub created_at: u64,
    pub metadata: &'a BTreeMap<String, String>,
}

/// What a deletion answers.
#[derive(Serialize, Clone, Copy, Debug)]
#[serde(tag = "object", rename = "conversation.deleted")]
pub struct Deleted<'a> {
    pub id: &'a str,
    pub deleted: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn nothing_need_be_said() {
        assert_eq!(ConversationCreate::read(object(json!({}))), Ok(ConversationCreate::default()));
        let nulls = json!({ "items": null, "metadata": null });
        assert_eq!(ConversationCreate::read(object(nulls)), Ok(ConversationCreate::default()));
    }

    #[test]
    fn items_are_those_of_a_response() {
        let said = json!({ "items": [{ "role": "user", "content": "hi" }], "metadata": { "a": "b" } });
        let read = ConversationCreate::read(object(said)).unwrap();
        assert!(matches!(read.items.as_slice(), [InputItem::Message { .. }]));
        assert_eq!(read.metadata.get("a").map(String::as_str), Some("b"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let param = |fault: Fault| fault.param.unwrap();
        let many = json!({ "items": vec![json!({ "role": "user", "content": "hi" }); MAX_ITEMS + 1] });
        assert_eq!(items_create(object(many)).map_err(param), Err("items".to_owned()));
        assert_eq!(items_create(object(json!({ "items": "hi" }))).map_err(param), Err("items".to_owned()));
        assert_eq!(items_create(object(json!({}))).map_err(param), Err("items".to_owned()));
        let inner = json!({ "items": [{ "role": "king", "content": "hi" }] });
        assert_eq!(items_create(object(inner)).map_err(param), Err("items[0].role".to_owned()));
        assert_eq!(conversation_update(object(json!({}))).map_err(param), Err("metadata".to_owned()));
        let unknown = json!({ "metadata": {}, "name": "x" });
        assert_eq!(conversation_update(object(unknown)).map_err(param), Err("name".to_owned()));
        assert_eq!(conversation_update(object(json!({ "metadata": null }))), Ok(BTreeMap::new()));
    }
}
