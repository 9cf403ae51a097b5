//! The metrics of memory modules.

use wca_model::{Confirmed, Definition, MetricKind, Subject};

const fn modules(name: &'static str, help: &'static str, unit: &'static str) -> Definition {
    Definition {
        name,
        help,
        kind: MetricKind::Gauge,
        unit,
        levels: &[],
        subject: Subject::Machine,
        source: "/sys/firmware/dmi/tables/DMI",
        formula: "",
        confirmed: &[Confirmed::TestBed],
    }
}

/// Of modules of persistent memory, of which no machine was at hand.
const fn persistent(name: &'static str, help: &'static str, unit: &'static str, source: &'static str) -> Definition {
    Definition { source, confirmed: &[Confirmed::Tree], ..modules(name, help, unit) }
}

pub(super) static COUNT: Definition =
    modules("platform_dimm_count", "Memory modules by kind: ram, and nvm for persistent memory.", "numeric")
        .by(&["dimm_type"]);
pub(super) static SIZE: Definition =
    modules("platform_dimm_total_size_bytes", "Size of all memory modules of a kind.", "bytes").by(&["dimm_type"]);
pub(super) static SPEED: Definition = modules(
    "platform_dimm_speed_bytes_per_second",
    "Sum of what each module of ram can transfer by its rated speed.",
    "bytes_per_second",
);
pub(super) static MEMORY_MODE: Definition = persistent(
    "platform_mem_mode_size_bytes",
    "Persistent memory that is used as volatile memory (memory mode).",
    "bytes",
    "ipmctl show -memoryresources",
);
pub(super) static CAPACITY: Definition = persistent(
    "platform_capacity_per_nvdimm_bytes",
    "Capacity of one module of persistent memory.",
    "bytes",
    "ipmctl show -dimm",
);
pub(super) static POWER: Definition = persistent(
    "platform_avg_power_per_nvdimm_watts",
    "Average power that one module of persistent memory may take.",
    "watts",
    "ipmctl show -dimm",
);
pub(super) static READ: Definition = persistent(
    "platform_nvdimm_read_bandwidth_bytes_per_second",
    "What the persistent memory of a socket can read by published figures for its modules.",
    "bytes_per_second",
    "ipmctl show -dimm, ipmctl show -region",
)
.by(&["socket"]);
pub(super) static WRITE: Definition = persistent(
    "platform_nvdimm_write_bandwidth_bytes_per_second",
    "What the persistent memory of a socket can write by published figures for its modules.",
    "bytes_per_second",
    "ipmctl show -dimm, ipmctl show -region",
)
.by(&["socket"]);

/// All of them.
pub(crate) static ALL: [&Definition; 8] = [&COUNT, &SIZE, &SPEED, &MEMORY_MODE, &CAPACITY, &POWER, &READ, &WRITE];
