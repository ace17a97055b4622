//! Places for steps: so many at the same time, and of one owner at most half of them, so that whoever comes next finds one
//! however long the steps of another take. Those that wait are served in turn over their owners, and first come first
//! served within one. It knows an owner by its name alone.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

pub struct Places {
    shared: Arc<Shared>,
}

struct Shared {
    all: usize,
    each: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    places: usize,
    owners: BTreeMap<String, Owner>,
    /// Who was served last: the next in order comes next.
    last: String,
}

#[derive(Default)]
struct Owner {
    places: usize,
    waiting: VecDeque<oneshot::Sender<Place>>,
}

/// Given back when dropped.
pub struct Place {
    shared: Option<Arc<Shared>>,
    owner: String,
}

impl Places {
    pub fn new(all: usize) -> Self {
        let all = all.max(1);
        Self { shared: Arc::new(Shared { all, each: all.div_ceil(2), taken: Mutex::default() }) }
    }

    /// Waits for a place. Dropping the future gives up the place in the queue.
    pub async fn take(&self, owner: &str) -> Option<Place> {
        let (sender, receiver) = oneshot::channel();
        self.shared.lock().owners.entry(owner.to_owned()).or_default().waiting.push_back(sender);
        self.shared.serve();
        receiver.await.ok()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands out places, outside the lock: a place whose taker has gone comes straight back.
    fn serve(self: &Arc<Self>) {
        loop {
            let Some((taker, owner)) = self.lock().next(self.all, self.each) else { return };
            if let Err(mut place) = taker.send(Place { shared: Some(self.clone()), owner }) {
                // Without serving, or a long queue of those that have gone would be as many calls deep.
                place.give_back();
            }
        }
    }
}

impl Taken {
    fn next(&mut self, all: usize, each: usize) -> Option<(oneshot::Sender<Place>, String)> {
        if self.places >= all {
            return None;
        }
        let may = |owner: &Owner| owner.places < each && !owner.waiting.is_empty();
        let after = self.owners.iter().find(|(name, owner)| **name > self.last && may(owner));
        let name = after.or_else(|| self.owners.iter().find(|(_, owner)| may(owner))).map(|(name, _)| name.clone())?;
        let owner = self.owners.get_mut(&name)?;
        let taker = owner.waiting.pop_front()?;
        owner.places += 1;
        self.places += 1;
        self.last.clone_from(&name);
        Some((taker, name))
    }

    fn free(&mut self, name: &str) {
        self.places -= 1;
        if let Some(owner) = self.owners.get_mut(name) {
            owner.places -= 1;
            if owner.places == 0 && owner.waiting.is_empty() {
                self.owners.remove(name);
            }
        }
    }
}

impl Place {
    fn give_back(&mut self) -> Option<Arc<Shared>> {
        let shared = self.shared.take()?;
        shared.lock().free(&self.owner);
        Some(shared)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(shared) = self.give_back() {
            shared.serve();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};

    type Taking<'a> = Pin<Box<dyn Future<Output = Option<Place>> + 'a>>;

    fn has(taking: &mut Taking<'_>) -> Option<Place> {
        match taking.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(place) => Some(place.unwrap()),
            Poll::Pending => None,
        }
    }

    /// Asks for a place at once.
    fn queue<'a>(places: &'a Places, owner: &'a str) -> Result<Place, Taking<'a>> {
        let mut taking: Taking<'_> = Box::pin(places.take(owner));
        has(&mut taking).ok_or(taking)
    }

    #[test]
    fn one_owner_has_at_most_half() {
        let places = Places::new(4);
        let (first, second) = (queue(&places, "a").ok().unwrap(), queue(&places, "a").ok());
        assert!(second.is_some());
        let mut third = queue(&places, "a").err().unwrap();
        assert!(queue(&places, "b").is_ok(), "another's queue is nothing to it");
        assert!(has(&mut third).is_none());
        drop(first);
        assert!(has(&mut third).is_some());
        assert!(queue(&Places::new(0), "a").is_ok());
    }

    #[test]
    fn owners_take_turns_and_who_has_gone_is_passed_over() {
        let places = Places::new(1);
        let mut running = queue(&places, "a").ok();
        let names = ["a", "a", "a", "b", "c", "b"];
        let mut waiting: Vec<_> = names.iter().map(|name| (*name, queue(&places, name).err().unwrap())).collect();
        drop(waiting.remove(1));
        let mut order = Vec::new();
        while running.take().is_some() {
            let served = waiting.iter_mut().enumerate().find_map(|(at, (_, taking))| Some((at, has(taking)?)));
            if let Some((at, place)) = served {
                order.push(waiting.remove(at).0);
                running = Some(place);
            }
        }
        assert_eq!(order, ["b", "c", "a", "b", "a"]);
        assert!(places.shared.lock().owners.is_empty());
        assert_eq!(places.shared.lock().places, 0);
    }

    #[test]
    fn many_that_have_gone_are_no_depth() {
        let places = Places::new(1);
        let running = queue(&places, "a").ok();
        let waiting: Vec<_> = (0..100_000).map(|_| queue(&places, "b").err()).collect();
        drop(waiting);
        drop(running);
        assert!(queue(&places, "c").is_ok());
        assert!(places.shared.lock().owners.is_empty());
    }
}
