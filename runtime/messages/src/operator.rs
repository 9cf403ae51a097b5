//! The message set between the operator and the warden, over the root-only socket in the run directory.

use serde::{Deserialize, Serialize};

use crate::protocol::{HeldValue, Refused};

/// What the operator asks of the warden.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum OperatorRequest {
    /// What is held of a task.
    Explain {
        /// Path of its cgroup below the mount point, with a leading `/`, or its id, or its name.
        task: String,
    },
    /// All values that are held.
    Journal,
    /// Put all values back, and make no changes until `Thaw`.
    Restore,
    /// No changes until `Thaw`.
    Freeze,
    /// Changes again.
    Thaw,
    /// Read the configuration again.
    Reload,
}

/// What the warden answers the operator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum OperatorReply {
    /// To `Explain`.
    Explained {
        /// Path of the task's cgroup.
        cgroup: String,
        /// What is held of it.
        held: Vec<HeldValue>,
        /// Policies that may change nothing for now, since what they had changed of this task, or to its harm, was undone.
        cooling: Vec<CoolingPolicy>,
    },
    /// To `Journal`.
    Journal {
        /// What is held.
        entries: Vec<JournalEntry>,
        /// Policies that may change nothing for now.
        cooling: Vec<CoolingPolicy>,
    },
    /// To `Restore`.
    Restored(RestoredValues),
    /// To `Freeze`, `Thaw` and `Reload`: done.
    Done,
    /// The request was not served.
    Refused(Refused),
}

/// A policy that may change nothing for now, since what it had changed was undone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CoolingPolicy {
    /// Its name.
    pub policy: String,
    /// How much longer, in seconds.
    pub left: f64,
    /// Which task got worse, and by which guard that was found.
    pub why: String,
}

/// One value that is held, with its task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// Cgroup of the task.
    pub cgroup: String,
    /// The value.
    pub held: HeldValue,
}

/// What became of values that were put back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoredValues {
    /// How many stand there as they were found.
    pub put_back: u64,
    /// How many had gone with their cgroup or group.
    pub gone: u64,
    /// Those that somebody else has changed, and which stay so; each with what stands there.
    pub foreign: Vec<String>,
    /// Those that could not be put back, and are still held; each with the reason.
    pub failed: Vec<String>,
}
