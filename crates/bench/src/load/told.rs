//! What a stream says, however it is cut: a reader that is a little later than another gets fewer and longer deltas, and
//! ids that say so.

use crate::client::Event;
use anyhow::{Context, Result};
use serde_json::Value;

#[derive(Clone, Default, PartialEq, Debug)]
pub struct Told {
    /// Of events that are no deltas, in order.
    pub names: Vec<String>,
    /// All deltas together.
    text: String,
}

impl Told {
    pub fn take(&mut self, event: &Event) -> Result<()> {
        if event.name.ends_with(".delta") {
            let data: Value = serde_json::from_str(&event.data)?;
            self.text.push_str(data["delta"].as_str().context("a delta without text")?);
        } else {
            self.names.push(event.name.clone());
        }
        Ok(())
    }
}
