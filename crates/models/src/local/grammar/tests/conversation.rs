//! How functions, calls and results stand in the prompt.

use super::union::request;
use crate::local::conversation::{Turn, turns};
use types::{CallId, CallOutput, Content, ContextItem, TextFormat, ToolChoice};

fn context() -> Vec<ContextItem> {
    let call = |id: &str, name: &str, arguments: &str| ContextItem::Call {
        call_id: CallId::from(id),
        name: name.to_owned(),
        arguments: arguments.to_owned(),
        custom: false,
    };
    let output = |id: &str, text: &str| ContextItem::Output {
        call_id: CallId::from(id),
        output: CallOutput::Text(text.to_owned()),
    };
    vec![
        ContextItem::User { content: vec![Content::Text { text: "Paris?".to_owned() }] },
        ContextItem::Assistant { text: "Let me see.".to_owned() },
        call("a", "weather", r#"{"city": "Paris"}"#),
        call("b", "time", "{}"),
        output("a", "18 degrees"),
        output("b", "noon"),
        ContextItem::Assistant { text: "Warm.".to_owned() },
    ]
}

#[test]
fn calls_are_written_as_the_model_writes_them() {
    let mut asked = request(ToolChoice::Auto, TextFormat::Text);
    asked.instructions = Some("Be brief.".to_owned());
    asked.context = context().into();
    let told = turns(&asked).unwrap();
    let system = &told[0];
    assert!(system.role == "system" && system.content.starts_with("Be brief.\n\nYou can call functions."));
    let turn = |role, content: &str| Turn { role, content: content.to_owned() };
    let written = r#"<tool_call>[{"name": "weather", "arguments": {"city": "Paris"}}, {"name": "time", "arguments": {}}]</tool_call>"#;
    let results =
        "<tool_response>\nweather: 18 degrees\n</tool_response>\n<tool_response>\ntime: noon\n</tool_response>";
    let expected = [
        turn("user", "Paris?"),
        turn("assistant", &format!("Let me see.\n{written}")),
        turn("user", results),
        turn("assistant", "Warm."),
    ];
    assert_eq!(told[1..], expected);
}

#[test]
fn without_functions_calls_are_plain_words() {
    let mut asked = request(ToolChoice::Auto, TextFormat::Text);
    asked.tools = Default::default();
    asked.context = context().into();
    let told = turns(&asked).unwrap();
    assert!(told.iter().all(|turn| turn.role != "system" && !turn.content.contains("<tool")));
    assert!(
        told[1]
            .content
            .ends_with("I call the function weather with {\"city\": \"Paris\"}.\nI call the function time with {}.")
    );
    assert_eq!(told[2].content, "The function weather returned: 18 degrees\nThe function time returned: noon");
}
