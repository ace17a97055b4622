//! Tests of clients that go away while they are answered, at every moment: nothing is left of what was theirs alone.

use crate::stage::Server;
use runtime::{Direction, Page, SessionFilter};
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;
use types::{Door, ProjectId};

const REQUESTS: [(Door, &str, &str); 3] = [
    (
        Door::Chat,
        "/v1/chat/completions",
        r#"{"model": "m", "store": false, "messages": [{"role": "user", "content": "a"}]}"#,
    ),
    (Door::Responses, "/v1/responses", r#"{"model": "m", "store": false, "input": "a"}"#),
    (Door::Responses, "/v1/responses/compact", r#"{"model": "m", "input": "a"}"#),
];

/// The answer, if it comes within so many looks; then nobody waits for it any more.
async fn within<T>(mut looks: usize, answer: impl Future<Output = T>) -> Option<T> {
    let mut answer = pin!(answer);
    poll_fn(|context| {
        looks = looks.saturating_sub(1);
        match answer.as_mut().poll(context) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            Poll::Pending if looks == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

#[test]
fn nothing_is_left_of_what_is_not_kept() {
    let server = Server::new(1);
    let (door, _) = server.door();
    server.run(async {
        for (kind, path, body) in REQUESTS {
            for looks in 1.. {
                let is_answered = within(looks, server.post(path, body, &[])).await.is_some();
                let filter = SessionFilter { door: kind, ..SessionFilter::default() };
                let mut left = usize::MAX;
                for _ in 0..50 {
                    door.clock.sleep(Duration::from_millis(100)).await;
                    let page = Page { after: None, limit: 10, direction: Direction::Ascending };
                    left = door
                        .passing
                        .sessions(&ProjectId::new("default"), filter.clone(), page)
                        .await
                        .unwrap()
                        .data
                        .len();
                    if left == 0 {
                        break;
                    }
                }
                assert_eq!(left, 0, "{path}, after {looks} looks");
                if is_answered {
                    assert!(looks > 1, "{path} never had to wait");
                    break;
                }
            }
        }
    });
}
