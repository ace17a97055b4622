//! The binary `outcrop`: reads the command line and the configuration, starts what was asked for, and turns how that
//! ended into an exit status: 0 well, 1 not, 2 a wrong command line or configuration.

mod address;
mod assembly;
mod backup;
mod cli;
mod client;
mod configuration;
mod conform;
mod data;
mod doctor;
mod executor;
#[cfg(feature = "failpoints")]
mod failpoints;
mod follow;
mod hosting;
mod http;
mod identity;
mod key;
mod mcp;
mod metrics;
mod model;
mod program;
mod quickstart;
mod rendezvous;
mod serve;
mod session;
mod shelf;
mod signals;
mod telemetry;
mod terminal;
mod vault;
mod world;

use clap::Parser;
use cli::{Cli, Command};
use configuration::{Configuration, Variables};
use std::process::ExitCode;

/// A wrong command line or configuration; clap uses the same.
const MISUSED: u8 = 2;

/// Tasks are made on one thread and end on another, and the system's allocator makes them wait for each other. Counted
/// for the worker of a program alone.
#[global_allocator]
static ALLOCATOR: code::allocator::Counted<mimalloc::MiMalloc> = code::allocator::Counted(mimalloc::MiMalloc);

fn main() -> ExitCode {
    // Before anything else: a sandbox's keeper has one thread and nothing open.
    #[cfg(target_os = "linux")]
    if std::env::args().nth(1).as_deref() == Some(doctor::sandbox::KEEPER) {
        return sandbox::keeper();
    }
    if std::env::args().nth(1).as_deref() == Some(program::WORKER) {
        return code::worker();
    }
    let cli = Cli::parse();
    let variables = Variables::read();
    if let Err(complaint) = telemetry::init(&variables) {
        terminal::warn(format_args!("error: {complaint}"));
        return ExitCode::from(MISUSED);
    }
    #[cfg(feature = "failpoints")]
    if let Err(complaint) = failpoints::arm(&variables) {
        terminal::warn(format_args!("error: {complaint}"));
        return ExitCode::from(MISUSED);
    }
    // One TLS for everything; it fails only where one is set already, and nobody else does.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let configuration = Configuration::load(&cli.flags(), &variables);
    let executor = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(executor) => executor,
        Err(error) => {
            terminal::warn(format_args!("error: no threads can be started: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let status = executor.block_on(run(&cli, configuration, &variables));
    // What still runs is durable or worth nothing; a read of stdin would otherwise be waited for.
    executor.shutdown_background();
    status
}

async fn run(
    cli: &Cli,
    configuration: Result<Configuration, configuration::Complaint>,
    variables: &Variables,
) -> ExitCode {
    match &cli.command {
        Command::Doctor => {
            return if doctor::run(configuration).await { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        }
        // It asks another server and needs nothing of this one's.
        Command::Conform(wanted) => return conform::run(wanted, variables).await,
        // It belongs to an environment, where nothing of a server is.
        Command::Executor(wanted) => return executor::run(wanted).await,
        // It talks to somebody else's server.
        Command::Mcp(wanted) => return mcp::run(wanted, variables).await,
        _ => {}
    }
    let mut configuration = match configuration {
        Ok(configuration) => configuration,
        Err(complaint) => {
            terminal::warn(format_args!("error: {complaint}"));
            return ExitCode::from(MISUSED);
        }
    };
    if matches!(&cli.command, Command::Serve { hidden, .. } if hidden.with_script) {
        configuration.add_script(quickstart::program::MODEL);
    }
    let done = match &cli.command {
        Command::Serve { hidden, .. } => serve::run(&configuration, hidden).await,
        Command::Backup { file } => backup::save(file, &configuration),
        Command::Restore { file, replace } => {
            let present = if *replace { store::Present::SetAside } else { store::Present::Refused };
            backup::restore(file, present, &configuration)
        }
        Command::Key(command) => key::run(command, &configuration).await,
        Command::Vault(command) => vault::run(command, &configuration).await,
        Command::Model(command) => model::run(command, &configuration).await,
        Command::Session(command) => session::run(command, &configuration, variables).await,
        Command::Quickstart { once, .. } => quickstart::run(&configuration, &cli.flags(), variables, *once).await,
        Command::Doctor | Command::Conform(_) | Command::Executor(_) | Command::Mcp(_) => Ok(()),
        #[cfg(feature = "failpoints")]
        Command::Failpoints => {
            failpoints::list();
            Ok(())
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            terminal::warn(format_args!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
