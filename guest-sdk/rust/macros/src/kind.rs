//! The four kinds of policies.

/// What an attribute makes of a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Exports `detect`.
    Detector,
    /// Exports `allocate`.
    Allocator,
    /// Exports `store`.
    Storage,
    /// Exports `run`.
    Runner,
}

impl Kind {
    /// Its world in the contract, which is also the name of the attribute.
    pub(crate) fn world(self) -> &'static str {
        match self {
            Self::Detector => "detector",
            Self::Allocator => "allocator",
            Self::Storage => "storage",
            Self::Runner => "runner",
        }
    }

    /// The function that its author writes.
    pub(crate) fn function(self) -> &'static str {
        match self {
            Self::Detector => "detect",
            Self::Allocator => "allocate",
            Self::Storage => "store",
            Self::Runner => "run",
        }
    }

    /// The interfaces that its world names, each a module of `wca_guest`.
    pub(crate) fn interfaces(self) -> &'static [&'static str] {
        match self {
            Self::Detector => &["types", "log", "random", "now", "platform", "report"],
            Self::Allocator => &["types", "log", "random", "now", "platform", "report", "plan"],
            Self::Storage => &["types", "log", "random", "now", "batch"],
            Self::Runner => &["types", "log", "random", "now", "platform", "node"],
        }
    }
}
