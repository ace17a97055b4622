//! What a machine can do towards a sandbox, found out by trying.

use crate::error::Error;
use crate::isolation::{Isolation, Layer};

/// What was found about one layer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    pub layer: Layer,
    /// Where the machine can do it: how, in a few words.
    pub how: Option<String>,
    /// Where it cannot: why, and what to do about it.
    pub reason: Option<String>,
    pub remedy: Option<String>,
}

impl Finding {
    pub fn able(layer: Layer, how: impl Into<String>) -> Self {
        Self { layer, how: Some(how.into()), reason: None, remedy: None }
    }

    pub fn unable(layer: Layer, reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { layer, how: None, reason: Some(reason.into()), remedy: Some(remedy.into()) }
    }
}

/// What a machine can do, a finding for each layer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ability {
    pub findings: Vec<Finding>,
}

impl Ability {
    pub fn has(&self, layer: Layer) -> bool {
        self.findings.iter().any(|finding| finding.layer == layer && finding.reason.is_none())
    }

    /// What the machine lacks.
    pub fn missing(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.reason.is_some())
    }

    /// What of the wanted layers a sandbox can have. One that lacks any is refused unless that is allowed; and allowing it
    /// gives up no layer that hides the machine's files, processes and network, unless it was not wanted.
    pub fn agree(&self, wanted: &Isolation, allow_weak: bool) -> Result<Isolation, Error> {
        let missing: Vec<Layer> = Layer::ALL.into_iter().filter(|layer| !self.has(*layer)).collect();
        let offered = wanted.clone().without(&missing);
        let needed = missing.iter().copied().filter(|layer| layer.hides_the_machine() && wanted.has(*layer));
        let needed: Vec<Layer> = needed.collect();
        if !needed.is_empty() {
            return Err(Error::Unable { missing: needed });
        }
        let lacking = offered.lacking();
        if lacking.is_empty() || allow_weak { Ok(offered) } else { Err(Error::Weak { missing: lacking }) }
    }
}

#[cfg(test)]
mod tests;
