//! What the operator asked for, on its way from the program through the warden to its agent.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use wca_sandbox::{Grants, Limits};

/// What the agent is to do. The warden hands it on without reading it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Lines below this level are not written: `error`, `warn`, `info`, `debug` or `trace`.
    pub log_level: String,
    /// Whether compiled code may be taken from the cache and put there.
    pub cache: bool,
    /// The job.
    pub job: Job,
}

/// What the agent is to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(clippy::large_enum_variant, reason = "there is one job in a process")]
pub enum Job {
    /// Run components.
    Run(Run),
    /// Print what a component is.
    Inspect {
        /// The component.
        component: ComponentSource,
        /// As JSON.
        json: bool,
    },
}

/// Components that run each interval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// The components.
    pub components: Vec<ComponentSource>,
    /// Their parameters as they stand on the command line: key and value.
    pub set: Vec<(String, String)>,
    /// What each may use.
    pub limits: Limits,
    /// What each is granted.
    pub grants: Grants,
    /// Time from tick to tick.
    pub interval: Duration,
    /// Number of ticks; none: until the agent is ended.
    pub iterations: Option<u64>,
    /// A component that is refused does not keep the others from running.
    pub continue_on_errors: bool,
    /// Seed of the policies' random numbers; none: another in every run.
    pub seed: Option<u64>,
}

/// Where a component comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ComponentSource {
    /// A file that the warden opened.
    File {
        /// Its number among the files of the warden.
        file: u32,
        /// Its path as the operator wrote it.
        path: String,
    },
    /// Part of the program.
    Embedded {
        /// Its name.
        name: String,
    },
}

impl std::fmt::Display for ComponentSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File { path, .. } => f.write_str(path),
            Self::Embedded { name } => write!(f, "{name} (built in)"),
        }
    }
}

/// The settings could not be encoded or decoded: warden and agent are not of one build.
#[derive(Debug, thiserror::Error)]
#[error("the settings of the agent: {0}")]
pub struct SettingsError(#[from] postcard::Error);

impl Settings {
    /// As the warden hands them on.
    ///
    /// # Errors
    /// [`SettingsError`].
    pub fn encode(&self) -> Result<Vec<u8>, SettingsError> {
        Ok(postcard::to_stdvec(self)?)
    }

    /// As the warden handed them on.
    ///
    /// # Errors
    /// [`SettingsError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, SettingsError> {
        Ok(postcard::from_bytes(bytes)?)
    }
}
