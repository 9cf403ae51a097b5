//! What the unprivileged processes are started with.

use std::ffi::CString;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

use rustix::process::{Gid, Resource, Uid};
use wca_messages::{Channel, Downward, Request};

use crate::agent::Agent;
use crate::compile::Compiler;
use crate::config::CompileLimits;
use crate::error::{WardenError, system};
use crate::start::{Launch, start};

/// Where the agent finds its end of the connection.
const STANDARD_INPUT: i32 = 0;
/// What the unprivileged processes see of the warden's environment; anything else may be a secret.
const ENVIRONMENT: [&str; 8] =
    ["RUST_LOG", "RUST_BACKTRACE", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "TERM", "TZ", "LANG"];

/// What every agent is started with.
pub(crate) struct Launcher {
    program: OwnedFd,
    arguments: Vec<CString>,
    environment: Vec<CString>,
    user: Option<(Uid, Gid)>,
}

impl Launcher {
    /// With the program that was named, else the running one.
    pub(crate) fn new(
        program: Option<File>,
        agent: Vec<String>,
        user: Option<(Uid, Gid)>,
    ) -> Result<Self, WardenError> {
        let program = program.map_or_else(|| open("/proc/self/exe"), Ok)?;
        let environment = ENVIRONMENT.iter().filter_map(|name| Some(format!("{name}={}", std::env::var(name).ok()?)));
        Ok(Self {
            program: program.into(),
            arguments: arguments(agent)?,
            environment: environment.map(argument).collect::<Result<_, _>>()?,
            user,
        })
    }

    /// Starts an agent.
    pub(crate) fn agent(&self) -> Result<Agent, WardenError> {
        let (own, theirs) = Channel::<Downward, Request>::pair().map_err(system("socketpair"))?;
        let child = start(&Launch {
            what: "the agent",
            program: self.program.as_fd(),
            arguments: &self.arguments,
            environment: &self.environment,
            descriptors: &[(theirs.as_fd(), STANDARD_INPUT)],
            user: self.user,
            // Tokens can stand in its memory.
            limits: &[(Resource::Core, 0)],
        })?;
        tracing::debug!("started the agent as process {}", child.pid.as_raw_nonzero());
        Agent::new(child, Channel::new(own))
    }

    /// What compilers are started with.
    pub(crate) fn compiler(&self, after: Vec<String>, limits: CompileLimits) -> Result<Compiler, WardenError> {
        Ok(Compiler {
            program: rustix::io::fcntl_dupfd_cloexec(&self.program, 0).map_err(system("F_DUPFD_CLOEXEC"))?,
            arguments: arguments(after)?,
            environment: self.environment.clone(),
            user: self.user,
            limits,
        })
    }
}

fn open(path: &str) -> Result<File, WardenError> {
    File::open(path).map_err(|source| WardenError::Open { path: path.into(), source })
}

/// The program's name and its arguments.
fn arguments(after: Vec<String>) -> Result<Vec<CString>, WardenError> {
    std::iter::once("wca".to_owned()).chain(after).map(argument).collect()
}

fn argument(text: String) -> Result<CString, WardenError> {
    CString::new(text).map_err(|error| WardenError::Argument(String::from_utf8_lossy(&error.into_vec()).into_owned()))
}
