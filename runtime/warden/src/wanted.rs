//! What the operator's configuration wants measured.

use wca_config::{CountingWindow, LinesChosen, Measurement, Place, UncoreEvents};
use wca_kernel::{
    Lines, PerfWanted, PerfWindow, UncoreWanted, Wanted, WorkingSet, misnamed_event, misnamed_uncore_event,
};
use wca_pattern::PatternError;

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
        idle_task_interval: measurement.idle_task_interval,
        memory_topology: measurement.gather_hw_mm_topology != Some(false),
        rdt_enabled: measurement.rdt_enabled,
        perf: counters(measurement),
    })
}

fn counters(measurement: &Measurement) -> PerfWanted {
    let names = |names: &[(String, Place)]| names.iter().map(|(name, _)| name.clone()).collect();
    PerfWanted {
        events: names(&measurement.event_names.names),
        is_named: measurement.event_names.given,
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

/// Events that a runner names and no machine has: where, and what is wrong with each.
#[must_use]
pub fn misnamed_events(measurement: &Measurement) -> Vec<(Place, String)> {
    let named = |names: &[(String, Place)], wrong: fn(&str) -> Option<String>| -> Vec<(Place, String)> {
        names.iter().filter_map(|(name, place)| Some((place.clone(), wrong(name)?))).collect()
    };
    let mut misnamed = named(&measurement.event_names.names, misnamed_event);
    if let UncoreEvents::Groups(groups) = &measurement.uncore_events {
        misnamed.extend(groups.iter().flat_map(|group| named(group, misnamed_uncore_event)));
    }
    misnamed
}
