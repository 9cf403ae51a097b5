//! Values that WCA holds.

use serde::{Deserialize, Serialize};
use wca_kernel::values::Spot;
use wca_model::Kind;

use crate::policy::Policy;

/// In whose name a value is held, and of whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The policy that asked for it.
    pub policy: Policy,
    /// Cgroup of the task that it was asked for.
    pub cgroup: String,
    /// The kind of request.
    #[serde(with = "kind_name")]
    pub kind: Kind,
    /// Its cache or bandwidth domain, where the kind has one.
    pub domain: Option<u32>,
    /// What was asked for, in words: the number before it was converted.
    pub asked: String,
}

/// A value that WCA holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Held {
    /// Where it stands.
    pub spot: Spot,
    /// Which life of its cgroup or group it stands in.
    pub life: u64,
    /// In whose name.
    pub owner: Owner,
    /// The value that was found before our first change.
    pub before: String,
    /// The value that was written last.
    pub written: String,
    /// What the kernel made of it; none: we do not know whether it was written, and whatever stands there counts as ours.
    pub now: Option<String>,
    /// When it was written, in seconds since 1970.
    pub since: f64,
}

/// A value that was left to somebody else who has changed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Left {
    /// Which life of its cgroup or group it stands in.
    pub(crate) life: u64,
    /// In whose name it was held.
    pub(crate) owner: Owner,
}

/// Kinds by the names that configuration and metrics have.
mod kind_name {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};
    use wca_model::Kind;

    pub(super) fn serialize<S: Serializer>(kind: &Kind, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(kind.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Kind, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
