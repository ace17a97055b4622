//! Consent to calls, and outcomes that operators have settled, as the ledger tells of them.

use super::{EffectKind, EffectState, Entry, Ledger, Problem};
use types::{
    ApprovalAnswered, ApprovalAsked, Approver, Class, Decider, Decision, EffectId, RequestId, Settlement, Timestamp,
};

/// The request for consent to a call, and what was said to it.
#[derive(Clone, PartialEq, Debug)]
pub struct Consented {
    pub request: RequestId,
    pub digest: String,
    pub by: Approver,
    pub asked_at: Timestamp,
    pub expires_at: Timestamp,
    pub changed: bool,
    /// The effect that is a model's review.
    pub review: Option<EffectId>,
    /// None while it is open, or where its call ended first.
    pub answer: Option<Consent>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Consent {
    pub decision: Decision,
    pub by: Decider,
    pub at: Timestamp,
    pub reason: Option<String>,
}

/// An operator's word.
#[derive(Clone, PartialEq, Debug)]
pub struct Settled {
    pub at: Timestamp,
    pub by: Option<String>,
    pub committed: bool,
    /// Its beginning, where it is long.
    pub said: String,
}

impl Ledger {
    pub(super) fn asked(&mut self, asked: &ApprovalAsked, at: Timestamp) {
        let entry = self.of(asked.effect, &asked.turn);
        entry.approval = Some(Consented {
            request: asked.request.clone(),
            digest: asked.digest.clone(),
            by: asked.by,
            asked_at: at,
            expires_at: asked.expires,
            changed: asked.changed,
            review: asked.review.as_ref().map(|review| review.effect),
            answer: None,
        });
        if let Some(review) = &asked.review {
            let (class, state) = (Class::Repeatable, EffectState::Intended);
            let entry = Entry {
                turn: Some(asked.turn.clone()),
                name: Some(review.model.clone()),
                ..Entry::new(review.effect, EffectKind::Review, class, state)
            };
            self.entries.insert(review.effect, entry);
        }
    }

    pub(super) fn answered(&mut self, answered: &ApprovalAnswered, at: Timestamp) {
        let (decision, by, reason) = (answered.decision, answered.by, answered.reason.clone());
        let entry = self.of(answered.effect, &answered.turn);
        let Some(approval) = &mut entry.approval else { return };
        approval.answer = Some(Consent { decision, by, at, reason: reason.clone() });
        let review = approval.review;
        // A review that was never made has no outcome of its own.
        if let Some(review) = review.and_then(|review| self.entries.get_mut(&review))
            && review.ended_at.is_none()
        {
            let why = reason.unwrap_or_default();
            review.end(EffectState::Failed, at, Some(Problem::new("not_reviewed", &why)));
        }
    }

    pub(super) fn settled(&mut self, effect: EffectId, outcome: &Settlement, by: Option<String>, at: Timestamp) {
        let Some(entry) = self.entries.get_mut(&effect) else { return };
        let committed = matches!(outcome, Settlement::Committed(_));
        let said = Problem::new("settled", outcome.text()).message;
        let error = (!committed).then(|| Problem::new("settled", outcome.text()));
        entry.settled = Some(Settled { at, by, committed, said });
        if entry.state == EffectState::Unknown {
            entry.end(EffectState::Reconciled, at, error);
        }
    }
}
