//! HTTP from this service, under the rules of reach: each hop of a redirect is judged anew, and nothing that was meant for
//! one origin goes to another. Answers are read piece by piece, up to a limit.

mod carried;

use crate::World;
use crate::failure::Failure;
use crate::limits::Limits;
use crate::reach::{Names, Reach, Refused};
use crate::through::{Begun, HttpAnswer, HttpBody, HttpLost, HttpRequest, HttpThrough, Method};
use crate::time::within;
use base64::Engine;
use bytes::Bytes;
use carried::{Carried, Coming};
use egress::Lookups;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use types::BoxFuture;
use url::Url;

/// Bytes of an answer of [`Http::get`] and the like: metadata and tokens are small.
const REPLY: usize = 1 << 20;
/// What may go to another origin with a redirected request.
const HARMLESS: &[&str] =
    &["accept", "content-type", "mcp-protocol-version", "mcp-method", "mcp-name", "last-event-id"];

/// The service's HTTP client. Its connections are its own: [`Http::apart`] makes one that shares none.
pub struct Http {
    clients: Clients,
    tls: rustls::ClientConfig,
    lookups: Lookups,
    reach: Arc<Reach>,
    limits: Arc<Limits>,
    world: World,
}

/// A whole small answer.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

impl Reply {
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON, whatever it calls itself.
    pub fn json(&self) -> Result<Value, String> {
        serde_json::from_slice(&self.body).map_err(|error| format!("the answer is no JSON: {error}"))
    }

    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

impl Http {
    /// Reads the machine's certificates; makes no connection.
    pub fn new(reach: Reach, limits: Limits, world: World) -> Result<Self, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("TLS cannot be set up: {error}"))?
            .with_root_certificates(egress::system_roots())
            .with_no_client_auth();
        let (lookups, reach, limits) = (Lookups::default(), Arc::new(reach), Arc::new(limits));
        let clients = Clients::new(&tls, &lookups, &reach, &limits)?;
        Ok(Self { clients, tls, lookups, reach, limits, world })
    }

    /// The same rules, and connections that are shared with nobody.
    pub fn apart(&self) -> Result<Self, String> {
        Ok(Self {
            clients: Clients::new(&self.tls, &self.lookups, &self.reach, &self.limits)?,
            tls: self.tls.clone(),
            lookups: self.lookups.clone(),
            reach: self.reach.clone(),
            limits: self.limits.clone(),
            world: self.world.clone(),
        })
    }

    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    #[must_use]
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Fetches a small document. Redirects are followed; of headers only harmless ones go to another origin.
    pub async fn get(&self, url: &Url, headers: &[(&str, &str)]) -> Result<Reply, Failure> {
        self.whole(Method::Get, url, headers, Bytes::new()).await
    }

    pub async fn post_json(&self, url: &Url, headers: &[(&str, &str)], body: &Value) -> Result<Reply, Failure> {
        let mut headers = headers.to_vec();
        headers.push(("content-type", "application/json"));
        self.whole(Method::Post, url, &headers, Bytes::from(body.to_string())).await
    }

    /// Posts a form, as token endpoints want it. `basic` is a client's id and secret for the header (RFC 6749, 2.3.1). What
    /// is sent is secret, so no redirect is followed.
    pub async fn post_form(
        &self,
        url: &Url,
        form: &[(&str, &str)],
        basic: Option<(&str, &str)>,
    ) -> Result<Reply, Failure> {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let mut headers = vec![("content-type", "application/x-www-form-urlencoded"), ("accept", "application/json")];
        let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let authorization = basic.map(|(id, secret)| {
            let pair = format!("{}:{}", encode(id), encode(secret));
            format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
        });
        if let Some(authorization) = &authorization {
            headers.push(("authorization", authorization));
        }
        self.post(url, &headers, Bytes::from(body)).await
    }

    /// Posts what is meant for this very address: no redirect is followed.
    pub async fn post(&self, url: &Url, headers: &[(&str, &str)], body: Bytes) -> Result<Reply, Failure> {
        let begun = Begun::default();
        let request = request(Method::Post, url, headers, body, &begun);
        let work = async { reply(self.hop(&request).await?).await };
        self.bounded(work, &begun).await
    }

    /// Follows no redirect: whoever asks wants to see where it leads.
    pub async fn visit(&self, url: &Url) -> Result<Reply, Failure> {
        let begun = Begun::default();
        let request = request(Method::Get, url, &[("accept", "text/html, */*")], Bytes::new(), &begun);
        let work = async { reply(self.hop(&request).await?).await };
        self.bounded(work, &begun).await
    }

    async fn whole(&self, method: Method, url: &Url, headers: &[(&str, &str)], body: Bytes) -> Result<Reply, Failure> {
        let begun = Begun::default();
        let request = request(method, url, headers, body, &begun);
        let work = async { reply(self.send(request).await?).await };
        self.bounded(work, &begun).await
    }

    async fn bounded(
        &self,
        work: impl Future<Output = Result<Result<Reply, Failure>, HttpLost>>,
        begun: &Begun,
    ) -> Result<Reply, Failure> {
        let time = self.limits.opening;
        match within(&*self.world.clock, time, work).await {
            Some(Ok(done)) => done,
            Some(Err(lost)) => Err(Failure::of(lost, begun)),
            None => Err(Failure::lost(begun.is_marked(), format!("no answer within {} s", time.as_secs()))),
        }
    }

    /// One request to one address, no redirect.
    async fn hop(&self, request: &HttpRequest) -> Result<HttpAnswer, HttpLost> {
        self.reach.check(&request.url).map_err(|Refused(why)| HttpLost::forbidden(why))?;
        let mut headers = HeaderMap::new();
        for (name, value) in &request.headers {
            let name = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| HttpLost::new(format!("`{}` is no name of a header", crate::failure::quoted(name))))?;
            let mut value = HeaderValue::from_str(value)
                .map_err(|_| HttpLost::new(format!("the value of the header `{name}` cannot be sent")))?;
            value.set_sensitive(true);
            headers.append(name, value);
        }
        let method = match request.method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
            Method::Delete => reqwest::Method::DELETE,
        };
        let mut building = self.clients.of(&request.url).request(method, request.url.clone()).headers(headers);
        if request.body.is_empty() {
            request.begun.mark();
        } else {
            building = building.body(reqwest::Body::wrap(Carried::new(request.body.clone(), request.begun.clone())));
        }
        let answer = building.send().await.map_err(carried::told)?;
        let headers = answer
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        Ok(HttpAnswer { status: answer.status().as_u16(), headers, body: Box::new(Coming(answer)) })
    }

    async fn follow(&self, mut request: HttpRequest) -> Result<HttpAnswer, HttpLost> {
        for _ in 0..=self.limits.redirects {
            let answer = self.hop(&request).await?;
            let again = match answer.status {
                307 | 308 => true,
                // A POST would become a GET: that is no answer to a request of ours.
                301..=303 => request.method == Method::Get,
                _ => false,
            };
            let Some(location) = answer.header("location").filter(|_| again) else { return Ok(answer) };
            let next = onward(&request.url, location)?;
            // Whoever redirects did not do it.
            request.begun.clear();
            if next.origin() != request.url.origin() {
                self.reach.check(&next).map_err(|Refused(why)| HttpLost::forbidden(why))?;
                if request.method != Method::Get {
                    return Err(elsewhere(&next));
                }
                request.headers.retain(|(name, _)| HARMLESS.contains(&name.as_str()));
            }
            request.url = next;
        }
        Err(HttpLost::new(format!("more than {} redirects", self.limits.redirects)))
    }
}

impl HttpThrough for Http {
    fn send(&self, request: HttpRequest) -> BoxFuture<'_, Result<HttpAnswer, HttpLost>> {
        Box::pin(self.follow(request))
    }
}

fn request(method: Method, url: &Url, headers: &[(&str, &str)], body: Bytes, begun: &Begun) -> HttpRequest {
    let headers = headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), (*value).to_owned())).collect();
    HttpRequest { method, url: url.clone(), headers, body, begun: begun.clone() }
}

fn onward(from: &Url, location: &str) -> Result<Url, HttpLost> {
    let next = from.join(location).map_err(|error| HttpLost::new(format!("a redirect leads nowhere: {error}")))?;
    if from.scheme() == "https" && next.scheme() != "https" {
        return Err(HttpLost::forbidden("a redirect leads from https to http"));
    }
    Ok(next)
}

/// What a request says was meant for the origin that was configured: nobody else is given it on that one's word.
fn elsewhere(next: &Url) -> HttpLost {
    let mut shown = next.clone();
    shown.set_query(None);
    shown.set_fragment(None);
    let shown = crate::failure::quoted(shown.as_str());
    HttpLost::forbidden(format!(
        "the server redirects to another origin, {shown}, where nothing is sent: configure that URL"
    ))
}

async fn reply(mut answer: HttpAnswer) -> Result<Result<Reply, Failure>, HttpLost> {
    let mut body = Vec::new();
    while let Some(piece) = answer.body.next().await? {
        if body.len() + piece.len() > REPLY {
            return Ok(Err(Failure::too_large(format!("the answer is larger than {REPLY} bytes"))));
        }
        body.extend_from_slice(&piece);
    }
    Ok(Ok(Reply { status: answer.status, headers: answer.headers, body: body.into() }))
}

/// A client for each port that is allowed where others are not, and one for all others: who resolves a name is not told
/// the port.
struct Clients {
    by_port: BTreeMap<u16, reqwest::Client>,
    other: reqwest::Client,
}

impl Clients {
    fn new(tls: &rustls::ClientConfig, lookups: &Lookups, reach: &Arc<Reach>, limits: &Limits) -> Result<Self, String> {
        let make = |port| client(tls, Names::new(reach.clone(), port, lookups), limits);
        let ports = reach.ports().into_iter();
        let by_port = ports.map(|port| Ok((port, make(Some(port))?))).collect::<Result<_, String>>()?;
        Ok(Self { by_port, other: make(None)? })
    }

    fn of(&self, url: &Url) -> &reqwest::Client {
        url.port_or_known_default().and_then(|port| self.by_port.get(&port)).unwrap_or(&self.other)
    }
}

fn client(tls: &rustls::ClientConfig, names: Names, limits: &Limits) -> Result<reqwest::Client, String> {
    reqwest::Client::builder()
        .use_preconfigured_tls(tls.clone())
        .user_agent(concat!("outcrop/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(limits.connect)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .dns_resolver(Arc::new(names))
        .pool_max_idle_per_host(4)
        // A proxy of the environment's variables would resolve names itself.
        .no_proxy()
        .build()
        .map_err(|error| format!("the HTTP client cannot be made: {error}"))
}
