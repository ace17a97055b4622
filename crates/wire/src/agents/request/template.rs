//! Environments that are made before a session wants them, and templates: saved recipes for hosted environments.

use super::hosted::{Null, Recipe, template};
use super::{MAX_ID, MAX_NAME};
use crate::agents::words::HostedKind;
use crate::error::Fault;
use crate::reader::{Node, Object};
use serde_json::{Map, Value};

/// Vaults of one environment.
const MAX_VAULTS: usize = 10;

/// `POST /agents/environments`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EnvironmentCreate {
    pub template: Option<String>,
    pub recipe: Recipe,
    pub vault_ids: Vec<String>,
}

/// `POST /agents/environments/templates`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TemplateCreate {
    pub name: Option<String>,
    pub recipe: Recipe,
}

/// `POST /agents/environments/templates/{id}`. None: as it is; null went back to the default.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TemplateUpdate {
    pub name: Option<Option<String>>,
    pub recipe: Recipe,
}

impl EnvironmentCreate {
    pub fn read(body: Map<String, Value>) -> Result<Self, Fault> {
        let mut object = Object::root(body);
        let mut environment = object.required("environment")?.object()?;
        let HostedKind::OpenaiHosted = environment.required("type")?.word()?;
        let template = template(&mut environment)?;
        let recipe = Recipe::read(&mut environment, Null::Silence)?;
        environment.finish()?;
        let vault_ids = match object.present("vault_ids") {
            None => Vec::new(),
            Some(node) => {
                let nodes = node.sized_array("an array of strings", 0, MAX_VAULTS)?;
                nodes.into_iter().map(|node| node.short_text(MAX_ID)).collect::<Result<_, _>>()?
            }
        };
        object.finish()?;
        Ok(Self { template, recipe, vault_ids })
    }
}

impl TemplateCreate {
    pub fn read(body: Map<String, Value>) -> Result<Self, Fault> {
        let mut object = Object::root(body);
        let name = object.present("name").map(name).transpose()?;
        let recipe = Recipe::read(&mut object, Null::Silence)?;
        object.finish()?;
        Ok(Self { name, recipe })
    }
}

impl TemplateUpdate {
    pub fn read(body: Map<String, Value>) -> Result<Self, Fault> {
        let mut object = Object::root(body);
        let name = object.nullable("name").map(|node| node.map(name).transpose()).transpose()?;
        let recipe = Recipe::read(&mut object, Null::Default)?;
        object.finish()?;
        Ok(Self { name, recipe })
    }
}

fn name(node: Node) -> Result<String, Fault> {
    node.short_string(MAX_NAME)
}
