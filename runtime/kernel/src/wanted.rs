//! What is to be measured of that which not everybody needs.

use wca_pattern::{Pattern, PatternError};

use crate::PerfWanted;

/// What is to be measured of that which not everybody needs. By default all that costs little.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wanted {
    /// Which keys of `/proc/vmstat` and of each node's `vmstat`, by how they begin.
    pub vmstat: Lines,
    /// Which lines of `/proc/zoneinfo`. A pattern has two groups, name and value, and applies from a line's beginning.
    pub zoneinfo: Lines,
    /// Whether cache occupancy and memory bandwidth are measured by resctrl: true says what is missing, false touches
    /// nothing, none is where the machine can.
    pub rdt_enabled: Option<bool>,
    /// Which counters.
    pub perf: PerfWanted,
}

/// Which lines of a file are taken.
#[derive(Clone, Debug, Default)]
pub enum Lines {
    /// All that have a name and a number.
    #[default]
    All,
    /// None: the file is not even read for them.
    Nothing,
    /// Those that match from their beginning.
    Matching(Box<Pattern>),
}

impl PartialEq for Lines {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, Self::All) | (Self::Nothing, Self::Nothing) => true,
            (Self::Matching(one), Self::Matching(other)) => one.as_str() == other.as_str(),
            _ => false,
        }
    }
}

impl Lines {
    /// Those that match this regular expression from their beginning.
    ///
    /// # Errors
    /// It is none.
    pub fn matching(pattern: &str) -> Result<Self, PatternError> {
        Pattern::new(pattern).map(|pattern| Self::Matching(Box::new(pattern)))
    }

    /// Whether what begins so is taken.
    pub(crate) fn takes(&self, bytes: &[u8]) -> bool {
        match self {
            Self::All => true,
            Self::Nothing => false,
            // What is too costly to search is taken for what does not match: the kernel's names are short.
            Self::Matching(pattern) => {
                str::from_utf8(bytes).is_ok_and(|text| pattern.matches_beginning(text) == Ok(true))
            }
        }
    }
}
