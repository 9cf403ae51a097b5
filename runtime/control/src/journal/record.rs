//! A line of the journal.

use serde::{Deserialize, Serialize};

use wca_kernel::values::Spot;

use crate::held::{Held, Left};

/// Version of the file's form.
pub(super) const VERSION: u32 = 1;

/// A line of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Record {
    /// The first line.
    Begin {
        /// [`VERSION`].
        version: u32,
        /// The boot to which everything below belongs.
        boot: String,
    },
    /// A value is about to be written.
    Writing {
        /// Its number.
        number: u64,
        /// The value.
        held: Box<Held>,
    },
    /// It was written.
    Written {
        /// Its number.
        number: u64,
        /// What was read back.
        now: String,
    },
    /// A value was left to somebody else who has changed it.
    Left {
        /// Where it stands.
        spot: Spot,
        /// In which life of its cgroup or group, and in whose name it was held.
        left: Left,
    },
    /// It may be asked for again.
    Regained {
        /// Where it stands.
        spot: Spot,
    },
    /// It is ours no more.
    Dropped {
        /// Its number.
        number: u64,
        /// Why.
        why: Dropped,
    },
}

/// Why a value is ours no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Dropped {
    /// What was found stands there again.
    PutBack,
    /// Its cgroup or group is gone.
    Gone,
    /// Somebody else has changed it.
    Foreign,
    /// The write came to nothing.
    NotWritten,
}
