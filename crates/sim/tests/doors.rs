//! What the doors of single answers ask of the runtime: turns that go on or fork, keys that make a request safe to send
//! again, items that come and go without a model.

#![expect(clippy::expect_used, clippy::panic, reason = "a test says what it expects")]

use models::{Entry, Models, Script};
use runtime::{Direction, Handle, Page, Place, RepeatKey, Respond, Response, SessionFilter, Start, TurnPlace, World};
use sim::{MemStore, Sim};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use types::{
    AgentSettings, CallOutput, Content, Door, EnvironmentSettings, EventBody, InputBody, InputItem, ItemBody, ItemId,
    Message, Metadata, ModelRules, NewSession, ProjectId, Refusal, RefusalKind, Review, Role, Rules, Seq, SessionId,
    Tool, TurnRequest, TurnStatus,
};

fn project() -> ProjectId {
    ProjectId::new("default")
}

fn user(text: &str) -> InputItem {
    InputBody::Message { role: Role::User, content: vec![Content::Text { text: text.to_owned() }] }.into()
}

fn result(call: &str, text: &str) -> InputItem {
    InputBody::Output { call_id: call.into(), output: CallOutput::Text(text.to_owned()) }.into()
}

fn asked(place: Place, items: Vec<InputItem>) -> Respond {
    let mut agent = AgentSettings::new("m");
    agent.tools.push(Tool::Function {
        name: "f".to_owned(),
        description: String::new(),
        parameters: serde_json::Map::new(),
        defer_loading: false,
        is_async: None,
        strict: None,
    });
    let request = TurnRequest { hands_over: true, ..TurnRequest::default() };
    Respond { door: Door::Responses, place, agent, request, items, key: None }
}

fn after(place: &TurnPlace) -> Place {
    Place::After(place.session.clone(), place.seq)
}

fn keyed(key: &str, body: &str, asked: Respond) -> Respond {
    let key = RepeatKey { route: "r".to_owned(), key: key.to_owned(), body_hash: body.to_owned() };
    Respond { key: Some(key), ..asked }
}

/// Runs a client in a world with the scripted model.
fn run<F, T>(client: F)
where
    F: FnOnce(Stage) -> T + Send + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    let sim = Sim::new(7);
    let store = MemStore::new(&sim);
    let world = world(&sim, store);
    let outcome = sim.run(async move {
        let clock = world.clock.clone();
        let (handle, _) = runtime::start(world).await.expect("a node");
        client(Stage { handle, clock }).await;
    });
    assert!(outcome.is_ok(), "{outcome:?}");
}

fn world(sim: &Sim, store: Arc<MemStore>) -> World {
    let entry = Entry {
        model: Arc::new(Script::new(sim.clock(), sim.entropy())),
        upstream_model: None,
        first_byte: Duration::from_secs(60),
        stall: Duration::from_secs(30),
    };
    World {
        clock: sim.clock(),
        entropy: sim.entropy(),
        spawn: sim.spawn(),
        store,
        models: Arc::new(Models { entries: BTreeMap::from([("m".to_owned(), entry)]) }),
        tools: Arc::new(types::NoTools),
        rules: Arc::new(Rules {
            models: BTreeMap::from([("m".to_owned(), ModelRules::default())]),
            ..Rules::default()
        }),
    }
}

struct Stage {
    handle: Handle,
    clock: Arc<dyn types::Clock>,
}

impl Stage {
    async fn begin(&self, asked: Respond) -> TurnPlace {
        self.handle.respond(&project(), asked).await.expect("taken")
    }

    async fn refused(&self, asked: Respond) -> Refusal {
        self.handle.respond(&project(), asked).await.expect_err("refused")
    }

    /// Until the turn has ended.
    async fn ended(&self, place: &TurnPlace) -> Response {
        for _ in 0..1000 {
            let response = self.handle.response(&project(), &place.session, place.seq).await.expect("it is there");
            assert_eq!(response.place, *place);
            if response.has_ended() {
                return response;
            }
            self.clock.sleep(Duration::from_millis(100)).await;
        }
        panic!("{place:?} came to no end");
    }

    async fn answer(&self, asked: Respond) -> Response {
        let place = self.begin(asked).await;
        self.ended(&place).await
    }

    async fn texts(&self, session: &SessionId) -> Vec<String> {
        let page = Page { after: None, limit: 100, direction: Direction::Ascending };
        let items = self.handle.items(&project(), session, None, page).await.expect("items");
        items.data.iter().map(|item| said(&item.body)).collect()
    }
}

fn said(body: &ItemBody) -> String {
    match body {
        ItemBody::UserMessage { content, .. } => match content.first() {
            Some(Content::Text { text }) => text.clone(),
            _ => String::new(),
        },
        ItemBody::AssistantMessage { text, .. } => text.clone(),
        ItemBody::FunctionCall { call_id, .. } => format!("call {call_id}"),
        ItemBody::FunctionCallOutput { call_id, .. } => format!("result {call_id}"),
        other => format!("{other:?}"),
    }
}

fn output(response: &Response) -> Vec<String> {
    response.output.iter().map(|item| said(&item.body)).collect()
}

#[test]
fn a_turn_goes_on_and_an_older_one_forks() {
    run(|stage| async move {
        let first = stage.answer(asked(Place::New, vec![user("say one")])).await;
        assert_eq!((output(&first), first.view.status), (vec!["one".to_owned()], TurnStatus::Completed));
        let second = stage.answer(asked(after(&first.place), vec![user("say two")])).await;
        assert_eq!(second.place.session, first.place.session);
        let fork = stage.answer(asked(after(&first.place), vec![user("say other")])).await;
        assert_ne!(fork.place.session, first.place.session);
        assert_eq!(stage.texts(&first.place.session).await, ["say one", "one", "say two", "two"]);
        assert_eq!(stage.texts(&fork.place.session).await, ["say one", "one", "say other", "other"]);
        // What a fork shares is not told in its stream; its own turn is.
        let mut events =
            stage.handle.subscribe(&project(), &fork.place.session, Start::At(fork.place.seq)).await.expect("live");
        let begun = events.next().await.expect("an event");
        assert!(matches!(&begun.body, EventBody::TurnCreated(view) if view.id == fork.place.turn));
        assert_eq!(fork.input.iter().map(|item| said(&item.body)).collect::<Vec<_>>(), ["say other"]);
    });
}

#[test]
fn calls_are_answered_by_the_next_request_on_every_branch() {
    run(|stage| async move {
        let called = stage.answer(asked(Place::New, vec![user("call f {}\nsay done")])).await;
        let [item] = called.output.as_slice() else { panic!("{:?}", called.output) };
        let ItemBody::FunctionCall { call_id, .. } = &item.body else { panic!("{item:?}") };
        let refusal = stage.refused(asked(after(&called.place), vec![user("never mind")])).await;
        assert_eq!((refusal.kind, refusal.param.as_deref()), (RefusalKind::Invalid, Some("input")));
        for branch in 0..3 {
            let text = format!("result {branch}");
            let answered = stage.answer(asked(after(&called.place), vec![result(call_id.as_str(), &text)])).await;
            assert_eq!(output(&answered), ["done"]);
            assert_eq!(answered.place.session == called.place.session, branch == 0);
        }
        let refusal = stage.refused(asked(after(&called.place), vec![result("nobody", "x")])).await;
        assert_eq!(refusal.message, "No tool call found for function call output with call_id nobody.");
    });
}

#[test]
fn a_key_begins_one_turn_wherever_it_goes() {
    run(|stage| async move {
        let new = || keyed("k1", "a", asked(Place::New, vec![user("say one")]));
        let first = stage.begin(new()).await;
        assert_eq!(stage.begin(new()).await, first);
        stage.ended(&first).await;
        assert_eq!(stage.begin(new()).await, first);
        let other = stage.refused(keyed("k1", "b", asked(Place::New, vec![user("say two")]))).await;
        assert_eq!(other.kind, RefusalKind::Conflict);
        // Once as the next turn, once as a fork.
        for key in ["k2", "k3"] {
            let on = || keyed(key, "c", asked(after(&first), vec![user("say on")]));
            let place = stage.begin(on()).await;
            assert_eq!(stage.begin(on()).await, place);
            stage.ended(&place).await;
            assert_eq!(stage.begin(on()).await, place);
        }
        let elsewhere = Respond { key: None, ..new() };
        assert_ne!(stage.begin(elsewhere).await, first);
    });
}

#[test]
fn a_conversation_takes_one_turn_at_a_time() {
    run(|stage| async move {
        let handle = &stage.handle;
        let view = handle.open(&project(), Door::Conversations, Metadata::new(), vec![user("a")]).await.expect("made");
        let id = view.head.session.clone();
        let brought = handle.import(&project(), &id, vec![user("b"), user("c")]).await.expect("taken");
        assert_eq!(brought.iter().map(|item| said(&item.body)).collect::<Vec<_>>(), ["b", "c"]);
        let place = stage.begin(asked(Place::In(id.clone()), vec![user("slow 9 one two three")])).await;
        let refusal = stage.refused(asked(Place::In(id.clone()), vec![user("say no")])).await;
        assert_eq!(refusal.kind, RefusalKind::Locked);
        let refusal = handle.import(&project(), &id, vec![user("no")]).await.expect_err("a turn runs");
        assert_eq!(refusal.kind, RefusalKind::Locked);
        handle.cancel_turn(&project(), &place).await.expect("cancelled");
        assert_eq!(stage.ended(&place).await.view.status, TurnStatus::Cancelled);
        let answered = stage.answer(asked(Place::In(id.clone()), vec![user("say yes")])).await;
        assert_eq!(output(&answered), ["yes"]);
        let page = || Page { after: None, limit: 10, direction: Direction::Ascending };
        let of = |door| SessionFilter { door, ..SessionFilter::default() };
        let lists = [(Door::Agents, 0), (Door::Conversations, 1)];
        for (door, count) in lists {
            assert_eq!(handle.sessions(&project(), of(door), page()).await.expect("a list").data.len(), count);
        }
    });
}

#[test]
fn what_is_taken_out_is_gone_from_lists_and_from_contexts() {
    run(|stage| async move {
        let handle = &stage.handle;
        let items = ["a", "b", "c", "d"].map(user).to_vec();
        let view = handle.open(&project(), Door::Conversations, Metadata::new(), items).await.expect("made");
        let id = view.head.session.clone();
        let page = |limit, after| Page { after, limit, direction: Direction::Ascending };
        let all = handle.items(&project(), &id, None, page(10, None)).await.expect("items").data;
        for item in [&all[0].id, &all[2].id] {
            handle.remove_item(&project(), &id, item).await.expect("removed");
            let again = handle.remove_item(&project(), &id, item).await.expect_err("gone");
            assert_eq!(again.kind, RefusalKind::NotFound);
            assert!(handle.item(&project(), &id, item).await.is_err());
        }
        assert!(handle.remove_item(&project(), &id, &ItemId::new("msg_x")).await.is_err());
        assert_eq!(stage.texts(&id).await, ["b", "d"]);
        let first = handle.items(&project(), &id, None, page(1, None)).await.expect("items");
        assert!(first.has_more && first.data[0].id == all[1].id);
        let rest = handle.items(&project(), &id, None, page(1, Some(all[1].id.to_string()))).await.expect("items");
        assert!(!rest.has_more && rest.data[0].id == all[3].id);
    });
}

#[test]
fn a_turn_that_was_removed_is_unknown_and_what_was_built_on_it_lives() {
    run(|stage| async move {
        let handle = &stage.handle;
        let first = stage.answer(asked(Place::New, vec![user("say one")])).await;
        let second = stage.answer(asked(after(&first.place), vec![user("say two")])).await;
        handle.remove_turn(&project(), &first.place).await.expect("removed");
        let (session, seq) = (&first.place.session, first.place.seq);
        let gone = handle.response(&project(), session, seq).await.expect_err("removed");
        let never = handle.response(&project(), session, Seq(seq.0 + 1)).await.expect_err("no turn");
        assert_eq!((gone.kind, never.kind), (RefusalKind::NotFound, RefusalKind::NotFound));
        assert_eq!(stage.refused(asked(after(&first.place), vec![user("on")])).await.kind, RefusalKind::NotFound);
        let third = stage.answer(asked(after(&second.place), vec![user("say three")])).await;
        assert_eq!(third.place.session, second.place.session);
        // Also the newest one, and one that runs.
        handle.remove_turn(&project(), &third.place).await.expect("removed");
        assert_eq!(stage.refused(asked(after(&third.place), vec![user("on")])).await.kind, RefusalKind::NotFound);
        let running = stage.begin(asked(after(&second.place), vec![user("slow 9 one two")])).await;
        handle.remove_turn(&project(), &running).await.expect("removed");
        assert!(handle.response(&project(), &running.session, running.seq).await.is_err());
    });
}

#[test]
fn a_request_that_comes_twice_at_one_time_begins_one_turn() {
    run(|stage| async move {
        let first = stage.answer(asked(Place::New, vec![user("say one")])).await;
        // Once as the next turn, once as a fork.
        for key in ["k1", "k2"] {
            let on = || stage.begin(keyed(key, "a", asked(after(&first.place), vec![user("say two")])));
            let (one, other) = tokio::join!(on(), on());
            assert_eq!(one, other, "{key}");
            stage.ended(&one).await;
        }
    });
}

#[test]
fn what_was_deleted_is_not_made_again_under_its_key() {
    run(|stage| async move {
        let handle = &stage.handle;
        let new = |key| keyed(key, "a", asked(Place::New, vec![user("say one")]));
        let first = stage.answer(new("k1")).await;
        handle.remove_turn(&project(), &first.place).await.expect("removed");
        assert_eq!(stage.refused(new("k1")).await.kind, RefusalKind::Conflict);
        let second = stage.answer(new("k2")).await;
        handle.delete(&project(), &second.place.session).await.expect("deleted");
        assert_eq!(stage.refused(new("k2")).await.kind, RefusalKind::Conflict);
    });
}

#[test]
fn a_turn_that_is_no_response_is_not_continued_as_one() {
    run(|stage| async move {
        let handle = &stage.handle;
        let new = NewSession {
            id: None,
            agent_id: None,
            agent_name: None,
            agent: AgentSettings::new("m"),
            environment: EnvironmentSettings::None,
            vault_ids: Vec::new(),
            prompt_cache: None,
            review: Review::None,
            spend_limit: None,
            metadata: Metadata::new(),
            aws: None,
            input: vec![Message { content: vec![Content::Text { text: "say one".to_owned() }] }],
        };
        let view = handle.create(&project(), new).await.expect("made");
        let (session, turn) = (view.head.session.clone(), view.head.turn.as_ref().expect("a turn").id.clone());
        while handle.turn(&project(), &session, &turn).await.expect("there").completed_at.is_none() {
            stage.clock.sleep(Duration::from_millis(100)).await;
        }
        let refusal = stage.refused(asked(Place::After(session.clone(), Seq(2)), vec![user("say two")])).await;
        assert_eq!(refusal.kind, RefusalKind::NotFound);
        assert_eq!(stage.texts(&session).await, ["say one", "one"]);
        assert_eq!(handle.session(&project(), &session).await.expect("there").settings, view.settings);
    });
}

#[test]
fn every_item_of_a_fork_has_an_id_of_its_own() {
    run(|stage| async move {
        let first = stage.answer(asked(Place::New, vec![user("say one")])).await;
        stage.answer(asked(after(&first.place), vec![user("say two")])).await;
        let said = first.output[0].id.to_string();
        let again = InputItem { id: Some(said), ..InputBody::Assistant { text: "one".to_owned(), phase: None }.into() };
        let fork = stage.answer(asked(after(&first.place), vec![again, user("say three")])).await;
        assert_ne!(fork.place.session, first.place.session);
        let page = Page { after: None, limit: 100, direction: Direction::Ascending };
        let items = stage.handle.items(&project(), &fork.place.session, None, page).await.expect("items").data;
        let ids: BTreeSet<_> = items.iter().map(|item| item.id.clone()).collect();
        assert_eq!(ids.len(), items.len());
    });
}
