//! Searches as a model asks for them.

use super::*;
use crate::stage;

fn function(name: &str, description: &str, deferred: bool) -> Tool {
    let parameters = json!({"type": "object", "properties": {"place": {"type": "object", "properties": {
        "latitude": {"type": "number", "description": "degrees north"}}}}});
    Tool::Function {
        name: name.to_owned(),
        description: description.to_owned(),
        parameters: parameters.as_object().cloned().unwrap(),
        defer_loading: deferred,
        is_async: None,
        strict: None,
    }
}

fn remote(name: &str, description: &str, deferred: bool) -> OfferedTool {
    OfferedTool { name: name.to_owned(), description: description.to_owned(), deferred, ..OfferedTool::default() }
}

fn found(search: &Search, request: &ToolRequest) -> Vec<String> {
    match search.perform(request) {
        ToolOutcome::Found(found) => found.names,
        other => panic!("{other:?}"),
    }
}

fn request(arguments: &str) -> ToolRequest {
    let mut request = stage::request(NAME, arguments);
    let settings = Arc::make_mut(&mut request.settings);
    settings.agent.tools = vec![
        Tool::ToolSearch,
        function("weather", "Tells the weather.", true),
        function("shown", "Tells the weather of yesterday.", false),
    ];
    let tools = vec![remote("a__mail", "Sends a mail.\n\nAnd more.", true), remote("a__shown", "mail", false)];
    request.offer = Arc::new(Offer { tools, instructions: None });
    request
}

#[test]
fn what_is_kept_back_is_found_by_name_description_and_parameters() {
    let search = Search::default();
    for (arguments, expected) in [
        (r#"{"query":"weather"}"#, vec!["weather"]),
        (r#"{"query":"north"}"#, vec!["weather"]),
        (r#"{"query":"LATITUDE","limit":1.0}"#, vec!["weather"]),
        (r#"{"query":"send mails"}"#, vec!["a__mail"]),
        (r#"{"query":"mail weather","limit":1}"#, vec!["a__mail"]),
        (r#"{"query":"mail weather","limit":-3}"#, vec!["a__mail"]),
        (r#"{"query":"something else"}"#, vec![]),
    ] {
        assert_eq!(found(&search, &request(arguments)), expected, "{arguments}");
    }
    assert!(matches!(search.perform(&request(r#"{"limit":1}"#)), ToolOutcome::Failed(_)));
}

#[test]
fn the_model_is_told_one_line_of_each() {
    let ToolOutcome::Found(found) = Search::default().perform(&request(r#"{"query":"mail"}"#)) else {
        panic!("not found")
    };
    assert_eq!(found.told, "These tools can be called from now on:\n- a__mail: Sends a mail.\n");
}

#[test]
fn an_index_is_used_again_until_something_changes() {
    let search = Search::default();
    let first = request(r#"{"query":"mail"}"#);
    let (one, two) = (search.shelf(&first), search.shelf(&first));
    assert!(Arc::ptr_eq(&one, &two));
    let changed = ToolRequest { offer: Arc::new(Offer::default()), ..first.clone() };
    assert!(found(&search, &changed).is_empty());
    search.forget(&first.session);
    assert!(search.lock().is_empty());
    for number in 0..MAX_INDEXES + 10 {
        search.shelf(&ToolRequest { session: SessionId::new(format!("sess_{number}")), ..first.clone() });
    }
    assert_eq!(search.lock().len(), MAX_INDEXES);
}
