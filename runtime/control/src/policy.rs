//! Policies: in whose name values are held.

use serde::{Deserialize, Serialize};

/// A policy that the operator named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Policy {
    /// Its tag or path, for people.
    pub name: String,
    /// Of its component and its arguments, in hexadecimal digits: the same after a new start if nothing of it has changed.
    pub digest: String,
}
