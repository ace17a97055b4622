//! Refreshes of OAuth tokens: one at a time for a credential, whoever asks, and to its end, also where nobody waits any
//! more: a refresh token that was replaced is worth nothing, and its successor is written before the access token is used.
//!
//! A refresh is noted before it is asked for. If the server dies before the answer is written, or none comes, the next
//! refresh shows the old refresh token again: an endpoint that takes each only one time refuses it, and may revoke what
//! came of it; then it is said that an answer may be lost. So nobody shows it again at once, save where nothing was sent.

pub(crate) mod endpoint;
mod reply;

use crate::auth::{Auth, EndpointAuth, Refresh};
use crate::bearer::{BearerError, end};
use crate::record::{Credential, Sealed, field};
use crate::seal::{Place, SealingKey};
use crate::secret::Secret;
use crate::vaults::Inner;
use endpoint::{TokenRequest, Unanswered};
use reply::{Reply, Token};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use types::{ProjectId, Refusal};

/// Pauses between tries where the endpoint cannot be reached.
const PAUSES: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(1)];
/// The longest that one try may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often an answer is tried to be written.
const WRITES: usize = 3;

type Outcome = Result<(), BearerError>;

/// Refreshes that run now, by credential.
#[derive(Default)]
pub(crate) struct Flights(Mutex<BTreeMap<String, watch::Receiver<Option<Outcome>>>>);

impl Flights {
    fn all(&self) -> MutexGuard<'_, BTreeMap<String, watch::Receiver<Option<Outcome>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Afterwards the access token is another than `seen`, or the outcome says why not.
pub(crate) async fn refresh(
    inner: &Arc<Inner>,
    project: &ProjectId,
    credential: &Credential,
    seen: &Sealed,
) -> Outcome {
    let mut heard = {
        let mut flights = inner.flights.all();
        match flights.get(&credential.id) {
            Some(running) => running.clone(),
            None => {
                let (told, heard) = watch::channel(None);
                flights.insert(credential.id.clone(), heard.clone());
                let (inner, project, credential) = (inner.clone(), project.clone(), credential.clone());
                let spawn = inner.around.spawn.clone();
                let seen = seen.fields.get(field::ACCESS).cloned();
                let flight = async move {
                    let outcome = fly(&inner, &project, &credential, seen).await;
                    inner.flights.all().remove(&credential.id);
                    told.send_replace(Some(outcome));
                };
                spawn.spawn("token refresh", Box::pin(flight));
                heard
            }
        }
    };
    match heard.wait_for(Option::is_some).await {
        Ok(outcome) => outcome.clone().unwrap_or(Ok(())),
        Err(_) => {
            let (credential, why) = (credential.id.clone(), "the server ends".to_owned());
            Err(BearerError::Unreachable { credential, why })
        }
    }
}

/// What a refresh begins with.
struct Begun {
    credential: Credential,
    refresh: Refresh,
    sealed: Sealed,
    /// The end of an earlier one is not known.
    after_unknown: bool,
    /// Opened before the endpoint is asked: a key service that goes away meanwhile must not cost what is answered.
    key: SealingKey,
}

async fn fly(inner: &Inner, project: &ProjectId, credential: &Credential, seen: Option<String>) -> Outcome {
    let Some(begun) = begin(inner, project, credential, seen).await? else { return Ok(()) };
    let request = request(project, &begun)?;
    let id = &begun.credential.id;
    match ask(inner, &request).await {
        Ok(Reply::Token(token)) => keep(inner, project, &begun, token).await,
        Ok(Reply::Refused(code)) => Err(give_up(inner, project, &begun, code).await?),
        Ok(Reply::Nothing(why)) => Err(BearerError::NoToken { credential: id.clone(), why }),
        Err(Unanswered::Network(why)) => Err(BearerError::Unreachable { credential: id.clone(), why }),
        Err(Unanswered::NotSent(why) | Unanswered::Forbidden(why)) => {
            not_begun(inner, project, &begun).await?;
            Err(BearerError::Unreachable { credential: id.clone(), why })
        }
    }
}

/// Takes the note back: the endpoint never saw this request, so no answer to it is lost.
async fn not_begun(inner: &Inner, project: &ProjectId, begun: &Begun) -> Result<(), Refusal> {
    if begun.after_unknown {
        return Ok(());
    }
    let (vault, id) = (&*begun.credential.vault, &*begun.credential.id);
    let _one_at_a_time = inner.turn(vault).await;
    if let Some((credential, mut sealed)) = inner.current(project, vault, id).await? {
        sealed.begun = false;
        inner.put(project, &credential, &sealed, false).await?;
    }
    Ok(())
}

/// Notes that it is begun. None where there is nothing to do any more.
async fn begin(
    inner: &Inner,
    project: &ProjectId,
    credential: &Credential,
    seen: Option<String>,
) -> Result<Option<Begun>, BearerError> {
    let _one_at_a_time = inner.turn(&credential.vault).await;
    let found = inner.current(project, &credential.vault, &credential.id).await?;
    let Some((credential, mut sealed)) = found else { return Ok(None) };
    let Auth::McpOauth { refresh: Some(refresh), .. } = credential.auth.clone() else { return Ok(None) };
    if sealed.fields.get(field::ACCESS) != seen.as_ref() {
        return Ok(None);
    }
    if let Some(why) = sealed.dead {
        return Err(BearerError::Refused { credential: credential.id, why });
    }
    let key = inner.data_key(project, &credential.vault).await?;
    let after_unknown = sealed.begun;
    if !after_unknown {
        sealed.begun = true;
        inner.put(project, &credential, &sealed, false).await?;
    }
    Ok(Some(Begun { credential, refresh, sealed, after_unknown, key }))
}

/// The request of RFC 6749, section 6, with the resource of RFC 8707.
fn request(project: &ProjectId, begun: &Begun) -> Result<TokenRequest, Refusal> {
    let Begun { credential, refresh, sealed, key, .. } = begun;
    let opened = |name: &str| credential.opened(project, key, sealed, name);
    let token = opened(field::REFRESH)?;
    let secret = match sealed.fields.contains_key(field::CLIENT) {
        true => Some(opened(field::CLIENT)?),
        false => None,
    };
    let mut form = vec![("grant_type", Secret::new("refresh_token")), ("refresh_token", token)];
    let mut basic = None;
    let client = &refresh.client_id;
    match (refresh.endpoint_auth, secret) {
        (EndpointAuth::ClientSecretBasic, Some(secret)) => basic = Some((client.clone(), secret)),
        (EndpointAuth::ClientSecretPost, Some(secret)) => {
            form.push(("client_id", Secret::new(client)));
            form.push(("client_secret", secret));
        }
        (_, _) => form.push(("client_id", Secret::new(client))),
    }
    for (name, value) in [("scope", &refresh.scope), ("resource", &refresh.resource)] {
        form.extend(value.as_ref().map(|value| (name, Secret::new(value))));
    }
    Ok(TokenRequest { url: refresh.token_endpoint.clone(), basic, form })
}

/// Several times where the endpoint cannot be reached. What may have reached it is left to who asks next.
async fn ask(inner: &Inner, request: &TokenRequest) -> Result<Reply, Unanswered> {
    let around = &inner.around;
    let mut pauses = PAUSES.iter();
    loop {
        let answer = tokio::select! {
            biased;
            answer = around.endpoint.post(request) => answer,
            () = around.clock.sleep(PATIENCE) => Err(Unanswered::Network("it does not answer in time".to_owned())),
        };
        match (answer, pauses.next()) {
            (Err(Unanswered::NotSent(_)), Some(pause)) => around.clock.sleep(*pause).await,
            (answer, _) => return answer.map(|answer| reply::read(&answer)),
        }
    }
}

/// What a client changed meanwhile stays as the client wants it.
async fn keep(inner: &Inner, project: &ProjectId, begun: &Begun, token: Token) -> Outcome {
    let (vault, id) = (&*begun.credential.vault, &*begun.credential.id);
    let _one_at_a_time = inner.turn(vault).await;
    let Some((mut credential, mut sealed)) = inner.current(project, vault, id).await? else { return Ok(()) };
    let is_same = |sealed: &Sealed, name: &str| sealed.fields.get(name) == begun.sealed.fields.get(name);
    let mut secrets = Vec::new();
    if is_same(&sealed, field::ACCESS) {
        secrets.push((field::ACCESS, token.access));
        if let Auth::McpOauth { expires_at, .. } = &mut credential.auth {
            *expires_at = end(inner.around.clock.now(), token.seconds);
        }
    }
    if let (Some(refresh), true) = (token.refresh, is_same(&sealed, field::REFRESH)) {
        secrets.push((field::REFRESH, refresh));
    }
    inner.seal_with(&begun.key, Place { project, vault, credential: id }, &mut sealed, secrets)?;
    (sealed.begun, sealed.dead) = (false, None);
    let mut written = inner.put(project, &credential, &sealed, false).await;
    for _ in 1..WRITES {
        if written.is_ok() {
            break;
        }
        inner.around.clock.sleep(PAUSES[1]).await;
        written = inner.put(project, &credential, &sealed, false).await;
    }
    Ok(written?)
}

/// Remembers that the endpoint takes the refresh token no more, where that is what it says.
async fn give_up(inner: &Inner, project: &ProjectId, begun: &Begun, code: String) -> Result<BearerError, BearerError> {
    let (vault, id) = (&*begun.credential.vault, &*begun.credential.id);
    let is_final = code == "invalid_grant";
    let why = match begun.after_unknown && is_final {
        true => format!("{code}; an earlier refresh was cut off, and what it was answered may be lost"),
        false => code,
    };
    let _one_at_a_time = inner.turn(vault).await;
    if let Some((credential, mut sealed)) = inner.current(project, vault, id).await?
        && sealed.fields.get(field::REFRESH) == begun.sealed.fields.get(field::REFRESH)
    {
        sealed.begun = false;
        sealed.dead = is_final.then(|| why.clone());
        inner.put(project, &credential, &sealed, false).await?;
    }
    let credential = id.to_owned();
    Ok(match is_final {
        true => BearerError::Refused { credential, why },
        false => BearerError::NoToken { credential, why },
    })
}

#[cfg(test)]
mod tests;
