//! What the operator asked for, on its way from the program through the warden to its agent.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use wca_log::{Form, Levels};
use wca_sandbox::{Grants, Limits};

/// What the agent is to do. The warden hands it on without reading it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Which lines are written to the log.
    pub levels: Levels,
    /// In which form.
    pub form: Form,
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
    /// Run what a configuration file says.
    Configured(Configured),
    /// Print what a component is.
    Inspect {
        /// The component.
        component: ComponentSource,
        /// As JSON.
        json: bool,
    },
    /// Print the tasks of the node, and what is not measured of each.
    Tasks {
        /// The configuration that says who is a task; none: every cgroup with processes is.
        configured: Option<Configured>,
        /// As JSON.
        json: bool,
    },
    /// Print all components, with the registered ones.
    Components {
        /// The registered ones.
        registered: Vec<Registered>,
    },
}

/// Components that run each interval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// The components.
    pub components: Vec<ComponentSource>,
    /// Their parameters as they stand on the command line: key and value.
    pub set: Vec<(String, String)>,
    /// Files that these may name, with their numbers among the warden's inputs.
    pub inputs: Vec<NamedInput>,
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

/// A configuration file, as the operator's process has read it: the agent reads the same text again, and asks for nothing
/// else that could have changed meanwhile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Configured {
    /// Its path, for messages.
    pub source: String,
    /// What stands in it.
    pub text: String,
    /// The environment variables that it asks for; one that is not set is left out.
    pub environment: Vec<(String, String)>,
    /// Components that are registered, by tag or by path alone.
    pub registered: Vec<Registered>,
    /// What built-in components may use and are granted, where the file says so.
    pub embedded: Vec<(String, Rights)>,
    /// What any other component may use and is granted.
    pub rights: Rights,
    /// Files that arguments of components may name, with their numbers among the warden's inputs.
    pub inputs: Vec<NamedInput>,
    /// Files that log storages write, with their numbers among the warden's outputs.
    pub outputs: Vec<NamedOutput>,
    /// Where storages are asked, with the number of each among the warden's listeners.
    pub listeners: Vec<(String, u32)>,
    /// Certificates and secrets, by their paths, with their numbers among the warden's files.
    pub secrets: Vec<(String, u32)>,
    /// Number of ticks; none: until the agent is ended.
    pub iterations: Option<u64>,
    /// Seed of the policies' random numbers; none: another in every run.
    pub seed: Option<u64>,
    /// Whether to end before the first tick, when everything has been checked.
    pub check: bool,
}

/// A component that is registered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Registered {
    /// The tag by which it is called; none: its own name.
    pub tag: Option<String>,
    /// Where it comes from.
    pub component: ComponentSource,
    /// What it may use and is granted.
    pub rights: Rights,
}

/// What a component may use, and what it is granted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rights {
    /// What it may use.
    pub limits: Limits,
    /// What it is granted.
    pub grants: Grants,
}

/// A file that an argument of a component may name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedInput {
    /// Its path, as the operator wrote it.
    pub path: String,
    /// Its number among the warden's inputs.
    pub number: u32,
}

/// A file that a log storage writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedOutput {
    /// Its path, as in the configuration.
    pub path: String,
    /// Whether it is replaced as a whole.
    pub replaced: bool,
    /// Its number among the warden's outputs.
    pub number: u32,
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
