//! What the machine is and what best-effort tasks use, in this call.

use std::collections::BTreeMap;

use wca_guest::types::Key;
use wca_guest::{now, plan, platform};

use crate::policy::Config;
use crate::roster::Roster;

/// Bytes per second in one unit of a bandwidth limit that is no percentage. The kernel counts MBps by 2^20
/// (arch/x86/kernel/cpu/resctrl/monitor.c); AMD's unit is an eighth of a GB/s (AMD64 Technology Platform Quality of Service
/// Extensions, 56375).
const UNITS: [(&str, f64); 2] = [("MBps", 1_048_576.0), ("GBps/8", 125_000_000.0)];

/// What all levers look at.
pub(crate) struct View<'a> {
    pub(crate) config: &'a Config,
    pub(crate) roster: &'a Roster,
    /// Calls so far.
    pub(crate) tick: u64,
    /// Part of all processors that each task used, where that is known.
    pub(crate) usage: BTreeMap<Key, f64>,
    /// Quota in force of each task, where that is known; 1 is none.
    pub(crate) quotas: BTreeMap<Key, f64>,
}

impl<'a> View<'a> {
    /// Looks.
    pub(crate) fn new(config: &'a Config, roster: &'a Roster, tick: u64, keys: &[Key]) -> Self {
        let processors = f64::from(u32::try_from(platform::cpus().len()).unwrap_or(u32::MAX)).max(1.0);
        let columns = now::rates("task_cpu_usage_seconds");
        let mut usage = BTreeMap::new();
        for (row, key) in keys.iter().enumerate() {
            // One column, or one per processor.
            let used: f64 = columns.iter().filter_map(|column| column.get(row)).sum::<f64>() / processors;
            if roster.best_effort.contains_key(key) && !columns.is_empty() && used.is_finite() {
                usage.insert(*key, used);
            }
        }
        let in_force = keys.iter().copied().zip(plan::in_force("cpu_quota"));
        let quotas = in_force.filter(|(_, quota)| quota.is_finite()).collect();
        Self { config, roster, tick, usage, quotas }
    }

    /// Bandwidth that the busiest best-effort task has in one domain, in the unit of limits; NaN where that is not known.
    pub(crate) fn bandwidth(&self) -> f64 {
        let unit = platform::bandwidth_unit();
        let Some((_, bytes)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            let domains = platform::bandwidth_domains();
            let tasks = self.roster.best_effort.keys();
            let limits = tasks.flat_map(|key| domains.iter().filter_map(|domain| plan::mb_in_force(*key, *domain)));
            return limits.max().map_or(100.0, f64::from);
        };
        let keys = now::keys();
        let columns = now::rates("task_mem_bandwidth_domain_bytes");
        let rows = keys.iter().enumerate().filter(|(_, key)| self.roster.best_effort.contains_key(key));
        let rates = rows.flat_map(|(row, _)| columns.iter().filter_map(move |column| column.get(row)));
        rates.copied().fold(f64::NAN, f64::max) / bytes
    }
}
