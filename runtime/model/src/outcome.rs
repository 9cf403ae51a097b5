//! Outcomes: what became of a request.

use serde::{Deserialize, Serialize};

use crate::request::Kind;
use crate::task::TaskKey;

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Fate {
    /// In force.
    Applied,
    /// It was in force already: nothing was written.
    Unchanged,
    /// In force with another value, in text.
    Adjusted(String),
    /// Would have been applied: the agent runs in shadow mode.
    Shadowed,
    /// Not applied; the text says why.
    Failed(String),
    /// Undone, because a protected task got worse.
    Reverted(String),
}

impl std::fmt::Display for Fate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Applied => f.write_str("applied"),
            Self::Unchanged => f.write_str("unchanged"),
            Self::Adjusted(value) => write!(f, "adjusted: {value}"),
            Self::Shadowed => f.write_str("shadowed"),
            Self::Failed(why) => write!(f, "failed: {why}"),
            Self::Reverted(why) => write!(f, "reverted: {why}"),
        }
    }
}

/// What became of one request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Its task.
    pub task: TaskKey,
    /// Its kind.
    pub kind: Kind,
    /// Its cache or bandwidth domain, where the kind has one.
    pub domain: Option<u32>,
    /// What became of it.
    pub fate: Fate,
}

/// Why a request, an anomaly or a metric was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// The task has ended.
    #[error("the task has ended")]
    Gone,
    /// More than the policy may add in one call; the text names the limit.
    #[error("too many: {0}")]
    TooMany(String),
    /// Not granted to this policy; the text names the rule.
    #[error("not granted: {0}")]
    NotGranted(String),
    /// Out of range or malformed; the text says what would be right.
    #[error("{0}")]
    Invalid(String),
    /// This machine cannot do it; the text says why.
    #[error("not possible on this machine: {0}")]
    Unsupported(String),
}
