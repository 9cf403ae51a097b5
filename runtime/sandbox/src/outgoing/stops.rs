//! What was refused or cut off of a policy's requests.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Why a request of a policy was refused or cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HttpStop {
    /// It was for an origin that is not granted.
    Origin,
    /// The name of its origin leads to an address that is not granted.
    Address,
    /// There were too many already.
    TooMany,
    /// Its answer was too long.
    Size,
    /// The call ran out of time meanwhile.
    Time,
    /// Its answer was left unread when the call was over.
    Unread,
}

impl HttpStop {
    /// Its name in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Origin => "origin",
            Self::Address => "address",
            Self::TooMany => "too-many",
            Self::Size => "size",
            Self::Time => "time",
            Self::Unread => "unread",
        }
    }
}

/// How often what was stopped of one policy's requests, in all its instances and calls so far.
#[derive(Debug, Default)]
pub struct HttpStops(Mutex<BTreeMap<HttpStop, u64>>);

impl HttpStops {
    /// The counts so far, those of a call that is under way included; without what never happened.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<HttpStop, u64> {
        self.locked().clone()
    }

    pub(super) fn count(&self, why: HttpStop) {
        *self.locked().entry(why).or_default() += 1;
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<HttpStop, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
