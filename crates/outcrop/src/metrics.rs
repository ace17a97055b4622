//! `/metrics`: numbers in Prometheus' text form. Labels come from small closed sets (routes as they are written in the
//! router, configured model names), never from what a client sent.

use api::Traffic;
use runtime::{Activity, ModelCounters};
use std::collections::BTreeMap;
use std::fmt::Write;

/// As `Content-Type` names it.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The text form, version 0.0.4.
pub fn text(traffic: &Traffic, activities: &[Activity]) -> String {
    let mut out = String::new();
    family(&mut out, "outcrop_build_info", "gauge", "The version that runs.");
    sample(&mut out, "outcrop_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    family(&mut out, "outcrop_streams_open", "gauge", "Event streams that are open.");
    sample(&mut out, "outcrop_streams_open", &[], traffic.streams());
    family(&mut out, "outcrop_sessions_active", "gauge", "Sessions in memory.");
    sample(&mut out, "outcrop_sessions_active", &[], sum(activities, |activity| activity.active_sessions));
    family(&mut out, "outcrop_sessions_running", "gauge", "Sessions with a model call under way.");
    sample(&mut out, "outcrop_sessions_running", &[], sum(activities, |activity| activity.running_sessions));
    requests(&mut out, traffic);
    models(&mut out, activities);
    out
}

fn sum(activities: &[Activity], of: impl Fn(&Activity) -> usize) -> usize {
    activities.iter().map(of).sum()
}

fn requests(out: &mut String, traffic: &Traffic) {
    let mut classes: BTreeMap<_, (u64, f64)> = BTreeMap::new();
    for answered in traffic.answers() {
        let key = (answered.route, answered.method, format!("{}xx", answered.status / 100));
        let (count, seconds) = classes.entry(key).or_default();
        *count += answered.count;
        *seconds += answered.total.as_secs_f64();
    }
    let (requests, time) = ("outcrop_http_requests_total", "outcrop_http_request_seconds_total");
    family(out, requests, "counter", "Requests answered, by route and class of status.");
    for ((route, method, status), (count, _)) in &classes {
        sample(out, requests, &[("method", method), ("route", route), ("status", status)], count);
    }
    family(out, time, "counter", "Time until they were answered; for streams, until they began.");
    for ((route, method, status), (_, seconds)) in &classes {
        sample(out, time, &[("method", method), ("route", route), ("status", status)], seconds);
    }
}

fn models(out: &mut String, activities: &[Activity]) {
    let mut models: BTreeMap<&str, ModelCounters> = BTreeMap::new();
    for (model, counters) in activities.iter().flat_map(|activity| &activity.models) {
        let sum = models.entry(model).or_default();
        sum.answered += counters.answered;
        sum.failed += counters.failed;
        sum.usage = sum.usage.plus(counters.usage);
    }
    let (calls, tokens) = ("outcrop_model_calls_total", "outcrop_model_tokens_total");
    family(out, calls, "counter", "Model calls that ended, by how.");
    for (model, counters) in &models {
        for (outcome, count) in [("answered", counters.answered), ("failed", counters.failed)] {
            sample(out, calls, &[("model", model), ("outcome", outcome)], count);
        }
    }
    family(out, tokens, "counter", "Tokens, as providers counted them.");
    for (model, counters) in &models {
        for (kind, count) in [
            ("input", counters.usage.input_tokens),
            ("cached_input", counters.usage.cached_tokens),
            ("output", counters.usage.output_tokens),
            ("reasoning", counters.usage.reasoning_tokens),
        ] {
            sample(out, tokens, &[("model", model), ("kind", kind)], count);
        }
    }
}

fn family(out: &mut String, name: &str, kind: &str, help: &str) {
    // Writing to a string cannot fail, here and below.
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn sample(out: &mut String, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
    out.push_str(name);
    for (index, (label, text)) in labels.iter().enumerate() {
        let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let _ = write!(out, "{}{label}=\"{text}\"", if index == 0 { '{' } else { ',' });
    }
    let _ = writeln!(out, "{} {value}", if labels.is_empty() { "" } else { "}" });
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::Usage;

    #[test]
    fn the_text_has_every_number_and_harmless_labels() {
        let usage = Usage { input_tokens: 5, output_tokens: 7, ..Usage::default() };
        let counters = ModelCounters { answered: 2, failed: 1, usage };
        let models = [("a\"b\\\n".to_owned(), counters)].into();
        let activity = Activity { active_sessions: 3, running_sessions: 1, models };
        let text = text(&Traffic::default(), &[activity.clone(), activity]);
        for line in [
            "outcrop_streams_open 0",
            "outcrop_sessions_active 6",
            "outcrop_sessions_running 2",
            "outcrop_model_calls_total{model=\"a\\\"b\\\\\\n\",outcome=\"answered\"} 4",
            "outcrop_model_calls_total{model=\"a\\\"b\\\\\\n\",outcome=\"failed\"} 2",
            "outcrop_model_tokens_total{model=\"a\\\"b\\\\\\n\",kind=\"output\"} 14",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
