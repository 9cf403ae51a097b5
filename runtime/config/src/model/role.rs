//! What a component can be used as.

/// What a component is used as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The top of a file: decides when everything else is called.
    Runner,
    /// Finds tasks.
    Node,
    /// Takes metrics away.
    Storage,
    /// Finds anomalies in what was measured.
    Detector,
    /// Decides on resources of tasks.
    Allocator,
    /// Makes a label of a task from what is known of the task.
    LabelGenerator,
    /// A group of arguments, or a name out of a few, under a tag of its own.
    Value,
}

impl Role {
    /// Whether a WebAssembly component can be used as this.
    #[must_use]
    pub const fn can_be_guest(self) -> bool {
        matches!(self, Self::Runner | Self::Storage | Self::Detector | Self::Allocator)
    }

    /// With its article, for messages.
    #[must_use]
    pub const fn phrase(self) -> &'static str {
        match self {
            Self::Runner => "a runner",
            Self::Node => "a node",
            Self::Storage => "a storage",
            Self::Detector => "a detector",
            Self::Allocator => "an allocator",
            Self::LabelGenerator => "a label generator",
            Self::Value => "a value",
        }
    }

    /// Several of them, for messages.
    #[must_use]
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Runner => "runners",
            Self::Node => "nodes",
            Self::Storage => "storages",
            Self::Detector => "detectors",
            Self::Allocator => "allocators",
            Self::LabelGenerator => "label generators",
            Self::Value => "values",
        }
    }
}
