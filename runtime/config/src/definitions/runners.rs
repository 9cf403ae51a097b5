//! Runners of this program.

use std::time::Duration;

use super::control::{CONTROL, control};
use super::{Definition, Kind, Parameter, Shape, joined};
use crate::model::{
    Allocation, CountingWindow, Detection, EventNames, LabelGenerator, Measurement, MetricNames, Role, Runner,
    UncoreEvents, WorkingSet,
};
use crate::reading::{Arguments, Group, Made, Pairs, Reader, Seconds, SwitchOrNumbers};

/// Upper limit of whole numbers that have none of their own.
const NO_LIMIT: i64 = i32::MAX as i64;

const STORAGE: Kind = Kind::Component(Role::Storage);
const BOOL_OR_PATTERN: Kind = Kind::Either(&[Kind::Bool, Kind::Pattern(None)]);
const TEXT_OR_TEXTS: Kind = Kind::Either(&[Kind::Text, Kind::List(&Kind::Text)]);

pub(super) const RUNNERS: &[Definition] = &[
    Definition {
        tag: "MeasurementRunner",
        role: Role::Runner,
        help: "Measures the machine and its tasks in each iteration, and stores the metrics.",
        available: true,
        shape: Shape::Arguments(MEASUREMENT, measurement_runner),
    },
    Definition {
        tag: "DetectionRunner",
        role: Role::Runner,
        help: "Measures, and has a detector look for anomalies in what was measured.",
        available: true,
        shape: Shape::Arguments(
            &[MEASUREMENT_RUNNER, required_guest("detector", Role::Detector, "Looks for anomalies."), ANOMALIES],
            detection_runner,
        ),
    },
    Definition {
        tag: "AllocationRunner",
        role: Role::Runner,
        help: "Measures, and has an allocator decide which resources each task may use.",
        available: true,
        shape: Shape::Arguments(
            &joined::<6, { CONTROL.len() }, { 6 + CONTROL.len() }>(ALLOCATION, CONTROL),
            allocation_runner,
        ),
    },
];

const ALLOCATION: [Parameter; 6] = [
    MEASUREMENT_RUNNER,
    required_guest("allocator", Role::Allocator, "Decides on the resources of tasks."),
    ANOMALIES,
    Parameter::with_default("allocations_storage", STORAGE, "!LogStorage", "Where allocations go."),
    Parameter::with_default(
        "rdt_mb_control_required",
        Kind::Bool,
        "false",
        "Whether a machine that cannot control memory bandwidth is an error.",
    ),
    Parameter::with_default(
        "rdt_cache_control_required",
        Kind::Bool,
        "false",
        "Whether a machine that cannot control its cache is an error.",
    ),
];

const MEASUREMENT_RUNNER: Parameter =
    Parameter::required("measurement_runner", Kind::Only("MeasurementRunner"), "What is measured, and how often.");

const ANOMALIES: Parameter =
    Parameter::with_default("anomalies_storage", STORAGE, "!LogStorage", "Where anomalies go.");

const fn required_guest(name: &'static str, role: Role, help: &'static str) -> Parameter {
    Parameter::required(name, Kind::Component(role), help)
}

const MEASUREMENT: &[Parameter] = &[
    Parameter::required("node", Kind::Component(Role::Node), "How tasks are found."),
    Parameter::with_default("metrics_storage", STORAGE, "!LogStorage", "Where metrics go."),
    Parameter::with_default(
        "action_delay",
        Kind::Numeric(0.0, 60.0),
        "1",
        "Seconds from one iteration to the next; null is one iteration only.",
    )
    .or_null()
    .also_named("interval"),
    Parameter::optional("rdt_enabled", Kind::Bool, "Whether Intel RDT is monitored; null is where the machine can."),
    Parameter::with_default(
        "gather_hw_mm_topology",
        Kind::Bool,
        "false",
        "Whether the layout of memory modules is read; null is where the machine can tell.",
    )
    .or_null(),
    Parameter::optional("extra_labels", Kind::Labels(&Kind::Text), "Labels that every metric gets."),
    Parameter::with_default(
        "event_names",
        Kind::List(&Kind::Text),
        "[instructions, cycles, cache-misses, memstalls]",
        "Events that the processor counts per task.",
    ),
    Parameter::with_default(
        "perf_aggregate_cpus",
        Kind::Bool,
        "true",
        "Whether counters of a task are summed over CPUs.",
    ),
    Parameter::with_default(
        "enable_derived_metrics",
        Kind::Bool,
        "false",
        "Whether rates and ratios such as ips, ipc and cache_hit_ratio are computed too.",
    ),
    Parameter::optional(
        "perf_fd_budget",
        Kind::Integer(0, NO_LIMIT),
        "Most descriptors that counters of tasks may take, one for each event, task and CPU; tasks beyond are not counted. \
         null is half of the limit on open files less a reserve, within which any number stays.",
    ),
    Parameter::optional(
        "perf_window",
        Kind::Either(&[Kind::Bool, Kind::List(&Kind::Numeric(0.001, 3_600.0))]),
        "Seconds in which tasks are counted, and of how many, such as [10, 60], which true means too; outside of them events of \
         tasks are absent. false counts always; null does where tasks times CPUs are 2,000 at most.",
    ),
    Parameter::optional(
        "enable_perf_uncore",
        Kind::Bool,
        "Whether counters outside of cores are read; null is where the machine has them.",
    ),
    Parameter::with_default(
        "uncore_event_names",
        Kind::List(&TEXT_OR_TEXTS),
        "[]",
        "Counters outside of cores by name; those in an inner list are counted together.",
    )
    .instead_of("enable_perf_uncore"),
    Parameter::optional(
        "task_label_generators",
        Kind::Labels(&Kind::Component(Role::LabelGenerator)),
        "New labels of tasks, each with what makes it.",
    ),
    Parameter::optional(
        "allocation_configuration",
        Kind::Only("AllocationConfiguration"),
        "How allocations are converted; a runner that allocates has it with its defaults where it is not given.",
    ),
    Parameter::with_default(
        "wss_reset_interval",
        Kind::Integer(0, NO_LIMIT),
        "0",
        "Iterations after which the working set of tasks is measured anew; 0 is not measured. Each reading, and each new \
         measurement, takes about 25 ms for each GiB of a task.",
    ),
    Parameter::optional(
        "wss_reset_cycles",
        Kind::Integer(0, NO_LIMIT),
        "As wss_reset_interval, but null is not measured and 0 is measured without regular resets.",
    )
    .instead_of("wss_reset_interval"),
    Parameter::with_default(
        "wss_stable_cycles",
        Kind::Integer(i32::MIN as i64, NO_LIMIT),
        "0",
        "Iterations without growth after which a working set counts as found; 0 does not look for it.",
    ),
    Parameter::optional(
        "wss_membw_threshold",
        Kind::Float,
        "Growth per byte of memory traffic below which a working set does not grow; null does not look for it.",
    ),
    Parameter::with_default(
        "include_optional_labels",
        Kind::Bool,
        "false",
        "Whether metrics carry labels about the processor too, such as sockets, cpus and cpu_model.",
    ),
    Parameter::with_default(
        "zoneinfo",
        Kind::Either(&[Kind::Bool, Kind::Pattern(Some(2))]),
        "true",
        "Whether /proc/zoneinfo is measured, or a regular expression (name, value) for its lines.",
    ),
    Parameter::with_default(
        "vmstat",
        BOOL_OR_PATTERN,
        "true",
        "Whether /proc/vmstat is measured, or a regular expression for how its keys begin.",
    ),
    Parameter::with_default(
        "sched",
        BOOL_OR_PATTERN,
        "false",
        "Whether /proc/PID/sched is measured, or a regular expression for how its keys begin.",
    ),
    Parameter::with_default(
        "idle_task_interval",
        Kind::Numeric(0.0, 3_600.0),
        "10",
        "Seconds after which memory.stat, pressure and the like of a task that uses no processor time are read again; 0 reads them \
         in each iteration, as those of all others.",
    ),
    Parameter::with_default(
        "metric_names",
        Kind::OneOf(&["current", "original"], None),
        "current",
        "Whether metrics that were renamed have their current or their original name.",
    ),
];

fn measurement_runner(reader: &mut Reader<'_>, arguments: &mut Arguments) -> Option<Made> {
    let generators: Option<Pairs<LabelGenerator>> = arguments.take("task_label_generators")?;
    let metric_names: String = arguments.take("metric_names")?;
    Some(Made::Measurement(Box::new(Measurement {
        place: arguments.place.clone(),
        node: arguments.take("node")?,
        metrics_storage: arguments.take("metrics_storage")?,
        interval: arguments.take("action_delay")?,
        rdt_enabled_place: arguments.place_of("rdt_enabled").clone(),
        rdt_enabled: arguments.take("rdt_enabled")?,
        gather_hw_mm_topology_place: arguments.place_of("gather_hw_mm_topology").clone(),
        gather_hw_mm_topology: arguments.take("gather_hw_mm_topology")?,
        extra_labels: arguments.take::<Option<Pairs<String>>>("extra_labels")?.unwrap_or_default().0,
        event_names: EventNames { given: arguments.given("event_names"), names: arguments.take("event_names")? },
        perf_aggregate_cpus: arguments.take("perf_aggregate_cpus")?,
        perf_fd_budget: arguments.take("perf_fd_budget")?,
        perf_window: counting_window(reader, arguments)?,
        enable_derived_metrics: arguments.take("enable_derived_metrics")?,
        uncore_events: uncore_events(arguments)?,
        task_label_generators: generators.unwrap_or_default().0,
        allocation_configuration: arguments.take("allocation_configuration")?,
        working_set: working_set(arguments)?,
        include_optional_labels: arguments.take("include_optional_labels")?,
        zoneinfo: arguments.take("zoneinfo")?,
        vmstat: arguments.take("vmstat")?,
        sched: arguments.take("sched")?,
        idle_task_interval: arguments.take::<Seconds>("idle_task_interval")?.0,
        metric_names: if metric_names == "original" { MetricNames::Original } else { MetricNames::Current },
    })))
}

/// The window in which tasks are counted: two numbers, of which the first is not the greater one.
fn counting_window(reader: &mut Reader<'_>, arguments: &mut Arguments) -> Option<CountingWindow> {
    let part = |counted, every| {
        let [counted, every] = [counted, every].map(Duration::try_from_secs_f64);
        Some(CountingWindow::Part { counted: counted.ok()?, every: every.ok()? })
    };
    match arguments.take("perf_window")? {
        None => Some(CountingWindow::Automatic),
        Some(SwitchOrNumbers::Switch(true)) => part(10.0, 60.0),
        Some(SwitchOrNumbers::Switch(false)) => Some(CountingWindow::Always),
        Some(SwitchOrNumbers::Numbers(numbers)) => match numbers.as_slice() {
            [counted, every] if counted <= every => part(*counted, *every),
            _ => {
                let what = "`perf_window` of `!MeasurementRunner` must be two numbers, the first not above the second";
                let help = "[10, 60] counts for 10 seconds of every 60";
                reader.error_with_help(&arguments.place_of("perf_window").clone(), what.into(), help.into());
                None
            }
        },
    }
}

fn uncore_events(arguments: &mut Arguments) -> Option<UncoreEvents> {
    if arguments.given("uncore_event_names") {
        let groups: Vec<Group> = arguments.take("uncore_event_names")?;
        let groups: Vec<_> = groups.into_iter().map(|group| group.0).filter(|group| !group.is_empty()).collect();
        return Some(if groups.is_empty() { UncoreEvents::Off } else { UncoreEvents::Groups(groups) });
    }
    Some(match arguments.take("enable_perf_uncore")? {
        None => UncoreEvents::Automatic,
        Some(true) => UncoreEvents::All,
        Some(false) => UncoreEvents::Off,
    })
}

fn working_set(arguments: &mut Arguments) -> Option<Option<WorkingSet>> {
    let stable_cycles = arguments.take("wss_stable_cycles")?;
    let membw_threshold = arguments.take("wss_membw_threshold")?;
    let reset_cycles: Option<u32> = if arguments.given("wss_reset_cycles") {
        arguments.take("wss_reset_cycles")?
    } else {
        Some(arguments.take("wss_reset_interval")?).filter(|cycles| *cycles > 0)
    };
    Some(reset_cycles.map(|reset_cycles| WorkingSet { reset_cycles, stable_cycles, membw_threshold }))
}

fn detection_runner(_: &mut Reader<'_>, arguments: &mut Arguments) -> Option<Made> {
    Some(Made::Runner(Box::new(Runner::Detection(Detection {
        measurement: arguments.take("measurement_runner")?,
        detector: arguments.take("detector")?,
        anomalies_storage: arguments.take("anomalies_storage")?,
    }))))
}

fn allocation_runner(reader: &mut Reader<'_>, arguments: &mut Arguments) -> Option<Made> {
    let control = control(reader, arguments);
    let mut measurement: Measurement = arguments.take("measurement_runner")?;
    measurement.allocation_configuration.get_or_insert_default();
    Some(Made::Runner(Box::new(Runner::Allocation(Allocation {
        measurement,
        allocator: arguments.take("allocator")?,
        anomalies_storage: arguments.take("anomalies_storage")?,
        allocations_storage: arguments.take("allocations_storage")?,
        rdt_mb_control_required_place: arguments.place_of("rdt_mb_control_required").clone(),
        rdt_mb_control_required: arguments.take("rdt_mb_control_required")?,
        rdt_cache_control_required_place: arguments.place_of("rdt_cache_control_required").clone(),
        rdt_cache_control_required: arguments.take("rdt_cache_control_required")?,
        control: control?,
    }))))
}
