//! `wca agent`: how the unprivileged process begins and ends.

use std::os::fd::AsFd;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use wca_log::Log;
use wca_messages::{PROTOCOL, Reply, Request};
use wca_model::{Catalog, Platform};
use wca_sandbox::Sandbox;

use crate::client::{Client, ClientError};
use crate::confine::confine_agent;
use crate::settings::{Job, Settings};
use crate::{configured, describe, inspect, log, run, tasks, workers};

/// What everything in the agent needs.
#[derive(Clone)]
pub(crate) struct Agent {
    pub(crate) client: Client,
    pub(crate) log: Log,
    pub(crate) sandbox: Sandbox,
    pub(crate) cache: bool,
    pub(crate) platform: Arc<Platform>,
    pub(crate) catalog: Arc<Catalog>,
    /// Ticks of earlier agents of this warden.
    pub(crate) ticks: u64,
}

impl Agent {
    /// Tells the warden that everything is loaded.
    pub(crate) async fn begin(&self) {
        // Where the warden is gone, the first tick says so.
        let _ = self.client.ask(&Request::Begin).await;
    }
}

/// How long clients of Kafka have at the end to close their connections.
const KAFKA_END: Duration = Duration::from_secs(1);

/// Runs the agent: exit code 0 for a job that is done, 1 for one that cannot be done. A panic ends with 101, after which
/// the warden starts another.
#[must_use]
pub fn main() -> ExitCode {
    if let Err(error) = confine_agent() {
        log::plain(&format!("the agent does not start: {error}"));
        return ExitCode::FAILURE;
    }
    // The warden hands over the connection as standard input.
    let socket = match std::io::stdin().as_fd().try_clone_to_owned() {
        Ok(socket) => socket,
        Err(error) => {
            log::plain(&format!("the agent does not start: its connection to the warden: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let (tick, guests) = match runtimes() {
        Ok(runtimes) => runtimes,
        Err(error) => {
            log::plain(&format!("the agent does not start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    workers::set(guests.handle().clone());
    let code = tick.block_on(async { serve(Client::new(socket)?).await });
    // A guest that does not yield must not keep the process from ending, and neither must a file that blocks.
    guests.shutdown_background();
    tick.shutdown_background();
    if !wca_storage::kafka::end(KAFKA_END) {
        log::plain(&format!("a Kafka client has not ended after {KAFKA_END:?}, and is left"));
    }
    code.unwrap_or_else(|error: std::io::Error| {
        log::plain(&format!("the agent does not start: its connection to the warden: {error}"));
        ExitCode::FAILURE
    })
}

/// One for the tick and what belongs to it, on this thread, and one whose threads call guests.
fn runtimes() -> std::io::Result<(Runtime, Runtime)> {
    let tick = Builder::new_current_thread().enable_all().build()?;
    Ok((tick, Builder::new_multi_thread().worker_threads(2).enable_all().build()?))
}

async fn serve(client: Client) -> std::io::Result<ExitCode> {
    let (agent, job) = match greet(client).await {
        Ok(greeted) => greeted,
        Err(error) => {
            log::plain(&format!("the agent does not start: {error}"));
            return Ok(ExitCode::FAILURE);
        }
    };
    Ok(match job {
        Job::Run(settings) => workers::run(run::run(agent, settings)).await,
        Job::Configured(settings) => configured::run(agent, settings).await,
        Job::Inspect { component, json } => workers::run(inspect::inspect(agent, component, json)).await,
        Job::Tasks { configured, json } => workers::run(tasks::tasks(agent, configured, json)).await,
        Job::Components { registered } => workers::run(describe::components(agent, registered)).await,
    })
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum GreetError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Settings(#[from] crate::settings::SettingsError),
    #[error(transparent)]
    Engine(#[from] wca_sandbox::EngineError),
}

pub(crate) async fn greet(client: Client) -> Result<(Agent, Job), GreetError> {
    let answer = client.ask(&Request::Hello { protocol: PROTOCOL }).await?;
    let Reply::Welcome { settings, platform, catalog, ticks } = answer.reply else {
        return Err(ClientError::Unexpected.into());
    };
    let settings = Settings::decode(&settings)?;
    let agent = Agent {
        client,
        log: wca_log::start(settings.levels, settings.form),
        sandbox: Sandbox::new()?,
        cache: settings.cache,
        platform: Arc::new(platform),
        catalog: Arc::new(catalog),
        ticks,
    };
    Ok((agent, settings.job))
}
