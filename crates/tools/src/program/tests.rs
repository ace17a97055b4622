//! Which functions programs have, and what comes back of them. The interpreter itself is tested in its own crate.

use super::*;
use crate::stage;

fn function(name: &str, deferred: bool) -> Tool {
    Tool::Function {
        name: name.into(),
        description: format!("Does {name}."),
        parameters: json!({"type": "object", "properties": {"a": {"type": "string"}}}).as_object().cloned().unwrap(),
        defer_loading: deferred,
        is_async: None,
        strict: None,
    }
}

fn offered(name: &str, kind: ToolKind, deferred: bool) -> OfferedTool {
    OfferedTool { name: name.into(), kind, deferred, ..OfferedTool::default() }
}

#[test]
fn what_must_be_searched_for_is_not_described_and_can_be_called() {
    let mut settings = stage::settings();
    settings.agent.tools = vec![function("late", true), function("own", false), Tool::ToolSearch];
    let tools = vec![
        offered("own", ToolKind::Remote, false),
        offered("a__t", ToolKind::Remote, true),
        offered("shell", ToolKind::Remote, false),
        offered("tool_search", ToolKind::ToolSearch, false),
        offered(NAME, ToolKind::Program, false),
    ];
    let (shown, kept_back) = functions(&settings, &tools);
    let names = |list: &[Callable<'_>]| list.iter().map(|one| one.name.to_owned()).collect::<Vec<_>>();
    assert_eq!(
        (names(&shown), names(&kept_back)),
        (vec!["own".into(), "shell".into()], vec!["late".into(), "a__t".into()])
    );
    settings.agent.tools.pop();
    assert_eq!(functions(&settings, &tools).1.len(), 0);
    let described = tool(&settings, &tools, usize::MAX).description;
    assert!(described.contains("own(") && described.contains("a__t("), "{described}");
}

#[test]
fn what_is_told_of_functions_is_bounded() {
    let mut settings = stage::settings();
    settings.agent.tools = (0..2000).map(|number| function(&format!("f{number}"), false)).collect();
    let described = tool(&settings, &[], usize::MAX).description;
    assert!(described.len() < 2 * MAX_DESCRIBED && described.contains("f0(") && !described.contains("f1999("));
}

#[test]
fn results_are_what_json_says() {
    for (text, expected) in [
        ("{\"a\": [1]}", json!({"a": [1]})),
        ("3", json!(3)),
        ("123456789012345678901234567890", json!("123456789012345678901234567890")),
        ("007", json!("007")),
        ("plain", json!("plain")),
        ("", json!("")),
        ("null", Value::Null),
    ] {
        assert_eq!(value(&CallOutput::Text(text.into())), expected, "{text}");
    }
    let parts = vec![Content::Text { text: "a".into() }, Content::Image { image_url: "data:x".into() }];
    assert_eq!(value(&CallOutput::Parts(parts)), json!("a\n[an image]"));
}

#[test]
fn all_that_was_printed_comes_back_with_the_last_value() {
    let ran = |outcome| match told(outcome, "one\n") {
        ToolOutcome::Ran(result) => (result.told, result.exit_code),
        other => panic!("{other:?}"),
    };
    let done = Outcome::Done { value: Some("3".into()), printed: "two".into() };
    assert_eq!(ran(done), ("one\ntwo\n3".into(), Some(0)));
    let raised = Outcome::Raised { traceback: "ValueError: x".into(), printed: String::new() };
    assert_eq!(ran(raised), ("one\nValueError: x".into(), Some(1)));
    let paused = Outcome::Paused { snapshot: vec![1, 2], printed: "two".into(), calls: Vec::new() };
    let ToolOutcome::Paused(pause) = told(paused, "one\n") else { panic!("not paused") };
    assert_eq!((pause.printed.as_str(), &*pause.snapshot), ("one\ntwo", "AQI="));
    let resume = Resume { snapshot: pause.snapshot, printed: pause.printed, results: vec![(7, Err("no".into()))] };
    assert_eq!(go_on(&resume), Some(Step::Resume { snapshot: vec![1, 2], results: vec![(7, Err("no".into()))] }));
}
