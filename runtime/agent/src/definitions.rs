//! What the agent tells of itself, of its storages and of its policies: a table, from which the code takes name and help.

use wca_model::MetricKind::{Counter, Gauge};
use wca_model::anomaly::ANOMALY;
use wca_model::{Confirmed, Definition, Described, Subject};

const fn agent(name: &'static str, help: &'static str, kind: wca_model::MetricKind, unit: &'static str) -> Definition {
    Definition::of_agent(name, help, kind, unit)
}

const fn policy(name: &'static str, help: &'static str, kind: wca_model::MetricKind) -> Definition {
    Definition::of_policy(name, help, kind, "numeric").by(&["policy"])
}

/// Of an anomaly that the guard found, in the signal's own unit.
const fn guard(name: &'static str, help: &'static str) -> Definition {
    Definition::of_policy(name, help, Gauge, "numeric").by(&["guard", "signal", "contended_task_id", "type", "uuid"])
}

/// Of a task, from its node.
const fn requested(name: &'static str, help: &'static str, unit: &'static str) -> Definition {
    let source = "the task's resources, from its orchestrator or the configuration";
    Definition { subject: Subject::Task, source, confirmed: &[Confirmed::Machine], ..agent(name, help, Gauge, unit) }
}

/// Of what is in force of a task after the allocator's requests.
const fn allocation(name: &'static str, help: &'static str, unit: &'static str) -> Definition {
    Definition::of_policy(name, help, Gauge, unit).by(&["allocation_type", "container_name", "task"])
}

/// The same of a resctrl group, by domain.
const fn of_group(name: &'static str, help: &'static str) -> Definition {
    let levels = &["allocation_type", "container_name", "domain_id", "group_name", "task"];
    Definition::of_policy(name, help, Gauge, "numeric").by(levels)
}

/// Declares definitions, and a list of them all.
macro_rules! definitions {
    ($($name:ident = $definition:expr;)+) => {
        $(pub(crate) static $name: Definition = $definition;)+

        static OWN: &[&Definition] = &[$(&$name),+];
    };
}

definitions! {
    UP = agent("wca_up", "Time of the last tick, in seconds since 1970.", Counter, "timestamp");
    TASKS = agent("wca_tasks", "Tasks that were found.", Gauge, "numeric");
    MEMORY = agent(
        "wca_mem_usage_bytes",
        "Most resident memory that each of the two processes has had since its start, summed: the two need not have had it at \
         the same time.",
        Gauge,
        "bytes",
    )
    .computed("peak of the warden + peak of the agent (ru_maxrss of getrusage(2))");
    INFORMATION = agent("wca_information", "1; the machine and the version of the agent stand in the labels.", Gauge, "numeric")
        .by(&["sockets", "cores", "cpus", "cpu_model", "cpu_model_number", "wca_version"]);
    HELD_VALUES = agent("wca_held_values", "Values that policies have changed and WCA would put back.", Gauge, "numeric");
    FOREIGN_WRITES = agent("wca_foreign_writes", "How often somebody else has changed a value that WCA held.", Counter, "numeric")
        .by(&["kind"]);
    MOVED = agent("wca_pages_moved_bytes", "Bytes that were moved to other NUMA nodes.", Counter, "bytes");
    REVERTS = policy(
        "wca_guard_reverts",
        "How often what the policy had changed was undone, since a task that the guard protects got worse.",
        Counter,
    )
    .by(&["policy", "guard"]);
    COOLING = Definition::of_policy(
        "wca_guard_cooling_down_seconds",
        "How much longer the policy may change nothing, since what it had changed was undone.",
        Gauge,
        "seconds",
    )
    .by(&["policy"]);
    GUARDED = Definition {
        confirmed: &[Confirmed::Machine],
        ..agent("wca_guard_tasks", "Tasks with the guard's signal that it watches; 0 where that is not measured.", Gauge, "numeric")
    }
    .by(&["guard"]);
    GUARD_BEFORE = guard("guard_signal_before", "What the signal of a task that got worse was before changes that were undone.");
    GUARD_AFTER = guard("guard_signal_after", "What the signal of a task that got worse was after changes that were undone.");
    OVERRUN = agent(
        "wca_ticks_overrun",
        "Ticks that were left out because an earlier one took too long.",
        Counter,
        "numeric",
    );
    DURATION = agent("wca_duration_seconds", "Seconds that a step of the tick took the last time.", Gauge, "seconds")
        .by(&["function"]);
    DURATION_MEAN = agent(
        "wca_duration_seconds_avg",
        "Seconds that a step of the tick takes on average, since the start.",
        Gauge,
        "seconds",
    )
    .by(&["function"]);
    PART_CPU = agent(
        "wca_part_cpu_seconds",
        "Processor time spent on a part of the work: reading the kernel's files, crossing from the warden to the agent, \
         rendering text, writing it.",
        Counter,
        "seconds",
    )
    .by(&["part"]);
    FILES_READ = agent(
        "wca_files_read",
        "Files of tasks' cgroups that were read; those of a task that uses no processor time are read less often \
         (idle_task_interval).",
        Counter,
        "numeric",
    );
    PROCESS_CPU = agent(
        "wca_cpu_seconds",
        "Processor time of a process of WCA, its policies included.",
        Counter,
        "seconds",
    )
    .by(&["process"]);
    WARNINGS = agent("wca_warning_count", "Warnings in the log.", Counter, "numeric").by(&["module"]);
    ERRORS = agent("wca_error_count", "Errors in the log.", Counter, "numeric").by(&["module"]);
    STORED = agent("wca_storage_stored_samples", "Samples that the storage took.", Counter, "numeric").by(&["storage"]);
    DROPPED = agent("wca_storage_dropped_samples", "Samples that were lost on the way.", Counter, "numeric")
        .by(&["storage"]);
    UNCERTAIN = agent(
        "wca_storage_uncertain_samples",
        "Samples of which the storage has not said whether it took them; they are not sent again.",
        Counter,
        "numeric",
    )
    .by(&["storage"]);
    STORAGE_ERRORS = agent("wca_storage_errors", "How often the storage did not take a batch.", Counter, "numeric")
        .by(&["storage"]);
    STORAGE_SECONDS = agent("wca_storage_seconds", "Time that the storage took.", Counter, "seconds").by(&["storage"]);
    QUEUE_DEPTH = agent("wca_storage_queue_depth", "Batches that wait for the storage.", Gauge, "numeric")
        .by(&["storage"]);
    CONFIG_HASH = agent("wca_config_hash", "First 48 bits of the configuration's SHA-256.", Gauge, "numeric");
    CONFIG_TAKEN = agent(
        "wca_config_last_reload_success",
        "Whether the configuration that was read last is in force.",
        Gauge,
        "numeric",
    );
    CONFIG_TAKEN_AT = agent(
        "wca_config_last_reload_success_timestamp_seconds",
        "When a configuration came into force last, in seconds since 1970.",
        Gauge,
        "timestamp",
    );
    REQUESTED_CPUS = requested("task_requested_cpus", "Processors that were requested for the task.", "numeric");
    REQUESTED_MEMORY = requested("task_requested_mem_bytes", "Memory that was requested for the task.", "bytes");
    CALLS = policy("wca_policy_calls", "Calls of the policy that ended.", Counter);
    FAILURES = policy("wca_policy_failures", "Calls that failed or were stopped.", Counter);
    MISSED = policy("wca_policy_missed", "Ticks without a call of the policy.", Counter);
    REFUSED = policy("wca_policy_refused", "Requests and reports of it that were refused.", Counter);
    HTTP_STOPPED = policy(
        "wca_policy_http_stopped",
        "HTTP requests of the policy that were refused or cut off, by the reason.",
        Counter,
    )
    .by(&["policy", "reason"]);
    QUARANTINED = policy("wca_policy_quarantined", "Whether the policy is not called any more.", Gauge);
    ANOMALIES = policy("anomaly_count", "Anomalies that the policy reported.", Counter);
    LAST_ANOMALY = Definition::of_policy(
        "anomaly_last_occurrence",
        "When the policy reported an anomaly last, in seconds since 1970.",
        Counter,
        "timestamp",
    )
    .by(&["policy"]);
    ALLOCATIONS =
        Definition::of_policy("allocations_count", "Tasks for which something was asked.", Counter, "numeric");
    ALLOCATION_ERRORS =
        Definition::of_policy("allocations_errors", "Requests that were refused or failed.", Counter, "numeric");
    ALLOCATION_CPU_QUOTA = allocation(
        "allocation_cpu_quota",
        "Part of the machine's processor time that the task may use; 1 is no limit.",
        "numeric",
    );
    ALLOCATION_CPU_SHARES =
        allocation("allocation_cpu_shares", "Share of processor time under contention, in cpu_shares_unit.", "numeric");
    ALLOCATION_CPUS = allocation(
        "allocation_cpuset_cpus_number_of_cpus",
        "Number of processors on which the task may run.",
        "numeric",
    );
    ALLOCATION_MEMS = allocation(
        "allocation_cpuset_mems_number_of_mems",
        "Number of NUMA nodes from which the task may take memory.",
        "numeric",
    );
    ALLOCATION_MEMORY_MIGRATE = allocation(
        "allocation_cpuset_memory_migrate",
        "Whether the task's pages follow when its NUMA nodes change.",
        "numeric",
    );
    ALLOCATION_MIGRATE_PAGES =
        allocation("allocation_migrate_pages", "NUMA node to which the task's pages were to move.", "numeric");
    ALLOCATION_WAYS =
        of_group("allocation_rdt_l3_cache_ways", "Number of L3 ways of the task's resctrl group in a domain.");
    ALLOCATION_MASK = of_group("allocation_rdt_l3_mask", "L3 ways of the task's resctrl group in a domain, as a number.");
    ALLOCATION_MB = of_group(
        "allocation_rdt_mb",
        "Memory bandwidth of the task's resctrl group in a domain, in the unit of the machine.",
    );
    ALLOCATION_DURATION =
        Definition::of_policy("allocation_duration", "Seconds that the allocator's last call took.", Gauge, "seconds");
}

/// All of them, and what policies find.
#[must_use]
pub fn definitions() -> Vec<Described> {
    let modules = crate::memory_topology::definitions::ALL;
    OWN.iter().copied().chain([&ANOMALY]).chain(modules).map(|definition| Described::from(*definition)).collect()
}
