//! What the operator's configuration wants measured.

use wca_config::{LinesChosen, Measurement};
use wca_kernel::{Lines, PatternError, Wanted};

/// What a runner wants measured.
///
/// # Errors
/// A pattern is none. The configuration has checked it before.
pub fn wanted(measurement: &Measurement) -> Result<Wanted, PatternError> {
    Ok(Wanted {
        vmstat: lines(&measurement.vmstat)?,
        zoneinfo: lines(&measurement.zoneinfo)?,
        memory_topology: measurement.gather_hw_mm_topology != Some(false),
    })
}

fn lines(chosen: &LinesChosen) -> Result<Lines, PatternError> {
    match chosen {
        LinesChosen::All => Ok(Lines::All),
        LinesChosen::Nothing => Ok(Lines::Nothing),
        LinesChosen::Matching(pattern) => Lines::matching(pattern),
    }
}
