//! A request into a turn: what every transport of this API does first. Nothing here waits for a model.

use super::incoming;
use super::names::{self, Place};
use super::shown::{self, Facts};
use crate::Door;
use crate::attachment::Named;
use crate::failure::Failure;
use runtime::{Direction, Handle, Lease, Page, Place as Spot, RepeatKey, Respond, Response, TurnPlace};
use std::sync::Arc;
use types::{InputItem, Item, ProjectId, Refusal, RefusalKind, SessionId, SessionView};
use wire::responses::request::ResponseCreate;

/// A response that has been begun.
pub struct Begun {
    /// What keeps its session.
    pub handle: Handle,
    pub place: TurnPlace,
    pub facts: Arc<Facts>,
    /// On its session, where that is not kept: it goes with its client.
    pub lease: Option<Lease>,
}

/// Items read at a time.
const PAGE: usize = 100;

/// What a transport says of a request beside the request itself.
#[derive(Default)]
pub struct Manner {
    /// Makes the same response of the same request.
    pub key: Option<RepeatKey>,
    /// The response before is one that is not kept, and is still there.
    pub from_passing: bool,
    /// The model is not asked: the response is there to be continued.
    pub silent: bool,
}

/// Begins a response; what it returns is durable, unless it is not to be kept. `key` makes the same response of the same
/// request.
pub async fn begin(
    door: &Door,
    project: &ProjectId,
    wanted: ResponseCreate,
    key: Option<RepeatKey>,
) -> Result<Begun, Failure> {
    begin_so(door, project, wanted, Manner { key, ..Manner::default() }).await
}

/// The same, for a transport that says more.
pub async fn begin_so(
    door: &Door,
    project: &ProjectId,
    mut wanted: ResponseCreate,
    manner: Manner,
) -> Result<Begun, Failure> {
    let Manner { key, from_passing, silent } = manner;
    let handle = if wanted.store { &door.handle } else { &door.passing };
    let from = if from_passing { &door.passing } else { &door.handle };
    let spot = spot(door, project, &wanted).await?;
    let beside = match &spot {
        Spot::New => None,
        Spot::After(session, _) | Spot::In(session) => Some(session).filter(|_| !from_passing),
    };
    let mut named = Named::new(door);
    let brought =
        incoming::items(door, &mut named, project, ("input", std::mem::take(&mut wanted.input)), beside).await?;
    let stays = wanted.store != from_passing;
    let (spot, items) = if stays { (spot, brought) } else { copied(from, project, spot, brought).await? };
    let (previous, conversation) = (wanted.previous_response_id.take(), wanted.conversation.take());
    let mut request = incoming::turn(&mut wanted);
    request.previous.clone_from(&previous);
    request.silent = silent;
    let agent = incoming::agent(&mut wanted);
    let asked = Respond {
        door: types::Door::Responses,
        place: spot,
        agent: agent.clone(),
        request: request.clone(),
        items,
        key: key.filter(|_| wanted.store),
    };
    let said = (previous.as_deref(), conversation.as_deref());
    let begun = match wanted.store {
        true => handle.respond(project, asked).await.map(|place| (place, None)),
        false => handle.respond_held(project, asked, (true, true)).await.map(|(place, lease)| (place, Some(lease))),
    };
    let (place, lease) = begun.map_err(|refusal| refused(refusal, said))?;
    let id = Place { session: place.session.clone(), seq: place.seq }.id();
    let encrypted = shown::asks_for_reasoning(&request);
    let facts = Facts { id, agent, request: Arc::new(request), conversation, store: wanted.store, encrypted };
    Ok(Begun { handle: handle.clone(), place, facts: Arc::new(facts), lease })
}

/// Where the request wants its turn.
async fn spot(door: &Door, project: &ProjectId, wanted: &ResponseCreate) -> Result<Spot, Failure> {
    if let Some(id) = &wanted.previous_response_id {
        let place = Place::parse(id).ok_or_else(|| names::unknown_previous(id))?;
        return Ok(Spot::After(place.session, place.seq));
    }
    match &wanted.conversation {
        Some(id) => Ok(Spot::In(conversation(door, project, id).await?.head.session.clone())),
        None => Ok(Spot::New),
    }
}

/// A conversation that is there.
pub async fn conversation(door: &Door, project: &ProjectId, id: &str) -> Result<SessionView, Failure> {
    let session = names::conversation(id).ok_or_else(|| names::unknown_conversation(id))?;
    let view = door.handle.session(project, &session).await.map_err(|refusal| match refusal.kind {
        RefusalKind::NotFound => names::unknown_conversation(id),
        _ => refusal.into(),
    })?;
    if view.settings.door != types::Door::Conversations {
        return Err(names::unknown_conversation(id));
    }
    Ok(view)
}

/// What goes on from a session of another store stands in one of its own, which begins with a copy of what was there.
async fn copied(
    from: &Handle,
    project: &ProjectId,
    spot: Spot,
    brought: Vec<InputItem>,
) -> Result<(Spot, Vec<InputItem>), Failure> {
    let before = match &spot {
        Spot::New => return Ok((spot, brought)),
        Spot::After(session, seq) => {
            let place = Place { session: session.clone(), seq: *seq };
            let unknown = |refusal| refused(refusal, (Some(&place.id()), None));
            let response = from.response(project, session, *seq).await.map_err(unknown)?;
            if !response.has_ended() {
                let message = "The previous response has not ended yet.";
                return Err(Failure::invalid(message).at("previous_response_id"));
            }
            history(from, project, session, Some(&response)).await?
        }
        Spot::In(session) => {
            if from.session(project, session).await?.head.turn.is_some() {
                return Err(names::locked());
            }
            history(from, project, session, None).await?
        }
    };
    let kept = before.iter().filter_map(|item| {
        let id = Some(item.id.as_str().to_owned());
        incoming::carried(item).map(|body| InputItem { id, body })
    });
    let has_gaps = match &spot {
        Spot::New => false,
        Spot::After(session, _) | Spot::In(session) => from.session(project, session).await?.head.has_gaps,
    };
    let items = if has_gaps { incoming::paired(kept.collect(), brought) } else { kept.chain(brought).collect() };
    Ok((Spot::New, items))
}

/// The items of a session, up to the end of a turn if said.
pub async fn history(
    handle: &Handle,
    project: &ProjectId,
    session: &SessionId,
    upto: Option<&Response>,
) -> Result<Vec<Arc<Item>>, Failure> {
    let mut items: Vec<Arc<Item>> = Vec::new();
    let mut after = None;
    loop {
        let page = Page { after, limit: PAGE, direction: Direction::Ascending };
        let listed = handle.items(project, session, None, page).await?;
        after = listed.data.last().map(|item| item.id.as_str().to_owned());
        for item in listed.data {
            let is_past = upto.is_some_and(|response| {
                item.turn != response.place.turn && items.last().is_some_and(|last| last.turn == response.place.turn)
            });
            if is_past {
                return Ok(items);
            }
            items.push(item);
        }
        if !listed.has_more {
            return Ok(items);
        }
    }
}

/// A refusal in the words of this API; `said` is what the request named of what came before.
fn refused(refusal: Refusal, said: (Option<&str>, Option<&str>)) -> Failure {
    match (refusal.kind, said) {
        (RefusalKind::NotFound, (Some(previous), _)) => names::unknown_previous(previous),
        (RefusalKind::NotFound, (_, Some(conversation))) => names::unknown_conversation(conversation),
        _ => Failure::from(refusal),
    }
}
