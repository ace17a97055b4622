//! A session gets no schema that its model cannot hold: neither at its creation nor by a change, of tools or of the model.

#![expect(clippy::expect_used, reason = "a test says what it expects")]

use models::{Entry, Model, Models, SchemaRefusal, Script, Sink};
use runtime::World;
use serde_json::json;
use sim::{MemStore, Sim};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use types::{
    AgentSettings, BoxFuture, EnvironmentSettings, FunctionTool, ModelError, ModelErrorKind, ModelFinish, ModelRequest,
    ModelRules, NewSession, ProjectId, Refusal, RefusalKind, Review, Rules, SessionChange, TextFormat, Tool,
};

/// A model that takes no pattern.
struct Picky;

impl Model for Picky {
    fn call<'a>(&'a self, _: &'a ModelRequest, _: Sink<'a>) -> BoxFuture<'a, Result<ModelFinish, ModelError>> {
        Box::pin(async { Err(ModelError::new(ModelErrorKind::Invalid, "it is never asked")) })
    }

    fn check(&self, tools: &[FunctionTool], format: &TextFormat) -> Result<(), SchemaRefusal> {
        let refuse = |path: String| Err(SchemaRefusal { path, message: "no patterns".to_owned() });
        match tools.iter().position(|tool| tool.parameters.contains_key("pattern")) {
            Some(index) => refuse(format!("tools[{index}].parameters.pattern")),
            None => match format {
                TextFormat::JsonSchema { schema, .. } if schema.contains_key("pattern") => {
                    refuse("text.format.schema.pattern".to_owned())
                }
                _ => Ok(()),
            },
        }
    }
}

fn tool(parameters: serde_json::Value) -> Tool {
    Tool::Function {
        name: "f".to_owned(),
        description: String::new(),
        parameters: parameters.as_object().expect("an object").clone(),
        defer_loading: false,
        is_async: None,
        strict: None,
    }
}

fn agent(model: &str, tools: Vec<Tool>) -> AgentSettings {
    AgentSettings { tools, ..AgentSettings::new(model) }
}

fn session(agent: AgentSettings) -> NewSession {
    NewSession {
        id: None,
        agent_id: None,
        agent_name: None,
        agent,
        environment: EnvironmentSettings::None,
        vault_ids: Vec::new(),
        prompt_cache: None,
        review: Review::None,
        spend_limit: None,
        metadata: BTreeMap::new(),
        aws: None,
        input: Vec::new(),
    }
}

fn world(sim: &Sim) -> World {
    let entry = |model: Arc<dyn Model>| Entry {
        model,
        upstream_model: None,
        first_byte: Duration::from_secs(60),
        stall: Duration::from_secs(30),
    };
    let script: Arc<dyn Model> = Arc::new(Script::new(sim.clock(), sim.entropy()));
    let entries = [("picky", entry(Arc::new(Picky))), ("easy", entry(script))];
    let rules = entries.each_ref().map(|(name, _)| ((*name).to_owned(), ModelRules::default()));
    World {
        clock: sim.clock(),
        entropy: sim.entropy(),
        spawn: sim.spawn(),
        store: MemStore::new(sim),
        models: Arc::new(Models { entries: entries.map(|(name, entry)| (name.to_owned(), entry)).into() }),
        tools: Arc::new(types::NoTools),
        rules: Arc::new(Rules { models: rules.into(), ..Rules::default() }),
    }
}

fn assert_refused<T: std::fmt::Debug>(answer: Result<T, Refusal>, param: &str) {
    let refusal = answer.expect_err("refused");
    assert_eq!((refusal.kind, refusal.param.as_deref()), (RefusalKind::Invalid, Some(param)));
    assert_eq!(refusal.message, "no patterns");
}

#[test]
fn a_schema_that_cannot_be_held_is_refused() {
    let sim = Sim::new(1);
    let world = world(&sim);
    let done = sim.run(async move {
        let project = ProjectId::new("default");
        let (handle, _) = runtime::start(world).await.expect("started");
        let (good, bad) = (tool(json!({})), tool(json!({"pattern": "a"})));

        let both = agent("picky", vec![good.clone(), bad.clone()]);
        assert_refused(handle.create(&project, session(both)).await, "agent.tools[1].parameters.pattern");
        let mut formatted = agent("picky", vec![good.clone()]);
        let schema = json!({"pattern": "a"}).as_object().expect("an object").clone();
        formatted.text.format = TextFormat::schema(schema);
        assert_refused(handle.create(&project, session(formatted)).await, "agent.text.format.schema.pattern");

        let easy = handle.create(&project, session(agent("easy", vec![bad.clone()]))).await.expect("created");
        let easy = &easy.head.session;
        let change = |model: Option<&str>, tools: Option<Vec<Tool>>| SessionChange {
            model: model.map(str::to_owned),
            tools,
            ..SessionChange::default()
        };
        let param = "agent.tools[0].parameters.pattern";
        assert_refused(handle.update(&project, easy, change(Some("picky"), None)).await, param);
        let both = change(Some("picky"), Some(vec![good.clone()]));
        handle.update(&project, easy, both).await.expect("the new tools are fine");
        assert_refused(handle.update(&project, easy, change(None, Some(vec![bad.clone()]))).await, param);
        handle.update(&project, easy, change(Some("easy"), Some(vec![bad]))).await.expect("this model takes all");
    });
    done.expect("the simulation ends");
}
