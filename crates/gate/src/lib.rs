//! One gate for every effect: may it happen, and what money must be free first. Pure: from the rules and the session's
//! standing alone. Whether an account has the money is the store's answer, in the transaction of the intent; the
//! verdict is a record like everything else.

use types::{Consent, Effect, MicroUsd, ModelRules, Reservation, Rules, Standing, Usage, Verdict};

/// Decides on one effect.
pub fn decide(rules: &Rules, standing: &Standing, effect: &Effect) -> Verdict {
    match effect {
        Effect::ModelCall { model, .. } => model_call(rules, standing, model),
        Effect::ToolCall { nth, consent, .. } => tool_call(rules, *nth, *consent),
        // A review is a model call of its own: it is shown less than the session's context.
        Effect::Review { model, tokens, .. } => {
            let standing = Standing { context_tokens: *tokens, ..standing.clone() };
            model_call(rules, &standing, model)
        }
        // Time needs nobody's leave.
        Effect::TurnDeadline { .. } => Verdict::Permit { reserve: Vec::new() },
    }
}

fn model_call(rules: &Rules, standing: &Standing, name: &str) -> Verdict {
    let Some(model) = rules.model(name) else {
        return deny("resource_not_found", format!("No model named {name:?} is configured."));
    };
    if standing.model_calls >= rules.limits.model_calls_per_turn {
        let calls = rules.limits.model_calls_per_turn;
        return deny(
            "session_budget_exceeded",
            format!("The turn made {calls} model calls, the most that this server allows."),
        );
    }
    if let Some(window) = model.context_tokens.filter(|window| standing.context_tokens > *window) {
        let tokens = standing.context_tokens;
        return deny(
            "context_length_exceeded",
            format!("The conversation has about {tokens} tokens; the model's context window has {window}."),
        );
    }
    Verdict::Permit { reserve: reservations(model, standing) }
}

fn tool_call(rules: &Rules, nth: u32, consent: Consent) -> Verdict {
    let most = rules.limits.tool_calls_per_turn;
    if nth > most {
        return deny(
            "session_budget_exceeded",
            format!("not permitted: the turn made {most} tool calls, the most that this server allows"),
        );
    }
    match consent {
        Consent::Missing => Verdict::Ask,
        Consent::NotNeeded | Consent::Given => Verdict::Permit { reserve: Vec::new() },
    }
}

fn reservations(model: &ModelRules, standing: &Standing) -> Vec<Reservation> {
    if model.price.is_free() {
        return Vec::new();
    }
    let usage = Usage {
        input_tokens: standing.context_tokens,
        output_tokens: model.reserved_output_tokens(),
        ..Usage::default()
    };
    let amount = model.price.cost(&usage).max(MicroUsd(1));
    vec![Reservation { account: format!("session:{}", standing.session), amount }]
}

fn deny(code: &str, message: String) -> Verdict {
    Verdict::Deny { code: code.to_owned(), message }
}

#[cfg(test)]
mod tests;
