//! The grammar over a vocabulary, for one answer: which tokens may come next.
//!
//! It never lets an answer get so far that the tokens that are left would not do to end it.

use super::super::constraint::{Constraint, ConstraintError};
use super::machine::{Machine, Ways};
use super::names::Names;
use super::node::NodeId;
use super::tokens::Tokens;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Masks that are kept: 6 KiB each for a vocabulary of 49,152.
const MOST_MASKS: usize = 256;

pub(super) struct Rule {
    machine: Machine,
    tokens: Arc<Tokens>,
    ways: Ways,
    /// Tokens that may still come; None: no answer is short enough, so that it may break off.
    left: Option<u64>,
    /// Names in the objects that are open, so that none is written twice. None: the schema spells them all.
    names: Option<Names>,
    mask: Vec<u32>,
    known: BTreeMap<Ways, Known>,
}

/// The tokens that may come in one place, whatever is left.
struct Known {
    mask: Vec<u32>,
    /// What must be left after the token that then needs the most.
    needs: u64,
}

impl Rule {
    pub fn new(mut machine: Machine, start: NodeId, tokens: Arc<Tokens>, most: u64) -> Self {
        let ways = machine.start(start);
        let left = Some(most).filter(|most| u64::from(machine.least(ways)) <= *most);
        let names = machine.invents_names().then(Names::default);
        let mask = vec![0; tokens.count().div_ceil(32)];
        Self { machine, tokens, ways, left, names, mask, known: BTreeMap::new() }
    }

    /// Works the mask out, without regard to names.
    fn look(&mut self) {
        let limit = self.left.map_or(u64::MAX, |left| left.saturating_sub(1));
        if let Some(known) = self.known.get(&self.ways).filter(|known| known.needs <= limit) {
            self.mask.clone_from(&known.mask);
            return;
        }
        self.mask.fill(0);
        let mut needs = 0;
        let Self { machine, tokens, mask, .. } = self;
        for (token, ways) in tokens.walk(self.ways, |ways, byte| machine.step(ways, byte)) {
            let least = u64::from(machine.least(ways));
            needs = needs.max(least);
            if least <= limit {
                allow(mask, token);
            }
        }
        if machine.may_end(self.ways) {
            tokens.endings().iter().for_each(|token| allow(mask, *token));
        }
        if needs <= limit && self.known.len() < MOST_MASKS {
            self.known.insert(self.ways, Known { mask: self.mask.clone(), needs });
        }
    }

    /// Takes out what would write a name a second time, unless nothing else may be written.
    fn forbid_known_names(&mut self) {
        let Some(names) = self.names.as_ref().filter(|names| names.has_any()) else { return };
        if self.machine.is_words(self.ways) {
            return;
        }
        let is_allowed = |token: u32| self.mask[token as usize / 32] >> (token % 32) & 1 == 1;
        let doubles = |token: u32| !names.clone().read_all(self.tokens.piece(token));
        let quoting = self.tokens.quoting().iter().copied();
        let doubled: Vec<u32> = quoting.filter(|token| is_allowed(*token) && doubles(*token)).collect();
        let before = if doubled.is_empty() { return } else { self.mask.clone() };
        for token in doubled {
            self.mask[token as usize / 32] &= !(1 << (token % 32));
        }
        if self.mask.iter().all(|word| *word == 0) {
            self.mask = before;
        }
    }
}

fn allow(mask: &mut [u32], token: u32) {
    if let Some(word) = mask.get_mut(token as usize / 32) {
        *word |= 1 << (token % 32);
    }
}

impl Constraint for Rule {
    fn mask(&mut self) -> Result<Option<&[u32]>, ConstraintError> {
        if let Some(ways) = self.machine.tidy(self.ways) {
            self.ways = ways;
            self.known.clear();
        }
        self.look();
        self.forbid_known_names();
        if self.mask.iter().all(|word| *word == 0) {
            return Err(ConstraintError("no token of the vocabulary goes on as the grammar asks".to_owned()));
        }
        Ok(Some(&self.mask))
    }

    fn take(&mut self, token: u32) -> Result<bool, ConstraintError> {
        if self.tokens.endings().contains(&token) {
            return match self.machine.may_end(self.ways) {
                true => Ok(true),
                false => Err(ConstraintError("the answer ended before the grammar let it".to_owned())),
            };
        }
        for byte in self.tokens.piece(token) {
            if let Some(names) = self.names.as_mut().filter(|_| !self.machine.is_words(self.ways)) {
                names.read(*byte);
            }
            self.ways = self
                .machine
                .step(self.ways, *byte)
                .ok_or_else(|| ConstraintError(format!("token {token} is not what the grammar asks for")))?;
        }
        self.left = self.left.map(|left| left.saturating_sub(1));
        let is_over = self.left == Some(0) && !self.machine.is_words(self.ways);
        Ok(self.machine.must_end(self.ways) || is_over && self.machine.may_end(self.ways))
    }
}
