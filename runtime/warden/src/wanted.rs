//! What the operator's configuration wants measured.

use wca_config::{CountingWindow, LinesChosen, Measurement, Place, UncoreEvents};
use wca_kernel::{Lines, PerfWanted, PerfWindow, UncoreWanted, Wanted};
use wca_pattern::PatternError;

/// What a runner wants measured.
///
/// # Errors
/// A pattern is none. The configuration has checked it before.
pub fn wanted(measurement: &Measurement) -> Result<Wanted, PatternError> {
    Ok(Wanted {
        vmstat: lines(&measurement.vmstat)?,
        zoneinfo: lines(&measurement.zoneinfo)?,
        rdt_enabled: measurement.rdt_enabled,
        perf: counters(measurement),
    })
}

fn counters(measurement: &Measurement) -> PerfWanted {
    let names = |names: &[(String, Place)]| names.iter().map(|(name, _)| name.clone()).collect();
    PerfWanted {
        events: names(&measurement.event_names.names),
        per_cpu: !measurement.perf_aggregate_cpus,
        derived: measurement.enable_derived_metrics,
        uncore: match &measurement.uncore_events {
            UncoreEvents::Automatic => UncoreWanted::Automatic,
            UncoreEvents::All => UncoreWanted::All,
            UncoreEvents::Off => UncoreWanted::Off,
            UncoreEvents::Groups(groups) => UncoreWanted::Groups(groups.iter().map(|group| names(group)).collect()),
        },
        descriptors: measurement.perf_fd_budget.map(u64::from),
        window: match measurement.perf_window {
            CountingWindow::Automatic => PerfWindow::Automatic,
            CountingWindow::Always => PerfWindow::Always,
            CountingWindow::Part { counted, every } => PerfWindow::Part { counted, every },
        },
    }
}

fn lines(chosen: &LinesChosen) -> Result<Lines, PatternError> {
    match chosen {
        LinesChosen::All => Ok(Lines::All),
        LinesChosen::Nothing => Ok(Lines::Nothing),
        LinesChosen::Matching(pattern) => Lines::matching(pattern),
    }
}
