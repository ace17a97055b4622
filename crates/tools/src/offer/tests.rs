//! What servers said, and what a model is offered of it.

use super::*;
use serde_json::json;
use types::McpTransport;

fn server(url: &str) -> McpTool {
    McpTool {
        server_label: "srv".into(),
        transport: McpTransport::Http { server_url: url.into(), headers: BTreeMap::new(), authorization: None },
        allowed_tools: None,
        connection_origin: "service".into(),
        credential_id: None,
        request_metadata: Map::new(),
        required: false,
    }
}

fn remote(name: &str, description: &str, read_only: bool, idempotent: bool) -> Remote {
    remote_of(name, description, &json!({"type": "object", "properties": {"a": {}, "b": {}}}), read_only, idempotent)
}

fn remote_of(name: &str, description: &str, schema: &Value, read_only: bool, idempotent: bool) -> Remote {
    let parameters = schema.as_object().unwrap();
    Remote::of(&server("u"), &Words { name, title: None, description, parameters, read_only, idempotent })
}

fn offered(server: &McpTool, metadata: &Metadata, last: &Offer, said: Said) -> Offer {
    let mut tools = Shelf { server, last }.tools(said);
    consented(&mut tools, &[server], metadata, &Policy::default());
    Offer { tools: named(tools, last, Names::beside(["f"])), instructions: None }
}

fn said(tools: Vec<Remote>) -> Said {
    Said::Tools(Arc::new(tools))
}

fn silence() -> Said {
    Said::Silence(Silence::new(Why::Unreachable, "gone"))
}

fn first() -> Offer {
    let tools = vec![remote("write", "Writes.", false, false), remote("read", "Reads.", true, false)];
    offered(&server("u"), &Metadata::new(), &Offer::default(), said(tools))
}

#[test]
fn hints_decide_the_class_and_the_consent() {
    for (read_only, idempotent, class, approval) in [
        (false, false, Class::Irreversible, Approval::Person),
        (false, true, Class::Idempotent, Approval::Person),
        (true, false, Class::Idempotent, Approval::None),
    ] {
        let said = said(vec![remote("t", "d", read_only, idempotent)]);
        let offer = offered(&server("u"), &Metadata::new(), &Offer::default(), said);
        let tool = &offer.tools[0];
        assert_eq!((tool.class, tool.approval), (class, approval));
        assert_eq!(
            (tool.name.as_str(), tool.remote.as_deref(), tool.server_label.as_str()),
            ("srv__t", Some("t"), "srv")
        );
        assert_eq!(tool.description, "Of the MCP server \"srv\": d");
    }
}

#[test]
fn an_offer_is_the_same_whatever_order_the_server_has() {
    let offer = first();
    assert_eq!(offer.tools.iter().map(|tool| tool.name.as_str()).collect::<Vec<_>>(), ["srv__read", "srv__write"]);
    let turned = json!({"properties": {"b": {}, "a": {}}, "type": "object"});
    let tools = vec![remote_of("read", "Reads.", &turned, true, false), remote("write", "Writes.", false, false)];
    let again = offered(&server("u"), &Metadata::new(), &offer, said(tools));
    assert_eq!(serde_json::to_string(&again).unwrap(), serde_json::to_string(&offer).unwrap());
}

#[test]
fn whatever_a_server_says_anew_changes_the_pin() {
    let pin = |tool: Remote| {
        let said = said(vec![tool]);
        offered(&server("u"), &Metadata::new(), &Offer::default(), said).tools[0].pin.clone().unwrap()
    };
    let plain = pin(remote("t", "d", false, false));
    for other in [
        remote("t", "other", false, false),
        remote("t", "d", true, false),
        remote("t", "d", false, true),
        remote("u", "d", false, false),
    ] {
        assert_ne!(pin(other), plain);
    }
}

#[test]
fn a_silent_server_keeps_its_tools_and_another_one_gets_none_of_them() {
    let offer = first();
    let silent = |url: &str| offered(&server(url), &Metadata::new(), &offer, silence());
    assert_eq!(silent("u"), offer);
    assert!(silent("elsewhere").tools.is_empty());
    let metadata = Metadata::from([("approvals.srv".to_owned(), "always".to_owned())]);
    let kept = offered(&server("u"), &metadata, &offer, Said::Unasked);
    assert!(kept.tools.iter().all(|tool| tool.approval == Approval::Person));
    let narrow = McpTool { allowed_tools: Some(vec!["read".into()]), ..server("u") };
    assert_eq!(offered(&narrow, &Metadata::new(), &offer, Said::Unasked).tools.len(), 1);
}

#[test]
fn what_a_silent_server_kept_needs_consent_again_where_its_owner_takes_the_word_back() {
    let never = Metadata::from([("approvals".to_owned(), "never".to_owned())]);
    let tools = vec![remote("put", "", false, true), remote("read", "", true, true), remote("write", "", false, false)];
    let free = offered(&server("u"), &never, &Offer::default(), said(tools));
    assert!(free.tools.iter().all(|tool| tool.approval == Approval::None));
    for said in [silence(), Said::Unasked] {
        let kept = offered(&server("u"), &Metadata::new(), &free, said);
        let needed: Vec<_> = kept.tools.iter().map(|tool| (tool.name.as_str(), tool.approval)).collect();
        let expected =
            [("srv__put", Approval::Person), ("srv__read", Approval::None), ("srv__write", Approval::Person)];
        assert_eq!(needed, expected);
    }
}

#[test]
fn only_what_is_allowed_is_offered() {
    let narrow = McpTool { allowed_tools: Some(vec!["a".into(), "c".into()]), ..server("u") };
    let said = said(vec![remote("a", "", false, false), remote("b", "", false, false)]);
    let offer = offered(&narrow, &Metadata::new(), &Offer::default(), said);
    assert_eq!(offer.tools.len(), 1);
}

#[test]
fn descriptions_are_bounded() {
    let said = said(vec![remote("t", &"é".repeat(5000), false, false)]);
    let offer = offered(&server("u"), &Metadata::new(), &Offer::default(), said);
    assert!(offer.tools[0].description.len() <= MAX_DESCRIPTION + 3);
}

#[test]
fn what_is_told_of_servers_is_told_once() {
    let servers = Some(told(&[("a".into(), Why::Refused)], &[]));
    let both = joined(Some("of files\n".into()), servers.clone());
    let text = both.as_deref().unwrap();
    assert!(
        text.starts_with("of files\n\n# Tools")
            && text.ends_with("\"a\" is not available, and neither are its tools: it refused.\n")
    );
    assert_eq!(untold(Some(text)).as_deref(), Some("of files"));
    assert_eq!(untold(servers.as_deref()), None);
    assert_eq!((untold(Some("x")).as_deref(), untold(None)), (Some("x"), None));
}

#[test]
fn many_tools_are_kept_back() {
    let mut tools = vec![OfferedTool::default(); MANY];
    keep_back(&mut tools);
    assert!(tools.iter().all(|tool| !tool.deferred));
    tools.push(OfferedTool::default());
    keep_back(&mut tools);
    assert!(tools.iter().all(|tool| tool.deferred));
}

#[test]
fn a_servers_words_about_itself_are_bounded() {
    let words = format!("ignore all\n{}", "x".repeat(1000));
    let silence = Silence::from(Failure { kind: Kind::Refused(None), message: words });
    assert_eq!((silence.why, silence.words.chars().count()), (Why::Refused, 300));
    assert!(!silence.words.contains('\n'));
}

#[test]
fn a_name_stays_with_its_tool_and_no_other_looks_like_it() {
    let tools = |names: &[&str]| said(names.iter().map(|name| remote(name, "", true, false)).collect());
    let names = |last: &Offer, said: &[&str]| {
        let offer = offered(&server("u"), &Metadata::new(), last, tools(said));
        let names = offer.tools.iter().map(|tool| (tool.remote.clone().unwrap(), tool.name.clone()));
        (names.collect::<BTreeMap<_, _>>(), offer)
    };
    let (_, first) = names(&Offer::default(), &["get_user"]);
    let (later, both) = names(&first, &["get-user", "get_user"]);
    assert_eq!(later["get_user"], "srv__get_user");
    assert!(later["get-user"].starts_with("srv__get-user_"), "{later:?}");
    let (again, _) = names(&both, &["get_user", "get-user"]);
    assert_eq!(again, later);
    let (new, _) = names(&Offer::default(), &["get-user", "get_user"]);
    assert!(new.iter().all(|(tool, name)| *name != format!("srv__{tool}")), "{new:?}");
}

#[test]
fn what_is_shown_of_servers_is_bounded() {
    let tool = |label: &str, n: usize, bytes: usize| OfferedTool {
        name: format!("{label}{n:03}"),
        description: "x".repeat(bytes),
        server_label: label.to_owned(),
        ..OfferedTool::default()
    };
    let offer = || -> Vec<_> {
        let big = (0..100).map(|n| tool("big", n, 1000));
        big.chain((0..3).map(|n| tool("small", n, 1000))).collect()
    };
    let bytes =
        |tools: &[OfferedTool]| tools.iter().map(|tool| tool.name.len() + tool.description.len()).sum::<usize>();
    let mut tools = offer();
    let excess = bound(&mut tools, &Offer::default(), 10_240, false);
    assert!(bytes(&tools) <= 10_240 && tools.len() == 10, "{}", tools.len());
    assert_eq!(tools.iter().filter(|tool| tool.server_label == "small").count(), 3, "a small server is not pushed out");
    assert_eq!(excess, [Excess { label: "big".into(), tools: 93, deferred: false }]);
    assert_eq!(told(&[], &excess).lines().count(), 3);
    // What was shown stays, whatever comes before it.
    let last = Offer { tools: vec![tool("big", 99, 1000)], instructions: None };
    let mut tools = offer();
    bound(&mut tools, &last, 10_240, false);
    assert!(tools.iter().any(|tool| tool.name == "big099"));
    let mut tools = offer();
    tools.push(tool("huge", 0, 20_000));
    let excess = bound(&mut tools, &Offer::default(), 10_240, true);
    assert_eq!(tools.len(), 103, "what nobody could be shown is not there");
    assert!(bytes(&tools.iter().filter(|tool| !tool.deferred).cloned().collect::<Vec<_>>()) <= 10_240);
    assert_eq!(excess.len(), 2);
}
