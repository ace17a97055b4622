//! Cases of the gate.

use super::decide;
use types::{
    Attempt, Class, Consent, Effect, EffectId, MicroUsd, ModelRules, Price, Reservation, Rules, SessionId, Standing,
    Timestamp, TurnId, Verdict,
};

fn rules() -> Rules {
    let mut rules = Rules::default();
    let priced = ModelRules {
        price: Price { input: 1000, cached_input: 0, output: 2000 },
        context_tokens: Some(1000),
        max_output_tokens: Some(100),
        ..ModelRules::default()
    };
    rules.models.insert("priced".to_owned(), priced);
    rules.models.insert("free".to_owned(), ModelRules::default());
    rules
}

fn ask(rules: &Rules, model: &str, model_calls: u32, context_tokens: u64) -> Verdict {
    let effect = Effect::ModelCall {
        id: EffectId(1),
        attempt: Attempt(1),
        turn: TurnId::new("turn_1"),
        model: model.to_owned(),
        not_before: None,
    };
    let standing = Standing { session: SessionId::new("sess_1"), model_calls, context_tokens };
    decide(rules, &standing, &effect)
}

fn code(verdict: Verdict) -> String {
    match verdict {
        Verdict::Deny { code, .. } => code,
        Verdict::Ask => "ask".to_owned(),
        Verdict::Permit { reserve } => format!("permit {}", reserve.len()),
    }
}

#[test]
fn cases() {
    let rules = rules();
    for (model, calls, tokens, expected) in [
        ("free", 0, 0, "permit 0"),
        ("free", 199, 1_000_000, "permit 0"),
        ("free", 200, 0, "session_budget_exceeded"),
        ("priced", 0, 1000, "permit 1"),
        ("priced", 0, 1001, "context_length_exceeded"),
        ("unknown", 0, 0, "resource_not_found"),
    ] {
        assert_eq!(code(ask(&rules, model, calls, tokens)), expected, "{model} {calls} {tokens}");
    }
}

#[test]
fn a_reservation_is_the_most_that_the_call_may_cost() {
    let expected = Reservation { account: "session:sess_1".to_owned(), amount: MicroUsd(500 + 200) };
    assert_eq!(ask(&rules(), "priced", 0, 500), Verdict::Permit { reserve: vec![expected] });
}

#[test]
fn a_wildcard_answers_every_other_name() {
    let mut rules = rules();
    rules.models.insert("*".to_owned(), ModelRules::default());
    assert_eq!(code(ask(&rules, "unknown", 0, 0)), "permit 0");
}

#[test]
fn time_needs_no_leave() {
    let effect = Effect::TurnDeadline { turn: TurnId::new("turn_1"), at: Timestamp(1) };
    let standing = Standing { session: SessionId::new("sess_1"), model_calls: 999, context_tokens: 9 };
    assert_eq!(decide(&Rules::default(), &standing, &effect), Verdict::Permit { reserve: Vec::new() });
}

#[test]
fn a_turn_makes_so_many_tool_calls_and_no_more() {
    let mut rules = Rules::default();
    rules.limits.tool_calls_per_turn = 2;
    let standing = Standing { session: SessionId::new("sess_1"), model_calls: 999, context_tokens: 9 };
    let (id, attempt, turn) = (EffectId(1), Attempt(1), TurnId::new("turn_1"));
    let ask = |nth| {
        let (class, turn, consent) = (Class::Irreversible, turn.clone(), Consent::NotNeeded);
        code(decide(&rules, &standing, &Effect::ToolCall { id, attempt, turn, class, nth, attach: false, consent }))
    };
    assert_eq!([ask(1), ask(2), ask(3)], ["permit 0", "permit 0", "session_budget_exceeded"]);
}

#[test]
fn whoever_must_be_asked_first_is() {
    let mut rules = Rules::default();
    rules.limits.tool_calls_per_turn = 1;
    let standing = Standing { session: SessionId::new("sess_1"), model_calls: 0, context_tokens: 0 };
    let (id, attempt) = (EffectId(1), Attempt(1));
    let decided = |nth, consent| {
        let (class, turn) = (Class::Pure, TurnId::new("turn_1"));
        code(decide(&rules, &standing, &Effect::ToolCall { id, attempt, turn, class, nth, attach: false, consent }))
    };
    let verdicts = [Consent::NotNeeded, Consent::Missing, Consent::Given].map(|consent| decided(1, consent));
    assert_eq!(verdicts, ["permit 0", "ask", "permit 0"]);
    // Nobody is asked about what is not made anyway.
    assert_eq!(decided(2, Consent::Missing), "session_budget_exceeded");
}

#[test]
fn a_review_is_reserved_for_what_it_is_shown() {
    let effect = |model: &str, tokens| Effect::Review {
        id: EffectId(2),
        attempt: Attempt(1),
        turn: TurnId::new("turn_1"),
        model: model.to_owned(),
        not_before: None,
        of: EffectId(1),
        tokens,
    };
    let standing = Standing { session: SessionId::new("sess_1"), model_calls: 0, context_tokens: 1_000_000 };
    let expected = Reservation { account: "session:sess_1".to_owned(), amount: MicroUsd(500 + 200) };
    assert_eq!(decide(&rules(), &standing, &effect("priced", 500)), Verdict::Permit { reserve: vec![expected] });
    assert_eq!(code(decide(&rules(), &standing, &effect("priced", 2000))), "context_length_exceeded");
    assert_eq!(code(decide(&rules(), &standing, &effect("nobody", 1))), "resource_not_found");
}
