//! `InvokeModel` and `InvokeModelWithResponseStream`: the body is in the words of the model's family. Nova's and OpenAI's are
//! served; every model answers Converse, whoever made it.

use super::ask::{Asked, Id, ask, wrong};
use super::converse::hear;
use super::directory::{behind_geography, is_foundation_model};
use super::heard::usage;
use super::incoming::Wanted;
use super::stream;
use super::voices::{Blocks, Chunks, Form};
use crate::attachment::Named;
use crate::aws::AwsFailure;
use crate::{Door, body, chat};
use axum::Json;
use axum::extract::{Extension, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use runtime::Identity;
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Duration;
use types::ProjectId;
use wire::Word;
use wire::bedrock::answer::{NovaAnswer, Output, Told};
use wire::bedrock::converse::{Converse, NO_GUARDRAIL};
use wire::bedrock::invoke::{Manner, is_anthropic, is_nova, nova};
use wire::chat::request::ChatCreate;

const LATENCY: HeaderName = HeaderName::from_static("x-amzn-bedrock-performanceconfig-latency");
const TIER: HeaderName = HeaderName::from_static("x-amzn-bedrock-service-tier");
const GUARDRAIL: HeaderName = HeaderName::from_static("x-amzn-bedrock-guardrailidentifier");
/// What is within the chunks of a stream.
const CONTENT_TYPE: HeaderName = HeaderName::from_static("x-amzn-bedrock-content-type");
const JSON: &str = "application/json";

/// A body, read.
pub enum Invoked {
    Nova(Box<Converse>),
    Chat(Box<ChatCreate>),
}

/// A request, read.
struct Call {
    since: Duration,
    /// As the client calls it, without what an ARN says beside.
    model: String,
    manner: Manner,
    invoked: Invoked,
}

impl Invoked {
    pub fn read(model: &str, mut body: Map<String, Value>, is_streamed: bool) -> Result<Self, AwsFailure> {
        let family = behind_geography(model).unwrap_or(model);
        let not_served = |whose: &str| {
            let text = format!("InvokeModel does not serve {whose} on this server. Use Converse.");
            Err(AwsFailure::validation(text))
        };
        if is_anthropic(&body) {
            return not_served("bodies of Anthropic's Messages API");
        }
        if family.starts_with("amazon.nova") || is_nova(&body) {
            return Ok(Self::Nova(Box::new(nova(body).map_err(wrong)?)));
        }
        if is_foundation_model(family) && !family.starts_with("openai.") {
            return not_served("this family of models");
        }
        // Both stand in the path already; a client may say them again.
        body.insert("model".to_owned(), model.into());
        body.insert("stream".to_owned(), is_streamed.into());
        Ok(Self::Chat(Box::new(ChatCreate::read(body).map_err(wrong)?)))
    }

    /// What a turn is made of.
    pub async fn wanted(self, door: &Door, project: &ProjectId, entry: String) -> Result<Wanted, AwsFailure> {
        match self {
            Self::Nova(asked) => Ok(Wanted::new(entry, *asked)),
            Self::Chat(mut asked) => {
                let mut named = Named::new(door);
                let items = chat::incoming::items(&mut named, project, std::mem::take(&mut asked.messages)).await?;
                let agent = chat::incoming::agent(&mut asked);
                Ok(Wanted { agent, request: chat::incoming::turn(&mut asked), items })
            }
        }
    }
}

pub async fn whole(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Id(id): Id,
    request: Request,
) -> Result<Response, AwsFailure> {
    let (Call { since, model, manner, invoked }, _held) = read(&door, &id, request, false).await?;
    let project = &identity.project;
    let mut response = match invoked {
        Invoked::Chat(asked) => {
            let done = chat::complete(&door, project, *asked, model).await;
            done.map_err(AwsFailure::of_model)?
        }
        Invoked::Nova(mut asked) => {
            asked.tier = manner.tier;
            let wanted = Wanted::new(model, *asked);
            let (heard, view, stop_reason) = hear(ask(&door, project, wanted, door.journal, since).await?).await?;
            let answer = NovaAnswer { output: Output::new(heard.blocks()), stop_reason, usage: usage(&view) };
            Json(answer).into_response()
        }
    };
    tell(response.headers_mut(), manner);
    Ok(response)
}

pub async fn streamed(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Id(id): Id,
    request: Request,
) -> Result<Response, AwsFailure> {
    let slot = stream::slot(&door)?;
    let (Call { since, model, manner, mut invoked }, _held) = read(&door, &id, request, true).await?;
    let project = &identity.project;
    let (mut journal, mut usage) = (door.journal, None);
    match &mut invoked {
        Invoked::Nova(asked) => asked.tier = manner.tier,
        Invoked::Chat(asked) => {
            if asked.choices != 1 || asked.top_logprobs.is_some() || asked.is_legacy {
                let text = "A stream has one choice, no logprobs, and tools instead of functions.";
                return Err(AwsFailure::validation(text));
            }
            journal = asked.store.unwrap_or(journal);
            usage = Some(asked.include_usage);
        }
    }
    let wanted = invoked.wanted(&door, project, model.clone()).await?;
    let asked: Asked = ask(&door, project, wanted, journal, since).await?;
    let mut response = match usage {
        None => stream::response(&door, asked, Blocks::new(Form::Nova, Told::default()), slot).await?,
        Some(include_usage) => {
            let id = format!("chatcmpl-{}", asked.session.digits());
            let chunks = Chunks::new(id, door.clock.now().seconds(), model, include_usage);
            stream::response(&door, asked, chunks, slot).await?
        }
    };
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
    tell(response.headers_mut(), manner);
    Ok(response)
}

/// The media type that a client names is not looked at: every body here is JSON.
async fn read(door: &Door, id: &str, request: Request, is_streamed: bool) -> Result<(Call, body::Held), AwsFailure> {
    let since = door.clock.monotonic();
    let model = door.models.model(&door.aws.account, id)?;
    let (parts, content) = request.into_parts();
    let header = |name: HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok());
    if header(GUARDRAIL).is_some_and(|guardrail| !guardrail.is_empty()) {
        return Err(AwsFailure::validation(NO_GUARDRAIL));
    }
    let manner = Manner::read(header(LATENCY), header(TIER)).map_err(wrong)?;
    let (bytes, held) = body::bytes(door, &parts.headers, content).await?;
    let map = wire::body::parse(Some(JSON), &bytes).map_err(wrong)?;
    let invoked = Invoked::read(&model, map, is_streamed)?;
    if manner.tier.is_some() && matches!(invoked, Invoked::Chat(_)) {
        return Err(AwsFailure::validation("The tier of this model's requests stands in the body, as service_tier."));
    }
    Ok((Call { since, model, manner, invoked }, held))
}

/// Says back what the request said of how it is served.
fn tell(headers: &mut HeaderMap, manner: Manner) {
    if let Some(latency) = manner.latency {
        headers.insert(LATENCY, HeaderValue::from_static(latency.as_str()));
    }
    if let Some(tier) = manner.tier {
        headers.insert(TIER, HeaderValue::from_static(tier.as_str()));
    }
}
