//! KMS that is well, away, wrong or lying. Its signatures are checked from outside, by botocore.

use super::service::Answer;
use super::*;
use crate::secret::Secret;
use crate::stage::{Counting, Tasks};
use serde_json::{Value, json};
use std::collections::VecDeque;
use types::{ProjectId, Timestamp};

const ARN: &str = "arn:aws:kms:eu-central-1:111122223333:key/one";

/// Nobody waits for anything, except that patience ends when it is told to.
#[derive(Default)]
struct Still {
    now: Mutex<Duration>,
    is_over: watch::Sender<bool>,
}

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp(1_800_000_000_000)
    }

    fn monotonic(&self) -> Duration {
        *self.now.lock().unwrap()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let mut over = self.is_over.subscribe();
        Box::pin(async move {
            if duration >= PATIENCE {
                over.wait_for(|over| *over).await.unwrap();
            }
        })
    }
}

/// Wraps by writing down what belongs together, and answers first what it is told to.
#[derive(Default)]
struct Service {
    answers: Mutex<VecDeque<Told>>,
    asked: Mutex<Vec<Value>>,
    wrapped: Mutex<Vec<(Value, String)>>,
    /// With this, answers wait for leave.
    held: Option<Semaphore>,
}

enum Told {
    Instead(u16, Value),
    Lost(Unanswered),
    /// The true answer with another value in a field.
    But(&'static str, Value),
}

impl Service {
    fn honest(&self, asked: &Value) -> (u16, Value) {
        let mut wrapped = self.wrapped.lock().unwrap();
        let belongs = json!([asked["KeyId"], asked["EncryptionContext"]]);
        if let Some(plain) = asked["Plaintext"].as_str() {
            wrapped.push((belongs, plain.to_owned()));
            let blob = BASE64.encode((wrapped.len() - 1).to_string());
            return (
                200,
                json!({"KeyId": asked["KeyId"], "CiphertextBlob": blob, "EncryptionAlgorithm": "SYMMETRIC_DEFAULT"}),
            );
        }
        let index = BASE64.decode(asked["CiphertextBlob"].as_str().unwrap()).unwrap();
        let found = String::from_utf8(index).ok().and_then(|index| wrapped.get(index.parse::<usize>().ok()?));
        match found {
            Some((owner, plain)) if *owner == belongs => (200, json!({"KeyId": asked["KeyId"], "Plaintext": plain})),
            _ => (400, json!({"__type": "InvalidCiphertextException", "message": null})),
        }
    }
}

impl KeyService for Service {
    fn post<'a>(&'a self, request: &'a ServiceRequest) -> BoxFuture<'a, Result<Answer, Unanswered>> {
        Box::pin(async {
            let asked: Value = serde_json::from_slice(&request.body).unwrap();
            self.asked.lock().unwrap().push(asked.clone());
            if let Some(held) = &self.held {
                held.acquire().await.unwrap().forget();
            }
            let told = self.answers.lock().unwrap().pop_front();
            let (status, body) = match told {
                None => self.honest(&asked),
                Some(Told::Instead(status, body)) => (status, body),
                Some(Told::Lost(why)) => return Err(why),
                Some(Told::But(field, value)) => {
                    let (status, mut body) = self.honest(&asked);
                    body[field] = value;
                    (status, body)
                }
            };
            Ok(Answer { status, body: body.to_string().into_bytes().into() })
        })
    }
}

struct Scene {
    kms: Kms,
    clock: Arc<Still>,
    service: Arc<Service>,
    project: ProjectId,
}

impl Scene {
    fn new(service: Service) -> Self {
        let (clock, service) = (Arc::new(Still::default()), Arc::new(service));
        let world = KmsWorld {
            clock: clock.clone(),
            entropy: Arc::new(Counting::default()),
            spawn: Arc::new(Tasks),
            service: service.clone(),
        };
        let access = Access { id: "AKIA".to_owned(), secret: Secret::new("s3cret"), session_token: None };
        let keys = [ARN, "arn:aws:kms:us-east-1:111122223333:key/two"].map(|arn| KmsKey::parse(arn, None).unwrap());
        let kms = Kms::new(keys.to_vec(), Some("http://127.0.0.1:1".to_owned()), access, world);
        Self { kms, clock, service, project: ProjectId::from("p") }
    }

    fn owner<'a>(&'a self, vault: &'a str) -> Owner<'a> {
        Owner { project: &self.project, vault }
    }

    fn will(&self, told: impl IntoIterator<Item = Told>) {
        self.service.answers.lock().unwrap().extend(told);
    }

    fn asked(&self) -> usize {
        std::mem::take(&mut *self.service.asked.lock().unwrap()).len()
    }

    async fn wrapped(&self) -> Wrapped {
        self.kms.wrap(&[7; KEY], self.owner("v")).await.unwrap().wrapped
    }
}

fn throttled() -> Told {
    Told::Instead(400, json!({"__type": "com.amazonaws.kms#ThrottlingException", "message": "Rate exceeded"}))
}

#[tokio::test]
async fn what_was_wrapped_opens_for_its_owner_and_is_kept_for_a_while() {
    let scene = Scene::new(Service::default());
    let wrapped = scene.wrapped().await;
    assert_eq!(wrapped.root, "aws-kms:one");
    let asked = scene.service.asked.lock().unwrap().clone();
    let context = json!({"outcrop:project": "p", "outcrop:vault": "v"});
    assert_eq!((&asked[0]["KeyId"], &asked[0]["EncryptionContext"]), (&json!(ARN), &context));
    assert_eq!((scene.asked(), &asked[1]["EncryptionContext"]), (2, &context));
    for (later, questions) in [(0, 1), (299, 0), (1, 1)] {
        *scene.clock.now.lock().unwrap() += Duration::from_secs(later);
        assert_eq!(*scene.kms.unwrap(&wrapped, scene.owner("v")).await.unwrap(), [7; KEY]);
        assert_eq!(scene.asked(), questions, "{later}");
    }
    let other = scene.kms.unwrap(&wrapped, scene.owner("w")).await;
    assert_eq!(other, Err(KeyError::Damaged("aws-kms:one".to_owned())));
    let two = Wrapped { root: "aws-kms:two".to_owned(), ..wrapped.clone() };
    assert_eq!(scene.kms.unwrap(&two, scene.owner("v")).await, Err(KeyError::Damaged(two.root)));
    let nobody = Wrapped { root: "aws-kms:three".to_owned(), ..wrapped };
    assert_eq!(scene.kms.unwrap(&nobody, scene.owner("v")).await, Err(KeyError::Unknown(nobody.root)));
}

#[tokio::test]
async fn it_is_asked_again_where_that_may_help_alone() {
    let scene = Scene::new(Service::default());
    let wrapped = scene.wrapped().await;
    let open = || scene.kms.unwrap(&wrapped, scene.owner("v"));
    scene.asked();
    let failing = |status, kind: &str| Told::Instead(status, json!({"__type": kind, "message": "a\nb"}));
    scene.will([throttled(), throttled(), throttled(), throttled()]);
    let Err(KeyError::Away { why, .. }) = open().await else { panic!("it was opened") };
    assert_eq!((why.as_str(), scene.asked()), ("it answers 400 ThrottlingException: Rate exceeded", 4));
    scene.will([failing(403, "AccessDeniedException")]);
    let Err(KeyError::Refused { why, .. }) = open().await else { panic!("it was opened") };
    assert_eq!((why.as_str(), scene.asked()), ("it answers 403 AccessDeniedException: ab", 1));
    for lost in [Unanswered::NotSent("refused".to_owned()), Unanswered::Network("torn".to_owned())] {
        scene.will([Told::Lost(lost)]);
        assert!(matches!(open().await, Err(KeyError::Away { .. })));
        assert_eq!(scene.asked(), 1);
    }
    scene.will([throttled(), failing(500, "KMSInternalException"), failing(503, "")]);
    assert_eq!((*open().await.unwrap(), scene.asked()), ([7; KEY], 4));
}

#[tokio::test]
async fn lies_are_not_believed() {
    let lies = [
        Told::But("KeyId", json!("arn:aws:kms:us-east-1:111122223333:key/two")),
        Told::But("CiphertextBlob", json!("")),
        Told::But("CiphertextBlob", json!("not base64!")),
        Told::But("CiphertextBlob", json!(BASE64.encode("99"))),
        Told::But("CiphertextBlob", Value::Null),
        Told::Instead(200, json!([])),
    ];
    for lie in lies {
        let scene = Scene::new(Service::default());
        scene.will([lie]);
        assert!(matches!(scene.kms.wrap(&[7; KEY], scene.owner("v")).await.err(), Some(KeyError::Odd { .. })));
    }
    let plain = |bytes: &[u8]| Told::But("Plaintext", json!(BASE64.encode(bytes)));
    let scene = Scene::new(Service::default());
    let wrapped = scene.wrapped().await;
    for lie in [
        Told::But("KeyId", json!("arn:aws:kms:eu-central-1:999:key/one")),
        plain(&[7; 31]),
        plain(&[7; 33]),
        plain(&[7; 300]),
        Told::But("Plaintext", Value::Null),
        Told::Instead(200, json!("s3cret")),
    ] {
        scene.will([lie]);
        assert!(matches!(scene.kms.unwrap(&wrapped, scene.owner("v")).await, Err(KeyError::Odd { .. })));
    }
    // Another key than the one that was wrapped just now.
    let told = Told::But("KeyId", json!(ARN));
    scene.will([told, plain(&[8; 32])]);
    assert!(matches!(scene.kms.wrap(&[7; KEY], scene.owner("v")).await.err(), Some(KeyError::Odd { .. })));
    assert!(scene.kms.unwrap(&wrapped, scene.owner("v")).await.is_ok());
}

#[tokio::test]
async fn a_secret_that_is_said_back_is_told_nobody() {
    let scene = Scene::new(Service::default());
    let said = BASE64.encode([7; KEY]);
    scene.will([Told::Instead(400, json!({"__type": "ValidationException", "message": format!("{said} is odd")}))]);
    let error = scene.kms.wrap(&[7; KEY], scene.owner("v")).await.err().unwrap();
    assert!(matches!(error, KeyError::Refused { .. }) && !error.to_string().contains(&said), "{error}");
}

#[tokio::test]
async fn whoever_needs_the_same_key_shares_one_question() {
    let scene = Scene::new(Service { held: Some(Semaphore::new(2)), ..Service::default() });
    let wrapped = scene.wrapped().await;
    scene.asked();
    let open = || scene.kms.unwrap(&wrapped, scene.owner("v"));
    let leave = async {
        while scene.service.asked.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        scene.service.held.as_ref().unwrap().add_permits(1);
    };
    let (one, other, third, ()) = tokio::join!(open(), open(), open(), leave);
    assert!(one.is_ok() && other.is_ok() && third.is_ok());
    assert_eq!(scene.asked(), 1);
}

#[tokio::test]
async fn who_does_not_answer_is_waited_for_so_long_and_no_longer() {
    let scene = Scene::new(Service { held: Some(Semaphore::new(2)), ..Service::default() });
    let wrapped = scene.wrapped().await;
    let over = async {
        while scene.service.asked.lock().unwrap().len() < 3 {
            tokio::task::yield_now().await;
        }
        scene.clock.is_over.send_replace(true);
    };
    let (outcome, ()) = tokio::join!(scene.kms.unwrap(&wrapped, scene.owner("v")), over);
    let Err(KeyError::Away { why, .. }) = outcome else { panic!("it was opened") };
    assert_eq!(why, "no answer within 10 s");
}
