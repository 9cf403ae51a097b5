//! What an earlier process has left: values of the same policies stay for a while, all others are put back.

use wca_kernel::values::Values;

use crate::journal::Journal;
use crate::kinds::rdt::is_operators;
use crate::policy::Policy;
use crate::restore::{Restored, put_back, said};

/// Puts back what nobody of today asked for, and lets the rest wait for its policy.
pub(crate) fn adopt(policies: &[Policy], ticks: u32, values: &Values, journal: &mut Journal) -> Restored {
    let strangers = journal
        .iter()
        .filter(|entry| {
            let policy = &entry.held.owner.policy;
            !policies.contains(policy) && !is_operators(policy)
        })
        .map(|entry| entry.held.spot.clone());
    let strangers = strangers.collect();
    let restored = put_back(strangers, values, journal);
    said(journal.regain(|_, left| !policies.contains(&left.owner.policy)));
    journal.adopt(ticks, |_| true);
    restored
}

/// A tick has passed: puts back what was not asked for again in time.
pub(crate) fn expire(values: &Values, journal: &mut Journal) -> Restored {
    let expired = journal.expire();
    if expired.is_empty() { Restored::default() } else { put_back(expired, values, journal) }
}

#[cfg(test)]
mod tests;
