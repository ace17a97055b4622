//! Where in a schema something stands, in words that a client finds again.

use crate::SchemaRefusal;

/// A place in a schema: `parameters.properties.x`.
#[derive(Clone, Debug)]
pub(super) struct Place(String);

/// Characters of a name in a path; longer ones are cut.
const MOST_NAME: usize = 60;

impl Place {
    pub fn new(root: &str) -> Self {
        Self(root.to_owned())
    }

    pub fn name(&self, name: &str) -> Self {
        let is_plain = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '$' | '-'));
        let short: String = name.chars().take(MOST_NAME).collect();
        if is_plain { Self(format!("{}.{short}", self.0)) } else { Self(format!("{}[{short:?}]", self.0)) }
    }

    pub fn index(&self, index: usize) -> Self {
        Self(format!("{}[{index}]", self.0))
    }

    pub fn refuse(&self, message: impl Into<String>) -> SchemaRefusal {
        SchemaRefusal { path: self.0.clone(), message: message.into() }
    }
}
