//! On which lane a batch comes to a storage.

/// Which metrics a batch holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stream {
    /// Of the machine, its tasks and the agent.
    #[default]
    Metrics,
    /// What policies have found.
    Anomalies,
    /// What policies have asked for, and what became of it.
    Allocations,
}

/// On which lane a batch comes to a storage. Each lane brings one batch per tick; a storage that several arguments name, or to
/// which several filters lead, has several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lane {
    /// Which metrics.
    pub stream: Stream,
    /// Which of the ways of that stream.
    pub way: usize,
}

impl From<Stream> for Lane {
    fn from(stream: Stream) -> Self {
        Self { stream, way: 0 }
    }
}
