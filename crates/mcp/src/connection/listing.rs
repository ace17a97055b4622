//! What tools a server has: all pages of them, within limits, kept until they are old or the server says that they changed.

use super::asking::Asking;
use super::{Connection, before};
use crate::failure::Failure;
use crate::reading;
use crate::through::Begun;
use crate::time::within;
use crate::tool::{LeftOut, Tool};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// Of what is left out, so many are named.
const NAMED: usize = 100;
/// A listing is kept this long, however short a life its server gives it: each that says something else is a record in the
/// logs of its sessions.
const YOUNG: Duration = Duration::from_secs(30);
/// And so long after a server said that it had changed: the first such word is believed at once, the next ones are not.
const SETTLING: Duration = Duration::from_secs(10);
/// What a value costs beside its text, in bytes: about.
const VALUE: usize = 100;

/// The tools of a server, in its own order.
#[derive(Clone, Debug)]
pub struct Listing {
    pub tools: Arc<Vec<Tool>>,
    /// Tools that cannot be offered; at most 100.
    pub left_out: Arc<Vec<LeftOut>>,
    /// Why this is an older listing than was asked for: the server could not be asked.
    pub stale: Option<String>,
}

pub(super) struct Kept {
    listing: Listing,
    /// On the monotonic clock.
    until: Duration,
    /// Until when another change is not believed.
    settled: Duration,
}

impl Connection {
    /// The tools, asked for where the last listing is old. A server that cannot be asked keeps the tools that it had.
    pub async fn tools(&self) -> Result<Listing, Failure> {
        self.touch();
        // Whoever comes meanwhile waits for this listing instead of asking for another.
        let mut kept = self.listing.lock().await;
        if let Some(kept) = &*kept
            && self.world.clock.monotonic() < kept.until
            && (!self.changed.load(Ordering::SeqCst) || self.world.clock.monotonic() < kept.settled)
        {
            return Ok(kept.listing.clone());
        }
        let changed = self.changed.swap(false, Ordering::SeqCst) && kept.is_some();
        match self.list().await {
            Ok((listing, age)) => {
                let now = self.world.clock.monotonic();
                let settled = if changed { now + SETTLING } else { now };
                *kept = Some(Kept { listing: listing.clone(), until: now + age.max(YOUNG), settled });
                Ok(listing)
            }
            Err(failure) => {
                self.changed.store(true, Ordering::SeqCst);
                let Some(kept) = &*kept else { return Err(failure) };
                Ok(Listing { stale: Some(failure.message), ..kept.listing.clone() })
            }
        }
    }

    /// The next listing is asked for, however young the last one is.
    pub fn refresh(&self) {
        self.changed.store(true, Ordering::SeqCst);
    }

    /// What the listing that is kept costs, in bytes.
    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::SeqCst)
    }

    /// Keeps it no longer, unless it is being asked for.
    pub(crate) fn let_go(&self) {
        if let Ok(mut kept) = self.listing.try_lock() {
            *kept = None;
            self.held.store(0, Ordering::SeqCst);
        }
    }

    async fn list(&self) -> Result<(Listing, Duration), Failure> {
        let mut gathered = Gathered::default();
        let mut cursor: Option<String> = None;
        let mut age = self.limits.listing_age;
        for _ in 0..self.limits.pages {
            let page = self.page(cursor.as_deref()).await?;
            if let Some(told) = page["ttlMs"].as_u64().filter(|told| *told > 0) {
                age = age.min(Duration::from_millis(told));
            }
            let next = page["nextCursor"].as_str().map(str::to_owned);
            self.gather(page, &mut gathered)?;
            match next {
                Some(next) if Some(&next) != cursor.as_ref() => cursor = Some(next),
                Some(_) => return Err(Failure::refused("the server's list of tools goes in a circle")),
                None => {
                    let Gathered { tools, left_out, bytes, values, .. } = gathered;
                    self.held.store(bytes + values * VALUE, Ordering::SeqCst);
                    let listing = Listing { tools: Arc::new(tools), left_out: Arc::new(left_out), stale: None };
                    return Ok((listing, age));
                }
            }
        }
        Err(Failure::too_large(format!("the server's list of tools has more than {} pages", self.limits.pages)))
    }

    async fn page(&self, cursor: Option<&str>) -> Result<Value, Failure> {
        let mut params = Map::new();
        if let Some(cursor) = cursor {
            params.insert("cursor".to_owned(), cursor.into());
        }
        let (begun, id) = (Begun::default(), AtomicI64::new(0));
        let asking = Asking {
            method: "tools/list",
            params,
            arguments: None,
            meta: &Map::new(),
            name: None,
            mirrored: &[],
            progress: None,
            begun: &begun,
            id: &id,
        };
        let time = self.limits.opening;
        match within(&*self.world.clock, time, self.ask(asking)).await {
            Some(page) => page.map_err(before),
            None => Err(Failure::not_sent(format!("the server did not list its tools within {} s", time.as_secs()))),
        }
    }

    fn gather(&self, mut page: Value, gathered: &mut Gathered) -> Result<(), Failure> {
        let text = page.to_string();
        gathered.bytes += text.len();
        gathered.values += reading::values(text.as_bytes());
        if gathered.values > self.limits.listing_values {
            let most = self.limits.listing_values;
            return Err(Failure::too_large(format!("the server's list of tools has more than {most} values")));
        }
        if gathered.bytes > self.limits.listing {
            let most = self.limits.listing;
            return Err(Failure::too_large(format!("the server's list of tools is larger than {most} bytes")));
        }
        let Value::Array(values) = page["tools"].take() else {
            return Err(Failure::refused("the server's list of tools is none"));
        };
        gathered.seen += values.len();
        if gathered.seen > self.limits.tools {
            return Err(Failure::too_large(format!("the server has more than {} tools", self.limits.tools)));
        }
        for value in values {
            match Tool::read(value, &self.limits, self.line.is_http()) {
                Ok(tool) if gathered.names.insert(tool.name.clone()) => gathered.tools.push(tool),
                Ok(tool) => gathered.leave_out(tool.name, "another tool has the same name"),
                Err(left_out) => gathered.leave_out(left_out.name, &left_out.why),
            }
        }
        Ok(())
    }
}

#[derive(Default)]
struct Gathered {
    tools: Vec<Tool>,
    left_out: Vec<LeftOut>,
    names: BTreeSet<String>,
    seen: usize,
    bytes: usize,
    values: usize,
}

impl Gathered {
    fn leave_out(&mut self, name: String, why: &str) {
        if self.left_out.len() < NAMED {
            tracing::warn!(tool = name, why, "a tool of an MCP server is left out");
            self.left_out.push(LeftOut { name, why: why.to_owned() });
        }
    }
}
