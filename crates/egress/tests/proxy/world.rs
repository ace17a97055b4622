//! A proxy on loopback with a clock that a test winds, a resolver that a test writes, and servers that say what they got.

use egress::{Access, Authority, Limits, Proxy, Resolver, Rules, Secrets, Substitution, Surroundings, domains};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::{TlsAcceptor, TlsConnector, client};
use types::{BoxFuture, Clock, Timestamp};

#[expect(clippy::disallowed_methods, reason = "a test is its own edge")]
pub fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}

/// Time stands still until it is wound on.
pub struct Hand(watch::Sender<Duration>);

impl Hand {
    pub fn wind(&self, by: Duration) {
        self.0.send_modify(|now| *now += by);
    }

    /// Until somebody waits for the hand to move.
    pub async fn waited_for(&self, sleepers: usize) {
        while self.0.receiver_count() < sleepers {
            tokio::task::yield_now().await;
        }
    }
}

impl Clock for Hand {
    #[expect(clippy::disallowed_methods, reason = "certificates are judged by the real time")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
        Timestamp(u64::try_from(since.as_millis()).expect("a sane time"))
    }

    fn monotonic(&self) -> Duration {
        *self.0.borrow()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let mut hand = self.0.subscribe();
        let until = self.monotonic() + duration;
        Box::pin(async move {
            let _ = hand.wait_for(|now| *now >= until).await;
        })
    }
}

/// Knows what it was told; counts how often it was asked. Each answer of a name is given once, the last one for ever.
#[derive(Default)]
pub struct Names {
    known: Mutex<BTreeMap<String, Vec<Vec<IpAddr>>>>,
    pub asked: AtomicUsize,
}

impl Names {
    pub fn tell(&self, name: &str, answers: &[&[&str]]) {
        let read = |list: &&[&str]| list.iter().map(|text| text.parse().expect("an address")).collect();
        self.known.lock().expect("names").insert(name.to_owned(), answers.iter().map(read).collect());
    }
}

impl Resolver for Names {
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        self.asked.fetch_add(1, SeqCst);
        let mut known = self.known.lock().expect("names");
        let found = match known.get_mut(name) {
            Some(answers) if answers.len() > 1 => Ok(answers.remove(0)),
            Some(answers) => Ok(answers[0].clone()),
            None => Err(io::Error::from(io::ErrorKind::NotFound)),
        };
        Box::pin(async move { found })
    }
}

/// Secrets by host, as they are now.
#[derive(Default)]
pub struct Vault(pub Mutex<BTreeMap<String, Vec<(String, String)>>>);

impl Secrets for Vault {
    fn of(&self, host: &egress::Host) -> Vec<Substitution> {
        let vault = self.0.lock().expect("vault");
        let pairs = vault.get(&host.to_string()).cloned().unwrap_or_default();
        pairs.into_iter().map(|(p, v)| Substitution::new(p, v).expect("a usable pair")).collect()
    }
}

pub struct World {
    pub proxy: Arc<Proxy>,
    pub door: SocketAddr,
    pub names: Arc<Names>,
    pub vault: Arc<Vault>,
    pub hand: Arc<Hand>,
    pub authority: Arc<Authority>,
}

/// A certificate that a proxy of these tests believes.
pub struct Papers {
    pub certificate: CertificateDer<'static>,
    key: Vec<u8>,
}

impl Papers {
    pub fn of(host: &str) -> Self {
        let made = rcgen::generate_simple_self_signed(vec![host.to_owned()]).expect("a certificate");
        Self { certificate: made.cert.der().clone(), key: made.key_pair.serialize_der() }
    }
}

/// Everything open to these servers, by the operator's exception, and to nothing else.
pub fn rules(allowed: &[&str], servers: &[SocketAddr]) -> Rules {
    let access = if allowed.is_empty() { Access::Enabled } else { Access::Only(domains(allowed).expect("domains")) };
    let ports: std::collections::BTreeSet<u16> = servers.iter().map(SocketAddr::port).collect();
    Rules {
        access,
        ports: ports.iter().copied().chain([80, 443, 8443]).collect(),
        secret_ports: ports,
        allowed_addresses: servers.iter().copied().collect(),
    }
}

pub async fn world(rules: Rules, limits: Limits, papers: &[&Papers]) -> World {
    let hand = Arc::new(Hand(watch::Sender::new(Duration::ZERO)));
    let authority = Arc::new(Authority::create(hand.now()).expect("an authority"));
    let (names, vault) = (Arc::new(Names::default()), Arc::new(Vault::default()));
    let mut roots = RootCertStore::empty();
    for papers in papers {
        roots.add(papers.certificate.clone()).expect("a root");
    }
    let around = Surroundings {
        resolver: Arc::clone(&names) as Arc<dyn Resolver>,
        secrets: Arc::clone(&vault) as Arc<dyn Secrets>,
        authority: Arc::clone(&authority),
        roots: roots.into(),
        clock: Arc::clone(&hand) as Arc<dyn Clock>,
    };
    let proxy = Arc::new(Proxy::new(rules, limits, around).expect("a proxy"));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let door = listener.local_addr().expect("an address");
    let serving = Arc::clone(&proxy);
    spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let serving = Arc::clone(&serving);
            spawn(async move { serving.serve(stream).await });
        }
    });
    World { proxy, door, names, vault, hand, authority }
}

impl World {
    pub async fn open(&self) -> TcpStream {
        TcpStream::connect(self.door).await.expect("the proxy's door")
    }

    /// Writes, ends its side, and reads all.
    pub async fn say(&self, text: &str) -> String {
        say(&mut self.open().await, text.as_bytes()).await
    }

    /// A tunnel that was granted.
    pub async fn tunnel(&self, target: &str) -> TcpStream {
        let mut stream = self.open().await;
        let request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("a request");
        let head = head(&mut stream).await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        stream
    }

    /// TLS through a tunnel. `trusted` is whom the client believes.
    pub async fn tls(
        &self,
        target: &str,
        name: &str,
        trusted: &CertificateDer<'static>,
    ) -> io::Result<client::TlsStream<TcpStream>> {
        let stream = self.tunnel(target).await;
        shake(stream, name, trusted, &[b"http/1.1"]).await
    }
}

pub async fn shake(
    stream: TcpStream,
    name: &str,
    trusted: &CertificateDer<'static>,
    alpn: &[&[u8]],
) -> io::Result<client::TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).expect("a root");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|word| word.to_vec()).collect();
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

pub async fn say<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, bytes: &[u8]) -> String {
    stream.write_all(bytes).await.expect("the proxy reads");
    rest(stream).await
}

/// What does not come at all fails the test instead of holding it up.
#[expect(clippy::disallowed_methods, reason = "a test is its own edge")]
pub async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), what).await.expect("it comes at last")
}

/// All that comes until the end, however it ends.
pub async fn rest<S: AsyncRead + Unpin>(stream: &mut S) -> String {
    let mut all = Vec::new();
    let mut piece = [0; 4096];
    while let Ok(read @ 1..) = soon(stream.read(&mut piece)).await {
        all.extend_from_slice(&piece[..read]);
    }
    String::from_utf8_lossy(&all).into_owned()
}

pub async fn head<S: AsyncRead + Unpin>(stream: &mut S) -> String {
    let mut all = Vec::new();
    while !all.ends_with(b"\r\n\r\n") {
        let Ok(byte) = soon(stream.read_u8()).await else { break };
        all.push(byte);
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// A head and as much body as it declares.
pub async fn whole<S: AsyncRead + Unpin>(stream: &mut S) -> String {
    let mut text = head(stream).await;
    let length = text.to_ascii_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    soon(stream.read_exact(&mut body)).await.expect("the whole body");
    text.push_str(&String::from_utf8_lossy(&body));
    text
}

/// A server that answers with what it was asked, made of hyper; behind TLS where it has papers.
pub async fn echo(papers: Option<&Papers>) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let acceptor = papers.map(acceptor);
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, SeqCst);
            let acceptor = acceptor.clone();
            spawn(async move {
                match acceptor {
                    None => answer(stream).await,
                    Some(acceptor) => {
                        if let Ok(stream) = acceptor.accept(stream).await {
                            answer(stream).await;
                        }
                    }
                }
            });
        }
    });
    (address, connections)
}

fn acceptor(papers: &Papers) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(papers.key.clone()));
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![papers.certificate.clone()], key)
        .expect("papers");
    TlsAcceptor::from(Arc::new(config))
}

async fn answer<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(stream: S) {
    let service = service_fn(|request: Request<Incoming>| async move {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let mut text = format!("{} {}\n", parts.method, parts.uri);
        for (name, value) in &parts.headers {
            text.push_str(&format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes())));
        }
        text.push_str(&format!("\n{}", String::from_utf8_lossy(&body)));
        let mut response = Response::new(Full::new(Bytes::from(text)));
        if let Some(value) = parts.headers.get("authorization") {
            response.headers_mut().insert("x-echo", value.clone());
        }
        Ok::<_, Infallible>(response)
    });
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// A server that answers every connection with these bytes once it has read a head, and keeps what it has read.
pub async fn fixed(answer: &'static str) -> (SocketAddr, Arc<Mutex<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let heard = Arc::new(Mutex::new(String::new()));
    let noted = Arc::clone(&heard);
    spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let text = head(&mut stream).await;
            noted.lock().expect("notes").push_str(&text);
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (address, heard)
}

/// The same behind TLS.
pub async fn fixed_tls(papers: &Papers, answer: &'static str) -> (SocketAddr, Arc<Mutex<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let acceptor = acceptor(papers);
    let heard = Arc::new(Mutex::new(String::new()));
    let noted = Arc::clone(&heard);
    spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let text = head(&mut stream).await;
            noted.lock().expect("notes").push_str(&text);
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    (address, heard)
}
