//! Registrations and tokens: who is taken, who is told to go, and what a handshake must show.

use super::*;
use crate::machine::Machine;
use crate::stage::{HandClock, Puppet, world};
use relay::{Body, Channel, Claim, Frame, Keys, Place};
use serde_json::json;
use tokio::sync::watch;
use wire::executor::{Base64, PublicKey};

#[derive(Default)]
struct Log(watch::Sender<Vec<String>>);

impl Listener for Log {
    fn connected(&self, site: &Site) {
        self.0.send_modify(|said| said.push(format!("+{}", site.environment)));
    }

    fn disconnected(&self, site: &Site) {
        self.0.send_modify(|said| said.push(format!("-{}", site.environment)));
    }
}

impl Log {
    async fn until(&self, expected: &[&str]) {
        self.0.subscribe().wait_for(|said| *said == expected).await.unwrap();
    }
}

struct Stage {
    rendezvous: Rendezvous,
    memory: Arc<Memory>,
    log: Arc<Log>,
    clock: Arc<HandClock>,
}

fn stage() -> Stage {
    let ((world, clock), memory, log) = (world(), Arc::new(Memory::default()), Arc::new(Log::default()));
    let rendezvous = Rendezvous::new(world, Settings::default(), memory.clone(), log.clone());
    Stage { rendezvous, memory, log, clock }
}

fn public(keys: &PublicKeys) -> PublicKey {
    PublicKey {
        suite: NOISE_SUITE.to_owned(),
        x25519_public_key: Base64(keys.x25519().to_vec()),
        mlkem768_public_key: Base64(keys.mlkem768().to_vec()),
    }
}

fn noise(keys: &Keys) -> NoiseRegistration {
    NoiseRegistration { security_profile: NOISE_PROFILE.to_owned(), executor_public_key: public(&keys.public()) }
}

fn direct() -> DirectRegistration {
    DirectRegistration { transport: DIRECT_TRANSPORT.to_owned() }
}

fn site(environment: &str) -> Site {
    Site { project: ProjectId::new("default"), environment: environment.to_owned() }
}

/// The executor's end of a socket, up to its question about the harness.
struct Caller {
    socket: Line,
    place: Place,
    claim: Claim,
}

impl Stage {
    async fn dial(&self, registered: &Registered) -> Line {
        let admission = self.rendezvous.admit(&site("env_a"), &registered.token).await.unwrap();
        let (near, far) = Line::pair();
        self.rendezvous.attach(admission, near);
        far
    }

    async fn call(&self, registered: &Registered, keys: &Keys) -> Caller {
        let mut socket = self.dial(registered).await;
        let resume = Frame::decode(&socket.incoming.recv().await.unwrap()).unwrap();
        assert_eq!(resume.body, Body::Resume { next_seq: 0 });
        let begin = Frame::decode(&socket.incoming.recv().await.unwrap()).unwrap();
        let place = Place {
            environment: "env_a".to_owned(),
            registration: registered.registration.clone(),
            stream: begin.stream,
        };
        let Body::Handshake { payload } = begin.body else { panic!("no handshake") };
        let claim = Claim::read(&place, keys, &payload).unwrap();
        Caller { socket, place, claim }
    }
}

impl Caller {
    fn question(&self) -> Validation {
        Validation {
            executor_registration_id: self.place.registration.clone(),
            harness_public_key: public(&self.claim.harness),
            harness_key_authorization: String::from_utf8(self.claim.authorization.clone()).unwrap(),
        }
    }

    /// Answers the handshake, and then the greeting, with this session.
    async fn greet(self, session: &str) -> (Channel, Line) {
        let (mut channel, answer) = Channel::accept(self.claim).unwrap();
        let mut socket = self.socket;
        // A frame of some other stream is nobody's.
        socket.outgoing.send(Frame::new("other", Body::Heartbeat).encode()).await.unwrap();
        socket.outgoing.send(answer.encode()).await.unwrap();
        let mut said = Vec::new();
        while said.len() < 2 {
            let frame = Frame::decode(&socket.incoming.recv().await.unwrap()).unwrap();
            said.append(&mut channel.receive(frame.body).unwrap());
            if said.len() == 1 {
                let asked: serde_json::Value = serde_json::from_slice(&said[0]).unwrap();
                let answer = json!({"id": asked["id"], "result": {"sessionId": session}}).to_string();
                for frame in channel.send(answer.as_bytes()).unwrap() {
                    socket.outgoing.send(frame.encode()).await.unwrap();
                }
            }
        }
        (channel, socket)
    }
}

#[tokio::test]
async fn a_handshake_is_validated_and_a_session_kept() {
    let (stage, keys) = (stage(), Keys::generate().unwrap());
    let registered = stage.rendezvous.register(&site("env_a"), &noise(&keys)).await.unwrap();
    assert!(registered.registration.starts_with("execreg_") && registered.registration.len() == 32);
    assert_eq!(registered.token.len(), 64);
    let caller = stage.call(&registered, &keys).await;
    let (question, stream) = (caller.question(), caller.place.stream.clone());
    assert_eq!(stream.len(), 36);
    assert!(stage.rendezvous.validate(&site("env_a"), &stream, &question));

    let other = Keys::generate().unwrap();
    let turned = |change: &dyn Fn(&mut Validation)| {
        let mut turned = question.clone();
        change(&mut turned);
        stage.rendezvous.validate(&site("env_a"), &stream, &turned)
    };
    assert!(!turned(&|asked| asked.harness_key_authorization.push('x')));
    assert!(!turned(&|asked| asked.harness_key_authorization.clear()));
    assert!(!turned(&|asked| asked.executor_registration_id = "execreg_1".to_owned()));
    assert!(!turned(&|asked| asked.harness_public_key = public(&other.public())));
    assert!(!turned(&|asked| asked.harness_public_key.x25519_public_key = Base64(vec![0; 31])));
    assert!(!turned(&|asked| asked.harness_public_key.suite.clear()));
    assert!(!stage.rendezvous.validate(&site("env_a"), "another", &question));
    assert!(!stage.rendezvous.validate(&site("env_b"), &stream, &question));

    let (_channel, _socket) = caller.greet("s1").await;
    stage.log.until(&["+env_a"]).await;
    // It was good for that handshake alone.
    assert!(!stage.rendezvous.validate(&site("env_a"), &stream, &question));
    let kept = stage.memory.newest(&site("env_a")).await.unwrap().unwrap();
    assert_eq!(kept.session.as_deref(), Some("s1"));
}

#[tokio::test]
async fn the_newest_executor_counts() {
    let (stage, first, second) = (stage(), Keys::generate().unwrap(), Keys::generate().unwrap());
    let older = stage.rendezvous.register(&site("env_a"), &noise(&first)).await.unwrap();
    let (_, mut socket) = stage.call(&older, &first).await.greet("s1").await;
    stage.log.until(&["+env_a"]).await;
    let newer = stage.rendezvous.register(&site("env_a"), &noise(&second)).await.unwrap();
    while socket.incoming.recv().await.is_some() {}
    stage.log.until(&["+env_a", "-env_a"]).await;
    assert_eq!(stage.rendezvous.admit(&site("env_a"), &older.token).await.unwrap_err(), Refusal::Forgotten);
    assert_eq!(stage.rendezvous.register(&site("env_a"), &noise(&first)).await, Err(Refusal::Replaced));
    let (_, _socket) = stage.call(&newer, &second).await.greet("s2").await;
    stage.log.until(&["+env_a", "-env_a", "+env_a"]).await;
    // The same executor again keeps its session.
    stage.rendezvous.register(&site("env_a"), &noise(&second)).await.unwrap();
    assert_eq!(stage.memory.newest(&site("env_a")).await.unwrap().unwrap().session.as_deref(), Some("s2"));
    assert_eq!(stage.rendezvous.register(&site("env_a"), &noise(&first)).await, Err(Refusal::Replaced));
    stage.rendezvous.register(&site("env_b"), &noise(&first)).await.unwrap();
}

#[tokio::test]
async fn tokens_open_their_environment_alone() {
    let stage = stage();
    let registered = stage.rendezvous.register_direct(&site("env_a"), &direct(), false).await.unwrap();
    stage.rendezvous.register_direct(&site("env_b"), &direct(), false).await.unwrap();
    for (environment, token) in [("env_b", registered.token.as_str()), ("env_a", "x"), ("env_a", ""), ("env_c", "x")] {
        let refusal = stage.rendezvous.admit(&site(environment), token).await.unwrap_err();
        assert_eq!((&refusal, refusal.status()), (&Refusal::Forgotten, 409));
    }
    let admission = stage.rendezvous.admit(&site("env_a"), &registered.token).await.unwrap();
    assert!(admission.is_text());
    stage.rendezvous.register_direct(&site("env_a"), &direct(), false).await.unwrap();
    // It would be taken for a new one if it came again.
    let refusal = stage.rendezvous.admit(&site("env_a"), &registered.token).await.unwrap_err();
    assert_eq!((&refusal, refusal.status()), (&Refusal::Replaced, 410));
    // One that was admitted before is too late as well.
    let (near, mut far) = Line::pair();
    stage.rendezvous.attach(admission, near);
    assert!(far.incoming.recv().await.is_none());
}

#[tokio::test]
async fn who_registers_with_a_signature_opens_the_socket_with_one() {
    let stage = stage();
    for signed in [false, true] {
        let registered = stage.rendezvous.register_direct(&site("env_a"), &direct(), signed).await.unwrap();
        let admission = stage.rendezvous.admit(&site("env_a"), &registered.token).await.unwrap();
        assert_eq!((admission.is_text(), admission.needs_signature()), (true, signed));
    }
    // As earlier versions have kept it.
    let before: Transport = serde_json::from_str(r#"{"type":"direct"}"#).unwrap();
    assert_eq!(before, Transport::Direct { signed: false });
}

#[tokio::test]
async fn a_direct_executor_speaks_plainly() {
    let stage = stage();
    let registered = stage.rendezvous.register_direct(&site("env_a"), &direct(), false).await.unwrap();
    let mut puppet = Puppet { line: stage.dial(&registered).await };
    puppet.greet("s1").await;
    stage.log.until(&["+env_a"]).await;
    let machine = stage.rendezvous.machine(&site("env_a")).await.unwrap().unwrap();
    let (listed, ()) = tokio::join!(machine.list("/w"), async {
        let (id, params) = puppet.asked("fs/readDirectory").await;
        assert_eq!(params["path"], "file:///w");
        puppet.answer(id, json!({"entries": []})).await;
    });
    assert_eq!(listed, Ok(Vec::new()));
    // Again over the same token, and the session with it; then the environment goes.
    let mut again = Puppet { line: stage.dial(&registered).await };
    puppet.hangs_up().await;
    assert_eq!(again.greet("s1").await, "s1");
    stage.rendezvous.forget(&site("env_a")).await.unwrap();
    again.hangs_up().await;
    assert!(stage.rendezvous.machine(&site("env_a")).await.unwrap().is_none());
    assert_eq!(stage.rendezvous.admit(&site("env_a"), &registered.token).await.unwrap_err(), Refusal::Forgotten);
}

#[tokio::test]
async fn what_is_no_registration_is_refused() {
    let (stage, keys) = (stage(), Keys::generate().unwrap());
    for environment in ["", "a/b", "ä", &"e".repeat(257)] {
        let refusal = stage.rendezvous.register(&site(environment), &noise(&keys)).await.unwrap_err();
        assert_eq!(refusal.status(), 400, "{environment}");
    }
    for change in 0..4 {
        let mut body = noise(&keys);
        match change {
            0 => body.security_profile.clear(),
            1 => body.executor_public_key.suite.push('x'),
            2 => body.executor_public_key.x25519_public_key.0.push(0),
            _ => body.executor_public_key.mlkem768_public_key.0.clear(),
        }
        assert!(matches!(stage.rendezvous.register(&site("env_a"), &body).await, Err(Refusal::Invalid(_))), "{change}");
    }
    let body = DirectRegistration { transport: "smoke".to_owned() };
    assert!(matches!(stage.rendezvous.register_direct(&site("env_a"), &body, false).await, Err(Refusal::Invalid(_))));
    assert!(stage.rendezvous.machine(&site("env_a")).await.unwrap().is_none());
}

/// Whatever a socket brings instead of a handshake, it is closed and the next one is served.
#[tokio::test]
async fn a_handshake_that_fails_closes_the_socket() {
    let (stage, keys) = (stage(), Keys::generate().unwrap());
    let registered = stage.rendezvous.register(&site("env_a"), &noise(&keys)).await.unwrap();
    let stream = |caller: &Caller| caller.place.stream.clone();
    for nonsense in 0..4 {
        let caller = stage.call(&registered, &keys).await;
        let stream = stream(&caller);
        let frame = match nonsense {
            0 => vec![0xff; 100],
            1 => Frame::new(&stream, Body::Handshake { payload: vec![7; 3424] }).encode(),
            2 => Frame::new(&stream, Body::Reset { reason: "no".to_owned() }).encode(),
            _ => Frame::new(&stream, Body::Data(relay::Data::default())).encode(),
        };
        let mut socket = caller.socket;
        socket.outgoing.send(frame).await.unwrap();
        assert!(socket.incoming.recv().await.is_none(), "{nonsense}");
    }
    // A newer one ends an older one that is not done.
    let mut older = stage.call(&registered, &keys).await.socket;
    let newer = stage.call(&registered, &keys).await;
    assert!(older.incoming.recv().await.is_none());
    drop(newer);
    // One that says nothing is given up.
    let mut silent = stage.call(&registered, &keys).await.socket;
    assert!(stage.clock.pass(silent.incoming.recv()).await.is_none());
    // After a handshake, a record that is none closes it too, with a word.
    let caller = stage.call(&registered, &keys).await;
    let stream = stream(&caller);
    let (_, mut socket) = caller.greet("s1").await;
    let data = relay::Data { seq: 9, segment_index: 0, segment_count: 3, payload: vec![0; 64] };
    socket.outgoing.send(Frame::new(&stream, Body::Data(data)).encode()).await.unwrap();
    let word = Frame::decode(&socket.incoming.recv().await.unwrap()).unwrap();
    assert_eq!(word.body, Body::Reset { reason: relay::PROTOCOL_RESET.to_owned() });
    while socket.incoming.recv().await.is_some() {}
    stage.log.until(&["+env_a", "-env_a"]).await;
    let (_, _socket) = stage.call(&registered, &keys).await.greet("s1").await;
    stage.log.until(&["+env_a", "-env_a", "+env_a"]).await;
}
