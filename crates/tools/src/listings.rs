//! Listings of servers as they were looked at: each is described and hashed once, however many model calls of however many
//! sessions it is offered to.

use crate::offer::Remote;
use crate::servers::address;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use types::McpTool;

/// Listings that are kept.
const MOST: usize = 64;

/// The listing's place in memory, the server's address and its label: what it was looked at as.
type Name = (usize, String, String);

#[derive(Default)]
pub struct Listings(Mutex<BTreeMap<Name, Looked>>);

struct Looked {
    /// While this lives nothing else has its place in memory.
    listing: Weak<Vec<mcp::Tool>>,
    tools: Arc<Vec<Remote>>,
}

impl Listings {
    pub fn look(&self, server: &McpTool, listing: &Arc<Vec<mcp::Tool>>) -> Arc<Vec<Remote>> {
        let name = (Arc::as_ptr(listing).addr(), address(server), server.server_label.clone());
        if let Some(looked) = self.lock().get(&name) {
            return looked.tools.clone();
        }
        // Without the lock: it takes a while where there are thousands.
        let tools: Arc<Vec<_>> = Arc::new(listing.iter().map(|tool| Remote::of(server, &tool.into())).collect());
        let mut kept = self.lock();
        kept.retain(|_, looked| looked.listing.strong_count() > 0);
        if kept.len() >= MOST {
            kept.pop_first();
        }
        kept.insert(name, Looked { listing: Arc::downgrade(listing), tools: tools.clone() });
        tools
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Name, Looked>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::McpTransport;

    #[test]
    fn a_listing_is_looked_at_once_for_each_server() {
        let server = |url: &str, label: &str| McpTool {
            server_label: label.into(),
            transport: McpTransport::Http { server_url: url.into(), headers: BTreeMap::new(), authorization: None },
            allowed_tools: None,
            connection_origin: "service".into(),
            credential_id: None,
            request_metadata: serde_json::Map::new(),
            required: false,
        };
        let (listings, listing) = (Listings::default(), Arc::new(Vec::new()));
        let first = listings.look(&server("u", "a"), &listing);
        assert!(Arc::ptr_eq(&first, &listings.look(&server("u", "a"), &listing)));
        for other in [server("v", "a"), server("u", "b")] {
            assert!(!Arc::ptr_eq(&first, &listings.look(&other, &listing)), "a description says whose it is");
        }
        assert!(!Arc::ptr_eq(&first, &listings.look(&server("u", "a"), &Arc::new(Vec::new()))));
        drop(listing);
        let many: Vec<_> = (0..2 * MOST).map(|_| Arc::new(Vec::new())).collect();
        for listing in &many {
            listings.look(&server("u", "a"), listing);
        }
        assert_eq!(listings.lock().len(), MOST);
        drop(many);
        listings.look(&server("u", "a"), &Arc::new(Vec::new()));
        assert_eq!(listings.lock().len(), 1, "of listings that are gone nothing is kept");
    }
}
