//! The message set between the operator and the warden, over the root-only socket in the run directory.

use serde::{Deserialize, Serialize};

use crate::protocol::{HeldValue, Refused};

/// What the operator asks of the warden.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum OperatorRequest {
    /// What is held of the task with this cgroup path.
    Explain {
        /// Path below the mount point, with a leading `/`.
        cgroup: String,
    },
    /// All values that are held.
    Journal,
    /// Put all values back.
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
    Explained(Vec<HeldValue>),
    /// To `Journal`.
    Journal(Vec<JournalEntry>),
    /// To `Restore`, `Freeze`, `Thaw` and `Reload`: done.
    Done,
    /// The request was not served.
    Refused(Refused),
}

/// One value that is held, with its task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// Cgroup of the task.
    pub cgroup: String,
    /// The value.
    pub held: HeldValue,
}
