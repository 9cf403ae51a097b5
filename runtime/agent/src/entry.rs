//! `wca agent`: how the unprivileged process begins and ends.

use std::os::fd::{FromRawFd, OwnedFd};
use std::process::ExitCode;
use std::sync::Arc;

use wca_messages::{PROTOCOL, Reply, Request};
use wca_model::{Catalog, Platform};
use wca_sandbox::Sandbox;

use crate::client::{Client, ClientError};
use crate::confine::confine_agent;
use crate::settings::{Job, Settings};
use crate::{inspect, log, run};

/// Descriptor on which the warden hands over the connection.
const SOCKET: i32 = 3;

/// What everything in the agent needs.
pub(crate) struct Agent {
    pub(crate) client: Client,
    pub(crate) sandbox: Sandbox,
    pub(crate) cache: bool,
    pub(crate) platform: Arc<Platform>,
    pub(crate) catalog: Arc<Catalog>,
    /// Ticks of earlier agents of this warden.
    pub(crate) ticks: u64,
}

/// Runs the agent: exit code 0 for a job that is done, 1 for one that cannot be done. A panic ends with 101, after which
/// the warden starts another.
#[must_use]
pub fn main() -> ExitCode {
    if let Err(error) = confine_agent() {
        log::plain(&format!("the agent does not start: {error}"));
        return ExitCode::FAILURE;
    }
    let socket = take_socket();
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            log::plain(&format!("the agent does not start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(serve(Client::new(socket)));
    // A guest that does not yield must not keep the process from ending.
    runtime.shutdown_background();
    code
}

#[allow(unsafe_code, reason = "the descriptor comes from the warden, by number")]
fn take_socket() -> OwnedFd {
    // SAFETY: the warden places the connection on this descriptor before it starts the program, nothing else in this process
    // knows the number, and `main` runs once.
    unsafe { OwnedFd::from_raw_fd(SOCKET) }
}

async fn serve(client: Client) -> ExitCode {
    let (agent, job) = match greet(client).await {
        Ok(greeted) => greeted,
        Err(error) => {
            log::plain(&format!("the agent does not start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    match job {
        Job::Run(settings) => run::run(agent, settings).await,
        Job::Inspect { component, json } => inspect::inspect(agent, component, json).await,
    }
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
    log::start(&settings.log_level);
    let agent = Agent {
        client,
        sandbox: Sandbox::new()?,
        cache: settings.cache,
        platform: Arc::new(platform),
        catalog: Arc::new(catalog),
        ticks,
    };
    Ok((agent, settings.job))
}
