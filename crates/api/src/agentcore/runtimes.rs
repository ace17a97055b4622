//! Agent runtimes: programs that their authors wrote, hosted here; what is kept of them (control plane) and what they are
//! asked (data plane). What runs, and how, is `hosting`'s.

mod command;
mod control;
mod endpoints;
mod invoke;
mod refused;
mod shown;
mod socket;

use crate::Door;
use crate::aws::AwsFailure;
use crate::query::Pairs;
use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, post, put};
pub use command::slot;
use hosting::Hosting;
pub use refused::Refused;
pub use shown::iso;

use std::sync::Arc;
use types::Arn;
use wire::agentcore::runtime::runtime_id;

/// Results of a page where nothing is said, and the most.
const RESULTS: usize = 20;
const MOST_RESULTS: usize = 100;

/// With the slash at the end, as clients ask, and without.
pub fn routes() -> Router<Arc<Door>> {
    let mut routes = Router::new()
        .route("/runtimes/{runtime}/invocations", post(invoke::invoke))
        .route("/runtimes/{runtime}/stopruntimesession", post(invoke::stop))
        .route("/runtimes/{runtime}/ws", get(socket::open))
        .route("/runtimes/{runtime}/commands", post(command::run));
    for slash in ["", "/"] {
        let named = format!("/runtimes/{{runtime}}/runtime-endpoints/{{endpoint}}{slash}");
        routes = routes
            .route(&format!("/runtimes{slash}"), put(control::create).post(control::list))
            .route(
                &format!("/runtimes/{{runtime}}{slash}"),
                get(control::retrieve).put(control::update).delete(control::delete),
            )
            .route(&format!("/runtimes/{{runtime}}/versions{slash}"), post(control::versions))
            .route(
                &format!("/runtimes/{{runtime}}/runtime-endpoints{slash}"),
                put(endpoints::create).post(endpoints::list),
            )
            .route(&named, get(endpoints::retrieve).put(endpoints::update).delete(endpoints::delete));
    }
    routes
}

/// Who hosts them; nobody where this machine cannot.
pub fn hosting(door: &Door) -> Result<&Hosting, Refused> {
    let why = || AwsFailure::new(StatusCode::NOT_FOUND, "UnknownOperationException", &*door.no_hosting);
    door.hosting.as_ref().ok_or_else(|| why().into())
}

/// The id of a runtime, which may be named by its ARN. Another account's is as missing as one that never was.
fn named(door: &Door, text: String) -> Result<String, Refused> {
    let id = match text.parse::<Arn>() {
        Err(_) => text,
        Ok(arn) => match arn.resource.strip_prefix("runtime/") {
            Some(id) if arn.service == "bedrock-agentcore" && door.aws.account.owns(&arn) => id.to_owned(),
            _ => return Err(Refused::missing()),
        },
    };
    runtime_id(&id)?;
    Ok(id)
}

/// How many results, and after which.
pub fn asked(pairs: &Pairs) -> Result<(usize, Option<String>), Refused> {
    let limit = match pairs.one("maxResults")? {
        None => RESULTS,
        Some(text) => match text.parse() {
            Ok(number @ 1..=MOST_RESULTS) => number,
            _ => {
                let message = format!("Invalid 'maxResults': a number from 1 to {MOST_RESULTS} is asked for.");
                return Err(Refused::wrong(message, Some("maxResults")));
            }
        },
    };
    Ok((limit, pairs.one("nextToken")?.map(str::to_owned)))
}

pub fn bad_token() -> Refused {
    Refused::wrong("Invalid 'nextToken': it is not one that a list gave.", Some("nextToken"))
}
