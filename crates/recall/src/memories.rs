//! The face: memories of all projects. What is done with events is in the parts.

use crate::cursor::{self, Cursor};
use crate::listing::Listed;
use crate::names::{ASKED, DOOMED, MEMORIES, NAMES, digest, hex};
use crate::record::{Asked, IndexedKey, Memory, There};
use crate::trouble::{Reason, Trouble};
use crate::{limits, rows};
use std::collections::BTreeMap;
use std::sync::Arc;
use store::{Error, RowsChange, Store};
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use types::{Clock, Entropy, ProjectId, Spawn};

const TURNS: usize = 64;
/// Keys that a memory may name.
const KEYS: usize = 10;
/// Letters and digits after a memory's name.
const SUFFIX: usize = 10;

/// The world.
#[derive(Clone)]
pub struct Around {
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub spawn: Arc<dyn Spawn>,
    pub store: Arc<dyn Store>,
}

/// Memories of all projects. Cheap to clone.
#[derive(Clone)]
pub struct Recall {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) around: Around,
    /// Whoever writes events of a memory shares its turn with others who do; whoever changes or sweeps it has it alone.
    turns: [RwLock<()>; TURNS],
}

/// A memory that is asked for.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct NewMemory {
    pub name: String,
    pub description: Option<String>,
    /// How long events are kept.
    pub days: u32,
    pub role: Option<String>,
    pub indexed_keys: Vec<IndexedKey>,
    pub tags: BTreeMap<String, String>,
    /// A request that comes again with it makes no second memory.
    pub token: Option<String>,
}

/// A change of a memory. None: as it is.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct MemoryChange {
    pub description: Option<String>,
    /// Counts for events that are there too.
    pub days: Option<u32>,
    pub role: Option<String>,
    pub more_keys: Vec<IndexedKey>,
}

impl Recall {
    pub fn new(around: Around) -> Self {
        Self { inner: Arc::new(Inner { around, turns: [(); TURNS].map(|()| RwLock::default()) }) }
    }

    /// `Wrong`: a name that is taken, a token that came with another request; `Full`: too many.
    pub async fn create(&self, project: &ProjectId, new: NewMemory) -> Result<Memory, Trouble> {
        let Inner { around, .. } = &*self.inner;
        let _one_at_a_time = self.inner.alone(project, "").await;
        let request = digest_of(&new);
        let asked = new.token.as_ref().map(|token| digest(&[token]));
        if let Some(found) = self.asked(project, asked.as_deref(), &request).await? {
            return Ok(found);
        }
        let page = rows::newest(&*around.store, project, MEMORIES, None, limits::MEMORIES).await?;
        if page.is_some_and(|(rows, _)| rows.len() >= limits::MEMORIES) {
            return Err(Trouble::Full(format!("A project may have at most {} memories.", limits::MEMORIES)));
        }
        let now = around.clock.now();
        let memory = Memory {
            id: format!("{}-{}", new.name, self.suffix()),
            name: new.name,
            description: new.description,
            days: new.days,
            role: new.role,
            indexed_keys: with_keys(Vec::new(), new.indexed_keys)?,
            tags: new.tags,
            created_at: now,
            updated_at: now,
            asked,
        };
        let mut puts = vec![
            (rows::row(MEMORIES, &memory.id, now, &memory)?, true),
            (rows::row(NAMES, &memory.name, now, &memory.id)?, true),
        ];
        if let Some(asked) = &memory.asked {
            let body = Asked { memory: memory.id.clone(), digest: request };
            puts.push((rows::row(ASKED, asked, now, &body)?, true));
        }
        let change = RowsChange { at: now, puts, ..RowsChange::default() };
        match around.store.change_rows(project, change).await {
            Err(Error::Exists) => {
                let text = format!("Memory with name {} already exists.", memory.name);
                Err(Trouble::because(Reason::Conflict, text))
            }
            done => Ok(done.map(|()| memory)?),
        }
    }

    /// The memory that this request has made before.
    async fn asked(&self, project: &ProjectId, asked: Option<&str>, request: &str) -> Result<Option<Memory>, Trouble> {
        let Some(asked) = asked else { return Ok(None) };
        match rows::read::<Asked>(&*self.inner.around.store, project, ASKED, asked).await? {
            None => Ok(None),
            Some(found) if found.digest == request => self.inner.memory(project, &found.memory).await.map(Some),
            Some(_) => {
                let text = "The clientToken was used before, with other parameters.";
                Err(Trouble::because(Reason::Repeated, text))
            }
        }
    }

    fn suffix(&self) -> String {
        let mut bytes = [0_u8; SUFFIX];
        self.inner.around.entropy.fill(&mut bytes);
        let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        bytes.iter().map(|byte| char::from(letters[usize::from(*byte) % letters.len()])).collect()
    }

    pub async fn memory(&self, project: &ProjectId, id: &str) -> Result<Memory, Trouble> {
        self.inner.memory(project, id).await
    }

    /// Newest first.
    pub async fn memories(
        &self,
        project: &ProjectId,
        limit: usize,
        token: Option<&str>,
    ) -> Result<Listed<Memory>, Trouble> {
        let list = ["memories", project.as_str()];
        let after = Cursor::read(&list, token)?.map(|cursor| cursor.after);
        let page = rows::newest(&*self.inner.around.store, project, MEMORIES, after, limit).await?;
        let (found, more) = page.ok_or_else(cursor::unknown)?;
        let next = found.last().filter(|_| more).map(|row| Cursor::token(&list, &row.id, 0));
        Ok(Listed { data: found.iter().map(rows::body).collect::<Result<_, _>>()?, next })
    }

    pub async fn update(&self, project: &ProjectId, id: &str, change: MemoryChange) -> Result<Memory, Trouble> {
        let _one_at_a_time = self.inner.alone(project, id).await;
        let mut memory = self.inner.memory(project, id).await?;
        memory.description = change.description.or(memory.description);
        memory.role = change.role.or(memory.role);
        memory.days = change.days.unwrap_or(memory.days);
        memory.indexed_keys = with_keys(memory.indexed_keys, change.more_keys)?;
        memory.updated_at = self.inner.around.clock.now();
        let row = rows::row(MEMORIES, id, memory.created_at, &memory)?;
        self.inner.around.store.put_row(project, row, false).await?;
        Ok(memory)
    }

    /// It is gone with the answer; its events are erased after it.
    pub async fn delete(&self, project: &ProjectId, id: &str) -> Result<(), Trouble> {
        let Inner { around, .. } = &*self.inner;
        {
            let _nobody_writes = self.inner.alone(project, id).await;
            let memory = self.inner.memory(project, id).await?;
            let mut erases = vec![(MEMORIES.to_owned(), memory.id), (NAMES.to_owned(), memory.name)];
            erases.extend(memory.asked.map(|asked| (ASKED.to_owned(), asked)));
            let now = around.clock.now();
            let puts = vec![(rows::row(DOOMED, id, now, &There {})?, true)];
            around.store.change_rows(project, RowsChange { at: now, puts, erases, ..RowsChange::default() }).await?;
        }
        let (recall, project, id) = (self.clone(), project.clone(), id.to_owned());
        around.spawn.spawn(
            "recall: a deleted memory",
            Box::pin(async move {
                if let Err(error) = recall.erase(&project, &id).await {
                    tracing::warn!(%error, "events of a deleted memory stay until the next sweep");
                }
            }),
        );
        Ok(())
    }
}

impl Inner {
    pub(crate) async fn memory(&self, project: &ProjectId, id: &str) -> Result<Memory, Trouble> {
        rows::read(&*self.around.store, project, MEMORIES, id).await?.ok_or_else(|| missing(id))
    }

    pub(crate) async fn together(&self, project: &ProjectId, memory: &str) -> RwLockReadGuard<'_, ()> {
        self.turn(project, memory).read().await
    }

    pub(crate) async fn alone(&self, project: &ProjectId, memory: &str) -> RwLockWriteGuard<'_, ()> {
        self.turn(project, memory).write().await
    }

    fn turn(&self, project: &ProjectId, memory: &str) -> &RwLock<()> {
        let named = digest(&[project.as_str(), memory]);
        let place = named.bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte)));
        &self.turns[place % TURNS]
    }

    /// Hex digits that nobody can guess.
    pub(crate) fn chance<const BYTES: usize>(&self) -> String {
        let mut bytes = [0_u8; BYTES];
        self.around.entropy.fill(&mut bytes);
        hex(&bytes)
    }
}

fn missing(id: &str) -> Trouble {
    let id: String = id.chars().take(200).collect();
    Trouble::Missing(format!("Resource not found: memory {id}."))
}

fn with_keys(mut keys: Vec<IndexedKey>, more: Vec<IndexedKey>) -> Result<Vec<IndexedKey>, Trouble> {
    for key in more {
        match keys.iter().find(|known| known.key == key.key) {
            Some(known) if known.kind == key.kind => {}
            Some(_) => {
                let text = format!("The indexed key '{}' has another type already.", key.key);
                return Err(Trouble::because(Reason::Conflict, text));
            }
            None => keys.push(key),
        }
    }
    if keys.len() > KEYS {
        return Err(Trouble::wrong("indexedKeys", format!("A memory has at most {KEYS} indexed keys.")));
    }
    Ok(keys)
}

fn digest_of(new: &NewMemory) -> String {
    let NewMemory { name, description, days, role, indexed_keys, tags, token: _ } = new;
    let all = serde_json::json!([name, description, days, role, indexed_keys, tags]);
    digest(&[&all.to_string()])
}
