//! What the operator's configuration wants measured.

use wca_config::{LinesChosen, Measurement};
use wca_kernel::{Lines, PatternError, Wanted, WorkingSet};

/// What a runner wants measured.
///
/// # Errors
/// A pattern is none. The configuration has checked it before.
pub fn wanted(measurement: &Measurement) -> Result<Wanted, PatternError> {
    Ok(Wanted {
        vmstat: lines(&measurement.vmstat)?,
        zoneinfo: lines(&measurement.zoneinfo)?,
        sched: lines(&measurement.sched)?,
        working_set: measurement.working_set.map(|working_set| WorkingSet {
            reset_cycles: working_set.reset_cycles,
            stable_cycles: working_set.stable_cycles,
            membw_threshold: working_set.membw_threshold,
        }),
        memory_topology: measurement.gather_hw_mm_topology != Some(false),
        rdt_enabled: measurement.rdt_enabled,
    })
}

fn lines(chosen: &LinesChosen) -> Result<Lines, PatternError> {
    match chosen {
        LinesChosen::All => Ok(Lines::All),
        LinesChosen::Nothing => Ok(Lines::Nothing),
        LinesChosen::Matching(pattern) => Lines::matching(pattern),
    }
}
