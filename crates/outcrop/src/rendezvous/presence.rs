//! Who listens to the rendezvous: its executors come and go, and their sessions are told.

use environments::rendezvous::{Listener, Site};
use runtime::Telling;
use types::{EnvironmentId, EnvironmentStatus};

pub struct Presence(pub Telling);

impl Presence {
    fn note(&self, site: &Site, status: EnvironmentStatus) {
        if let Some(session) = EnvironmentId::new(&site.environment).session() {
            self.0.tell(&site.project, &session, status);
        }
    }
}

impl Listener for Presence {
    fn connected(&self, site: &Site) {
        self.note(site, EnvironmentStatus::Connected);
    }

    fn disconnected(&self, site: &Site) {
        self.note(site, EnvironmentStatus::Disconnected);
    }
}
