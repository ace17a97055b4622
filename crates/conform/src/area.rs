//! The areas of the suite and their checks. An area makes what it needs itself and depends on no other; each check is
//! named once in its area's table, with what it says and where that is known from.

macro_rules! parts {
    ($probe:ident: $($part:expr),+ $(,)?) => {$(
        let went = $part($probe).await;
        if !$probe.went(went) {
            return;
        }
    )+};
}

mod agents;
mod beyond;
mod budgets;
mod calls;
mod chains;
mod chat;
mod compaction;
mod conversations;
pub mod coverage;
mod deletion;
mod embeddings;
mod environments;
mod files;
mod fork;
mod inputs;
mod items;
mod listings;
mod models;
mod order;
mod paging;
mod responses;
mod sessions;
mod streams;
mod telling;
mod templates;
mod transport;
mod turns;
mod uploads;
mod websocket;

use crate::part::Part;
use crate::probe::Probe;
use serde::Serialize;

/// Id, what it says, where that is known from.
type Row = (&'static str, &'static str, &'static str);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Area {
    Transport,
    Agents,
    Sessions,
    Inputs,
    Order,
    Streams,
    Items,
    Turns,
    Calls,
    Paging,
    Deletion,
    Budgets,
    /// What we promise beyond the API; skipped where a server does not offer it.
    Outcrop,
    /// One response, asked for and looked at.
    Responses,
    /// The stream of a response.
    Telling,
    /// Responses that go on from others.
    Chains,
    /// A response's input items.
    Listings,
    Compaction,
    Websocket,
    Conversations,
    Chat,
    Embeddings,
    Files,
    Uploads,
    Models,
    Fork,
    /// Templates of hosted environments.
    Templates,
    /// Hosted environments, their files and their artifacts.
    Environments,
    Coverage,
    /// Answers and events against their shapes; needs no requests of its own.
    Shapes,
}

/// One check of the catalogue.
#[derive(Clone, Debug)]
pub struct Check {
    pub id: String,
    pub area: Area,
    pub says: String,
    pub source: &'static str,
}

impl Area {
    pub const ALL: [Self; 30] = [
        Self::Transport,
        Self::Agents,
        Self::Sessions,
        Self::Inputs,
        Self::Order,
        Self::Streams,
        Self::Items,
        Self::Turns,
        Self::Calls,
        Self::Paging,
        Self::Deletion,
        Self::Budgets,
        Self::Outcrop,
        Self::Responses,
        Self::Telling,
        Self::Chains,
        Self::Listings,
        Self::Compaction,
        Self::Websocket,
        Self::Conversations,
        Self::Chat,
        Self::Embeddings,
        Self::Files,
        Self::Uploads,
        Self::Models,
        Self::Fork,
        Self::Templates,
        Self::Environments,
        Self::Coverage,
        Self::Shapes,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Transport => "transport",
            Self::Agents => "agents",
            Self::Sessions => "sessions",
            Self::Inputs => "inputs",
            Self::Order => "order",
            Self::Streams => "streams",
            Self::Items => "items",
            Self::Turns => "turns",
            Self::Calls => "calls",
            Self::Paging => "paging",
            Self::Deletion => "deletion",
            Self::Budgets => "budgets",
            Self::Outcrop => "outcrop",
            Self::Responses => "responses",
            Self::Telling => "telling",
            Self::Chains => "chains",
            Self::Listings => "listings",
            Self::Compaction => "compaction",
            Self::Websocket => "websocket",
            Self::Conversations => "conversations",
            Self::Chat => "chat",
            Self::Embeddings => "embeddings",
            Self::Files => "files",
            Self::Uploads => "uploads",
            Self::Models => "models",
            Self::Fork => "fork",
            Self::Templates => "templates",
            Self::Environments => "environments",
            Self::Coverage => "coverage",
            Self::Shapes => "shapes",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|area| area.name() == name)
    }

    /// The door that the area is about; None for what looks at all.
    pub fn part(self) -> Option<Part> {
        match self {
            Self::Responses | Self::Telling | Self::Chains | Self::Listings | Self::Compaction | Self::Websocket => {
                Some(Part::Responses)
            }
            Self::Conversations => Some(Part::Conversations),
            Self::Chat => Some(Part::Chat),
            Self::Embeddings => Some(Part::Embeddings),
            Self::Files | Self::Uploads => Some(Part::Files),
            Self::Models => Some(Part::Models),
            Self::Fork => Some(Part::Fork),
            Self::Templates | Self::Environments => Some(Part::Environments),
            Self::Coverage | Self::Shapes => None,
            _ => Some(Part::Agents),
        }
    }

    /// The area's own checks; those of shapes come from what was seen.
    pub fn checks(self) -> Vec<Check> {
        let rows = match self {
            Self::Transport => transport::CHECKS,
            Self::Agents => agents::CHECKS,
            Self::Sessions => sessions::CHECKS,
            Self::Inputs => inputs::CHECKS,
            Self::Order => order::CHECKS,
            Self::Streams => streams::CHECKS,
            Self::Items => items::CHECKS,
            Self::Turns => turns::CHECKS,
            Self::Calls => calls::CHECKS,
            Self::Deletion => deletion::CHECKS,
            Self::Budgets => budgets::CHECKS,
            Self::Outcrop => beyond::CHECKS,
            Self::Responses => responses::CHECKS,
            Self::Telling => telling::CHECKS,
            Self::Chains => chains::CHECKS,
            Self::Listings => listings::CHECKS,
            Self::Compaction => compaction::CHECKS,
            Self::Websocket => websocket::CHECKS,
            Self::Conversations => conversations::CHECKS,
            Self::Chat => chat::CHECKS,
            Self::Embeddings => embeddings::CHECKS,
            Self::Files => files::CHECKS,
            Self::Uploads => uploads::CHECKS,
            Self::Models => models::CHECKS,
            Self::Fork => fork::CHECKS,
            Self::Templates => templates::CHECKS,
            Self::Environments => environments::CHECKS,
            Self::Paging => return paging::checks(),
            Self::Coverage | Self::Shapes => &[],
        };
        let check =
            |(id, says, source): &Row| Check { id: (*id).to_owned(), area: self, says: (*says).to_owned(), source };
        rows.iter().map(check).collect()
    }

    pub async fn run(self, probe: &mut Probe) {
        match self {
            Self::Transport => transport::run(probe).await,
            Self::Agents => agents::run(probe).await,
            Self::Sessions => sessions::run(probe).await,
            Self::Inputs => inputs::run(probe).await,
            Self::Order => order::run(probe).await,
            Self::Streams => streams::run(probe).await,
            Self::Items => items::run(probe).await,
            Self::Turns => turns::run(probe).await,
            Self::Calls => calls::run(probe).await,
            Self::Paging => paging::run(probe).await,
            Self::Deletion => deletion::run(probe).await,
            Self::Budgets => budgets::run(probe).await,
            Self::Outcrop => beyond::run(probe).await,
            Self::Responses => responses::run(probe).await,
            Self::Telling => telling::run(probe).await,
            Self::Chains => chains::run(probe).await,
            Self::Listings => listings::run(probe).await,
            Self::Compaction => compaction::run(probe).await,
            Self::Websocket => websocket::run(probe).await,
            Self::Conversations => conversations::run(probe).await,
            Self::Chat => chat::run(probe).await,
            Self::Embeddings => embeddings::run(probe).await,
            Self::Files => files::run(probe).await,
            Self::Uploads => uploads::run(probe).await,
            Self::Models => models::run(probe).await,
            Self::Fork => fork::run(probe).await,
            Self::Templates => templates::run(probe).await,
            Self::Environments => environments::run(probe).await,
            Self::Coverage => coverage::run(probe).await,
            Self::Shapes => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_check_has_an_id_of_its_own_and_says_what_and_whence() {
        let checks: Vec<Check> = Area::ALL.into_iter().flat_map(Area::checks).collect();
        let ids: BTreeSet<&str> = checks.iter().map(|check| check.id.as_str()).collect();
        assert_eq!(ids.len(), checks.len());
        assert!(checks.len() >= 120, "{}", checks.len());
        for check in &checks {
            assert!(check.id.starts_with(&format!("{}.", check.area.name())), "{}", check.id);
            assert!(check.says.ends_with('.') && !check.source.is_empty(), "{}", check.id);
        }
    }

    #[test]
    fn areas_are_found_by_name() {
        assert!(Area::ALL.into_iter().all(|area| Area::named(area.name()) == Some(area)));
        assert_eq!(Area::named("nothing"), None);
    }
}
