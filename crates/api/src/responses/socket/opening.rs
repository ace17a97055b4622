//! A request into a response whose events can be told.

use super::Client;
use crate::failure::Failure;
use crate::identity;
use crate::responses::ask::{Begun, Manner, begin_so};
use crate::responses::names::Place;
use crate::responses::stream::Stream;
use runtime::{Lease, Start, Subscription};
use std::sync::Arc;
use wire::responses::request::Create;

/// A response that has been begun.
pub struct Opened {
    pub id: String,
    pub stream: Stream,
    pub subscription: Subscription,
    /// On its session, where it is in memory only.
    pub lease: Option<Arc<Lease>>,
    /// Whether it belongs to a conversation.
    pub in_conversation: bool,
}

/// `before` is the hold on what it goes on from, where that is in memory only.
pub async fn open(client: Client, create: Create, before: Option<Arc<Lease>>) -> Result<Opened, Failure> {
    let Client { door, project, secret } = &client;
    identity::still_passes(door, secret).await?;
    let Create { request, generate } = create;
    let padded = request.include_obfuscation;
    let parent = request.previous_response_id.as_deref().and_then(Place::parse);
    let manner = Manner { from_passing: before.is_some(), silent: !generate, ..Manner::default() };
    let Begun { handle, place, facts, lease } = begin_so(door, project, request, manner).await?;
    let stays = parent.is_some_and(|parent| parent.session == place.session);
    let lease = match (lease, before) {
        (Some(lease), Some(before)) if stays => {
            lease.let_be();
            Some(before)
        }
        (lease, _) => lease.map(Arc::new),
    };
    let subscription = handle.subscribe(project, &place.session, Start::At(place.seq)).await?;
    let (id, in_conversation) = (facts.id.clone(), facts.conversation.is_some());
    let stream = Stream::new(facts, place.session, place.turn, None, padded);
    Ok(Opened { id, stream, subscription, lease, in_conversation })
}
