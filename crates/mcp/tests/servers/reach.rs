//! Where requests may go, and what goes with them.

use crate::honest::call;
use crate::stage::{Reply, Request, Stage, done, http, limits, modern};
use mcp::{Connection, Http, Kind, Reach, Target, Way};
use url::Url;

fn answered(request: &Request) -> Reply {
    modern(request).unwrap_or_else(|| request.answer(done()))
}

/// A server that redirects everything.
async fn redirecting(status: u16, to: String) -> Stage {
    Stage::start(move |_| Reply::status(status).with("location", to.clone())).await
}

#[tokio::test]
async fn redirects_to_this_machine_and_to_metadata_are_refused() {
    for to in
        ["http://169.254.169.254/latest/meta-data", "http://127.0.0.2:1/", "http://[::1]:1/", "file:///etc/passwd"]
    {
        let stage = redirecting(307, to.to_owned()).await;
        let failure = stage.connect().call(call("act")).await.expect_err("refused");
        assert!(matches!(failure.kind, Kind::Refused(_) | Kind::NotSent), "{to}: {failure:?}");
        assert!(failure.message.contains("reach") || failure.message.contains("scheme"), "{to}: {failure:?}");
    }
}

#[tokio::test]
async fn private_addresses_are_refused_unless_they_are_allowed() {
    let stage = Stage::start(answered).await;
    let strict = Http::new(Reach::default(), limits(), crate::stage::world()).expect("a client");
    for host in ["127.0.0.1", "localhost"] {
        let mut url = stage.url.clone();
        url.set_host(Some(host)).expect("a host");
        let connection = Connection::new(Way::Service(Target::new(url)), &strict).expect("a client");
        let failure = connection.call(call("act")).await.expect_err("refused");
        assert!(failure.message.contains("loopback"), "{failure:?}");
    }
    assert!(stage.seen.lock().expect("nobody panics with it").is_empty());
    let open = Http::new(Reach { allow_private: true, ..Reach::default() }, limits(), crate::stage::world());
    let open = open.expect("a client");
    Connection::new(Way::Service(stage.target()), &open).expect("a client").call(call("act")).await.expect("done");
}

#[tokio::test]
async fn what_was_meant_for_one_origin_goes_to_no_other() {
    let other = Stage::start(answered).await;
    let stage = redirecting(307, other.url.to_string()).await;
    let mut target = stage.target();
    target.headers = vec![
        ("Authorization".to_owned(), "Bearer secret".to_owned()),
        ("X-Api-Key".to_owned(), "secret".to_owned()),
        ("Cookie".to_owned(), "secret".to_owned()),
    ];
    target.request_metadata.insert("tenant".to_owned(), "secret".into());
    let connection = Connection::new(Way::Service(target), &http(limits())).expect("a client");
    let failure = connection.call(call("act")).await.expect_err("refused");
    assert!(failure.message.contains("configure that URL"), "{failure:?}");
    assert!(matches!(failure.kind, Kind::Refused(_) | Kind::NotSent), "{failure:?}");
    let first = stage.seen.lock().expect("nobody panics with it").clone();
    assert!(first.iter().all(|request| request.header("authorization") == Some("Bearer secret")));
    assert!(other.seen.lock().expect("nobody panics with it").is_empty());
    // A question that says nothing may be asked there, without what is secret.
    let secrets = [("authorization", "Bearer secret"), ("x-api-key", "secret"), ("accept", "text/plain")];
    http(limits()).get(&stage.url, &secrets).await.expect("an answer");
    let second = other.seen.lock().expect("nobody panics with it").clone();
    assert_eq!(second.len(), 1);
    assert!(!format!("{second:?}").contains("secret"), "{second:?}");
    assert_eq!((second[0].method.as_str(), second[0].header("accept")), ("GET", Some("text/plain")));
}

#[tokio::test]
async fn within_an_origin_headers_stay() {
    let stage = Stage::start(|request| match request.path.as_str() {
        "/mcp" => Reply::status(308).with("location", "/there"),
        _ => answered(request),
    })
    .await;
    let mut target = stage.target();
    target.headers = vec![("Authorization".to_owned(), "Bearer secret".to_owned())];
    let connection = Connection::new(Way::Service(target), &http(limits())).expect("a client");
    connection.call(call("act")).await.expect("done");
    let seen = stage.seen.lock().expect("nobody panics with it").clone();
    assert!(seen.iter().all(|request| request.header("authorization") == Some("Bearer secret")));
}

#[tokio::test]
async fn redirects_end_and_a_post_never_becomes_a_get() {
    let stage = redirecting(307, "/again".to_owned()).await;
    let failure = stage.connect().call(call("act")).await.expect_err("no end");
    assert!(failure.message.contains("redirects"), "{failure:?}");
    let stage = redirecting(302, "/other".to_owned()).await;
    stage.connect().call(call("act")).await.expect_err("no answer");
    assert!(stage.seen.lock().expect("nobody panics with it").iter().all(|request| request.method == "POST"));
}

#[tokio::test]
async fn small_documents_are_bounded_too() {
    let stage = Stage::start(|_| Reply::json(vec![b' '; 2 << 20])).await;
    let failure = http(limits()).get(&stage.url, &[]).await.expect_err("too large");
    assert_eq!(failure.kind, Kind::TooLarge);
    let nowhere = Url::parse("http://10.0.0.1/").expect("an URL");
    let failure = http(limits()).post_form(&nowhere, &[("a", "b")], Some(("i", "s"))).await.expect_err("refused");
    assert_eq!(failure.kind, Kind::Refused(None));
}
