//! Other gateways, as their users get them with pip: LiteLLM's proxy and TensorZero's gateway. Each is a process of its own
//! from a virtual environment of its own folder; what is not there is not measured, and the output says so.

use super::contestant::{Contestant, Role};
use crate::client::{Connection, Target};
use crate::server::{KEY, Server};
use anyhow::{Context, Result, bail, ensure};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::process::Command;

const PACKAGES: [&str; 2] = ["litellm[proxy]", "tensorzero"];
/// LiteLLM reads for a while before it listens.
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// TensorZero's package holds its gateway; this serves it over HTTP and says where.
const TENSORZERO: &str = "
import sys, threading
from tensorzero import _start_http_gateway
gateway = _start_http_gateway(config_file=sys.argv[1], clickhouse_url=None, postgres_url=None, valkey_url=None, async_setup=False)
address = gateway.base_url.split('://')[1].split('/')[0].replace('0.0.0.0', '127.0.0.1').replace('localhost', '127.0.0.1')
print('listening on http://' + address, flush=True)
threading.Event().wait()
";

pub async fn install(folder: &Path) -> Result<()> {
    let folder = std::path::absolute(folder)?;
    std::fs::create_dir_all(&folder)?;
    println!("installing {} below {}", PACKAGES.join(" and "), folder.display());
    succeed(Command::new("python3").args(["-m", "venv", "venv"]).current_dir(&folder)).await?;
    succeed(Command::new(folder.join("venv/bin/pip")).args(["install", "--quiet"]).args(PACKAGES)).await
}

async fn succeed(command: &mut Command) -> Result<()> {
    let status = command.status().await.with_context(|| format!("cannot start {:?}", command.as_std()))?;
    ensure!(status.success(), "{:?} ended with {status}", command.as_std());
    Ok(())
}

/// Those that are installed, each in front of the mock.
pub async fn start(folder: &Path, mock: &Target) -> Result<Vec<Contestant>> {
    let bin = std::path::absolute(folder)?.join("venv/bin");
    let mut started = Vec::new();
    for (name, role, package) in [("TensorZero", Role::TensorZero, "tensorzero"), ("LiteLLM", Role::LiteLlm, "litellm")]
    {
        if !is_there(&bin, package).await {
            println!("not measured, for it is not installed (--install): {name}");
            continue;
        }
        let server = match role {
            Role::TensorZero => tensorzero(&bin, mock).await,
            _ => litellm(&bin, mock).await,
        };
        match server {
            Ok(server) => started.push(Contestant::other(name, role, server)),
            Err(error) => println!("not measured, for it does not start: {name}: {error:#}"),
        }
    }
    Ok(started)
}

async fn is_there(bin: &Path, package: &str) -> bool {
    let code = format!("import importlib.metadata as m; m.version('{package}')");
    let mut python = Command::new(bin.join("python"));
    python.args(["-c", &code]).stderr(std::process::Stdio::null());
    python.status().await.is_ok_and(|status| status.success())
}

async fn tensorzero(bin: &Path, mock: &Target) -> Result<Server> {
    let folder = TempDir::new()?;
    let configuration = folder.path().join("tensorzero.toml");
    let text = format!(
        "[gateway]\nobservability.enabled = false\nbind_address = \"127.0.0.1:0\"\n\n\
         [models.mock]\nrouting = [\"upstream\"]\n\n[models.mock.providers.upstream]\ntype = \"openai\"\n\
         model_name = \"mock\"\napi_base = \"http://{}/v1/\"\napi_key_location = \"none\"\n",
        mock.address
    );
    std::fs::write(&configuration, text)?;
    let mut command = Command::new(bin.join("python"));
    command.args(["-c", TENSORZERO]).arg(&configuration).env("RUST_LOG", "error");
    command.stderr(log(&folder)?);
    Server::start(command, folder).await
}

async fn litellm(bin: &Path, mock: &Target) -> Result<Server> {
    let folder = TempDir::new()?;
    let configuration = folder.path().join("litellm.yaml");
    let entry = |name: &str| {
        format!(
            "  - model_name: {name}\n    litellm_params:\n      model: openai/mock\n      \
             api_base: http://{}/v1\n      api_key: none\n",
            mock.address
        )
    };
    let models = entry(super::shape::CHAT_MODEL) + &entry(super::shape::RESPONSES_MODEL);
    std::fs::write(&configuration, format!("model_list:\n{models}"))?;
    let address = free_address()?;
    let mut command = Command::new(bin.join("litellm"));
    command.arg("--config").arg(&configuration).args(["--host", "127.0.0.1"]);
    command.args(["--port", &address.port().to_string()]).current_dir(folder.path());
    let settings = [
        ("LITELLM_LOG", "ERROR"),
        ("LITELLM_LOCAL_MODEL_COST_MAP", "True"),
        // It is only to be reached from here, and for a minute.
        ("LITELLM_MASTER_KEY", KEY),
        ("LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY", "true"),
    ];
    command.envs(settings);
    command.stdout(log(&folder)?).stderr(log(&folder)?);
    let mut server = Server::start_at(command, folder, address)?;
    let begun = Instant::now();
    while !answers(&server.target).await {
        if begun.elapsed() > PATIENCE || server.has_ended() {
            let log = server.file("log").unwrap_or_default();
            let last: Vec<&str> = log.lines().rev().filter(|line| !line.trim().is_empty()).take(5).collect();
            bail!("{}", last.into_iter().rev().collect::<Vec<_>>().join("\n"));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(server)
}

async fn answers(target: &Target) -> bool {
    let ask = async { Connection::open(target).await?.get("/health/liveliness").await };
    ask.await.is_ok_and(|answer| answer.status == 200)
}

/// One that nobody has now.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

fn log(folder: &TempDir) -> Result<std::fs::File> {
    let path: PathBuf = folder.path().join("log");
    Ok(std::fs::OpenOptions::new().create(true).append(true).open(path)?)
}
