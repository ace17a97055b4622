//! One question of a connection, asked again only where the server certainly did nothing of it.

use super::{Connection, Trouble, UNSUPPORTED_REVISION, before, say_who};
use crate::call::Progress;
use crate::failure::{Failure, Kind};
use crate::line::Question;
use crate::through::Begun;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::sync::atomic::{AtomicI64, Ordering};

/// How often a server that does not take a connection is tried again for one question.
const RETRIES: u32 = 2;

/// The method of a call.
pub(super) const CALL: &str = "tools/call";

pub(super) struct Asking<'a> {
    pub method: &'a str,
    pub params: Map<String, Value>,
    /// Of a call.
    pub arguments: Option<&'a RawValue>,
    pub meta: &'a Map<String, Value>,
    pub name: Option<&'a str>,
    pub mirrored: &'a [(String, String)],
    pub progress: Option<&'a (dyn Fn(Progress) + Send + Sync)>,
    pub begun: &'a Begun,
    /// The id under which it was asked last.
    pub id: &'a AtomicI64,
}

impl Connection {
    pub(super) async fn ask(&self, asking: Asking<'_>) -> Result<Value, Failure> {
        let mut agreed_anew = false;
        let mut retries = 0;
        loop {
            let standing = match self.standing().await.map_err(before) {
                Ok(standing) => standing,
                Err(failure) if self.may_retry(&asking, &failure, &mut retries).await => continue,
                Err(failure) => return Err(failure),
            };
            let id = self.ids.fetch_add(1, Ordering::SeqCst);
            asking.id.store(id, Ordering::SeqCst);
            let params = self.whole(&asking, standing.terms.revision.is_stateless(), id);
            let question = Question {
                id,
                method: asking.method,
                params: &params,
                arguments: asking.arguments,
                name: asking.name,
                mirrored: asking.mirrored,
                progress: asking.progress,
                begun: asking.begun,
            };
            let trouble = match self.line.ask(&standing.terms, question).await {
                Ok(answered) => return Ok(answered.result),
                Err(trouble) => trouble,
            };
            let forgotten = match &trouble {
                Trouble::Gone(_) => true,
                Trouble::Rpc(error) => error.code == UNSUPPORTED_REVISION,
                _ => false,
            };
            if forgotten {
                // Whoever asks next must not meet the same refusal.
                asking.begun.clear();
                self.forget(standing.number).await;
                if !agreed_anew {
                    agreed_anew = true;
                    continue;
                }
            }
            let failure = match trouble {
                Trouble::Rpc(error) if asking.method == CALL => error.of_call(),
                trouble => trouble.failure(),
            };
            if !self.may_retry(&asking, &failure, &mut retries).await {
                return Err(failure);
            }
        }
    }

    /// Waits before a call that did not get through is tried again. A listing is not worth the wait: there is an older one.
    async fn may_retry(&self, asking: &Asking<'_>, failure: &Failure, retries: &mut u32) -> bool {
        if failure.kind != Kind::NotSent || asking.method != CALL || *retries == RETRIES {
            return false;
        }
        let pause = self.limits.pause * (1 << *retries);
        *retries += 1;
        self.world.clock.sleep(pause).await;
        true
    }

    /// The parameters with all that goes into `_meta`.
    fn whole(&self, asking: &Asking<'_>, stateless: bool, id: i64) -> Map<String, Value> {
        let mut meta = self.request_metadata.clone();
        meta.extend(asking.meta.clone());
        if stateless {
            say_who(&mut meta);
        }
        if asking.progress.is_some() {
            meta.insert("progressToken".to_owned(), id.into());
        }
        let mut params = asking.params.clone();
        if !meta.is_empty() {
            params.insert("_meta".to_owned(), Value::Object(meta));
        }
        params
    }
}
