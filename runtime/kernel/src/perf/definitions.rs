//! What is to be said of each metric of counters, whether this machine has it or not.

use wca_model::{Confirmed, Definition, MetricKind, Subject};

use crate::perf::columns::SCALING;
use crate::perf::derived::DERIVED;
use crate::perf::table::{Code, EVENTS};
use crate::perf::uncore;

const SCALED: &str = "what was counted since the last reading, times time enabled / time running, added up over CPUs";

/// All that have a name here. Raw events, and events of PMUs that an operator names, have the operator's.
pub(crate) fn definitions() -> Vec<Definition> {
    let of_task = |name, help, kind, source, formula, confirmed| Definition {
        name,
        help,
        kind,
        unit: "numeric",
        levels: &[],
        subject: Subject::Task,
        source,
        formula,
        confirmed,
    };
    let events = EVENTS.iter().map(|event| {
        let (source, confirmed): (_, &[Confirmed]) = match event.code {
            Code::Generic(_) => (
                "perf_event_open(2), PERF_TYPE_HARDWARE, of the cgroup on each CPU (event_names)",
                &[Confirmed::TestBed],
            ),
            Code::Software(_) => (
                "perf_event_open(2), PERF_TYPE_SOFTWARE, of the cgroup on each CPU (event_names)",
                &[Confirmed::Machine],
            ),
            // Of the processors that have them there was none: the numbers are compared with the published ones.
            Code::Raw(_) => {
                ("perf_event_open(2), PERF_TYPE_RAW, of the cgroup on each CPU (event_names)", &[Confirmed::Tree])
            }
        };
        of_task(event.name, event.help, MetricKind::Counter, source, SCALED, confirmed)
    });
    let scaling = SCALING.into_iter().map(|(name, help)| {
        let formula = "time enabled / time running, over the events and CPUs that counted";
        of_task(name, help, MetricKind::Gauge, "perf_event_open(2)", formula, &[Confirmed::Machine, Confirmed::TestBed])
    });
    let derived = DERIVED.iter().map(|derived| {
        let source = "events of the task (enable_derived_metrics)";
        of_task(derived.name, derived.help, MetricKind::Gauge, source, derived.formula, &[Confirmed::TestBed])
    });
    events.chain(scaling).chain(derived).chain(uncore::definitions()).collect()
}
