//! Connections that are kept: whose they are, and how many.

use crate::honest::call;
use crate::stage::{Body, Reply, Stage, done, http, limits, modern};
use mcp::{Limits, Owner, Servers, Way};
use std::sync::Arc;
use std::time::Duration;
use types::ProjectId;

fn owner(project: &str) -> Owner {
    Owner { project: ProjectId::new(project), place: String::new() }
}

#[tokio::test]
async fn connections_are_shared_within_a_project_and_never_across() {
    let stage = Stage::start(|request| modern(request).unwrap_or_else(|| request.answer(done()))).await;
    let servers = Servers::new(http(limits()));
    let get = |project: &str, header: Option<&str>, credential: Option<&str>| {
        let mut target = stage.target();
        target.headers.extend(header.map(|value| ("x".to_owned(), value.to_owned())));
        target.credential = credential.map(str::to_owned);
        servers.connection(&owner(project), Way::Service(target)).expect("there is room")
    };
    let one = get("a", None, None);
    assert!(Arc::ptr_eq(&one, &get("a", None, None)));
    for other in [get("b", None, None), get("a", Some("1"), None), get("a", None, Some("c"))] {
        assert!(!Arc::ptr_eq(&one, &other));
    }
    one.call(call("act")).await.expect("done");
    servers.close(&owner("a")).await;
    assert!(!Arc::ptr_eq(&one, &get("a", None, None)));
}

#[tokio::test]
async fn the_oldest_idle_connection_makes_room_and_one_in_use_does_not() {
    let servers = Servers::new(http(Limits { per_project: 2, ..limits() }));
    let get = |project: &str, path: &str| {
        let url = url::Url::parse(&format!("http://127.0.0.1:1/{path}")).expect("an URL");
        servers.connection(&owner(project), Way::Service(mcp::Target::new(url)))
    };
    let (first, second) = (get("a", "1").expect("room"), get("a", "2").expect("room"));
    assert!(get("a", "3").is_err());
    assert!(get("b", "1").is_ok());
    drop(first);
    assert!(get("a", "3").is_ok());
    drop(second);
}

#[tokio::test]
async fn what_nobody_uses_is_closed() {
    let stage = Stage::start(|request| crate::stage::classic(request).unwrap_or_else(|| request.answer(done()))).await;
    let servers = Servers::new(http(Limits { idle: Duration::from_millis(50), ..limits() }));
    let connection = servers.connection(&owner("a"), Way::Service(stage.target())).expect("room");
    connection.call(call("act")).await.expect("done");
    drop(connection);
    stage.until(|seen| seen.iter().any(|request| request.method == "DELETE")).await;
}

#[tokio::test]
async fn a_server_that_does_not_answer_its_end_holds_up_no_other() {
    let stage = Stage::start(|request| match request.method.as_str() {
        "DELETE" => Reply::only(Body::Silence),
        _ => crate::stage::classic(request).unwrap_or_else(|| request.answer(done())),
    })
    .await;
    let limits = Limits { idle: Duration::from_millis(50), connect: Duration::from_secs(600), ..limits() };
    let servers = Servers::new(http(limits));
    for project in ["a", "b"] {
        let connection = servers.connection(&owner(project), Way::Service(stage.target())).expect("room");
        connection.call(call("act")).await.expect("done");
    }
    stage.until(|seen| seen.iter().filter(|request| request.method == "DELETE").count() == 2).await;
}

#[tokio::test]
async fn listings_of_a_project_are_let_go_before_they_are_too_many() {
    let stage = Stage::start(|request| modern(request).unwrap_or_else(|| request.answer(done()))).await;
    let servers = Servers::new(http(Limits { kept_of_project: 1, ..limits() }));
    let get = |project: &str| servers.connection(&owner(project), Way::Service(stage.target())).expect("there is room");
    let listed = || stage.asked("tools/list").len();
    get("a").tools().await.expect("listed");
    get("b").tools().await.expect("listed");
    assert_eq!(listed(), 2);
    // Whoever comes anew makes room in its own project alone.
    get("a").tools().await.expect("listed anew");
    assert_eq!(listed(), 3);
    let roomy = Servers::new(http(limits()));
    for _ in 0..2 {
        let connection = roomy.connection(&owner("a"), Way::Service(stage.target())).expect("there is room");
        connection.tools().await.expect("listed");
    }
    assert_eq!(listed(), 4);
}
