//! What is to be said of each metric of counters outside of cores, whether this machine has it or not.

use wca_model::{Confirmed, Definition, MetricKind, Subject};

use crate::perf::uncore::derived::{DERIVED, LATENCY, LATENCY_HELP};
use crate::perf::uncore::family::SCALING;
use crate::perf::uncore::table::UNCORE;

const SOURCE: &str = "perf_event_open(2) with a PMU of /sys/bus/event_source/devices (uncore_event_names)";

/// All that have a name here.
pub(crate) fn definitions() -> Vec<Definition> {
    let of = |name, help, kind, unit, formula| Definition {
        name,
        help,
        kind,
        unit,
        levels: &["socket", "pmu_type"],
        subject: Subject::Machine,
        source: SOURCE,
        formula,
        confirmed: &[Confirmed::Tree],
    };
    let scaled = "what was counted since the last reading, times time enabled / time running, added up";
    let events = UNCORE.iter().map(|event| of(event.name, event.help, event.kind, "numeric", scaled));
    let factor = "time enabled / time running, over the events that counted";
    let scaling = of(SCALING.0, SCALING.1, MetricKind::Gauge, "numeric", factor);
    let derived = DERIVED.iter().map(|derived| {
        of(
            derived.name,
            derived.help,
            MetricKind::Gauge,
            derived.unit,
            "from the events of the last interval, per second",
        )
    });
    let formula =
        "rpq_occupancy / rpq_inserts of the last interval, in cycles of imc_clockticks per second and controller";
    let latency = of(LATENCY, LATENCY_HELP, MetricKind::Gauge, "seconds", formula).by(&["socket"]);
    events.chain([scaling]).chain(derived).chain([latency]).collect()
}
