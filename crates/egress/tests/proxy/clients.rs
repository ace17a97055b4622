//! Clients as they are found in a sandbox: Python's own library (always there for these tests) and curl (where it is
//! installed), with nothing set but the variables that a sandbox sets.

use crate::world::{Papers, echo, rules, world};
use egress::Limits;
use std::path::PathBuf;
use tokio::process::Command;

const PYTHON: &str = "
import ssl, sys, urllib.request
context = ssl.create_default_context()
context.verify_flags |= ssl.VERIFY_X509_STRICT
request = urllib.request.Request(sys.argv[1], data=b'x' * 100000, headers={'X-Key': 'outcrop-secret-0001'})
with urllib.request.urlopen(request, context=context) as answer:
    print(answer.status, answer.read().decode())
";

async fn run(mut command: Command, proxy: &str, trusted: &PathBuf) -> (bool, String) {
    for variable in ["http_proxy", "https_proxy", "HTTPS_PROXY"] {
        command.env(variable, proxy);
    }
    for variable in ["no_proxy", "NO_PROXY", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env_remove(variable);
    }
    command.env("SSL_CERT_FILE", trusted).env("CURL_CA_BUNDLE", trusted).kill_on_drop(true);
    let done = command.output().await.expect("the client runs");
    let text = [done.stdout, done.stderr].concat();
    (done.status.success(), String::from_utf8_lossy(&text).into_owned())
}

/// The certificates made here hold before OpenSSL, strict where Python is strict.
#[tokio::test]
async fn clients_of_a_sandbox_pass() {
    let papers = Papers::of("a.test");
    let (server, _) = echo(Some(&papers)).await;
    let (clear, _) = echo(None).await;
    let world = world(rules(&["a.test"], &[server, clear]), Limits::default(), &[&papers]).await;
    world.names.tell("a.test", &[&["127.0.0.1"]]);
    let pair = ("outcrop-secret-0001".to_owned(), "the-real-value".to_owned());
    world.vault.0.lock().expect("vault").insert("a.test".into(), vec![pair]);
    let trusted = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("egress-{}.pem", world.door.port()));
    std::fs::write(&trusted, world.authority.certificate_pem()).expect("a file");
    let proxy = format!("http://{}", world.door);
    for (url, key) in [
        (format!("https://a.test:{}/x", server.port()), "**************"),
        (format!("http://a.test:{}/x", clear.port()), "outcrop-secret-0001"),
    ] {
        let mut python = Command::new("python3");
        python.args(["-c", PYTHON, &url]);
        let (good, text) = run(python, &proxy, &trusted).await;
        assert!(
            good && text.contains("POST /x\n") && text.contains(&format!("x-key: {key}\n")),
            "python3 {url}: {text}"
        );
        if Command::new("curl").arg("--version").output().await.is_err() {
            println!("skipped: curl is not installed");
            continue;
        }
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--data-binary", "hello", "-H", "X-Key: outcrop-secret-0001", &url, &url]);
        let (good, text) = run(curl, &proxy, &trusted).await;
        assert!(good && text.matches(&format!("x-key: {key}\n")).count() == 2, "curl {url}: {text}");
        let mut curl = Command::new("curl");
        curl.args(["-sS", "https://b.test/"]);
        let (good, text) = run(curl, &proxy, &trusted).await;
        assert!(!good && text.contains("403"), "curl: {text}");
    }
    std::fs::remove_file(&trusted).expect("the file");
}
