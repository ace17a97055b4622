//! npm itself, against a registry on this machine.

use super::*;
use crate::stage::Stage;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::io::Write as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// A registry on this machine, and what asks it.
struct Scene {
    stage: Stage,
    tools: Surroundings,
}

impl Scene {
    /// Packages by their names, each with what its package.json has beside name and version.
    #[expect(clippy::disallowed_methods, reason = "a test's edge")]
    async fn new(packages: &[(&'static str, Value)]) -> Self {
        let stage = Stage::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let packages: BTreeMap<_, _> = packages.iter().cloned().collect();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") && stream.read_buf(&mut request).await.unwrap() > 0 {}
                let path = String::from_utf8(request).unwrap().split(' ').nth(1).unwrap().to_owned();
                let body = answer(&packages, &path, port);
                let status = if body.is_some() { "200 OK" } else { "404 Not Found" };
                let body = body.unwrap_or_default();
                let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                stream.write_all(&[head.as_bytes(), &body].concat()).await.unwrap();
            }
        });
        let set = |name: &str, value: String| (name.into(), value.into());
        let own = std::env::vars_os().filter(|(name, _)| name == "PATH" || name == "HOME");
        let cache = stage.folder.path().join("cache").display().to_string();
        let tools = Surroundings::of(own.chain([
            set("npm_config_registry", format!("http://127.0.0.1:{port}/")),
            set("npm_config_userconfig", "/dev/null".into()),
            set("npm_config_fetch_retries", "0".into()),
            set("npm_config_cache", cache),
        ]));
        Self { stage, tools }
    }

    async fn fetch(&self, name: &str) -> Result<PathBuf, SetupFailed> {
        let workshop = self.stage.folder.path().join(name);
        std::fs::create_dir(&workshop).unwrap();
        let log = Log::begin(&workshop);
        fetch(&*self.stage.clock, &self.tools, &log, &workshop, &[name.to_owned()]).await
    }
}

fn answer(packages: &BTreeMap<&str, Value>, path: &str, port: u16) -> Option<Vec<u8>> {
    let name = path.trim_start_matches('/');
    if let Some(name) = name.strip_suffix(".tgz") {
        return Some(archive(&manifest(name, packages.get(name)?)));
    }
    let mut version = manifest(name, packages.get(name)?);
    version["dist"] = json!({"tarball": format!("http://127.0.0.1:{port}/{name}.tgz")});
    let about = json!({"name": name, "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": version}});
    Some(about.to_string().into_bytes())
}

fn manifest(name: &str, more: &Value) -> Value {
    let mut manifest = more.clone();
    (manifest["name"], manifest["version"]) = (json!(name), json!("1.0.0"));
    manifest
}

/// As npm packs them: a `tar` of a folder `package`.
fn archive(manifest: &Value) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    let script = "#!/usr/bin/env node\nconsole.log(\"hello\")\n".to_owned();
    for (name, content) in [("package/package.json", manifest.to_string()), ("package/cli.js", script)] {
        let mut head = [0_u8; 512];
        head[..name.len()].copy_from_slice(name.as_bytes());
        head[100..107].copy_from_slice(b"0000755");
        head[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
        head[148..156].copy_from_slice(b"        ");
        head[156] = b'0';
        head[257..265].copy_from_slice(b"ustar\x0000");
        let sum: u32 = head.iter().map(|byte| u32::from(*byte)).sum();
        head[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        packed.write_all(&head).unwrap();
        packed.write_all(content.as_bytes()).unwrap();
        packed.write_all(&vec![0; (512 - content.len() % 512) % 512]).unwrap();
    }
    packed.write_all(&[0; 1024]).unwrap();
    packed.finish().unwrap()
}

#[tokio::test]
async fn packages_come_from_the_registry_and_nothing_of_them_runs() {
    let folder = tempfile::tempdir().unwrap();
    let seen = folder.path().join("seen");
    let script = format!("touch {}", seen.display());
    let scripts = json!({"preinstall": script, "install": script, "postinstall": script, "prepare": script});
    let demo = json!({"bin": {"demo": "cli.js"}, "dependencies": {"dep": "^1.0.0"}, "scripts": scripts});
    let scene = Scene::new(&[("demo", demo), ("dep", json!({}))]).await;
    let target = scene.fetch("demo").await.unwrap();
    assert!(target.join("node_modules/dep/package.json").exists());
    let script = std::fs::read_to_string(target.join("bin/demo")).unwrap();
    assert!(script.starts_with("#!/usr/bin/env node\n"), "{script}");
    assert!(!seen.exists());
    // What it keeps is in the folder that is weighed.
    assert!(scene.stage.folder.path().join("demo/cache").exists());
    assert!(!scene.stage.folder.path().join("cache").exists());
}

#[tokio::test]
async fn an_npm_that_cannot_be_told_to_ask_a_registry_alone_is_not_used() {
    let stage = Stage::new();
    let folder = stage.folder.path();
    let (npm, used) = (folder.join("npm"), folder.join("used"));
    let script = format!("#!/bin/sh\ncase \"$*\" in *--version*) echo 10.9.4;; *) touch {};; esac\n", used.display());
    std::fs::write(&npm, script).unwrap();
    std::fs::set_permissions(&npm, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", folder.display());
    let tools = Surroundings::of([("PATH".into(), path.into())].into_iter());
    let workshop = folder.join("workshop");
    std::fs::create_dir(&workshop).unwrap();
    let failed = fetch(&*stage.clock, &tools, &Log::begin(folder), &workshop, &["demo".to_owned()]).await.unwrap_err();
    let message = "npm packages are fetched by npm of the server's machine, which must be 11.14.0 or newer.";
    assert_eq!(failed.message, message);
    assert!(!used.exists());
}

#[test]
fn a_version_is_read_as_npm_says_it() {
    for good in ["11.14.0\n", "11.19.1", "12.0.0-pre.1\n"] {
        assert!(takes_orders(good.as_bytes()), "{good:?}");
    }
    for bad in ["11.13.0\n", "10.20.0\n", "", "11", "new", "11.x.0", "v12.0.0"] {
        assert!(!takes_orders(bad.as_bytes()), "{bad:?}");
    }
}

#[tokio::test]
async fn what_is_in_no_registry_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let private = folder.path().join("private.tgz");
    std::fs::write(&private, archive(&manifest("private", &json!({})))).unwrap();
    let needs = |from: String| json!({"dependencies": {"private": from}});
    let scene = Scene::new(&[
        ("file", needs(format!("file:{}", private.display()))),
        ("folder", needs(format!("file:{}", folder.path().display()))),
        ("git", needs(format!("git+file://{}", folder.path().display()))),
        ("missing", needs("^1.0.0".into())),
    ])
    .await;
    // What answers at some address of this machine's network is nobody's to know.
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/private.tgz", elsewhere.local_addr().unwrap());
    let remote = Scene::new(&[("remote", needs(url))]).await;
    let failed = remote.fetch("remote").await.unwrap_err();
    assert_eq!(
        failed.message,
        "The npm packages could not be fetched: npm ended with exit code 1; setup.log says more"
    );
    assert!(futures_util::FutureExt::now_or_never(elsewhere.accept()).is_none());
    for name in ["file", "folder", "git", "missing"] {
        let failed = scene.fetch(name).await.expect_err(name);
        assert!(failed.message.starts_with("The npm packages could not be fetched: "), "{name}: {failed}");
        assert!(!failed.message.contains(&*folder.path().join("private.tgz").to_string_lossy()), "{name}: {failed}");
    }
}

#[test]
fn a_package_of_another_source_is_found_out() {
    let list = |source: &str| -> Installed {
        let all = r#"{"packages":{"node_modules/a":{"resolved":"https://r/a.tgz"},"node_modules/b":B}}"#;
        serde_json::from_str(&all.replace("B}}", &format!("{source}}}}}"))).unwrap()
    };
    for source in [r#"{"resolved":"http://mirror/b.tgz"}"#, r#"{"inBundle":true}"#] {
        assert_eq!(stranger(&list(source)), None, "{source}");
    }
    for source in [
        r#"{"resolved":"file:../b.tgz"}"#,
        r#"{"resolved":"git+ssh://git@host/b.git#0"}"#,
        r#"{"resolved":"../b","link":true}"#,
        r#"{"link":true}"#,
    ] {
        assert_eq!(stranger(&list(source)), Some("node_modules/b"), "{source}");
    }
}
